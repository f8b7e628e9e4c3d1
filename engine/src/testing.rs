//! What tests of several modules share.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, StringArray, UInt32Array};
use tgs_protocol::{
    column::{ColumnKind, ColumnSpec, ValueFormat},
    engine::Trainer,
    progress::{Progress, Unwatched, Watch},
    unit::Steps,
};

use crate::{
    random::{Purpose, Stream},
    table::{Cells, Column, Table},
};

/// A column of this name, kind and format.
pub(crate) fn spec(name: &str, kind: ColumnKind, format: ValueFormat) -> Arc<ColumnSpec> {
    let (name, reason) = (name.to_owned(), "made for a test".to_owned());
    Arc::new(ColumnSpec { name, kind, reason, format, missing_token: None })
}

/// A category of two levels and a number: 6 apart in the two, one in twenty missing.
pub(crate) fn pair(rows: usize) -> Table {
    let mut draw = Stream::new(1, Purpose::Test, 0);
    let codes: Vec<u32> = (0..rows).map(|_| draw.below(2) as u32).collect();
    let values = codes
        .iter()
        .map(|code| (draw.below(20) > 0).then(|| f64::from(*code) * 6.0 + draw.normal()));
    let values: Float64Array = values.collect();
    let levels = Arc::new(StringArray::from(vec!["a", "b"]));
    let codes = UInt32Array::from(codes);
    Table::new(vec![
        Column {
            spec: spec("group", ColumnKind::Category, ValueFormat::Verbatim),
            cells: Cells::Level { codes, levels },
        },
        Column {
            spec: spec("value", ColumnKind::Real, ValueFormat::Shortest),
            cells: Cells::Number(values),
        },
    ])
}

/// What a copy of [`pair`] holds: the mean of each group, and which share of all is missing.
pub(crate) fn grouped(copy: &Table) -> ([f64; 2], f64) {
    let (Cells::Level { codes, .. }, Cells::Number(values)) =
        (&copy.columns()[0].cells, &copy.columns()[1].cells)
    else {
        panic!("a category and a number")
    };
    let mean = |code: u32| {
        let rows = (0..copy.rows()).filter(|row| codes.value(*row) == code);
        let known: Vec<f64> =
            rows.filter(|row| values.is_valid(*row)).map(|row| values.value(row)).collect();
        known.iter().sum::<f64>() / known.len() as f64
    };
    ([mean(0), mean(1)], values.null_count() as f64 / copy.rows() as f64)
}

/// The model of a run that is cut after so many steps each, saved and begun anew with one thread or
/// two; it is that of a run without a cut.
pub(crate) fn the_same_however_cut(
    begin: impl Fn(u32, Option<&[u8]>) -> Box<dyn Trainer>,
    segments: &[u64],
) -> Vec<u8> {
    let end = |mut run: Box<dyn Trainer>| {
        run.segment(Steps(u64::MAX), &Unwatched).expect("trains");
        assert!(run.is_done());
        run.finish(&Unwatched).expect("finishes")
    };
    let straight = end(begin(1, None));
    let mut snapshot: Option<Vec<u8>> = None;
    for (number, segment) in segments.iter().enumerate() {
        let mut run = begin(1 + number as u32 % 2, snapshot.as_deref());
        let from = run.at().get();
        let facts = run.segment(Steps(*segment), &Unwatched).expect("trains");
        assert_eq!(facts.at.get() - from, *segment);
        snapshot = Some(run.snapshot().expect("saves"));
    }
    assert!(end(begin(2, snapshot.as_deref())) == straight, "other bytes");
    straight
}

/// Says stop from the beginning.
pub(crate) struct Stop;

impl Watch for Stop {
    fn stopped(&self) -> bool {
        true
    }
    fn tell(&self, _progress: Progress) {}
}
