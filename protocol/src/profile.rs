//! What a table looks like: counts, quantiles, top values, correlations, key candidates, hints.

use serde::{Deserialize, Serialize};

use crate::column::ColumnSpec;

/// Profile of one table. Everything a person needs to check kinds before training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows in the table.
    pub rows: u64,
    /// One per column, in source order.
    pub columns: Vec<ColumnProfile>,
    /// Strongest associations first.
    pub correlations: Vec<Correlation>,
    /// Columns, or pairs of columns, whose values are unique and never missing.
    pub key_candidates: Vec<Vec<String>>,
    /// Whole rows that stand more than once.
    pub duplicate_rows: u64,
}

/// Profile of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Name, kind, reason and format as agreed at ingest.
    pub spec: ColumnSpec,
    /// Missing cells.
    pub missing: u64,
    /// Distinct values, missing not counted.
    pub distinct: u64,
    /// For numbers and moments; moments as seconds since 1970.
    pub numbers: Option<NumberProfile>,
    /// Most frequent values, most frequent first, at most 20.
    pub top: Vec<TopValue>,
    /// What looks like personal data ("99 % look like mail addresses").
    pub personal_data_hint: Option<String>,
}

/// Summary of a numeric column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1).
    pub standard_deviation: f64,
    /// Quantiles at 0, 1, 5, 25, 50, 75, 95, 99 and 100 %.
    pub quantiles: [f64; 9],
    /// Counts in equal-width bins between the 0 and 100 % quantile, at most 40.
    pub histogram: Vec<u64>,
}

/// One frequent value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopValue {
    /// As it is written in the source.
    pub value: String,
    /// How often.
    pub count: u64,
}

/// Association of two columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// One column.
    pub a: String,
    /// The other.
    pub b: String,
    /// Pearson for two numeric columns (−1 … 1), Cramér's V for two categorical ones, correlation
    /// ratio for a mixed pair (both 0 … 1).
    pub strength: f64,
    /// Which of the three.
    pub measure: Association,
}

/// How an association was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Association {
    /// Pearson's correlation.
    Pearson,
    /// Cramér's V, bias-corrected.
    CramersV,
    /// Correlation ratio η.
    CorrelationRatio,
}
