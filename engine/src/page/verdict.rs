//! The first screen: may this table be shared, and by which gates.

use tgs_protocol::{
    figure,
    gate::{GateLevel, Gates, Side},
    report::{GateOutcome, Report, Tally, Verdict},
};

use super::{
    gauge,
    markup::{Element, el},
    svg,
};

/// Verdict in large letters, then every gate.
pub fn section(report: &Report) -> Element {
    let state = class_of(report);
    let heading = el("div")
        .class(&format!("hero {state}"))
        .add(badge(state, "").attr("aria-hidden", "true"))
        .add(
            el("div")
                .add(el("p").class("kicker").text("Verdict"))
                .add(el("h1").text(headline(report)))
                .add(el("p").class("lead").text(lead(report))),
        );
    el("section").attr("id", "verdict").attr("aria-label", "Verdict").add(heading)
}

/// The list of gates, worst first, as the report has them.
pub fn gates(report: &Report) -> Element {
    let section = el("section").attr("id", "gates").add(el("h2").text("Gates")).add(
        el("p").class("deck").text(
            "A gate is a limit that was set before the table was made. A failed blocking gate \
             keeps the table from being released.",
        ),
    );
    if report.gates.is_empty() {
        return section.add(el("p").class("none").text("No gate was set for this report."));
    }
    section.add(el("ul").class("rows gates").add_all(report.gates.iter().map(gate)))
}

/// What the page is called, in a browser tab and on paper.
pub fn title(report: &Report) -> String {
    format!("{} · synthetic data report", headline(report).trim_end_matches('.'))
}

fn class_of(report: &Report) -> &'static str {
    match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Warn if !Tally::of(&report.gates).against_privacy().is_empty() => "block",
        Verdict::Warn => "warn",
        Verdict::Block => "block",
    }
}

/// Whether two tables were compared that somebody else made: then nothing was released or withheld
/// here.
pub fn only_compares(report: &Report) -> bool {
    report.tables.model.is_none()
}

fn headline(report: &Report) -> &'static str {
    let tally = Tally::of(&report.gates);
    match report.verdict {
        _ if tally.all() == 0 => "No gate was set, so there is no verdict.",
        Verdict::Pass if !tally.open.is_empty() => {
            "Nothing measured speaks against sharing this table."
        }
        Verdict::Pass => "This table may be shared.",
        Verdict::Warn if !tally.against_privacy().is_empty() => match only_compares(report) {
            true => "A privacy gate failed.",
            false => "Released against a failed privacy gate.",
        },
        Verdict::Warn if tally.warning.is_empty() && !tally.open.is_empty() => {
            "Not everything was measured: share with care."
        }
        Verdict::Warn => "This table may be shared, with care.",
        Verdict::Block => "This table should not be shared.",
    }
}

/// What blocks is explained first; mere warnings are explained when nothing blocks.
fn lead(report: &Report) -> String {
    let tally = Tally::of(&report.gates);
    let (all, holding, open) = (tally.all(), tally.holding.len(), tally.open.len());
    if all == 0 {
        return "This report measures but does not judge. Read the numbers below before you decide."
            .into();
    }
    if !tally.blocking.is_empty() {
        return lead_of_block(report, &tally);
    }
    let unmeasured = match tally.open.is_empty() {
        true => String::new(),
        false => format!(" {} not be measured.", counted(open, all, "could")),
    };
    let against = tally.against_privacy();
    if !against.is_empty() {
        let (some, why) = (against.len(), meanings(&against));
        let set = match some {
            1 => "fails that guards people; it was set to warn only",
            _ => "fail that guard people; they were set to warn only",
        };
        let released = if only_compares(report) { "" } else { ", so the table was released" };
        return format!("{}{released}.{why}{unmeasured}", counted(some, all, set));
    }
    let warning = tally.warning.len();
    if warning > 0 {
        let give = if warning == 1 { "gives" } else { "give" };
        let why = meanings(&tally.warning);
        return format!("{} a warning.{why}{unmeasured}", counted(warning, all, give));
    }
    let held = what_holds(tally.holding.iter().copied());
    let verb = if holding == 1 { "holds" } else { "hold" };
    let why = why_open(&tally.open);
    match (holding, open) {
        (_, 0) => format!("All {all} gates {verb}{held}."),
        (0, _) => format!("No gate could be measured.{why}"),
        (_, 1) => format!("{holding} of {all} gates {verb}{held}. One stays open.{why}"),
        _ => format!("{holding} of {all} gates {verb}{held}. {open} stay open.{why}"),
    }
}

fn lead_of_block(report: &Report, tally: &Tally) -> String {
    let one = tally.blocking.len() == 1;
    let count = format!("{} of {} gates", tally.blocking.len(), tally.all());
    let more = match tally.warning.len() {
        0 => "",
        1 => " One more gives a warning.",
        _ => " Others give a warning.",
    };
    let why = meanings(&tally.blocking);
    match (only_compares(report), one) {
        (true, true) => format!("{count} fails that would block a release.{why}{more}"),
        (true, false) => format!("{count} fail that would block a release.{why}{more}"),
        (false, true) => {
            format!("It is withheld: {count} fails and blocks the release.{why}{more}")
        }
        (false, false) => {
            format!("It is withheld: {count} fail and block the release.{why}{more}")
        }
    }
}

/// Which gates stay open, each with its reason.
fn why_open(gates: &[&GateOutcome]) -> String {
    let why = |words: String, gate: &&GateOutcome| {
        let name = words_of(&gate.gate).0.unwrap_or_else(|| plain_words(&gate.gate));
        let meaning = gate.meaning.trim_start_matches("Not measured: ");
        format!("{words} “{name}” was not measured: {meaning}")
    };
    gates.iter().fold(String::new(), why)
}

