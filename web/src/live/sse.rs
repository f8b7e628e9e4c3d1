//! Server-sent events (WHATWG HTML, 9.2): each event with its number as `id`, so that a browser
//! that lost its connection says where to go on.

use std::convert::Infallible;

use actix_web::{HttpResponse, web::Bytes};
use futures_util::stream;
use serde_json::json;

use super::feed::{Feed, Item};

/// Everything that a watcher hears, until it goes.
pub fn answer(feed: Feed) -> HttpResponse {
    let told = stream::unfold(feed, async |mut feed| {
        let item = feed.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(written(&item))), feed))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(told)
}

fn written(item: &Item) -> String {
    match item {
        Item::Beat => ": alive\n\n".to_owned(),
        Item::Events(events) => {
            let one = |event: &tgs_protocol::event::Event| {
                let data = serde_json::to_string(event).unwrap_or_default();
                format!("id: {}\nevent: {}\ndata: {data}\n\n", event.no, event.what.name())
            };
            events.iter().map(one).collect()
        }
        Item::Progress(all) => {
            let one = |(job, progress): &(_, _)| {
                let data = json!({"job": job, "data": progress});
                format!("event: job.progress\ndata: {data}\n\n")
            };
            all.iter().map(one).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::{
        event::{Event, Happening},
        id::JobId,
        unit::{EventNo, Timestamp},
    };

    use super::*;

    #[test]
    fn an_event_is_one_block_with_its_number() {
        let what = Happening::Noted { what: "two\nlines".to_owned() };
        let event = Event { no: EventNo(7), at: Timestamp(1), job: JobId::new("j"), what };
        let text = written(&Item::Events(vec![event]));
        assert!(text.starts_with("id: 7\nevent: job.noted\ndata: {"), "{text}");
        assert_eq!(text.matches('\n').count(), 4, "a line break in a value is escaped: {text}");
    }
}
