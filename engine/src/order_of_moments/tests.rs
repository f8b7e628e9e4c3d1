//! Which orders are found, that nothing is lost on the way to a model and back, and that drawn
//! rows keep them.

use std::sync::Arc;

use serde_json::json;
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::Trainer,
    model::{ModelName, TrainingLength},
    progress::Unwatched,
    unit::Steps,
};

use super::*;
use crate::{
    port,
    random::{Purpose, Stream},
    seqtree, tabgraph,
};

const DAY_S: f64 = 86_400.0;
/// 1 January 2015.
const BEGIN_S: f64 = 16_436.0 * DAY_S;

/// A column of this kind and pattern.
fn column(name: &str, pattern: &str, cells: Vec<Option<f64>>) -> Column {
    let spec = ColumnSpec {
        name: name.to_owned(),
        kind: if pattern.contains("%H") { ColumnKind::Datetime } else { ColumnKind::Date },
        reason: String::new(),
        format: ValueFormat::Moment { pattern: pattern.to_owned() },
        missing_token: None,
    };
    Column { spec: Arc::new(spec), cells: Cells::Number(cells.into_iter().collect()) }
}

/// Columns of days from rows of days since the begin.
fn days<const N: usize>(names: [&str; N], rows: impl Iterator<Item = [Option<f64>; N]>) -> Table {
    let rows: Vec<_> = rows.collect();
    let moment = |day: Option<f64>| day.map(|day| BEGIN_S + day * DAY_S);
    let cells = |at: usize| rows.iter().map(|row| moment(row[at])).collect();
    Table::new((0..N).map(|at| column(names[at], "%Y-%m-%d", cells(at))).collect())
}

/// A day of about three years, and how many days later the next one is.
fn stay(dice: &mut Stream) -> (f64, f64) {
    (dice.below(1_000) as f64, (dice.below(4) * dice.below(8)) as f64)
}

/// Pairs by their places.
fn found(table: &Table) -> Vec<Places> {
    pairs(table).iter().map(|pair| (pair.earlier, pair.later)).collect()
}

/// A file that was made by hand must not break whoever draws from it.
#[test]
fn an_order_that_cannot_be_meant_is_refused() {
    let mut dice = dice();
    let rows = (0..400).map(|_| {
        let (day, stay) = stay(&mut dice);
        [Some(day), Some(day + stay)]
    });
    let train = days(["in", "out"], rows);
    let order = OrderOfMoments::of(&train);
    assert!(!order.is_empty() && order.0[0].gap.is_some());
    let drawn = order.learned(&train);
    assert_eq!(order.check(&drawn), Ok(()));
    let breaks: [fn(&mut Later); 6] = [
        |later| later.column = 2,
        |later| later.never_before = vec![9],
        |later| later.range = (1.0, 0.0),
        |later| later.range = (f64::NAN, 0.0),
        |later| later.gap.as_mut().expect("a gap").since = 9,
        |later| later.gap.as_mut().expect("a gap").usual = f64::INFINITY,
    ];
    for (no, break_it) in breaks.iter().enumerate() {
        let mut broken = order.clone();
        break_it(&mut broken.0[0]);
        assert!(broken.check(&drawn).is_err(), "break {no}");
    }
    let few = Table::new(drawn.columns()[..1].to_vec());
    assert!(order.check(&few).is_err(), "a table of other columns");
}

fn dice() -> Stream {
    Stream::new(7, Purpose::Test, 0)
}

/// Of the earlier column, of the later one.
type Places = (usize, usize);
/// The moment so many days after the begin, on some grid.
type Moment = fn(f64) -> f64;
/// The days of a row, by its number and by chance.
type Row = fn(usize, &mut Stream) -> [Option<f64>; 2];

