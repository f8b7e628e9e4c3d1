//! Everything that was measured, before it is put into words.

use tgs_protocol::{engine::EngineError, report::OrderReport};

use crate::measure::{
    Settings, Tables, association,
    attacks::{self, Attacks},
    closest::{self, Closest},
    columns::{self, ColumnMeasures},
    copies::{self, Copies},
    crew::Crew,
    detect::{self, Detection},
    frame::Frame,
    keys,
    membership::{self, Membership},
    missing_pattern, new_rows, order_of_moments,
    pairs::{self, PairMeasures},
    support::{self, Support},
    utility::{self, Utility},
};

/// All measures of one synthetic table.
#[derive(Debug)]
pub struct Measured {
    /// Per column, in field order.
    pub columns: Vec<ColumnMeasures>,
    /// Per pair, and the association matrices.
    pub pairs: PairMeasures,
    /// Mean Kolmogorov–Smirnov distance over numeric columns.
    pub ks_mean: Option<f64>,
    /// The same of holdout rows.
    pub holdout_ks_mean: Option<f64>,
    /// Mean absolute difference of the association matrices.
    pub correlation_difference: Option<f64>,
    /// The same of holdout rows.
    pub holdout_correlation_difference: Option<f64>,
    /// Share of synthetic rows that match no training row within one percent.
    pub new_rows: Option<f64>,
    /// The same of holdout rows.
    pub holdout_new_rows: Option<f64>,
    /// How alike the joint patterns of missing cells are.
    pub missing_pattern: Option<f64>,
    /// The same of holdout rows.
    pub holdout_missing_pattern: Option<f64>,
    /// Moments that follow each other in training rows; empty where none do.
    pub orders: Vec<OrderReport>,
    /// Share of synthetic ids that are present and new within the table.
    pub key_uniqueness: Option<f64>,
    /// Can trees tell the tables apart?
    pub detection: Detection,
    /// Does a model trained on synthetic rows work? Else why it is not known.
    pub utility: Result<Utility, String>,
    /// α-precision and β-recall.
    pub support: Option<Support>,
    /// The same of holdout rows.
    pub holdout_support: Option<Support>,
    /// Distances to the closest record.
    pub closest: Closest,
    /// Exact copies.
    pub copies: Copies,
    /// Membership inference.
    pub membership: Option<Membership>,
    /// Attacks on persons.
    pub attacks: Attacks,
}

/// Parts of the work, for progress.
pub const PARTS: u64 = 10;

impl Measured {
    /// Takes every measure.
    ///
    /// # Errors
    /// `Stopped` when the watch says so.
    pub fn take(
        tables: &Tables,
        frame: &Frame,
        settings: &Settings,
        crew: Crew,
    ) -> Result<Self, EngineError> {
        let seed = settings.seed;
        let crew = crew.enter(0, "columns")?;
        let columns = columns::measure(frame, crew)?;
        let crew = crew.enter(1, "pairs of columns")?;
        let pairs = pairs::measure(frame, crew)?;
        let crew = crew.enter(2, "detection by boosted trees")?;
        let detection = detect::measure(frame, seed, crew)?;
        let crew = crew.enter(3, "utility of a trained model")?;
        let utility = utility::measure(frame, settings.target.as_deref(), seed, crew)?;
        let crew = crew.enter(4, "precision and recall")?;
        let support = support::measure(frame, &frame.synthetic, 1, seed, crew)?;
        let holdout_support = support::measure(frame, &frame.holdout, 2, seed, crew)?;
        let crew = crew.enter(5, "distance to the closest record")?;
        let closest = closest::measure(frame, seed, crew)?;
        let crew = crew.enter(6, "membership inference")?;
        let membership = membership::measure(frame, seed, crew)?;
        let crew = crew.enter(7, "attacks on persons")?;
        let attacks = attacks::measure(frame, seed, crew)?;
        let crew = crew.enter(8, "copies and new rows")?;
        let new = |side| new_rows::new_row_share(&frame.fields, &frame.train, side, seed, crew);
        let (new_rows, holdout_new_rows) = (new(&frame.synthetic)?, new(&frame.holdout)?);
        let numeric = || {
            let told = columns.iter().enumerate().filter(|(at, _)| frame.is_told(*at));
            told.map(|(_, column)| column).filter(|column| column.report.kind.is_numeric())
        };
        Ok(Self {
            // A column that lost all its numbers is as far away as can be, not left out.
            ks_mean: mean(numeric().map(|column| {
                let has_numbers = column.report.missing.0 < 1.0;
                column.report.shape.or(has_numbers.then_some(0.0)).map(|shape| 1.0 - shape)
            })),
            holdout_ks_mean: mean(numeric().map(|c| c.holdout_shape.map(|shape| 1.0 - shape))),
            // A column of one value keeps no association with any other.
            correlation_difference: association::difference(&pairs.correlations, Some(0.0)),
            holdout_correlation_difference: pairs
                .holdout_correlations
                .as_ref()
                .and_then(|aside| association::difference(aside, None)),
            missing_pattern: missing_pattern::similarity(&frame.train, &frame.synthetic),
            holdout_missing_pattern: missing_pattern::similarity(&frame.train, &frame.holdout),
            orders: order_of_moments::measure(tables),
            key_uniqueness: keys::uniqueness(tables.synthetic),
            copies: copies::measure(frame),
            columns,
            pairs,
            new_rows,
            holdout_new_rows,
            detection,
            utility,
            support,
            holdout_support,
            closest,
            membership,
            attacks,
        })
    }
}

/// Mean of the values that are known; none when none is.
pub fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
