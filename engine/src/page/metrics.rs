//! Headline numbers by aspect, each on its scale with its sentence.

use tgs_protocol::{
    figure,
    report::{Aspect, Better, Metric, Report},
};

use super::{
    gauge,
    markup::{Element, el},
    svg,
};

const ASPECTS: [(Aspect, &str, &str); 4] = [
    (Aspect::Fidelity, "Fidelity", "Does it look like the real table?"),
    (Aspect::Utility, "Utility", "Does it work like the real table?"),
    (Aspect::Privacy, "Privacy", "Does it give anybody away?"),
    (Aspect::Validity, "Validity", "Is it a proper table at all?"),
];

/// All headline numbers.
pub fn section(report: &Report) -> Element {
    let section = el("section")
        .attr("id", "numbers")
        .add(el("h2").text("The numbers"))
        .add(el("p").class("deck").text(
            "Every number stands on its own scale. Where real rows that were kept aside could be \
             measured the same way, their mark shows what as many other real rows reach.",
        ))
        .add(legend());
    if report.metrics.is_empty() {
        return section.add(el("p").class("none").text("No number was measured."));
    }
    section.add_all(ASPECTS.iter().filter_map(|(aspect, name, question)| {
        let of_aspect: Vec<_> =
            report.metrics.iter().filter(|metric| metric.aspect == *aspect).collect();
        (!of_aspect.is_empty()).then(|| {
            el("section")
                .class("aspect")
                .add(el("h3").text(*name).add(el("span").class("term").text(*question)))
                .add(el("ul").class("rows").add_all(of_aspect.into_iter().map(row)))
        })
    }))
}

fn row(metric: &Metric) -> Element {
    let scale = gauge::of_metric(metric).map(|drawing| el("div").class("scale").add(drawing));
    el("li")
        .attr("data-key", &*metric.key)
        .add(
            el("div")
                .class("what")
                .add(el("h4").text(&*metric.name))
                .add(el("p").text(&*metric.meaning)),
        )
        .add(value(metric))
        .add_all(scale)
}

fn value(metric: &Metric) -> Element {
    let Some(value) = metric.value else {
        return el("div").class("value").add(el("strong").class("none").text("not measured"));
    };
    let interval = metric
        .interval
        .filter(|half| half.is_finite())
        .map(|half| el("span").class("interval").text(format!(" ± {}", figure::score(half))));
    let real = metric
        .real_rows
        .map(|real| el("small").text(format!("real rows {}", written(metric, real))));
    el("div")
        .class("value")
        .add(el("span").add(el("strong").text(written(metric, value))).add_all(interval))
        .add_all(real)
}

/// A count of bad things has no digits after the point, even when it is 0 or 1.
fn written(metric: &Metric, value: f64) -> String {
    let whole = |value: Option<f64>| value.is_none_or(|value| value.fract() == 0.0);
    let counts = metric.better == Better::Lower
        && metric.ideal == 0.0
        && whole(metric.value)
        && whole(metric.real_rows)
        && whole(metric.interval);
    if counts && value.abs() < 1e15 { figure::fixed(value, 0) } else { figure::score(value) }
}

fn legend() -> Element {
    let swatch = |mark: Element| {
        el("svg").class("gauge").attr("viewBox", "0 0 24 16").attr("aria-hidden", "true").add(mark)
    };
    let mut diamond = svg::Path::through([(12.0, 2.0), (18.0, 8.0), (12.0, 14.0), (6.0, 8.0)]);
    diamond.close();
    let marks = [
        (svg::circle(12.0, 8.0, 5.0).class("dot"), "this table"),
        (svg::line((3.0, 8.0), (21.0, 8.0)).class("whisker"), "95 % interval"),
        (svg::line((12.0, 1.0), (12.0, 15.0)).class("realmark"), "real rows kept aside"),
        (diamond.draw().class("ideal"), "ideal"),
    ];
    el("p")
        .class("legend")
        .add_all(marks.map(|(mark, text)| el("span").add(swatch(mark)).text(text)))
}
