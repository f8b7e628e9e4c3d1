//! The headline numbers: one [`Metric`] each, with its sentence for people.

mod fidelity;
mod privacy;
mod utility;
mod validity;

use tgs_protocol::report::{Aspect, Better, Metric};

use crate::measure::{measured::Measured, score::Estimate};

/// Every metric, in reading order: fidelity, utility, privacy, validity.
pub fn all(measured: &Measured) -> Vec<Metric> {
    let mut metrics = fidelity::metrics(measured);
    metrics.extend(utility::metrics(measured));
    metrics.extend(privacy::metrics(measured));
    metrics.extend(validity::metrics(measured));
    for metric in &mut metrics {
        // JSON knows no infinity; what is not a number was not measured.
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        metric.value = finite(metric.value);
        metric.interval = finite(metric.interval);
        metric.real_rows = finite(metric.real_rows);
    }
    metrics
}

/// What a metric is called and how it is read.
struct Named {
    key: &'static str,
    name: &'static str,
    aspect: Aspect,
    better: Better,
    ideal: f64,
}

impl Named {
    /// A share or score of which more is better and one is all.
    const fn up(key: &'static str, name: &'static str, aspect: Aspect) -> Self {
        Self { key, name, aspect, better: Better::Higher, ideal: 1.0 }
    }
    /// A distance or risk of which less is better and zero is none.
    const fn down(key: &'static str, name: &'static str, aspect: Aspect) -> Self {
        Self { key, name, aspect, better: Better::Lower, ideal: 0.0 }
    }
    /// A number that should be like that of real rows.
    const fn near(key: &'static str, name: &'static str, aspect: Aspect, ideal: f64) -> Self {
        Self { key, name, aspect, better: Better::Ideal, ideal }
    }

    /// The metric with what `says` makes of its value; `else_why` when there is none.
    fn says(
        self,
        value: Option<f64>,
        real_rows: Option<f64>,
        says: impl Fn(f64) -> String,
        else_why: &str,
    ) -> Metric {
        let known = value.filter(|value| value.is_finite());
        Metric {
            key: self.key.to_owned(),
            name: self.name.to_owned(),
            aspect: self.aspect,
            value: known,
            interval: None,
            better: self.better,
            ideal: self.ideal,
            real_rows,
            meaning: known.map_or_else(|| format!("Not measured: {else_why}."), says),
        }
    }
}

/// The same metric with the interval of an estimate.
fn with_interval(mut metric: Metric, estimate: Option<Estimate>) -> Metric {
    metric.interval = estimate.and_then(|estimate| estimate.interval);
    metric
}
