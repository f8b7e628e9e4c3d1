//! How training went: losses together, every other measure by itself.

use tgs_protocol::{figure, report::Curve};

use super::{
    axis::{self, Tick},
    markup::{Element, el},
    plot::{self, Plot},
};

/// More points than these cannot be seen.
const POINTS_MAX: usize = 400;
/// From this ratio of largest to smallest on, the upright axis is logarithmic.
const LOG_RATIO: f64 = 40.0;

/// One plot of losses, one for each other curve; none without a model.
pub fn section(curves: &[Curve]) -> Element {
    let section = el("section").attr("id", "training").add(el("h2").text("Training"));
    let drawn: Vec<Held> =
        curves.iter().map(Held::of).filter(|held| !held.points.is_empty()).collect();
    if drawn.is_empty() {
        return section.add(
            el("p")
                .class("none")
                .text("No curves: this model is not trained in steps, or no model file was given."),
        );
    }
    let (losses, others): (Vec<&Held>, Vec<&Held>) =
        drawn.iter().partition(|held| held.name.to_lowercase().contains("loss"));
    let plots = others.into_iter().map(|held| figure(&[held]));
    let first = (!losses.is_empty()).then(|| figure(&losses));
    section
        .add(el("p").class("deck").text(
            "Validation loss is measured on training rows that chose when to end and taught \
             nothing; the rows kept aside for this report had no part in it. When it rises while \
             the training loss still falls, the model has begun to learn rows by heart.",
        ))
        .add(el("div").class("plots").add_all(first).add_all(plots))
}

/// A curve without what cannot be drawn.
struct Held<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

impl<'a> Held<'a> {
    fn of(curve: &'a Curve) -> Self {
        let finite: Vec<(f64, f64)> = curve
            .points
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(step, value)| (*step as f64, *value))
            .collect();
        let stride = finite.len().div_ceil(POINTS_MAX).max(1);
        let mut points: Vec<(f64, f64)> = finite.iter().copied().step_by(stride).collect();
        if stride > 1 {
            points.extend(finite.last());
        }
        Self { name: &curve.name, points }
    }
    /// Step and value of the smallest value.
    fn best(&self) -> (f64, f64) {
        self.points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0.0, 0.0))
    }
}

fn figure(curves: &[&Held]) -> Element {
    let all = || curves.iter().flat_map(|held| held.points.iter().copied());
    let steps = bounds(all().map(|point| point.0));
    let values = bounds(all().map(|point| point.1));
    let logarithmic = values.0 > 0.0 && values.1 / values.0 > LOG_RATIO;
    let drawn = |value: f64| if logarithmic { libm::log10(value) } else { value };
    let (low, high) = (drawn(values.0), drawn(values.1));
    let margin = if high > low { (high - low) * 0.06 } else { 0.5 };
    let domain = (low - margin, high + margin);
    let names = curves.iter().map(|held| held.name);
    let spoken = format!("{} by training step", names.clone().collect::<Vec<_>>().join(", "));
    let plot = Plot {
        spoken,
        x_name: if logarithmic { "training step (logarithmic value)" } else { "training step" },
        x: steps,
        y: domain,
        x_ticks: axis::number_ticks(steps, 6),
        y_ticks: if logarithmic { power_ticks(domain) } else { axis::number_ticks(domain, 5) },
        lines: curves
            .iter()
            .map(|held| held.points.iter().map(|(step, value)| (*step, drawn(*value))).collect())
            .collect(),
    };
    let lowest = curves.iter().find(|held| held.name.contains("validation")).map(|held| {
        let (step, value) = held.best();
        el("p").class("note").text(format!(
            "Lowest {}: {} at step {}.",
            held.name,
            figure::score(value),
            figure::count(step as u64)
        ))
    });
    el("figure").add(plot::legend(names)).add(plot.draw()).add_all(lowest)
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Powers of ten, with 2 and 5 between them where there is room.
fn power_ticks((low, high): (f64, f64)) -> Vec<Tick> {
    let parts: &[f64] = if high - low > 4.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = low.floor() as i32..=high.ceil() as i32;
    powers
        .flat_map(|power| parts.iter().map(move |part| part * libm::pow(10.0, f64::from(power))))
        .map(|value| Tick { at: libm::log10(value), label: figure::compact(value) })
        .filter(|tick| (low..=high).contains(&tick.at))
        .take(16)
        .collect()
}
