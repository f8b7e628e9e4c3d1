//! What a column is: its kind, why we think so, and how its values are written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the values of a column mean. Decides how a model sees them and how measures compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ColumnKind {
    /// Whole numbers on a scale.
    Integer,
    /// Numbers with a fraction.
    Real,
    /// Two values that mean yes and no.
    Boolean,
    /// One of a set of values.
    Category,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// A day and a time.
    Datetime,
    /// A name of the row: unique, without meaning. Generated anew, never learned.
    Id,
    /// Free text. Replaced by look-alikes of its pattern, never learned.
    Text,
    /// One value in every row.
    Constant,
}

impl ColumnKind {
    /// Every kind, as metadata and pages list them.
    pub const ALL: [Self; 10] = [
        Self::Integer,
        Self::Real,
        Self::Boolean,
        Self::Category,
        Self::Date,
        Self::Time,
        Self::Datetime,
        Self::Id,
        Self::Text,
        Self::Constant,
    ];

    /// Held as one `f64` per row (dates as seconds since 1970, times as seconds since midnight).
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Real | Self::Date | Self::Time | Self::Datetime)
    }
    /// Dates, times and both.
    pub fn is_moment(self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::Datetime)
    }
    /// Held as one level code per row.
    pub fn is_categorical(self) -> bool {
        matches!(self, Self::Boolean | Self::Category | Self::Constant)
    }
    /// Held as text and generated from its pattern, not by the model.
    pub fn is_generated(self) -> bool {
        matches!(self, Self::Id | Self::Text)
    }
}

/// As a metadata file says it: `category`.
impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::Category => "category",
            Self::Date => "date",
            Self::Time => "time",
            Self::Datetime => "datetime",
            Self::Id => "id",
            Self::Text => "text",
            Self::Constant => "constant",
        })
    }
}

/// One column of a table: agreed at ingest, the same for source, model and synthetic output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSpec {
    /// Header text, exactly as in the source.
    pub name: String,
    /// What the values mean.
    pub kind: ColumnKind,
    /// One sentence: why this kind ("37 whole numbers between 17 and 90", "given by metadata").
    pub reason: String,
    /// How values are written, so that output reads like the source.
    pub format: ValueFormat,
    /// How a missing value is written in the source ("" or "NA"); `None` if none was seen.
    pub missing_token: Option<String>,
}

/// How the values of a column are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "style")]
pub enum ValueFormat {
    /// As the level or text itself.
    Verbatim,
    /// Numbers with at most `digits` and at least `least` digits after the point: `67.0` beside
    /// `2.25`.
    Decimal {
        /// Largest number of digits after the point in the source.
        digits: u8,
        /// Smallest number of digits after the point in the source.
        #[serde(default)]
        least: u8,
    },
    /// Decimals with something around or between their digits: `$1,033.39`, `51.0%`, `2,5`.
    Dressed {
        /// As in [`ValueFormat::Decimal`].
        digits: u8,
        /// As in [`ValueFormat::Decimal`].
        least: u8,
        /// What stands around and between the digits.
        dress: Dress,
    },
    /// Decimals of a typed source: always `digits` digits after the point.
    Exact {
        /// Digits before and after the point together, as the type of the source allows.
        precision: u8,
        /// Digits after the point.
        digits: u8,
    },
    /// Whole numbers too large for a double: a cell holds the number less the offset.
    Whole {
        /// What is added to a cell before it is written.
        offset: i64,
    },
    /// Numbers with more than 15 digits or an exponent: shortest text that reads back the same.
    Shortest,
    /// Dates, times: a strftime pattern (`%Y-%m-%d`, `%d.%m.%Y %H:%M`).
    Moment {
        /// The pattern that parsed every value of the source.
        pattern: String,
    },
}

/// What stands around and between the digits of every number of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dress {
    /// Before the first digit, blanks included: `$`, `EUR `.
    pub prefix: String,
    /// After the last digit, blanks included: `%`, ` €`.
    pub suffix: String,
    /// The fraction stands behind a comma.
    pub comma: bool,
    /// Parts thousands.
    pub group: Option<char>,
    /// A minus stands behind the prefix: `$-5`, not `-$5`.
    pub sign_inside: bool,
}

impl ValueFormat {
    /// Largest and smallest number of digits after the point, of numbers written as decimals.
    pub fn decimals(&self) -> Option<(u8, u8)> {
        match self {
            Self::Decimal { digits, least } | Self::Dressed { digits, least, .. } => {
                Some((*digits, *least))
            }
            Self::Exact { digits, .. } => Some((*digits, *digits)),
            Self::Whole { .. } => Some((0, 0)),
            Self::Verbatim | Self::Shortest | Self::Moment { .. } => None,
        }
    }

    /// What is added to a cell before it is written or shown.
    pub fn offset(&self) -> i64 {
        match self {
            Self::Whole { offset } => *offset,
            _ => 0,
        }
    }
}
