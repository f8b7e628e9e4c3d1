//! What is predicted when nobody says so, and when the answer counts.

use tgs_protocol::{column::ColumnKind, progress::Unwatched};

use super::*;
use crate::{
    measure::tests::column,
    random::{Purpose, Stream},
    table::Table,
};

const ROWS: usize = 300;

/// Columns by name and kind; `x` is noise, `double` twice as much, everything else its own noise.
fn table(names: &[(&str, ColumnKind)], seed: u64, rows: usize) -> Table {
    let noise = |of: u64| -> Vec<u64> {
        let mut stream = Stream::new(seed, Purpose::Split, of);
        (0..rows).map(|_| stream.below(100)).collect()
    };
    let columns = names.iter().zip(1..).map(|((name, kind), of)| {
        let cells: Vec<String> = match *name {
            "x" => noise(0).iter().map(u64::to_string).collect(),
            "double" => noise(0).iter().map(|value| (2 * value).to_string()).collect(),
            _ if kind.is_numeric() => noise(of).iter().map(u64::to_string).collect(),
            _ => noise(of).iter().map(|value| format!("c{}", value % 3)).collect(),
        };
        let cells: Vec<Option<&str>> = cells.iter().map(|cell| Some(cell.as_str())).collect();
        column(name, *kind, &cells)
    });
    Table::new(columns.collect())
}

fn measured(names: &[(&str, ColumnKind)], aside: usize) -> Utility {
    let [train, holdout, made] =
        [(1, ROWS), (2, aside), (3, ROWS)].map(|(seed, rows)| table(names, seed, rows));
    let frame = Frame::new(&train, &holdout, &made).unwrap();
    measure(&frame, None, 1, Crew::new(2, &Unwatched)).unwrap().unwrap()
}

#[test]
fn what_people_predict_is_predicted() {
    use ColumnKind::{Category, Integer};
    for (names, target) in [
        (&[("charges", Integer), ("x", Integer), ("region", Category)][..], "charges"),
        (&[("SalePrice", Integer), ("x", Integer), ("region", Category)], "SalePrice"),
        (&[("salary", Integer), ("status", Category), ("x", Integer)], "status"),
        (&[("x", Integer), ("double", Integer), ("sales_id", Category)], "double"),
        (&[("x", Integer), ("region", Category)], "region"),
    ] {
        let train = table(names, 1, ROWS);
        let frame = Frame::new(&train, &train, &train).unwrap();
        let found = candidates(&frame, None).unwrap();
        let found: Vec<&str> =
            found.iter().map(|at| frame.fields[*at].spec.name.as_str()).collect();
        assert!(found.contains(&target), "{names:?}: {found:?}");
    }
}

#[test]
fn of_unnamed_columns_the_one_that_real_rows_predict_is_taken() {
    use ColumnKind::{Category, Integer};
    let names = [("x", Integer), ("double", Integer), ("region", Category)];
    let utility = measured(&names, 150);
    assert_eq!((utility.target.as_str(), utility.score), ("double", "R²"));
    assert!(utility.ratio.is_some_and(|ratio| ratio > 0.9), "{utility:?}");
}

#[test]
fn what_real_rows_do_not_predict_beyond_doubt_has_no_ratio() {
    use ColumnKind::{Category, Integer};
    let utility = measured(&[("x", Integer), ("label", Category)], 30);
    assert_eq!((utility.target.as_str(), utility.ratio), ("label", None), "{utility:?}");
}
