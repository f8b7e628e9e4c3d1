//! Notices inside the front: jobs that ended, and up to where somebody has read of them.

use actix_web::{
    HttpResponse,
    http::Method,
    web::{Payload, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    limits::PAGE_ROWS_MAX,
    notification::desk::Part,
    wire::{
        notification::{NoticesView, ReadOrder, ReadView},
        schema::EVENT_PAGE_PATTERN,
    },
};

use super::InHouse;
use crate::{body, cursor, endpoint::Endpoint, problem::Problem};

/// Notices on a page, if not said.
const PAGE_NOTICES: usize = 20;

/// Bytes of an order to mark: it is one number.
const ORDER_BYTES_MAX: usize = 1 << 10;

pub fn endpoints() -> Vec<Endpoint> {
    let listed = ("listNotices", "Jobs that ended, newest first, and how many nobody has read of.");
    let read = ("markNoticesRead", "Marks notices as read up to an event; never goes back.");
    vec![
        Endpoint::new(Method::GET, "/v1/notices", listed, list)
            .query::<Wanted>()
            .gives::<NoticesView>(200, "A part of the list."),
        Endpoint::new(Method::POST, "/v1/notices:read", read, mark_read)
            .takes::<ReadOrder>()
            .gives::<ReadView>(200, "Up to where they are read now.")
            .refuses(&[Code::TooLarge]),
    ]
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Notices on a page; more than 1,000 are taken for 1,000.
    page_size: Option<usize>,
    /// Goes on where another page ended.
    #[schemars(regex(pattern = EVENT_PAGE_PATTERN))]
    page_token: Option<String>,
}

/// `GET /v1/notices`: newest first, with the number of those that nobody has read.
async fn list(house: InHouse, wanted: Query<Wanted>) -> Result<HttpResponse, Problem> {
    let limit = wanted.page_size.unwrap_or(PAGE_NOTICES).clamp(1, PAGE_ROWS_MAX);
    let before = wanted.page_token.as_deref().map(cursor::event).transpose()?;
    let notices = house.notices.notices(before, limit).await?;
    let Part { items, next } = notices.part;
    Ok(HttpResponse::Ok().json(NoticesView {
        items,
        unread: notices.unread,
        read_through: notices.read_through,
        next_page_token: next.map(cursor::of_event),
    }))
}

/// `POST /v1/notices:read` with `{"through": 42}`; the mark never goes back.
async fn mark_read(house: InHouse, body: Payload) -> Result<HttpResponse, Problem> {
    let order: ReadOrder = body::order("the mark of notices", body, ORDER_BYTES_MAX).await?;
    let read_through = house.notices.mark_read(order.through).await?;
    Ok(HttpResponse::Ok().json(ReadView { through: read_through }))
}
