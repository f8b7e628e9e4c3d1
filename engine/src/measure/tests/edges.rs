//! The whole report on tables that are fair, copied, broken, tiny or strange.

use tgs_protocol::{
    column::ColumnKind,
    engine::EngineError,
    gate::Gates,
    progress::Unwatched,
    report::{ColumnPicture, Report, Verdict},
};

use super::column;
use crate::{
    measure::{Settings, Tables, measure},
    random::{Purpose, Stream},
    table::{Column, Table},
    testing::Stop,
};

#[test]
fn a_second_real_sample_passes_every_gate() {
    let report = report(&people(1, 600), &people(2, 300), &people(3, 600), 2).unwrap();
    assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.gates);
    for (key, low, high) in [
        ("c2st_auc_train", 0.44, 0.56),
        ("c2st_auc_holdout", 0.42, 0.58),
        ("dcr_share", 0.44, 0.56),
        ("membership_domias_auc", 0.42, 0.58),
        ("alpha_precision", 0.93, 1.0),
        ("beta_recall", 0.3, 0.7),
        ("quality", 0.88, 1.0),
        ("utility_ratio", 0.85, 1.15),
        ("exact_match_rate", 0.0, 0.03),
    ] {
        let found = value(&report, key).unwrap();
        assert!((low..=high).contains(&found), "{key} is {found}");
    }
    for key in ["singling_out_risk", "linkability_risk", "inference_risk"] {
        let risk = report.metrics.iter().find(|metric| metric.key == key).unwrap();
        assert!(risk.value.unwrap() <= risk.interval.unwrap(), "more than chance: {risk:?}");
    }
}

#[test]
fn a_copy_of_the_training_rows_is_withheld() {
    let train = people(1, 600);
    let report = report(&train, &people(2, 300), &train, 2).unwrap();
    assert_eq!(report.verdict, Verdict::Block);
    for gate in ["membership_advantage", "rare_copies"] {
        assert!(report.gates.iter().any(|said| said.gate == gate && !said.passes), "{gate}");
    }
    // Half of the training rows stand in the sample of the holdout's size, with copies at zero.
    assert!(value(&report, "dcr_share").unwrap() > 0.7);
    assert!(value(&report, "membership_distance_auc").unwrap() > 0.95);
    assert_eq!(value(&report, "exact_match_rate"), Some(1.0));
    // Half of the copied persons are attacked: the sample is of the holdout's size.
    for (key, least) in
        [("singling_out_risk", 0.2), ("linkability_risk", 0.5), ("inference_risk", 0.3)]
    {
        let found = value(&report, key).unwrap();
        assert!(found > least, "{key} is {found}");
    }
}

#[test]
fn shuffled_columns_keep_their_shapes_and_lose_the_rest() {
    let train = people(1, 600);
    let shuffled = Table::new(
        train.columns().iter().zip(0..).map(|(column, seed)| rotated(column, 37 * seed)).collect(),
    );
    let report = report(&train, &people(2, 300), &shuffled, 2).unwrap();
    assert!(value(&report, "column_shapes").unwrap() > 0.999);
    assert!(value(&report, "c2st_auc_train").unwrap() > 0.7);
    assert!(value(&report, "correlation_difference").unwrap() > 0.1);
    let utility = report.gates.iter().find(|gate| gate.gate == "utility_ratio").unwrap();
    assert!(!utility.passes, "{utility:?}");
    assert_ne!(report.verdict, Verdict::Pass);
}

/// A column of one value, or of none, is as far from the real one as can be: it must not be left
/// out of the very gates that it fails.
#[test]
fn columns_that_lost_their_values_fail_their_gates() {
    let train = people(1, 600);
    let lost = train.columns().iter().map(|from| {
        let cell = (!from.spec.kind.is_numeric()).then_some("no");
        column(&from.spec.name, from.spec.kind, &[cell; 600])
    });
    let lost = Table::new(lost.collect());
    let report = report(&train, &people(2, 300), &lost, 2).unwrap();
    let gate = |key: &str| report.gates.iter().find(|gate| gate.gate == key).unwrap();
    assert_eq!(gate("ks_mean").value, Some(1.0));
    assert!(gate("correlation_difference").value.unwrap() > 0.15);
    assert!(!gate("ks_mean").passes && report.verdict == Verdict::Block);
}

