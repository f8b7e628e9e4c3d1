//! `GET /v1/metrics`: what is measured, for Prometheus.

use actix_web::{HttpResponse, http::Method};
use metrics::{counter, gauge};
use tgs_protocol::{
    invariant::violations,
    job::listing::StateClass,
    metric_definitions::{
        DEVICES, DISK_FREE_BYTES, INVARIANT_VIOLATIONS, JOBS, LINKS, NEWEST_EVENT, NODES,
        RESIDENT_MEMORY,
    },
    queue::Use,
};

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
        gauge!(JOBS, "state" => class.as_str()).set(to_number(count));
    }
    let health = house.desk.health();
    for (name, used) in [("free", Use::Free), ("busy", Use::Busy), ("aside", Use::Aside)] {
        let count = health.devices.iter().filter(|(_, it)| *it == used).count();
        gauge!(DEVICES, "use" => name).set(to_number(count as u64));
    }
    gauge!(DISK_FREE_BYTES).set(to_number(health.room.free.get()));
    gauge!(NEWEST_EVENT).set(to_number(house.events.newest_event().await?.get()));
    counter!(INVARIANT_VIOLATIONS).absolute(violations());
    if let Some(bytes) = resident_memory() {
        gauge!(RESIDENT_MEMORY).set(to_number(bytes));
    }
    if let Ok(nodes) = house.nodes.nodes().await {
        let own = nodes.iter().find(|node| node.is_here);
        gauge!(NODES).set(to_number(nodes.len() as u64));
        gauge!(LINKS).set(to_number(own.map_or(0, |node| node.presence.links)));
    }
    let text = house.metrics.render();
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}

/// Memory of this process; none where the system does not tell.
fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn to_number(count: u64) -> f64 {
    count as f64
}
