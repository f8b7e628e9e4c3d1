//! Is the synthetic table a valid table at all?

use tgs_protocol::{
    figure,
    report::{Aspect::Validity, Metric},
};

use super::Named;
use crate::measure::{
    columns::ColumnMeasures,
    measured::{Measured, mean},
};

const NO_NUMBERS: &str = "there is no numeric column with values in both tables";
/// So many pairs of moments are told one by one.
const PAIRS_TOLD: usize = 4;
const NO_LEVELS: &str = "there is no categorical column";

/// The metrics of this part.
pub fn metrics(measured: &Measured) -> Vec<Metric> {
    let numbers = of_kind(measured, |column| column.report.kind.is_numeric());
    let levels = of_kind(measured, |column| column.report.kind.is_categorical());
    let adherence = |columns: &[&ColumnMeasures]| mean(columns.iter().map(|c| c.report.adherence));
    let coverage = |columns: &[&ColumnMeasures]| mean(columns.iter().map(|c| c.report.coverage));
    let mut metrics = vec![
        Named::up("boundary_adherence", "Boundary adherence", Validity).says(
            adherence(&numbers),
            None,
            |value| {
                format!("{} of synthetic numbers lie within the real range.", figure::share(value))
            },
            NO_NUMBERS,
        ),
        Named::up("category_adherence", "Category adherence", Validity).says(
            adherence(&levels),
            None,
            |value| {
                format!(
                    "{} of synthetic categories are ones the real table has.",
                    figure::share(value)
                )
            },
            NO_LEVELS,
        ),
        Named::up("range_coverage", "Range coverage", Validity).says(
            coverage(&numbers),
            None,
            |value| format!("Synthetic numbers span {} of the real ranges.", figure::share(value)),
            NO_NUMBERS,
        ),
        Named::up("category_coverage", "Category coverage", Validity).says(
            coverage(&levels),
            None,
            |value| format!("{} of the real categories occur in the copy.", figure::share(value)),
            NO_LEVELS,
        ),
        Named::up("missing_value_similarity", "Missing value similarity", Validity).says(
            mean(measured.columns.iter().map(|column| Some(column.missing_similarity))),
            None,
            |value| format!("Shares of missing cells agree to {}.", figure::share(value)),
            "there is no column to compare",
        ),
        missing_pattern(measured),
        Named::up("key_uniqueness", "Key uniqueness", Validity).says(
            measured.key_uniqueness,
            None,
            |value| format!("{} of synthetic ids are present and used once.", figure::share(value)),
            "the table has no id column",
        ),
        Named::up("new_row_synthesis", "New row synthesis", Validity).says(
            measured.new_rows,
            measured.holdout_new_rows,
            |value| {
                format!(
                    "{} of synthetic rows match no training row, numbers within one percent.",
                    figure::share(value)
                )
            },
            "there is no synthetic row",
        ),
    ];
    metrics.extend(order_of_moments(measured));
    metrics
}

/// Whether moments that follow each other do so in synthetic rows; nothing where none do.
fn order_of_moments(measured: &Measured) -> Option<Metric> {
    let pairs = &measured.orders;
    let mut worst: Vec<_> = pairs.iter().collect();
    worst.sort_by(|one, other| one.synthetic.total_cmp(&other.synthetic));
    let told = worst.iter().take(PAIRS_TOLD).map(|pair| {
        let [synthetic, real] = [pair.synthetic, pair.real].map(figure::share);
        format!("{} not before {} {synthetic} (real {real})", pair.later, pair.earlier)
    });
    let told = told.collect::<Vec<_>>().join(", ");
    let more = match pairs.len().saturating_sub(PAIRS_TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let value = mean(pairs.iter().map(|pair| Some(pair.synthetic)));
    let holdout = mean(pairs.iter().map(|pair| pair.holdout));
    (!pairs.is_empty()).then(|| {
        Named::up("order_of_moments", "Order of moments", Validity).says(
            value,
            holdout,
            |_| format!("Share of rows that keep an order of the real table: {told}{more}."),
            "no moment follows another",
        )
    })
}

/// Which cells are missing together, not only how many.
fn missing_pattern(measured: &Measured) -> Metric {
    Named::up("missing_pattern_similarity", "Missing pattern similarity", Validity).says(
        measured.missing_pattern,
        measured.holdout_missing_pattern,
        |value| {
            let share = figure::share(value);
            format!("Which cells of a row are missing together agrees to {share}.")
        },
        "no column has missing cells",
    )
}

fn of_kind(measured: &Measured, wanted: impl Fn(&ColumnMeasures) -> bool) -> Vec<&ColumnMeasures> {
    measured.columns.iter().filter(|column| wanted(column)).collect()
}