/// `2 of 5 gates fail`.
fn counted(some: usize, all: usize, verb: &str) -> String {
    format!("{some} of {all} gates {verb}")
}

/// What it means that a gate holds, in the order in which it reads well.
const HELD: [(&str, &str); 6] = [
    ("ks_mean", "single columns are close to the real ones"),
    ("correlation_difference", "columns hang together much as they do there"),
    ("utility_ratio", "a model trained on the table still predicts real rows"),
    ("membership_advantage", "attacks on membership stay below their limit"),
    ("rare_copies", "rare rows are not copied beyond chance"),
    ("personal_data", "no column that looks like names of people holds real ones"),
];

fn meanings(gates: &[&GateOutcome]) -> String {
    gates.iter().fold(String::new(), |words, gate| format!("{words} {}", gate.meaning))
}

/// `: single columns are close to the real ones, …, and rare rows are not copied`.
fn what_holds<'a>(gates: impl Iterator<Item = &'a GateOutcome>) -> String {
    let held: Vec<&str> = gates.map(|gate| &*gate.gate).collect();
    let phrases: Vec<&str> = HELD
        .into_iter()
        .filter_map(|(gate, phrase)| held.contains(&gate).then_some(phrase))
        .collect();
    match &phrases[..] {
        [] => String::new(),
        [one] => format!(": {one}"),
        [first @ .., last] => format!(": {}, and {last}", first.join(", ")),
    }
}

fn gate(gate: &GateOutcome) -> Element {
    let (name, technical) = words_of(&gate.gate);
    let (state, word) = state_of(gate);
    let technical = technical.map(|text| el("span").class("term").text(text));
    el("li")
        .class(state)
        .add(badge(state, word))
        .add(
            el("div")
                .class("what")
                .add(
                    el("h3")
                        .text(name.unwrap_or_else(|| plain_words(&gate.gate)))
                        .add_all(technical),
                )
                .add(el("p").text(&*gate.meaning)),
        )
        .add(measured(gate))
        .add_all(
            gate.value
                .filter(|value| value.is_finite())
                .map(|value| el("div").class("scale").add(gauge::of_gate(value, gate))),
        )
}

fn measured(gate: &GateOutcome) -> Element {
    let limit = figure::compact(gate.threshold);
    let rule = match (Side::of(&gate.gate), gate.threshold == 0.0) {
        (Side::AtMost, true) => "none allowed".into(),
        (side, _) => format!("limit: {side} {limit}"),
    };
    let value = match gate.value {
        // Where nothing at all is allowed, it is things that are counted.
        Some(value) if gate.threshold == 0.0 && value.fract() == 0.0 => {
            el("strong").text(figure::compact(value))
        }
        Some(value) => el("strong").text(figure::score(value)),
        None => el("strong").class("none").text("not measured"),
    };
    let level = match gate.level {
        GateLevel::Off => "not judged",
        GateLevel::Warn => "warning gate",
        GateLevel::Block => "blocking gate",
    };
    el("div").class("value").add(value).add(el("small").text(rule)).add(el("small").text(level))
}

fn badge(state: &str, word: &str) -> Element {
    let mark = match state {
        "pass" => vec![vec![(5.0, 10.5), (8.5, 14.0), (15.0, 6.5)]],
        "none" => vec![vec![(6.0, 10.0), (14.0, 10.0)]],
        "warn" => vec![vec![(10.0, 5.0), (10.0, 11.0)], vec![(10.0, 14.6), (10.0, 14.8)]],
        _ => vec![vec![(6.0, 6.0), (14.0, 14.0)], vec![(14.0, 6.0), (6.0, 14.0)]],
    };
    let drawing = el("svg")
        .attr("viewBox", "0 0 20 20")
        .attr("aria-hidden", "true")
        .add(svg::circle(10.0, 10.0, 9.5).class("disc"))
        .add_all(mark.into_iter().map(|line| svg::Path::through(line).draw().class("mark")));
    el("div").class(&format!("badge {state}")).add(drawing).add(el("span").text(word))
}

fn state_of(gate: &GateOutcome) -> (&'static str, &'static str) {
    match (gate.passes, gate.level) {
        (_, GateLevel::Off) => ("none", "Off"),
        _ if gate.is_open() => ("none", "Open"),
        (true, _) => ("pass", "Holds"),
        (false, GateLevel::Warn) if Gates::is_privacy(&gate.gate) => ("block", "Fails"),
        (false, GateLevel::Warn) => ("warn", "Warns"),
        (false, GateLevel::Block) => ("block", "Fails"),
    }
}

/// Plain name and technical term.
fn words_of(gate: &str) -> (Option<String>, Option<&'static str>) {
    let (name, term) = match gate {
        "ks_mean" => ("Single columns agree", "mean Kolmogorov–Smirnov distance"),
        "correlation_difference" => {
            ("Associations agree", "mean absolute difference of associations")
        }
        "utility_ratio" => ("Useful for prediction", "train on synthetic, test on real"),
        "membership_advantage" => ("Membership stays secret", "membership inference"),
        "rare_copies" => ("Rare rows are not copied", "exact matches of rare rows"),
        "personal_data" => ("No column of names", "columns that look like personal data"),
        _ => return (None, None),
    };
    (Some(name.into()), Some(term))
}

/// `some_gate` as `Some gate`.
fn plain_words(key: &str) -> String {
    let words = key.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
