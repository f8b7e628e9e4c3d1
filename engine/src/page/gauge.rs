//! A value on its scale: where the best value is, where real rows are, where this table is.

use tgs_protocol::{
    figure,
    gate::Side,
    report::{Better, GateOutcome, Metric},
};

use super::{
    axis::round_step,
    markup::{Element, el},
    svg::{self, Anchor, Scale},
};

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 34.0;
const MARGIN: f64 = 10.0;
const LINE_Y: f64 = 12.0;

/// The scale of a headline number; none without a finite value.
pub fn of_metric(metric: &Metric) -> Option<Element> {
    let value = metric.value.filter(|value| value.is_finite())?;
    let (low, high) = metric_domain(metric, value);
    let scale = Scale::new((low, high), (MARGIN, WIDTH - MARGIN));
    let half = metric.interval.unwrap_or(0.0);
    let drawing = svg::drawing(WIDTH, HEIGHT, &metric_label(metric, value))
        .class("gauge")
        .add(track(&scale))
        .add_all(ends(&scale, None))
        .add(diamond(scale.at(metric.ideal)));
    let real = metric.real_rows.filter(|real| real.is_finite()).map(|real| {
        let x = scale.at(real);
        svg::line((x, LINE_Y - 9.0), (x, LINE_Y + 9.0)).class("realmark")
    });
    let (left, right) = (scale.at(value - half), scale.at(value + half));
    let whisker = (half > 0.0).then(|| svg::line((left, LINE_Y), (right, LINE_Y)).class("whisker"));
    let dot = svg::circle(scale.at(value), LINE_Y, 5.0).class("dot");
    Some(drawing.add_all(real).add_all(whisker).add(dot))
}

/// The value of a gate beside its threshold.
pub fn of_gate(value: f64, gate: &GateOutcome) -> Element {
    let threshold = gate.threshold;
    let (low, high) = gate_domain(value, threshold);
    let scale = Scale::new((low, high), (MARGIN, WIDTH - MARGIN));
    let at = scale.at(threshold);
    let side = Side::of(&gate.gate);
    let (from, to) = match side {
        Side::Above => (at, WIDTH - MARGIN),
        Side::Below | Side::AtMost => (MARGIN, at),
    };
    let state = if gate.passes { "holds" } else { "fails" };
    let words = format!(
        "measured {}, {side} {} asked for",
        figure::score(value),
        figure::compact(threshold)
    );
    let limit = figure::compact(threshold);
    let room = svg::text_width(&limit, 10.0) / 2.0;
    svg::drawing(WIDTH, HEIGHT, &words)
        .class("gauge")
        .add(track(&scale))
        .add(svg::line((from, LINE_Y), (to.max(from + 1.0), LINE_Y)).class("zone"))
        .add_all(ends(&scale, Some(threshold)))
        .add(svg::line((at, LINE_Y - 9.0), (at, LINE_Y + 9.0)).class("limit"))
        .add(
            svg::label(at.clamp(room, WIDTH - room), HEIGHT - 4.0, Anchor::Middle, &limit)
                .class("tick"),
        )
        .add(svg::circle(scale.at(value), LINE_Y, 5.0).class(&format!("dot {state}")))
}

fn track(scale: &Scale) -> Element {
    let (low, high) = scale.domain();
    svg::line((scale.at(low), LINE_Y), (scale.at(high), LINE_Y)).class("track")
}

/// What the ends of the scale stand for, unless the limit is written there.
fn ends(scale: &Scale, limit: Option<f64>) -> Vec<Element> {
    let (low, high) = scale.domain();
    let ends = [(low, MARGIN - 5.0, Anchor::Start), (high, WIDTH - MARGIN + 5.0, Anchor::End)];
    let free = |value: f64| limit.is_none_or(|at| (scale.at(at) - scale.at(value)).abs() > 34.0);
    ends.into_iter()
        .filter(|(value, ..)| free(*value))
        .map(|(value, x, anchor)| {
            svg::label(x, HEIGHT - 4.0, anchor, &figure::compact(value)).class("tick")
        })
        .collect()
}

fn diamond(x: f64) -> Element {
    let points = [(x, LINE_Y - 6.0), (x + 6.0, LINE_Y), (x, LINE_Y + 6.0), (x - 6.0, LINE_Y)];
    let mut path = svg::Path::through(points);
    path.close();
    el("g").add(path.draw().class("ideal"))
}

