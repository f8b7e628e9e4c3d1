//! What was compared, what was left out, and what the reader should know.

use tgs_protocol::{figure, report::Report};

use super::{
    markup::{Element, el},
    verdict,
};

/// The strip of sizes under the verdict.
pub fn strip(report: &Report) -> Element {
    let tables = &report.tables;
    // Who made a table that is only compared, and from what, nobody here knows.
    let (learned, aside) = match verdict::only_compares(report) {
        true => {
            ("what the table is compared with", "the yardstick: given as never shown to the maker")
        }
        false => ("the model learned from them", "the yardstick: never shown to the model"),
    };
    let facts = [
        (tables.synthetic_rows, "synthetic row", "", "judged here"),
        (tables.train_rows, "real row", "", learned),
        (tables.holdout_rows, "real row", " kept aside", aside),
        (tables.columns, "column", "", "compared one by one and in pairs"),
    ];
    let fact = |(value, noun, aside, meaning): (u64, &str, &str, &str)| {
        let name = format!("{}{aside}", figure::noun_for(value, noun));
        let none = value == 0 && !aside.is_empty();
        let value = if none { "none".into() } else { figure::count(value) };
        el("div").add(el("dt").text(name).add(el("small").text(meaning))).add(el("dd").text(value))
    };
    el("dl").class("facts").add_all(facts.map(fact))
}

/// Notices, if there are any.
pub fn notices(report: &Report) -> Option<Element> {
    let items = report.notices.iter().map(|notice| el("li").text(&**notice));
    (!report.notices.is_empty()).then(|| {
        el("section")
            .class("notices")
            .attr("id", "notices")
            .add(el("h2").text("Good to know"))
            .add(el("ul").add_all(items))
    })
}

/// Model and columns that were left out.
pub fn section(report: &Report) -> Element {
    let tables = &report.tables;
    let model = tables
        .model
        .as_deref()
        .unwrap_or("No model file was given: only the two tables were compared.");
    let mut section = el("section")
        .attr("id", "table")
        .add(el("h2").text("The table and its model"))
        .add(el("h3").text("Model"))
        .add(el("p").text(model))
        .add(el("h3").text("Columns left out of the measures"));
    if tables.left_out.is_empty() {
        return section.add(el("p").text("None: every column was measured."));
    }
    let rows = tables.left_out.iter().map(|(name, reason)| {
        el("tr")
            .add(el("th").attr("scope", "row").data(name))
            .add(el("td").class("text").text(&**reason))
    });
    section = section.add(el("table").class("plain").add(el("tbody").add_all(rows)));
    section
}
