//! Every column, real beside synthetic, worst first: small multiples to skim.

use tgs_protocol::{
    column::ColumnKind,
    figure,
    report::{ColumnPicture, ColumnReport, Report},
};

use super::{
    histogram, levels,
    markup::{Element, el},
};

/// So many columns get a picture; the others, which agree better, stand in a table.
const PICTURES_MAX: usize = 60;

/// All columns.
pub fn section(report: &Report) -> Element {
    let section = el("section")
        .attr("id", "columns")
        .add(el("h2").text("Column by column"))
        .add(deck(&report.columns));
    if report.columns.is_empty() {
        return section.add(el("p").class("none").text("No column was measured."));
    }
    let (shown, listed) = report.columns.split_at(report.columns.len().min(PICTURES_MAX));
    section
        .add(legend())
        .add(controls())
        .add(el("div").class("cards").add_all(shown.iter().enumerate().map(card)))
        .add_all((!listed.is_empty()).then(|| table(listed)))
}

/// The grey area and the line: used wherever both tables stand in one picture.
pub fn legend() -> Element {
    el("p")
        .class("legend")
        .add(el("span").add(el("i").class("swatch real")).text("real rows"))
        .add(el("span").add(el("i").class("swatch synthetic")).text("synthetic rows"))
}

/// What a kind is called.
pub fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "whole number",
        ColumnKind::Real => "number",
        ColumnKind::Boolean => "yes or no",
        ColumnKind::Category => "category",
        ColumnKind::Date => "date",
        ColumnKind::Time => "time of day",
        ColumnKind::Datetime => "date and time",
        ColumnKind::Id => "id",
        ColumnKind::Text => "text",
        ColumnKind::Constant => "constant",
    }
}

/// The sentence over the pictures: which column is worst, and how bad that is.
fn deck(columns: &[ColumnReport]) -> Element {
    let measured = columns.iter().filter(|column| column.shape.is_some_and(f64::is_finite));
    let worst = measured.min_by(|a, b| a.shape.unwrap_or(1.0).total_cmp(&b.shape.unwrap_or(1.0)));
    let deck = el("p").class("deck");
    let Some(worst) = worst else {
        return deck.text("No shape score could be measured.");
    };
    let score = figure::score(worst.shape.unwrap_or(1.0));
    deck.text("The grey area and the blue line should be one. Where they agree least, in ")
        .add(el("b").data(&worst.name))
        .text(format!(", the shape score is {score}; 1 is a perfect match."))
}

fn card((order, column): (usize, &ColumnReport)) -> Element {
    let score = column.shape.map_or_else(|| "–".into(), figure::score);
    let heading = el("header")
        .add(
            el("div")
                .add(el("h3").attr("title", &*column.name).data(&column.name))
                .add(el("small").text(kind_name(column.kind))),
        )
        .add(
            el("div")
                .class("score")
                .add(el("strong").text(score))
                .add(el("small").text("shape score")),
        );
    let picture = match &column.picture {
        ColumnPicture::Numbers { edges, real, synthetic } => {
            histogram::draw(column, edges, real, synthetic)
        }
        ColumnPicture::Levels { names, real, synthetic } => levels::draw(names, real, synthetic),
    };
    el("article")
        .class("card")
        .attr("data-name", column.name.to_lowercase())
        .attr("data-shape", column.shape.map_or_else(|| "-1".into(), |shape| shape.to_string()))
        .attr("data-order", order.to_string())
        .add(heading)
        .add(picture)
        .add(footer(column))
}

fn footer(column: &ColumnReport) -> Element {
    let (real, synthetic) = column.missing;
    let mut facts =
        vec![("missing", format!("{} → {}", figure::share(real), figure::share(synthetic)))];
    if real == 0.0 && synthetic == 0.0 {
        facts[0].1 = "none".into();
    }
    let scores = [
        ("in range", column.adherence.filter(|_| column.kind.is_numeric())),
        ("known values", column.adherence.filter(|_| !column.kind.is_numeric())),
        ("coverage", column.coverage),
        ("Wasserstein, σ", column.wasserstein),
        ("Jaccard", column.jaccard),
    ];
    facts
        .extend(scores.into_iter().filter_map(|(name, value)| Some((name, figure::score(value?)))));
    el("dl").add_all(
        facts
            .into_iter()
            .map(|(name, value)| el("div").add(el("dt").text(name)).add(el("dd").text(value))),
    )
}

fn controls() -> Element {
    let options = [("order", "worst first"), ("best", "best first"), ("name", "by name")];
    el("form")
        .class("controls script-only")
        .attr("hidden", "")
        .add(
            el("label").text("Find a column ").add(
                el("input").attr("type", "search").attr("id", "find").attr("autocomplete", "off"),
            ),
        )
        .add(
            el("label").text("Order ").add(el("select").attr("id", "order").add_all(
                options.map(|(value, text)| el("option").attr("value", value).text(text)),
            )),
        )
        .add(el("output").attr("id", "found").attr("aria-live", "polite"))
}

fn table(columns: &[ColumnReport]) -> Element {
    let cell = |value: Option<f64>| el("td").text(value.map_or_else(|| "–".into(), figure::score));
    let rows = columns.iter().map(|column| {
        el("tr")
            .attr("data-name", column.name.to_lowercase())
            .add(el("th").attr("scope", "row").data(&column.name))
            .add(el("td").text(kind_name(column.kind)))
            .add(cell(column.shape))
            .add(cell(column.adherence))
            .add(cell(column.coverage))
            .add(el("td").text(format!(
                "{} → {}",
                figure::share(column.missing.0),
                figure::share(column.missing.1)
            )))
    });
    let head = ["Column", "Kind", "Shape", "Adherence", "Coverage", "Missing"]
        .map(|name| el("th").attr("scope", "col").text(name));
    el("details")
        .class("more")
        .add(el("summary").text(format!(
            "{} that agree better",
            figure::counted(columns.len() as u64, "more column")
        )))
        .add(
            el("div").class("wide").add(
                el("table")
                    .class("plain")
                    .add(el("thead").add(el("tr").add_all(head)))
                    .add(el("tbody").add_all(rows)),
            ),
        )
}
