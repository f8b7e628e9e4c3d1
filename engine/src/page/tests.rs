//! The page as a whole: safe, whole, the same twice, and nothing of the report is lost.

use tgs_protocol::{
    column::ColumnKind,
    gate::GateLevel,
    report::{ColumnPicture, ColumnReport, CorrelationMatrices, Metric, Report, Verdict},
};

use super::render;
use crate::random::{Purpose, Stream};

#[path = "../../examples/page_sample/plausible.rs"]
mod plausible;

const NASTY: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></style></script><b>",
    "<!-- ]]> &lt; &",
    "שם פרטי",
    "👩‍⚕️ blood 🩸",
    "evil\u{202E}txt.exe\u{0}\n\r\t",
    "",
];

/// Opens and closes in order; returns the number of elements. Knows only what the page needs.
fn check_balance(html: &str) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut elements = 0;
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>').expect("every tag ends") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order, before {rest:.60}");
        } else if !tag.starts_with('!') {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split(' ').next().unwrap_or(tag);
            elements += 1;
            if !["meta", "input", "br", "hr"].contains(&name) {
                open.push(name);
            }
            // Style and script hold signs of their own.
            if name == "style" || name == "script" {
                rest = &rest[rest.find("</").expect("style and script end")..];
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    elements
}

fn bare() -> Report {
    let mut report = plausible::report();
    report.gates.clear();
    report.metrics.clear();
    report.columns.clear();
    report.pairs.clear();
    report.curves.clear();
    report.notices.clear();
    report.tables.model = None;
    report.tables.holdout_rows = 0;
    report.correlations = CorrelationMatrices { columns: vec![], real: vec![], synthetic: vec![] };
    report.embedding.real.clear();
    report.embedding.synthetic.clear();
    report.distances.synthetic_to_train.clear();
    report.distances.synthetic_to_holdout.clear();
    report.distances.holdout_to_train.clear();
    report
}

/// So many columns, their matrices and pictures.
fn wide(count: usize) -> Report {
    let mut report = plausible::report();
    let template = report.columns.clone();
    let name = |index: usize| format!("column_{index:03}");
    report.columns = (0..count)
        .map(|index| ColumnReport { name: name(index), ..template[index % template.len()].clone() })
        .collect();
    let value = |index: usize| Some((index as f64 * 0.37).sin());
    report.correlations = CorrelationMatrices {
        columns: (0..count).map(name).collect(),
        real: (0..count * count).map(value).collect(),
        synthetic: (0..count * count).map(|index| value(index + index % 3)).collect(),
    };
    report.pairs.clear();
    report
}

fn every_string_is(report: &mut Report, text: &str) {
    let set = |to: &mut String| *to = text.into();
    for gate in &mut report.gates {
        set(&mut gate.gate);
        set(&mut gate.meaning);
    }
    for Metric { key, name, meaning, .. } in &mut report.metrics {
        [key, name, meaning].into_iter().for_each(set);
    }
    for column in &mut report.columns {
        set(&mut column.name);
        if let ColumnPicture::Levels { names, .. } = &mut column.picture {
            names.iter_mut().for_each(set);
        }
    }
    for pair in &mut report.pairs {
        [&mut pair.a, &mut pair.b].into_iter().for_each(set);
    }
    report.correlations.columns.iter_mut().for_each(set);
    report.curves.iter_mut().for_each(|curve| set(&mut curve.name));
    report.notices.iter_mut().for_each(set);
    set(&mut report.embedding.method);
    report.tables.model = Some(text.into());
    for (name, reason) in &mut report.tables.left_out {
        [name, reason].into_iter().for_each(set);
    }
}

#[test]
fn no_string_of_the_data_becomes_markup() {
    let clean = check_balance(&render(&plausible::report()));
    for nasty in NASTY.map(String::from).into_iter().chain(["ab c".repeat(50)]) {
        let mut report = plausible::report();
        every_string_is(&mut report, &nasty);
        let html = render(&report);
        let elements = check_balance(&html);
        // Only the tooltips of names that had to be cut may come or go.
        assert!(elements.abs_diff(clean) < 120, "{nasty:?}: {elements} against {clean}");
        assert_eq!(html.matches("<script").count(), 1, "{nasty:?}");
        assert!(!html.contains("<img") && !html.contains('\u{202E}') && !html.contains('\0'));
        assert!(!html.contains("<b></") && !html.contains("<!--"), "{nasty:?}");
        if nasty.len() == 200 {
            assert!(html.contains(&nasty));
        }
    }
}

#[test]
fn the_page_asks_for_nothing() {
    let html = render(&plausible::report());
    let rest = html.replace("http-equiv", "");
    for word in ["http", "src=", "@import", "url(", "<link", "xmlns", "//"] {
        assert!(!rest.contains(word), "{word}");
    }
    assert!(html.split("href=\"").skip(1).all(|link| link.starts_with('#')));
}

#[test]
fn links_inside_the_page_lead_somewhere() {
    for report in [plausible::report(), bare()] {
        let html = render(&report);
        for link in html.split("href=\"#").skip(1) {
            let name = link.split('"').next().expect("an attribute ends");
            let target = format!(" id=\"{name}\"");
            assert_eq!(html.matches(&target).count(), 1, "{name}");
        }
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    assert_eq!(render(&plausible::report()), render(&plausible::report()));
}

#[test]
fn a_page_of_fifteen_columns_is_small() {
    let size = render(&plausible::report()).len();
    assert!(size < 600_000, "{size} bytes");
}

#[test]
fn everything_that_was_measured_is_shown() {
    let report = plausible::report();
    let html = render(&report);
    let escaped = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
    };
    let texts = report
        .gates
        .iter()
        .map(|gate| &gate.meaning)
        .chain(report.metrics.iter().flat_map(|metric| [&metric.name, &metric.meaning]))
        .chain(report.columns.iter().map(|column| &column.name))
        .chain(&report.notices)
        .chain(report.tables.left_out.iter().flat_map(|(name, reason)| [name, reason]))
        .chain(&report.tables.model);
    for text in texts {
        assert!(html.contains(&format!(">{}<", escaped(text))), "{text}");
    }
    for word in ["32,561", "26,048", "6,513", "0.981", "0.989", "PCA", "not measured"] {
        assert!(html.contains(word), "{word}");
    }
}

#[test]
fn every_verdict_says_what_it_is() {
    for (verdict, level, passes, value, words) in [
        (Verdict::Pass, GateLevel::Block, true, Some(0.1), "This table may be shared."),
        (Verdict::Pass, GateLevel::Block, true, None, "Nothing measured speaks against"),
        (
            Verdict::Pass,
            GateLevel::Off,
            true,
            Some(0.1),
            "No gate was set, so there is no verdict.",
        ),
        (Verdict::Warn, GateLevel::Warn, false, Some(0.5), "may be shared, with care."),
        (Verdict::Warn, GateLevel::Block, true, None, "Not everything was measured"),
        (Verdict::Block, GateLevel::Block, false, Some(0.5), "should not be shared."),
    ] {
        let mut report = plausible::report();
        report.verdict = verdict;
        report.gates.retain(|gate| gate.gate == "ks_mean");
        report.gates[0].level = level;
        report.gates[0].passes = passes;
        report.gates[0].value = value;
        let html = render(&report);
        check_balance(&html);
        assert!(html.contains(words), "{verdict:?}: {words}");
    }
}

#[test]
fn a_failed_privacy_gate_is_never_shared_with_care() {
    let mut report = plausible::report();
    report.verdict = Verdict::Warn;
    report.gates.retain(|gate| gate.gate == "rare_copies");
    (report.gates[0].level, report.gates[0].passes) = (GateLevel::Warn, false);
    let page = render(&report);
    check_balance(&page);
    assert!(page.contains("Released against a failed privacy gate.") && page.contains("Fails"));
    assert!(page.contains("set to warn only, so the table was released."));
    assert!(!page.contains("with care") && !page.contains("Warns"));
    report.tables.model = None;
    let page = render(&report);
    let is_silent = !page.contains("was released") && !page.contains("Released");
    assert!(page.contains("A privacy gate failed.") && is_silent);
}

#[test]
fn an_open_gate_is_named_beside_the_verdict() {
    let mut report = plausible::report();
    report.verdict = Verdict::Warn;
    let open = report.gates.iter_mut().find(|gate| gate.gate == "membership_advantage");
    let open = open.expect("the sample has this gate");
    (open.value, open.meaning) = (None, "Not measured: too few holdout rows.".into());
    let page = render(&report);
    let words = "One stays open. “Membership stays secret” was not measured: too few holdout rows.";
    assert!(page.contains(words) && !page.contains("All 5 gates hold"));
}

#[test]
fn a_comparison_neither_withholds_nor_knows_who_learned() {
    let mut report = plausible::report();
    report.verdict = Verdict::Block;
    report.gates.truncate(1);
    report.gates[0].passes = false;
    for (model, says, is_silent) in [
        (Some("tabgraph".to_owned()), "It is withheld", "would block a release"),
        (None, "1 of 1 gates fails that would block a release.", "withheld"),
    ] {
        report.tables.model = model;
        let page = render(&report);
        assert!(page.contains(says) && !page.contains(is_silent), "{says}");
        let knows = page.contains("the model learned from them");
        assert_eq!(knows, report.tables.model.is_some());
    }
}

#[test]
fn a_limit_says_on_which_side_a_gate_holds() {
    let page = render(&plausible::report());
    for words in ["limit: below 0.15", "limit: above 0.8", "none allowed"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let html = render(&bare());
    check_balance(&html);
    for words in [
        "No gate was set",
        "No number was measured",
        "No column was measured",
        "without real rows that were kept aside",
        "No curves",
        "at least two columns",
        "there were no rows to draw",
        "No model file was given",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn any_number_of_columns_can_be_shown() {
    for count in [1, 2, 24, 25, 60, 61, 300] {
        let html = render(&wide(count));
        check_balance(&html);
        assert!(html.len() < 1_500_000, "{count}: {} bytes", html.len());
        for index in 0..count {
            assert!(html.contains(&format!("column_{index:03}")), "{index} of {count}");
        }
    }
    assert!(render(&wide(300)).contains("40 of 300 columns are drawn"));
}

#[test]
fn dates_are_written_as_dates() {
    let mut report = plausible::report();
    report.columns.retain(|column| column.kind == ColumnKind::Date);
    let html = render(&report);
    assert!(html.contains(">2015<") && !html.contains(" bn<"));
}

#[test]
fn odd_numbers_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e308, -1e308, 5e-324];
    for value in odd {
        let mut report = plausible::report();
        for metric in &mut report.metrics {
            (metric.value, metric.interval, metric.real_rows) =
                (Some(value), Some(value), Some(value));
            metric.ideal = value;
        }
        for gate in &mut report.gates {
            (gate.value, gate.threshold) = (Some(value), value);
        }
        for column in &mut report.columns {
            (column.shape, column.missing) = (Some(value), (value, value));
            match &mut column.picture {
                ColumnPicture::Numbers { edges, real, synthetic } => {
                    edges[3] = value;
                    real[0] = value;
                    synthetic.truncate(5);
                }
                ColumnPicture::Levels { real, .. } => real[0] = value,
            }
        }
        report.correlations.real[7] = Some(value);
        report.distances.synthetic_to_train[100] = value;
        report.curves[0].points[3].1 = value;
        report.curves[1].points.iter_mut().for_each(|point| point.1 = value);
        report.embedding.real[0] = (value as f32, 0.0);
        let html = render(&report);
        check_balance(&html);
        let drawn: Vec<&str> = html.split(" d=\"").skip(1).collect();
        for path in drawn {
            let path = path.split('"').next().expect("an attribute ends");
            assert!(!path.contains("NaN") && !path.contains("inf"), "{value}: {path}");
        }
    }
}
