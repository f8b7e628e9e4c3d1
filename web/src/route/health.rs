//! Health: alive if this answers, started if the store does, ready if work can be begun.

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode},
};
use tgs_protocol::{
    code::Code,
    desk::DeskError,
    wire::{Health, HealthView},
};

use super::InHouse;
use crate::{endpoint::Endpoint, problem::Problem};

pub fn endpoints() -> Vec<Endpoint> {
    let is_live = ("getLiveness", "Whether the server answers.");
    let is_ready = ("getReadiness", "Whether work can be begun.");
    let has_started = ("getStartup", "Whether the server and its store answer.");
    let all = [
        Endpoint::new(Method::GET, "/health/live", is_live, live),
        Endpoint::new(Method::GET, "/health/ready", is_ready, ready)
            .refuses_with(StatusCode::SERVICE_UNAVAILABLE, Code::DiskFull)
            .refuses(&[Code::DeviceLost]),
        Endpoint::new(Method::GET, "/health/startup", has_started, started),
    ];
    all.into_iter().map(|it| it.open().gives::<HealthView>(200, "It does.")).collect()
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(HealthView { status: Health::Alive })
}

/// It answers and its store does, whatever the disk and the devices do.
async fn started(house: InHouse) -> Result<HttpResponse, Problem> {
    house.events.newest_event().await?;
    Ok(HttpResponse::Ok().json(HealthView { status: Health::Started }))
}

async fn ready(house: InHouse) -> Result<HttpResponse, Problem> {
    house.events.newest_event().await?;
    house.desk.health().is_ready().map_err(unavailable)?;
    Ok(HttpResponse::Ok().json(HealthView { status: Health::Ready }))
}

/// Whoever asks sends its requests elsewhere or asks again, whatever the reason is.
fn unavailable(error: DeskError) -> Problem {
    Problem::with_status(StatusCode::SERVICE_UNAVAILABLE, error.code, error.message)
}
