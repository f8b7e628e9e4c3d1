//! `GET /v1/metrics`: what is measured, for Prometheus.

use actix_web::{HttpResponse, http::Method};
use metrics::gauge;
use tgs_protocol::{invariant::violations, job::listing::StateClass, queue::Use};

use super::InHouse;
use crate::{endpoint::Endpoint, problem::Problem};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

pub fn endpoints() -> Vec<Endpoint> {
    let words = ("getMetrics", "What is measured, for Prometheus.");
    let metrics = Endpoint::new(Method::GET, "/v1/metrics", words, show);
    vec![metrics.gives_bytes(200, "Metrics in the text format of Prometheus.", &[CONTENT_TYPE])]
}

async fn show(house: InHouse) -> Result<HttpResponse, Problem> {
    // Counted in the store, so that they agree with the list whatever was killed.
    let counts = house.desk.count().await?;
    for class in StateClass::ALL {
        let count = counts.get(&class).copied().unwrap_or_default();
        gauge!("tgs_jobs", "state" => class.as_str()).set(to_number(count));
    }
    let health = house.desk.health();
    for (name, used) in [("free", Use::Free), ("busy", Use::Busy), ("aside", Use::Aside)] {
        let count = health.devices.iter().filter(|(_, it)| *it == used).count();
        gauge!("tgs_devices", "use" => name).set(to_number(count as u64));
    }
    gauge!("tgs_disk_free_bytes").set(to_number(health.room.free.get()));
    gauge!("tgs_newest_event").set(to_number(house.events.newest_event().await?.get()));
    gauge!("tgs_invariant_violations").set(to_number(violations()));
    if let Ok(nodes) = house.nodes.nodes().await {
        let own = nodes.iter().find(|node| node.is_here);
        gauge!("tgs_nodes").set(to_number(nodes.len() as u64));
        gauge!("tgs_links").set(to_number(own.map_or(0, |node| node.presence.links)));
    }
    let text = house.metrics.render();
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn to_number(count: u64) -> f64 {
    count as f64
}