#[test]
fn threads_change_no_byte() {
    let tables = [people(1, 200), people(2, 90), people(3, 150)];
    let bytes = |threads| {
        let report = report(&tables[0], &tables[1], &tables[2], threads).unwrap();
        serde_json::to_string(&report).unwrap()
    };
    let one = bytes(1);
    assert_eq!(one, bytes(2));
    assert_eq!(one, bytes(5));
}

#[test]
fn strange_tables_give_whole_reports() {
    let none = || people(9, 0);
    let number = |cells: &[Option<&str>]| column("x", ColumnKind::Real, cells);
    let level = |cells: &[Option<&str>]| column("c", ColumnKind::Category, cells);
    let same = [Some("1"); 60];
    let gone = [None; 60];
    let both = |numbers: &[Option<&str>], levels: &[Option<&str>]| {
        Table::new(vec![number(numbers), level(levels)])
    };
    let one = |column: Column| Table::new(vec![column]);
    let many: Vec<String> = (0..10_000).map(|code| format!("v{code}")).collect();
    let many: Vec<Option<&str>> = many.iter().map(|text| Some(text.as_str())).collect();
    let cases = [
        ("one row", people(1, 1), people(2, 1), people(3, 1)),
        ("no holdout", people(1, 80), none(), people(3, 80)),
        ("few synthetic rows", people(1, 200), people(2, 100), people(3, 3)),
        ("constant columns", both(&same, &same), both(&same, &same), both(&same, &same)),
        ("all missing", both(&gone, &gone), both(&gone, &gone), both(&gone, &gone)),
        ("missing in one", both(&same, &same), both(&same, &same), both(&gone, &gone)),
        ("only in one", both(&gone, &gone), both(&gone, &gone), both(&same, &same)),
        ("only categories", one(level(&same)), one(level(&same)), one(level(&same))),
        ("only numbers", one(number(&same)), one(number(&same)), one(number(&same))),
        ("levels as many as rows", one(level(&many)), one(level(&many[..50])), one(level(&many))),
        ("no compared column", ids(30), ids(10), ids(30)),
        (
            "unseen levels",
            one(level(&[Some("a"), Some("b"), Some("a")])),
            none(),
            one(level(&[Some("z"), None, Some("y")])),
        ),
        (
            "extreme numbers",
            one(number(&[Some("1e308"), Some("-1e308"), Some("1e-308"), Some("0")])),
            one(number(&[Some("1e308"), Some("-1e308")])),
            one(number(&[Some("-1e308"), Some("1e308"), None, Some("-0")])),
        ),
    ];
    for (name, train, holdout, synthetic) in cases {
        // A table without rows need not name columns.
        let report = report(&train, &holdout, &synthetic, 2);
        let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
        whole(name, &report);
    }
}

#[test]
fn privacy_that_was_not_measured_is_not_called_safe() {
    let report = report(&people(1, 200), &people(2, 0), &people(3, 200), 2).unwrap();
    assert_eq!(report.verdict, Verdict::Warn);
    let gate = report.gates.iter().find(|gate| gate.gate == "membership_advantage").unwrap();
    assert_eq!((gate.value, gate.passes), (None, true));
    assert!(report.notices.iter().any(|notice| notice.contains("holdout")));
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let people = people(1, 20);
    let other = Table::new(people.columns()[1..].to_vec());
    let text: Vec<Option<&str>> = vec![Some("1"); 20];
    let mut columns = people.columns().to_vec();
    columns[0] = column("age", ColumnKind::Category, &text);
    for (synthetic, code) in [
        (other, "DATA-0010"),
        (Table::new(columns), "DATA-0010"),
        (people.slice(0, 0), "DATA-0002"),
    ] {
        let error = report(&people, &people, &synthetic, 1).unwrap_err();
        assert_eq!(error.code().map(|code| code.as_str()), Some(code), "{error}");
    }
}

#[test]
fn a_watch_stops_the_work() {
    let people = people(1, 50);
    let tables = Tables { train: &people, holdout: &people, synthetic: &people };
    let stopped = measure(&tables, &settings(2), &Stop);
    assert!(matches!(stopped, Err(EngineError::Stopped)));
}

