//! Health: alive if this answers, ready if the store does.

use actix_web::HttpResponse;
use serde_json::json;

use super::InHouse;
use crate::problem::Problem;

pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive"}))
}

pub async fn ready(house: InHouse) -> Result<HttpResponse, Problem> {
    house.events.newest_event().await?;
    Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
}
