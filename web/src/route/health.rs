//! Health: alive if this answers, ready if the store does.

use actix_web::{HttpResponse, http::Method};
use tgs_protocol::wire::{Health, HealthView};

use super::InHouse;
use crate::{endpoint::Endpoint, problem::Problem};

pub fn endpoints() -> Vec<Endpoint> {
    let is_live = ("getLiveness", "Whether the server answers.");
    let is_ready = ("getReadiness", "Whether the server and its store answer.");
    let has_started = ("getStartup", "Whether the server has come up.");
    let all = [
        Endpoint::new(Method::GET, "/health/live", is_live, live),
        Endpoint::new(Method::GET, "/health/ready", is_ready, ready),
        Endpoint::new(Method::GET, "/health/startup", has_started, ready),
    ];
    all.into_iter().map(|it| it.open().gives::<HealthView>(200, "It does.")).collect()
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(HealthView { status: Health::Alive })
}

async fn ready(house: InHouse) -> Result<HttpResponse, Problem> {
    house.events.newest_event().await?;
    Ok(HttpResponse::Ok().json(HealthView { status: Health::Ready }))
}
