//! Categories: a table whose cells are drawn as paired bars, so that it can be read aloud as well.

use tgs_protocol::figure;

use super::markup::{Element, el};

/// So many values are shown at once; the others open on demand.
const LEVELS_OPEN: usize = 5;

/// The picture of one categorical column.
pub fn draw(names: &[String], real: &[f64], synthetic: &[f64]) -> Element {
    let largest = real.iter().chain(synthetic).copied().fold(1e-9, f64::max);
    let rows: Vec<Element> = names
        .iter()
        .zip(real.iter().zip(synthetic))
        .map(|(name, (real, synthetic))| row(name, *real, *synthetic, largest))
        .collect();
    if rows.is_empty() {
        return el("p").class("none").text("No value to draw: every cell is missing.");
    }
    // One value too many is shown rather than hidden behind a line of its own.
    let open = if rows.len() <= LEVELS_OPEN + 1 { rows.len() } else { LEVELS_OPEN };
    let mut shown = rows;
    let hidden = shown.split_off(open);
    let more = (!hidden.is_empty()).then(|| {
        el("details")
            .add(el("summary").text(figure::counted(hidden.len() as u64, "more value")))
            .add(table(hidden, false))
    });
    el("div").class("levels").add(table(shown, true)).add_all(more)
}

fn table(rows: Vec<Element>, headed: bool) -> Element {
    let head = |class: &str, text: &str| {
        el("th").attr("scope", "col").add(el("span").class(class).text(text))
    };
    let heading = el("thead").add(
        el("tr")
            .add(head("unseen", "Value"))
            .add(head("unseen", "Shares"))
            .add(head("seen", "real"))
            .add(head("seen", "synth.")),
    );
    el("table").add_all(headed.then_some(heading)).add(el("tbody").add_all(rows))
}

fn row(name: &str, real: f64, synthetic: f64, largest: f64) -> Element {
    let shown = if name.is_empty() { "(empty)" } else { name };
    let bar = |class: &str, y: &str, value: f64| {
        el("rect")
            .attr("class", class)
            .attr("y", y)
            .attr("width", format!("{:.1}%", (value / largest * 100.0).clamp(0.0, 100.0)))
            .attr("height", "6")
    };
    let bars = el("svg")
        .attr("aria-hidden", "true")
        .attr("width", "100%")
        .attr("height", "14")
        .add(bar("real", "0.5", real))
        .add(bar("synthetic", "7.5", synthetic));
    el("tr")
        .add(el("th").attr("scope", "row").attr("title", shown).data(shown))
        .add(el("td").class("bars").add(bars))
        .add(el("td").text(figure::share(real)))
        .add(el("td").text(figure::share(synthetic)))
}
