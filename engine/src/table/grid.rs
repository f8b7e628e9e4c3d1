//! The numbers that a column can hold: times on the full hour, and whole numbers written with a
//! point, stay so when a number is drawn between two others.

use tgs_protocol::column::ValueFormat;

/// Seconds of the grids that moments may lie on, coarsest first.
const MOMENT_GRIDS_S: [f64; 5] = [86_400.0, 3_600.0, 60.0, 1.0, 0.001];
/// Largest power of ten that numbers are tested to be multiples of.
const TENS_MAX: i32 = 9;

/// The multiples that numbers are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grid {
    /// No rounding.
    Free,
    /// Multiples of 10^−digits.
    Decimals(u8),
    /// Multiples of a whole step.
    Step(f64),
}

impl Grid {
    /// The coarsest grid that holds all values of a column: tens, whole numbers, its decimals;
    /// days, hours, minutes.
    pub(crate) fn of(format: &ValueFormat, values: &[f64]) -> Self {
        let all = |step: &f64| values.iter().all(|value| (value / step).round() * step == *value);
        match format {
            ValueFormat::Decimal { .. } | ValueFormat::Whole { .. } => {
                let digits = match format {
                    ValueFormat::Decimal { digits, .. } => *digits,
                    _ => 0,
                };
                let mut tens = (0..=TENS_MAX).rev().map(|tens| 10_f64.powi(tens));
                match (tens.find(all), digits) {
                    (Some(step), _) => Self::Step(step),
                    (None, 0) => Self::Step(1.0),
                    (None, digits) => Self::Decimals(digits),
                }
            }
            ValueFormat::Moment { .. } => {
                MOMENT_GRIDS_S.into_iter().find(all).map_or(Self::Free, Self::Step)
            }
            ValueFormat::Shortest | ValueFormat::Verbatim => Self::Free,
        }
    }

    /// The distance of two neighbouring multiples; zero where nothing is rounded.
    pub(crate) fn step(self) -> f64 {
        match self {
            Self::Free => 0.0,
            Self::Decimals(digits) => 10_f64.powi(-i32::from(digits)),
            Self::Step(step) => step,
        }
    }

    /// The nearest multiple.
    pub(crate) fn round(self, value: f64) -> f64 {
        let rounded = match self {
            Self::Free => value,
            Self::Decimals(digits) => {
                let scale = 10_f64.powi(i32::from(digits));
                (value * scale).round() / scale
            }
            Self::Step(step) => (value / step).round() * step,
        };
        // Zero has one sign only, and what is too large for its decimals stays as it is.
        if rounded.is_finite() { rounded + 0.0 } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_values_share_is_kept() {
        let moment = ValueFormat::Moment { pattern: "%Y-%m-%d %H:%M".to_owned() };
        let decimal = |digits| ValueFormat::Decimal { digits, fixed: true };
        for (format, values, asked, found) in [
            (moment.clone(), vec![3_600.0, 10_800.0], 5_000.0, 3_600.0),
            (moment, vec![0.0, 90.5], 61.25, 61.25),
            (decimal(1), vec![1_360.0, 1_292.0], 1_300.7, 1_301.0),
            (decimal(0), vec![250.0, 1_250.0], 999.0, 1_000.0),
            (decimal(2), vec![0.25], 1.234, 1.23),
            (decimal(0), vec![1e300, 0.5], 7.4, 7.0),
            (ValueFormat::Shortest, vec![1.0], 0.125, 0.125),
        ] {
            assert_eq!(Grid::of(&format, &values).round(asked), found, "{format:?}");
        }
    }
}