#[test]
fn only_an_order_that_chance_would_break_is_one() {
    const AFTER: Row = |row, dice| {
        let (from, days) = stay(dice);
        [Some(from), (row % 7 > 0).then_some(from + days)]
    };
    const BROKEN_ONCE: Row = |row, dice| {
        let (from, days) = stay(dice);
        [Some(from), Some(if row == 9 { from - 3.0 } else { from + days })]
    };
    const YEARS_APART: Row = |_, dice| [Some(stay(dice).0), Some(1_000.0 + stay(dice).0)];
    const UNRELATED: Row = |_, dice| [Some(stay(dice).0), Some(stay(dice).0)];
    const BEFORE: Row = |row, dice| {
        let [a, b] = AFTER(row, dice);
        [b, a]
    };
    const EQUAL: Row = |_, dice| [Some(stay(dice).0); 2];
    let cases: [(&str, usize, Row, &[Places]); 8] = [
        ("after", 60, AFTER, &[(0, 1)]),
        ("before", 60, BEFORE, &[(1, 0)]),
        ("too few rows", 19, EQUAL, &[]),
        ("years apart", 500, YEARS_APART, &[]),
        ("unrelated", 500, UNRELATED, &[]),
        ("one row in 1,000", 1_000, BROKEN_ONCE, &[(0, 1)]),
        ("one row in 999", 999, BROKEN_ONCE, &[]),
        ("equal", 500, EQUAL, &[(0, 1)]),
    ];
    for (name, rows, row, expected) in cases {
        let mut dice = dice();
        let table = days(["a", "b"], (0..rows).map(|at| row(at, &mut dice)));
        assert_eq!(found(&table), expected, "{name}");
    }
}

#[test]
fn times_of_day_and_numbers_have_no_order() {
    let mut dice = dice();
    let rows: Vec<_> = (0..100).map(|_| stay(&mut dice)).collect();
    for kind in [ColumnKind::Time, ColumnKind::Integer, ColumnKind::Datetime] {
        let of = |name, cell: fn(&(f64, f64)) -> f64| {
            let column = column(name, "%H:%M", rows.iter().map(|row| Some(cell(row))).collect());
            let spec = ColumnSpec { kind, ..column.spec.as_ref().clone() };
            Column { spec: Arc::new(spec), ..column }
        };
        let table = Table::new(vec![of("a", |row| row.0), of("b", |row| row.0 + row.1)]);
        assert_eq!(pairs(&table).is_empty(), kind != ColumnKind::Datetime, "{kind}");
    }
}

#[test]
fn each_moment_counts_from_the_nearest_before_it() {
    let mut dice = dice();
    let row = |_| {
        let (from, stays) = stay(&mut dice);
        [Some(from + stays + 20.0), Some(from), Some(from + stays)]
    };
    let table = days(["paid", "admitted", "discharged"], (0..300).map(row));
    assert_eq!(found(&table), [(1, 2), (1, 0), (2, 0)]);
    let order = OrderOfMoments::of(&table);
    let since = |later: &Later| later.gap.as_ref().map(|gap| (later.column, gap.since));
    assert_eq!(order.0.iter().map(since).collect::<Vec<_>>(), [Some((2, 1)), Some((0, 2))]);
}

#[test]
fn a_moment_that_means_something_by_itself_is_learned_as_it_stands() {
    let open = 2_000_000.0;
    let mut dice = dice();
    let row = |row| {
        let (from, lasts) = stay(&mut dice);
        [Some(from), Some(if row % 5 == 0 { open } else { from + lasts })]
    };
    let table = days(["begin", "end"], (0..500).map(row));
    let order = OrderOfMoments::of(&table);
    let gaps: Vec<_> = order.0.iter().map(|later| later.gap.is_some()).collect();
    assert_eq!(gaps, [false]);
    // Yet no drawn row breaks the order.
    let names = ["begin", "end"];
    let drawn = days(names, [[Some(9.0), Some(7.0)], [None, Some(open)]].into_iter());
    let told = days(names, [[Some(9.0), Some(9.0)], [None, Some(open)]].into_iter());
    assert_eq!(cells(&order.told(&drawn)), cells(&told));
}

/// All cells, and how they are written.
fn cells(table: &Table) -> Vec<(ColumnSpec, Vec<Option<f64>>)> {
    let of = |column: &Column| match &column.cells {
        Cells::Number(cells) => (column.spec.as_ref().clone(), cells.iter().collect()),
        other => panic!("no numbers: {other:?}"),
    };
    table.columns().iter().map(of).collect()
}

/// Stays whose first and last moments five rows share, some cells missing, one row out of order.
fn stays(pattern: &str, moment: Moment) -> Table {
    let mut dice = dice();
    let rows: Vec<[Option<f64>; 3]> = (0..2_000)
        .map(|row| {
            let (from, lasts) = stay(&mut dice);
            let ends = [0.0, 1_100.0];
            let from = ends.get(row % 100).copied().unwrap_or(from);
            let day = if row == 77 { from - 3.0 } else { from + lasts.min(1_100.0 - from) };
            let missing = |one_in| row > 500 && dice.below(one_in) == 0;
            let missing = [9, 11, 8].map(missing);
            let days = [from, day, (day + 30.0).min(1_100.0)];
            [0, 1, 2].map(|at| (!missing[at]).then_some(moment(days[at])))
        })
        .collect();
    let cells = |at: usize| rows.iter().map(|row: &[Option<f64>; 3]| row[at]).collect();
    let names = ["admitted", "discharged", "paid"];
    Table::new([0, 1, 2].map(|at| column(names[at], pattern, cells(at))).to_vec())
}

