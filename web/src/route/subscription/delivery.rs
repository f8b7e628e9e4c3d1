//! What was and will be sent to one subscription.

use actix_web::{
    HttpResponse,
    http::Method,
    web::{Path, Query},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tgs_protocol::{
    code::Code,
    limits::PAGE_ROWS_MAX,
    unit::EventNo,
    wire::{PageView, notification::DeliveryView, schema::EVENT_PAGE_PATTERN},
};

use super::{Medium, Paths, find};
use crate::{cursor, endpoint::Endpoint, problem::Problem, route::InHouse};

/// Deliveries on a page, if not said.
const PAGE_DELIVERIES: usize = 50;

pub fn endpoints<M: Medium>() -> Vec<Endpoint> {
    let Paths { deliveries, resend: again, ids, .. } = M::PATHS;
    let [.., listed, resent] = ids;
    let listed = (listed, "What was and will be sent, newest first.");
    let resent = (resent, "Sends one again that arrived or was given up.");
    vec![
        Endpoint::new(Method::GET, deliveries, listed, list::<M>)
            .query::<Wanted>()
            .gives::<PageView<DeliveryView>>(200, "A part of the list.")
            .refuses(&[Code::NoSuchThing]),
        Endpoint::new(Method::POST, again, resent, resend::<M>)
            .gives::<DeliveryView>(200, "It is due.")
            .refuses(&[Code::NoSuchThing, Code::Overtaken]),
    ]
}

/// Which part of the list is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Deliveries on a page; more than 1,000 are taken for 1,000.
    page_size: Option<usize>,
    /// Goes on where another page ended.
    #[schemars(regex(pattern = EVENT_PAGE_PATTERN))]
    page_token: Option<String>,
}

/// `GET /v1/webhooks/{webhook}/deliveries`: newest first.
async fn list<M: Medium>(
    house: InHouse,
    id: Path<String>,
    wanted: Query<Wanted>,
) -> Result<HttpResponse, Problem> {
    let row = find::<M>(&house, &id).await?;
    let limit = wanted.page_size.unwrap_or(PAGE_DELIVERIES).clamp(1, PAGE_ROWS_MAX);
    let before = wanted.page_token.as_deref().map(cursor::event).transpose()?;
    let part = house.notices.deliveries(&row.id, before, limit).await?;
    let items: Vec<_> = part.items.iter().map(DeliveryView::of).collect();
    Ok(HttpResponse::Ok()
        .json(PageView { items, next_page_token: part.next.map(cursor::of_event) }))
}

/// `POST /v1/webhooks/{webhook}/deliveries/{event}:resend`
async fn resend<M: Medium>(
    house: InHouse,
    named: Path<(String, u64)>,
) -> Result<HttpResponse, Problem> {
    let (id, event) = named.into_inner();
    let row = find::<M>(&house, &id).await?;
    let delivery = house.notices.resend(&row.id, EventNo(event)).await?;
    Ok(HttpResponse::Ok().json(DeliveryView::of(&delivery)))
}
