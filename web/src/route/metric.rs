//! `GET /v1/metrics`: what is measured, for Prometheus.

use actix_web::HttpResponse;
use metrics::gauge;
use tgs_protocol::{invariant::violations, job::listing::StateClass};

use super::InHouse;
use crate::problem::Problem;

pub async fn show(house: InHouse) -> Result<HttpResponse, Problem> {
    // Counted in the store, so that they agree with the list whatever was killed.
    let counts = house.desk.count().await?;
    for class in StateClass::ALL {
        let count = counts.get(&class).copied().unwrap_or_default();
        gauge!("tgs_jobs", "state" => class.as_str()).set(to_number(count));
    }
    gauge!("tgs_newest_event").set(to_number(house.events.newest_event().await?.get()));
    gauge!("tgs_invariant_violations").set(to_number(violations()));
    let text = house.metrics.render();
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn to_number(count: u64) -> f64 {
    count as f64
}
