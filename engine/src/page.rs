//! The report as one HTML page: no network, no script needed, the same bytes for the same report.
//!
//! Sections stand in the order of the page, one file each; `markup` alone writes text, so every
//! value of the data is escaped. The page forbids itself all connections by its content policy and
//! lets no script run but its own, which it names by digest.

mod axis;
mod columns;
mod curves;
mod distances;
mod facts;
mod gauge;
mod glossary;
mod heatmap;
mod histogram;
mod levels;
mod markup;
mod metrics;
mod moment;
mod pairs;
mod plot;
mod policy;
mod scatter;
mod svg;
mod verdict;

use tgs_protocol::report::Report;

use markup::{Element, el};

const STYLE: &str = include_str!("../assets/page/page.css");
const SCRIPT: &str = include_str!("../assets/page/page.js");

/// The whole page as HTML text, UTF-8, self-contained.
pub fn render(report: &Report) -> String {
    let page = el("html").attr("lang", "en").add(head(report)).add(body(report));
    let mut out = String::with_capacity(256 * 1024);
    out.push_str("<!DOCTYPE html>\n");
    page.write(&mut out);
    out
}

fn head(report: &Report) -> Element {
    let meta = |name, content: &str| el("meta").attr("name", name).attr("content", content);
    el("head")
        .add(el("meta").attr("charset", "utf-8"))
        .add(
            el("meta")
                .attr("http-equiv", "Content-Security-Policy")
                .attr("content", policy::content_policy(SCRIPT)),
        )
        .add(meta("viewport", "width=device-width, initial-scale=1"))
        .add(meta("color-scheme", "light dark"))
        .add(el("title").text(verdict::title(report)))
        .add(el("style").asset(STYLE))
}

fn body(report: &Report) -> Element {
    let main = el("main")
        .attr("id", "main")
        .add(verdict::section(report))
        .add(facts::strip(report))
        .add(verdict::gates(report))
        .add_all(facts::notices(report))
        .add(metrics::section(report))
        .add(columns::section(report))
        .add(heatmap::section(&report.correlations))
        .add_all(pairs::section(report))
        .add(scatter::section(&report.embedding))
        .add(distances::section(&report.distances))
        .add(curves::section(&report.curves))
        .add(facts::section(report))
        .add(glossary::section());
    el("body")
        .add(el("a").class("skip").attr("href", "#main").text("Skip to the verdict"))
        .add(masthead())
        .add(main)
        .add(el("footer").add(el("p").text(format!(
            "TabGraphSyn report, version {}. One file without connections: it can be mailed, \
             archived and printed. It shows shares and extremes of the real rows, so treat it as \
             what it is: a summary of the real data.",
            report.version
        ))))
        .add(el("div").attr("id", "tip").attr("hidden", ""))
        .add(el("script").asset(SCRIPT))
}

fn masthead() -> Element {
    let links = [
        ("#gates", "Gates"),
        ("#numbers", "Numbers"),
        ("#columns", "Columns"),
        ("#associations", "Associations"),
        ("#plane", "Rows"),
        ("#distances", "Distances"),
        ("#training", "Training"),
        ("#guide", "Guide"),
    ];
    let button = el("button")
        .class("script-only")
        .attr("id", "theme")
        .attr("type", "button")
        .attr("hidden", "")
        .text("Dark");
    el("header")
        .class("masthead")
        .add(el("p").class("brand").add(el("b").text("TabGraphSyn")).text(" synthetic data report"))
        .add(
            el("nav")
                .attr("aria-label", "Sections")
                .add_all(links.map(|(to, name)| el("a").attr("href", to).text(name))),
        )
        .add(button)
}

#[cfg(test)]
mod tests;