fn metric_label(metric: &Metric, value: f64) -> String {
    let real = metric
        .real_rows
        .map_or_else(String::new, |real| format!(", real rows {}", figure::score(real)));
    let ideal = figure::score(metric.ideal);
    format!("{}: {}{real}, ideal {ideal}", metric.name, figure::score(value))
}

/// Smallest and largest value of the scale: the ideal, and as far from it as the numbers ask for,
/// rounded up. At least a tenth is shown, so that a good value looks good.
fn metric_domain(metric: &Metric, value: f64) -> (f64, f64) {
    let half = metric.interval.unwrap_or(0.0);
    let ideal = metric.ideal;
    let points = [value - half, value + half, metric.real_rows.unwrap_or(value), value];
    let points = points.into_iter().filter(|point| point.is_finite());
    let (below, above) = points.fold((0.0_f64, 0.0_f64), |(below, above), point| {
        (below.max(ideal - point), above.max(point - ideal))
    });
    let whole = value.fract() == 0.0 && metric.real_rows.unwrap_or(0.0).fract() == 0.0;
    let least = if whole { 1.0 } else { 0.1 };
    let reach = |distance: f64| round_step((distance * 1.05).max(least));
    let beyond = |distance: f64| if distance > 1e-12 { reach(distance) } else { 0.0 };
    match metric.better {
        Better::Higher => (ideal - reach(below), ideal + beyond(above - half)),
        Better::Lower => (ideal - beyond(below - half), ideal + reach(above)),
        Better::Ideal => {
            let reach = reach(below.max(above));
            // Round ends, and shares and distances know no numbers below zero.
            let step = round_step(reach / 4.0);
            let low = libm::floor((ideal - reach) / step + 1e-9) * step;
            let high = libm::ceil((ideal + reach) / step - 1e-9) * step;
            let floor = if ideal >= 0.0 && below <= ideal { 0.0 } else { f64::NEG_INFINITY };
            (low.max(floor), high)
        }
    }
}

fn gate_domain(value: f64, threshold: f64) -> (f64, f64) {
    let least = if threshold == 0.0 { 1.0 } else { threshold.abs() * 1.5 };
    let power = round_step(value.max(least)) / 10.0;
    let steps = [1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 6.0, 8.0, 10.0].map(|step| step * power);
    let fits = |high: &f64| *high >= value.max(least) * (1.0 - 1e-9);
    let high = steps.into_iter().find(fits).unwrap_or(10.0 * power);
    let low = if value < 0.0 { -round_step(-value) } else { 0.0 };
    (low, high)
}

#[cfg(test)]
mod tests {
    use tgs_protocol::report::Aspect;

    use super::*;

    fn metric(better: Better, ideal: f64, value: f64, real: Option<f64>) -> Metric {
        Metric {
            key: "k".into(),
            name: "n".into(),
            aspect: Aspect::Fidelity,
            value: Some(value),
            interval: None,
            better,
            ideal,
            real_rows: real,
            meaning: String::new(),
        }
    }

    #[test]
    fn the_scale_holds_every_mark() {
        for (better, ideal, value, real, expected) in [
            (Better::Higher, 1.0, 0.993, Some(0.996), (0.9, 1.0)),
            (Better::Higher, 1.0, 0.62, Some(0.9), (0.5, 1.0)),
            (Better::Lower, 0.5, 0.58, Some(0.51), (0.5, 0.6)),
            (Better::Ideal, 0.5, 0.51, Some(0.5), (0.4, 0.6)),
            (Better::Ideal, 0.01, 0.02, Some(0.01), (0.0, 0.15)),
            (Better::Ideal, 0.266, 0.251, Some(0.266), (0.15, 0.4)),
            (Better::Lower, 0.0, 53.0, None, (0.0, 100.0)),
            (Better::Lower, 0.0, 0.0, Some(0.0), (0.0, 1.0)),
        ] {
            let (low, high) = metric_domain(&metric(better, ideal, value, real), value);
            assert!((low - expected.0).abs() < 1e-9, "{better:?} {value}: {low}");
            assert!((high - expected.1).abs() < 1e-9, "{better:?} {value}: {high}");
        }
    }

    #[test]
    fn without_a_value_there_is_no_scale() {
        let mut none = metric(Better::Higher, 1.0, 0.0, None);
        none.value = None;
        assert!(of_metric(&none).is_none());
        none.value = Some(f64::NAN);
        assert!(of_metric(&none).is_none());
    }
}
