//! The same feed over a WebSocket, one JSON object per message.

use actix_web::{HttpRequest, HttpResponse, web::Payload};
use actix_ws::{Message, Session};
use futures_util::StreamExt;
use serde_json::json;
use tgs_protocol::code::Code;

use super::feed::{Feed, Item};
use crate::problem::Problem;

/// Opens the socket and serves it until either side goes.
pub fn answer(request: &HttpRequest, body: Payload, feed: Feed) -> Result<HttpResponse, Problem> {
    let opened = actix_ws::handle(request, body);
    let (response, session, messages) = opened.map_err(|error| {
        Problem::new(Code::BadRequest, format!("cannot open a WebSocket: {error}"))
    })?;
    actix_web::rt::spawn(serve(session, messages, feed));
    Ok(response)
}

async fn serve(mut session: Session, mut messages: actix_ws::MessageStream, mut feed: Feed) {
    loop {
        tokio::select! {
            heard = messages.next() => match heard {
                Some(Ok(Message::Ping(bytes))) => {
                    if session.pong(&bytes).await.is_err() {
                        return;
                    }
                }
                // Nothing is asked over a socket; what comes is not read further.
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            item = feed.next() => {
                let Some(item) = item else { break };
                if send(&mut session, &item).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = session.close(None).await;
}

async fn send(session: &mut Session, item: &Item) -> Result<(), actix_ws::Closed> {
    match item {
        Item::Beat => session.ping(b"").await,
        Item::Events(events) => {
            for event in events {
                session.text(serde_json::to_string(event).unwrap_or_default()).await?;
            }
            Ok(())
        }
        Item::Progress(all) => {
            for (job, progress) in all {
                let told = json!({"type": "job.progress", "job": job, "data": progress});
                session.text(told.to_string()).await?;
            }
            Ok(())
        }
    }
}
