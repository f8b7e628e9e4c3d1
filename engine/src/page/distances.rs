//! How near synthetic rows come to real ones, beside how near strangers come.

use tgs_protocol::{figure, report::DistanceCurves};

use super::{
    axis::{self, Tick},
    markup::{Element, el},
    plot::{self, Plot},
};

/// All to as many training rows as rows were kept aside.
const NAMES: [&str; 3] =
    ["synthetic to training rows", "synthetic to kept-aside rows", "kept-aside to training rows"];

/// Cumulative curves and their quartiles.
pub fn section(curves: &DistanceCurves) -> Element {
    let section = el("section").attr("id", "distances").add(el("h2").text("Nearest real record"));
    let all = [&curves.synthetic_to_train, &curves.synthetic_to_holdout, &curves.holdout_to_train];
    let held: Vec<(&str, &[f64])> = NAMES
        .into_iter()
        .zip(all)
        .filter(|(_, curve)| curve.len() > 1 && curve.iter().all(|value| value.is_finite()))
        .map(|(name, curve)| (name, &**curve))
        .collect();
    if held.is_empty() {
        return section.add(el("p").class("none").text(
            "Not measured: without real rows that were kept aside there is nothing to compare \
             these distances with.",
        ));
    }
    section.add(el("p").class("deck").text(finding(curves))).add(
        el("div")
            .class("beside")
            .add(
                el("figure")
                    .add(plot::legend(held.iter().map(|(name, _)| *name)))
                    .add(drawing(&held)),
            )
            .add(table(&held)),
    )
}

fn finding(curves: &DistanceCurves) -> String {
    let rule = "The first two curves should lie on each other: then synthetic rows are no closer \
                to the people that the model learned from than to people it never saw. So that \
                this is fair, as many training rows are looked at as rows were kept aside.";
    let medians = (middle(&curves.synthetic_to_train), middle(&curves.synthetic_to_holdout));
    let (Some(train), Some(holdout)) = medians else { return rule.into() };
    format!(
        "{rule} Half of all synthetic rows have one of these training rows within {}, and a \
         kept-aside row within {}.",
        figure::score(train),
        figure::score(holdout)
    )
}

fn drawing(held: &[(&str, &[f64])]) -> Element {
    // The last hundredth is a long tail; without it the part that matters has room.
    let reach = held.iter().map(|(_, curve)| quantile(curve, 0.99)).fold(0.0, f64::max);
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let points = |curve: &[f64]| {
        let last = (curve.len() - 1) as f64;
        let part = move |index: usize| index as f64 / last;
        let mut points: Vec<(f64, f64)> = vec![(0.0, 0.0)];
        let inside = curve.iter().enumerate().take_while(|(_, distance)| **distance <= reach);
        points.extend(inside.map(|(index, distance)| (*distance, part(index))));
        points
    };
    let y_ticks = [0.0, 0.25, 0.5, 0.75, 1.0];
    Plot {
        spoken: "Cumulative share of rows by distance to the nearest record".into(),
        x_name: "distance to the nearest record",
        x: (0.0, reach),
        y: (0.0, 1.0),
        x_ticks: axis::number_ticks((0.0, reach), 6),
        y_ticks: y_ticks.map(|at| Tick { at, label: figure::share(at).replace(".0", "") }).into(),
        lines: held.iter().map(|(_, curve)| points(curve)).collect(),
    }
    .draw()
}

fn table(held: &[(&str, &[f64])]) -> Element {
    let head = ["Distance", "5 %", "25 %", "median", "75 %"]
        .map(|name| el("th").attr("scope", "col").text(name));
    let rows = held.iter().map(|(name, curve)| {
        let cells =
            [0.05, 0.25, 0.5, 0.75].map(|part| el("td").text(figure::score(quantile(curve, part))));
        el("tr").add(el("th").attr("scope", "row").text(*name)).add_all(cells)
    });
    el("table")
        .class("plain")
        .add(el("thead").add(el("tr").add_all(head)))
        .add(el("tbody").add_all(rows))
}

fn middle(curve: &[f64]) -> Option<f64> {
    (!curve.is_empty()).then(|| quantile(curve, 0.5))
}

/// Of a sorted curve.
fn quantile(curve: &[f64], part: f64) -> f64 {
    let last = curve.len().saturating_sub(1);
    curve.get((last as f64 * part).round() as usize).copied().unwrap_or(0.0)
}
