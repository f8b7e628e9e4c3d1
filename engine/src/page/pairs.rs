//! Pairs of columns whose joint distribution agrees least.

use tgs_protocol::{
    figure,
    report::{PairReport, Report},
};

use super::markup::{Element, el};

const WORST_SHOWN: usize = 12;
/// The bars reach so far at least, so that small gaps stay short.
const REACH_LEAST: f64 = 0.1;

/// The worst pairs as a table.
pub fn section(report: &Report) -> Option<Element> {
    let mut measured: Vec<&PairReport> =
        report.pairs.iter().filter(|pair| pair.trend.is_some_and(f64::is_finite)).collect();
    if measured.is_empty() {
        return None;
    }
    let trend = |pair: &PairReport| pair.trend.unwrap_or(1.0);
    measured.sort_by(|a, b| trend(a).total_cmp(&trend(b)));
    let mean = measured.iter().map(|pair| trend(pair)).sum::<f64>() / measured.len() as f64;
    let undefined = report.pairs.len() - measured.len();
    let mut words = format!(
        "The pair trend compares the joint distribution of two columns; 1 is a perfect match. Over \
         {} the mean is {}.",
        figure::counted(measured.len() as u64, "pair"),
        figure::score(mean)
    );
    if undefined > 0 {
        words.push_str(&format!(
            " For {} it is not defined, because a column is constant.",
            figure::counted(undefined as u64, "pair")
        ));
    }
    let head = ["Pair of columns", "Short of a perfect match", "Pair trend", "With real bin edges"]
        .map(|name| el("th").attr("scope", "col").text(name));
    let reach = measured.first().map_or(0.0, |pair| 1.0 - trend(pair)).max(REACH_LEAST);
    let rows = measured.into_iter().take(WORST_SHOWN).map(|pair| row(pair, reach));
    Some(
        el("section")
            .attr("id", "pairs")
            .add(el("h2").text("Pairs that agree least"))
            .add(el("p").class("deck").text(words))
            .add(
                el("table")
                    .class("plain pairs")
                    .add(el("thead").add(el("tr").add_all(head)))
                    .add(el("tbody").add_all(rows)),
            ),
    )
}

fn row(pair: &PairReport, reach: f64) -> Element {
    let trend = pair.trend.unwrap_or(0.0);
    let bar = el("svg")
        .attr("aria-hidden", "true")
        .attr("width", "100%")
        .attr("height", "8")
        .add(el("rect").attr("class", "rest").attr("width", "100%").attr("height", "8"))
        .add(
            el("rect")
                .attr("class", "synthetic")
                .attr("width", format!("{:.1}%", ((1.0 - trend) / reach).clamp(0.0, 1.0) * 100.0))
                .attr("height", "8"),
        );
    let edges = pair.trend_real_edges.map_or_else(|| "–".into(), figure::score);
    el("tr")
        .add(
            el("th")
                .attr("scope", "row")
                .data(&pair.a)
                .add(el("span").class("times").text(" × "))
                .data(&pair.b),
        )
        .add(el("td").class("bars").add(bar))
        .add(el("td").text(figure::score(trend)))
        .add(el("td").text(edges))
}
