//! Do moments that follow each other in training rows do so in synthetic ones?

use tgs_protocol::report::OrderReport;

use crate::{
    measure::Tables,
    order_of_moments::{pairs, share_kept},
    table::Table,
};

/// One for every pair that training rows tell; rows kept aside have no say in which.
pub fn measure(tables: &Tables) -> Vec<OrderReport> {
    let pairs = pairs(tables.train).into_iter();
    let kept = pairs.map(|pair| {
        let name = |at: usize| tables.train.columns()[at].spec.name.clone();
        let (earlier, later) = (name(pair.earlier), name(pair.later));
        let share = |table: &Table| {
            let place = |name: &String| table.columns().iter().position(|c| c.spec.name == *name);
            share_kept(table, place(&earlier)?, place(&later)?)
        };
        let (synthetic, holdout) = (share(tables.synthetic).unwrap_or(0.0), share(tables.holdout));
        OrderReport { real: pair.kept, synthetic, holdout, earlier, later }
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tgs_protocol::column::{ColumnKind, ColumnSpec, ValueFormat};

    use super::*;
    use crate::table::{Cells, Column};

    /// Two columns of days.
    fn table(rows: impl Iterator<Item = (f64, f64)>) -> Table {
        let (from, to): (Vec<f64>, Vec<f64>) = rows.unzip();
        let column = |(name, days): (&str, Vec<f64>)| {
            let format = ValueFormat::Moment { pattern: "%Y-%m-%d".to_owned() };
            let (name, kind, reason) = (name.to_owned(), ColumnKind::Date, String::new());
            let spec = ColumnSpec { name, kind, reason, format, missing_token: None };
            let cells = days.into_iter().map(|day| Some(day * 86_400.0)).collect();
            Column { spec: Arc::new(spec), cells: Cells::Number(cells) }
        };
        Table::new([("from", from), ("to", to)].map(column).to_vec())
    }

    #[test]
    fn training_rows_say_which_order_is_looked_at() {
        let day = |row: u32| f64::from(row * 37 % 101);
        let kept = table((0..100).map(|row| (day(row), day(row) + 2.0)));
        let half = table((0..100).map(|row| (day(row), day(row) + f64::from(row % 2) - 0.5)));
        let none = kept.slice(0, 0);
        let measured = |train, holdout, synthetic| measure(&Tables { train, holdout, synthetic });
        let (earlier, later) = ("from".to_owned(), "to".to_owned());
        let report = OrderReport { earlier, later, real: 1.0, synthetic: 0.5, holdout: None };
        assert_eq!(measured(&kept, &none, &half).first(), Some(&report));
        let lost = OrderReport { synthetic: 0.0, holdout: Some(0.5), ..report };
        assert_eq!(measured(&kept, &half, &none), [lost]);
        assert_eq!(measured(&half, &kept, &kept), []);
    }
}
