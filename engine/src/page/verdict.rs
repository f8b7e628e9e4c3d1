//! The first screen: may this table be shared, and by which gates.

use tgs_protocol::{
    gate::GateLevel,
    report::{GateOutcome, Report, Verdict},
};

use super::{
    gauge,
    markup::{Element, el},
    number, svg,
};

/// Verdict in large letters, then every gate.
pub fn section(report: &Report) -> Element {
    let state = class_of(report.verdict);
    let heading = el("div").class(&format!("hero {state}")).add(seal(report.verdict)).add(
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

fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Block => "block",
    }
}

fn headline(report: &Report) -> String {
    let tally = Tally::of(report);
    match report.verdict {
        _ if tally.all() == 0 => "No gate was set, so there is no verdict.".into(),
        Verdict::Pass if !tally.open.is_empty() => {
            "Nothing measured speaks against sharing this table.".into()
        }
        Verdict::Pass => "This table may be shared.".into(),
        Verdict::Warn if tally.warning.is_empty() && !tally.open.is_empty() => {
            "Not everything was measured: share with care.".into()
        }
        Verdict::Warn => "This table may be shared, with care.".into(),
        Verdict::Block => "This table should not be shared.".into(),
    }
}

/// What blocks is explained first; mere warnings are explained when nothing blocks.
fn lead(report: &Report) -> String {
    let tally = Tally::of(report);
    let (all, holding, open) = (tally.all(), tally.holding.len(), tally.open.len());
    let (blocking, warning) = (tally.blocking.len(), tally.warning.len());
    if all == 0 {
        return "This report measures but does not judge. Read the numbers below before you decide."
            .into();
    }
    if blocking > 0 {
        let verb = if blocking == 1 { "fails and blocks" } else { "fail and block" };
        let more = match warning {
            0 => "",
            1 => " One more gives a warning.",
            _ => " Others give a warning.",
        };
        let why = meanings(&tally.blocking);
        return format!("It is withheld: {blocking} of {all} gates {verb} the release.{why}{more}");
    }
    if warning > 0 {
        let verb = if warning == 1 { "gives" } else { "give" };
        let why = meanings(&tally.warning);
        return format!("{warning} of {all} gates {verb} a warning.{why}");
    }
    let held = what_holds(tally.holding.iter().copied());
    let verb = if holding == 1 { "holds" } else { "hold" };
    let why = meanings(&tally.open);
    match (holding, open) {
        (_, 0) => format!("All {all} gates {verb}{held}."),
        (0, _) => format!("No gate could be measured.{why}"),
        (_, 1) => format!("{holding} of {all} gates {verb}{held}. One stays open.{why}"),
        _ => format!("{holding} of {all} gates {verb}{held}. {open} stay open.{why}"),
    }
}

/// What it means that a gate holds, in the order in which it reads well.
const HELD: [(&str, &str); 5] = [
    ("ks_mean", "single columns are close to the real ones"),
    ("correlation_difference", "columns hang together much as they do there"),
    ("utility_ratio", "a model trained on the table still predicts real rows"),
    ("membership_advantage", "attacks on membership stay below their limit"),
    ("rare_copies", "rare rows are not copied beyond chance"),
];

fn meanings(gates: &[&GateOutcome]) -> String {
    gates.iter().fold(String::new(), |words, gate| format!("{words} {}", gate.meaning))
}

/// The gates that are looked at, by what they said.
#[derive(Default)]
struct Tally<'a> {
    blocking: Vec<&'a GateOutcome>,
    warning: Vec<&'a GateOutcome>,
    open: Vec<&'a GateOutcome>,
    holding: Vec<&'a GateOutcome>,
}

impl<'a> Tally<'a> {
    fn of(report: &'a Report) -> Self {
        let mut tally = Self::default();
        for gate in report.gates.iter().filter(|gate| gate.level != GateLevel::Off) {
            let list = match (gate.passes, gate.level) {
                _ if is_unmeasured(gate) => &mut tally.open,
                (true, _) => &mut tally.holding,
                (false, GateLevel::Block) => &mut tally.blocking,
                (false, _) => &mut tally.warning,
            };
            list.push(gate);
        }
        tally
    }
    fn all(&self) -> usize {
        self.blocking.len() + self.warning.len() + self.open.len() + self.holding.len()
    }
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
    let (name, technical, above) = words_of(&gate.gate);
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
        .add(measured(gate, above))
        .add_all(gate.value.filter(|value| value.is_finite()).map(|value| {
            el("div").class("scale").add(gauge::of_gate(value, gate.threshold, above, gate.passes))
        }))
}

fn measured(gate: &GateOutcome, above: bool) -> Element {
    let limit = number::compact(gate.threshold);
    let rule = match (above, gate.threshold == 0.0) {
        (true, _) => format!("limit at least {limit}"),
        (false, true) => "none allowed".into(),
        (false, false) => format!("limit at most {limit}"),
    };
    let value = match gate.value {
        // Where nothing at all is allowed, it is things that are counted.
        Some(value) if gate.threshold == 0.0 && value.fract() == 0.0 => {
            el("strong").text(number::compact(value))
        }
        Some(value) => el("strong").text(number::score(value)),
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

fn seal(verdict: Verdict) -> Element {
    badge(class_of(verdict), "").attr("aria-hidden", "true")
}

fn state_of(gate: &GateOutcome) -> (&'static str, &'static str) {
    match (gate.passes, gate.level) {
        (_, GateLevel::Off) => ("none", "Off"),
        _ if is_unmeasured(gate) => ("none", "Open"),
        (true, _) => ("pass", "Holds"),
        (false, GateLevel::Warn) => ("warn", "Warns"),
        (false, GateLevel::Block) => ("block", "Fails"),
    }
}

fn is_unmeasured(gate: &GateOutcome) -> bool {
    gate.level != GateLevel::Off && gate.value.is_none()
}

/// Plain name, technical term, and whether the value must lie above the threshold.
fn words_of(gate: &str) -> (Option<String>, Option<&'static str>, bool) {
    let (name, term, above) = match gate {
        "ks_mean" => ("Single columns agree", "mean Kolmogorov–Smirnov distance", false),
        "correlation_difference" => {
            ("Associations agree", "mean absolute difference of associations", false)
        }
        "utility_ratio" => ("Useful for prediction", "train on synthetic, test on real", true),
        "membership_advantage" => ("Membership stays secret", "membership inference", false),
        "rare_copies" => ("Rare rows are not copied", "exact matches of rare rows", false),
        _ => return (None, None, false),
    };
    (Some(name.into()), Some(term), above)
}

/// `some_gate` as `Some gate`.
fn plain_words(key: &str) -> String {
    let words = key.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