#[test]
fn training_rows_come_back_as_they_were() {
    let month: Moment = |days| Grid::Months.after(0.0, 540.0 + (days / 5.0).floor());
    let week = |days: f64| Grid::Weeks.after(Grid::Weeks.round(BEGIN_S), days);
    let cases: [(&str, Moment, Grid); 5] = [
        ("%Y-%m-%d", |days| BEGIN_S + days * DAY_S, Grid::Step(DAY_S)),
        ("%Y-%m-%d %H:%M", |days| BEGIN_S + days * 97.0 * 60.0, Grid::Step(60.0)),
        (
            "%Y-%m-%d %H:%M:%S%.f",
            |days| (BEGIN_S * 1e3 + days * 86_399_007.0) * 0.001,
            Grid::Step(0.001),
        ),
        ("%Y-%m", month, Grid::Months),
        ("%G-W%V", week, Grid::Weeks),
    ];
    for (pattern, moment, grid) in cases {
        let table = stays(pattern, moment);
        let order = OrderOfMoments::of(&table);
        assert_eq!(order.0.len(), 2, "{pattern}");
        let learned = order.learned(&table);
        for later in &order.0 {
            assert_eq!(later.grid, grid, "{pattern}");
            assert!(later.gap.is_some(), "{pattern} {}", later.spec.name);
            let column = &learned.columns()[later.column];
            assert_eq!(column.spec.kind, ColumnKind::Integer);
            assert_eq!(column.cells.missing(), table.columns()[later.column].cells.missing());
        }
        assert!(cells(&order.told(&learned)) == cells(&table), "{pattern}");
    }
}

#[test]
fn drawn_moments_keep_their_range_and_their_turn() {
    let table = stays("%Y-%m-%d", |days| BEGIN_S + days * DAY_S);
    let order = OrderOfMoments::of(&table);
    let mut drawn = order.learned(&table).columns().to_vec();
    let day = |day: f64| Some(BEGIN_S + day * DAY_S);
    let gaps: Vec<Vec<Option<f64>>> = vec![
        vec![day(100.0), day(1_099.0), day(100.0), None],
        vec![Some(-4.0), Some(50.0), None, None],
        vec![Some(2.0), Some(50.0), Some(-40.0), None],
    ];
    for (column, cells) in drawn.iter_mut().zip(gaps) {
        column.cells = Cells::Number(cells.into_iter().collect());
    }
    let told = cells(&order.told(&Table::new(drawn)));
    // One training row was discharged before it was admitted, so drawn ones may be, too.
    let expected = [
        vec![day(100.0), day(1_099.0), day(100.0), None],
        vec![day(96.0), day(1_100.0), None, None],
        vec![day(100.0), day(1_100.0), day(100.0), None],
    ];
    told.iter().zip(expected).for_each(|(told, expected)| assert_eq!(told.1, expected));
}

#[test]
fn an_end_that_one_row_holds_is_not_kept() {
    let mut dice = dice();
    let row = |row| {
        let (from, lasts) = stay(&mut dice);
        [Some(from), Some(from + if row == 5 { 3_000.0 } else { lasts })]
    };
    let table = days(["begin", "end"], (0..500).map(row));
    let order = OrderOfMoments::of(&table);
    let Cells::Number(ends) = &table.columns()[1].cells else { panic!("no numbers") };
    let last = ends.iter().flatten().fold(0.0, f64::max);
    assert!(order.0[0].range.1 < last && order.0[0].range.1 > last - 40.0 * DAY_S);
}

/// Stays to the minute, a twentieth of the cells missing.
fn visits(rows: usize) -> Table {
    let mut dice = dice();
    let mut cells = [const { Vec::new() }; 3];
    for _ in 0..rows {
        let mut minute = dice.below(1_500_000) as f64;
        for (at, cells) in cells.iter_mut().enumerate() {
            cells.push((dice.below(20) > 0).then_some(BEGIN_S + minute * 60.0));
            let hours = if at == 0 { 1 + dice.below(200) } else { 240 + dice.below(480) };
            minute += (hours * 60 / (1 + dice.below(5))) as f64;
        }
    }
    let names = ["admitted", "discharged", "paid"].into_iter().zip(cells);
    Table::new(names.map(|(name, cells)| column(name, "%Y-%m-%d %H:%M", cells)).collect())
}

