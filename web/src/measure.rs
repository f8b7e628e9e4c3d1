//! The beginning of measuring: every name that there is, with what it says, and counters at 0.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tgs_protocol::metric_definitions::{ALL, BUILD_INFO, Kind, Metric};

/// Begins to measure, once per process.
///
/// # Errors
/// If something else measures already.
pub fn measure() -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(ends) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), ends)?;
        }
    }
    let handle = builder.install_recorder()?;
    ALL.iter().for_each(begin);
    metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

fn begin(metric: &Metric) {
    let Metric { name, kind, says, label } = *metric;
    match kind {
        Kind::Gauge => describe_gauge!(name, says),
        Kind::Counter => describe_counter!(name, says),
        Kind::Histogram(_) => describe_histogram!(name, says),
    }
    let labels = label.map_or(vec![None], |(key, values)| {
        values.iter().map(|value| Some((key, *value))).collect()
    });
    for label in labels {
        let labels: Vec<_> = label.into_iter().collect();
        match kind {
            // What goes up and down is told when it is known.
            Kind::Gauge => {}
            Kind::Counter => metrics::counter!(name, &labels).increment(0),
            Kind::Histogram(_) => drop(metrics::histogram!(name, &labels)),
        }
    }
}