/// Every number that is written can be read back; shares sum to one.
fn whole(name: &str, report: &Report) {
    let text = serde_json::to_string(report).unwrap();
    let back: Report =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    // A NaN would have become a null, which reads as "not measured" and is not equal.
    assert_eq!(&back, report, "{name}");
    for column in &report.columns {
        let (ColumnPicture::Numbers { real, synthetic, .. }
        | ColumnPicture::Levels { real, synthetic, .. }) = &column.picture;
        for shares in [real, synthetic] {
            let sum: f64 = shares.iter().sum();
            assert!(
                sum == 0.0 || (sum - 1.0).abs() < 1e-9,
                "{name}: {} sums to {sum}",
                column.name
            );
        }
    }
    for metric in &report.metrics {
        assert_eq!(
            metric.value.is_none(),
            metric.meaning.starts_with("Not measured"),
            "{metric:?}"
        );
        assert!(metric.meaning.ends_with('.') && !metric.meaning.contains("NaN"), "{metric:?}");
    }
}

fn value(report: &Report, key: &str) -> Option<f64> {
    report.metrics.iter().find(|metric| metric.key == key).unwrap().value
}

fn settings(threads: u32) -> Settings {
    Settings {
        target: None,
        gates: Gates::default(),
        seed: 7,
        threads,
        model: None,
        curves: Vec::new(),
    }
}

fn report(
    train: &Table,
    holdout: &Table,
    synthetic: &Table,
    threads: u32,
) -> Result<Report, EngineError> {
    measure(&Tables { train, holdout, synthetic }, &settings(threads), &Unwatched)
}

fn ids(rows: usize) -> Table {
    let names: Vec<String> = (0..rows).map(|row| format!("id{row}")).collect();
    let cells: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    Table::new(vec![column("id", ColumnKind::Id, &cells)])
}

/// The cells moved on by `by` rows: the same values in other rows.
fn rotated(from: &Column, by: usize) -> Column {
    let table = Table::new(vec![from.clone()]);
    let cut = by % table.rows();
    let [tail, head] = [table.slice(cut, table.rows() - cut), table.slice(0, cut)];
    let text = |table: &Table| match &table.columns()[0].cells {
        crate::table::Cells::Number(cells) => {
            cells.iter().map(|cell| cell.map(|number| number.to_string())).collect::<Vec<_>>()
        }
        crate::table::Cells::Level { codes, levels } => codes
            .iter()
            .map(|code| code.map(|code| levels.value(code as usize).to_owned()))
            .collect(),
        crate::table::Cells::Text(cells) => cells.iter().map(|c| c.map(str::to_owned)).collect(),
    };
    let cells = [text(&tail), text(&head)].concat();
    let cells: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
    column(&from.spec.name, from.spec.kind, &cells)
}

/// Draws people whose columns depend on each other. Another seed is another sample of the same.
fn people(seed: u64, rows: usize) -> Table {
    let mut dice = Stream::new(seed, Purpose::Test, 0);
    let mut cells: Vec<Vec<Option<String>>> = vec![Vec::new(); 5];
    for _ in 0..rows {
        let age = 40.0 + 12.0 * dice.normal();
        let job = if age > 60.0 { "retired" } else { ["office", "field"][dice.below(2) as usize] };
        let pay = 1000.0 + 30.0 * age + if job == "office" { 900.0 } else { 0.0 };
        let pay = (dice.uniform() > 0.1).then(|| format!("{:.2}", pay + 150.0 * dice.normal()));
        let rich = pay.as_ref().is_some_and(|pay| pay.parse::<f64>().unwrap() > 2600.0);
        let town = ["Ulm", "Jena", "Bonn", "Kiel"][(dice.below(4) * dice.below(2)) as usize];
        let label = if rich != (dice.uniform() < 0.1) { "yes" } else { "no" };
        let row = [
            Some(format!("{age:.0}")),
            pay,
            Some(job.into()),
            Some(town.into()),
            Some(label.into()),
        ];
        cells.iter_mut().zip(row).for_each(|(column, cell)| column.push(cell));
    }
    let names = ["age", "pay", "job", "town", "label"];
    let kinds = [
        ColumnKind::Integer,
        ColumnKind::Real,
        ColumnKind::Category,
        ColumnKind::Category,
        ColumnKind::Boolean,
    ];
    let columns = cells.iter().zip(names.iter().zip(kinds)).map(|(cells, (name, kind))| {
        let cells: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
        column(name, kind, &cells)
    });
    Table::new(columns.collect())
}