/// A run of this model, and of what it goes on.
fn begun(model: ModelName, train: &Table, resume: Option<&[u8]>) -> Box<dyn Trainer> {
    let set = match model {
        ModelName::Seqtree => json!({}),
        _ => json!({"width": 32, "blocks": 1, "batch": 128, "calibration_rounds": 1}),
    };
    let set = set.as_object().cloned().expect("an object");
    let seen = OrderOfMoments::of(train).learned(train);
    let plan = match model {
        ModelName::Seqtree => seqtree::plan,
        _ => tabgraph::plan,
    };
    let begin = match model {
        ModelName::Seqtree => seqtree::trainer,
        _ => tabgraph::trainer,
    };
    let length = TrainingLength::Steps(60);
    let plan = plan(&seen, length, &set, 1, 1, &Unwatched).expect("plans");
    let run = trainer(model, train, resume, |seen| begin(seen, &plan, (1, 1), resume, &Unwatched));
    run.expect("begins")
}

/// Hours from one column to the next, ascending.
fn hours(table: &Table, from: usize, to: usize) -> Vec<f64> {
    let column = |at| pairs::moments(table, at).expect("moments");
    let mut hours: Vec<f64> =
        pairs::both(column(from), column(to)).map(|(a, b)| (b - a) / 3_600.0).collect();
    hours.sort_unstable_by(f64::total_cmp);
    hours
}

#[test]
fn drawn_rows_keep_the_order_and_the_gaps_of_training_rows() {
    let train = visits(1_500);
    for model in [ModelName::Seqtree, ModelName::Tabgraph] {
        let mut run = begun(model, &train, None);
        run.segment(Steps(2), &Unwatched).expect("trains");
        let snapshot = run.snapshot().expect("a snapshot");
        let mut again = begun(model, &train, Some(&snapshot));
        let files = [&mut run, &mut again].map(|run| {
            run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
            run.finish(&Unwatched).expect("finishes")
        });
        assert!(files[0] == files[1], "{model}: another model after a pause");
        let generator = port::generator(&files[0]).expect("opens");
        let drawn = generator.chunk(3, ChunkNo(0), 4_000).expect("draws");
        for (from, to) in [(0, 1), (1, 2), (0, 2)] {
            assert_eq!(share_kept(&train, from, to), Some(1.0));
            assert_eq!(share_kept(&drawn, from, to), Some(1.0), "{model} {from} {to}");
            let (real, made) = (hours(&train, from, to), hours(&drawn, from, to));
            for tenth in [1, 5, 9] {
                let at = |hours: &[f64]| hours[hours.len() * tenth / 10];
                let (real, made) = (at(&real), at(&made));
                println!("{model} {from}->{to} {tenth}: {real:.1} {made:.1}");
                let near = (0.75 * real - 2.0..=1.33 * real + 2.0).contains(&made);
                assert!(near, "{model} {from} to {to}, tenth {tenth}: {made} hours, not {real}");
            }
        }
        for (real, made) in train.columns().iter().zip(drawn.columns()) {
            assert_eq!(real.spec, made.spec);
            let share = made.cells.missing() as f64 / drawn.rows() as f64;
            assert!((0.02..0.09).contains(&share), "{model} {}: {share} missing", real.spec.name);
        }
    }
}

#[test]
fn a_snapshot_of_rows_with_another_order_is_refused() {
    let train = visits(200);
    let snapshot = begun(ModelName::Seqtree, &train, None).snapshot().expect("a snapshot");
    let one = Table::new(train.columns()[..1].to_vec());
    for table in [one, visits(201)] {
        let begin = |_: &Table| panic!("must not begin");
        let refused = trainer(ModelName::Seqtree, &table, Some(&snapshot), begin);
        let code = refused.err().and_then(|error| error.code());
        assert_eq!(code, Some(Code::CheckpointCorrupt));
    }
}

#[test]
fn files_of_tables_without_such_an_order_are_as_ever() {
    let train = Table::new(visits(200).columns()[..1].to_vec());
    assert!(OrderOfMoments::of(&train).is_empty());
    let set = serde_json::Map::new();
    let plan = seqtree::plan(&train, TrainingLength::Default, &set, 1, 1, &Unwatched);
    let mut bare =
        seqtree::trainer(&train, &plan.expect("plans"), (1, 1), None, &Unwatched).expect("begins");
    let mut run = begun(ModelName::Seqtree, &train, None);
    let files = [&mut bare, &mut run].map(|run| {
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        run.finish(&Unwatched).expect("finishes")
    });
    assert!(files[0] == files[1]);
}
