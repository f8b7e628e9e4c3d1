//! The numbers that a column can hold: times on the full hour, whole numbers written with a
//! point, quarters and months, stay so when a number is drawn between two others.

use tgs_protocol::column::ValueFormat;

use crate::table::{
    cell::POWERS_OF_TEN,
    moment::{Pattern, Unit, civil_from_days, days_from_civil},
};

/// Seconds of the grids that moments may lie on, coarsest first.
const MOMENT_GRIDS_S: [f64; 5] = [86_400.0, 3_600.0, 60.0, 1.0, 0.001];
/// Largest power of ten that numbers are tested to be multiples of.
const TENS_MAX: i32 = 9;
/// So many distinct values bear out a step that is no power of ten: if they lay anywhere, not even
/// one time in two hundred would all of them be even.
const STEP_VALUES_MIN: usize = 8;
/// Up to here every whole number is a double.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
const DAY_S: f64 = 86_400.0;
const WEEK_S: f64 = 7.0 * DAY_S;
/// The first Monday after 1970-01-01.
const MONDAY_S: f64 = 4.0 * DAY_S;
const MONTH_S: f64 = 365.25 / 12.0 * DAY_S;

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
    /// Multiples of (units, digits): units · 10^−digits, such as quarters.
    Units(f64, u8),
    /// First days of months.
    Months,
    /// Mondays.
    Weeks,
}

impl Grid {
    /// The coarsest grid that holds all values of a column: tens, whole numbers, what all of many
    /// are multiples of, its decimals; months, weeks, days, hours, minutes.
    pub(crate) fn of(format: &ValueFormat, values: &[f64]) -> Self {
        let all = |step: &f64| values.iter().all(|value| (value / step).round() * step == *value);
        if let ValueFormat::Moment { pattern } = format {
            return match Pattern::new(pattern).map(|pattern| pattern.unit()) {
                Some(Unit::Month) => Self::Months,
                Some(Unit::Week) => Self::Weeks,
                _ => MOMENT_GRIDS_S.into_iter().find(all).map_or(Self::Free, Self::Step),
            };
        }
        let Some((digits, _)) = format.decimals() else { return Self::Free };
        let units = common_units(values, digits).unwrap_or(1.0);
        let mut tens = (0..=TENS_MAX).rev().map(|tens| 10_f64.powi(tens));
        let scale = POWERS_OF_TEN.get(usize::from(digits)).copied().unwrap_or(f64::INFINITY);
        match (tens.find(all), digits) {
            (Some(step), _) if units <= step * scale => Self::Step(step),
            (None, 0) if units <= 1.0 => Self::Step(1.0),
            (None, digits) if units <= 1.0 => Self::Decimals(digits),
            _ => Self::Units(units, digits),
        }
    }

    /// The distance of two neighbouring multiples; zero where nothing is rounded.
    pub(crate) fn step(self) -> f64 {
        match self {
            Self::Free => 0.0,
            Self::Decimals(digits) => 10_f64.powi(-i32::from(digits)),
            Self::Step(step) => step,
            Self::Units(units, digits) => units / 10_f64.powi(i32::from(digits)),
            Self::Months => MONTH_S,
            Self::Weeks => WEEK_S,
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
            Self::Units(units, digits) => {
                let scale = 10_f64.powi(i32::from(digits));
                // One rounding of two whole numbers: the double that the text reads as.
                (value * scale / units).round() * units / scale
            }
            Self::Months => nearest_month(value),
            Self::Weeks => ((value - MONDAY_S) / WEEK_S).round() * WEEK_S + MONDAY_S,
        };
        // Zero has one sign only, and what is too large for its decimals stays as it is.
        if rounded.is_finite() { rounded + 0.0 } else { value }
    }

    /// The largest multiple that is not above a value.
    pub(crate) fn down(self, value: f64) -> f64 {
        let near = self.round(value);
        if near > value { self.round(near - self.step()) } else { near }
    }

    /// The smallest multiple that is not below a value.
    pub(crate) fn up(self, value: f64) -> f64 {
        let near = self.round(value);
        if near < value { self.round(near + self.step()) } else { near }
    }

    /// How many multiples lie from one to another; the plain difference where nothing is rounded.
    pub(crate) fn steps(self, from: f64, to: f64) -> f64 {
        match self {
            Self::Free => to - from,
            Self::Months => month_index(to) - month_index(from),
            _ => ((to - from) / self.step()).round(),
        }
    }

    /// The multiple that lies so many steps after another.
    pub(crate) fn after(self, from: f64, steps: f64) -> f64 {
        match self {
            Self::Free => from + steps,
            Self::Months => first_of_month(month_index(from) + steps),
            _ => self.round(from + steps * self.step()),
        }
    }
}

/// What all values are multiples of, in units of the last digit; none unless many bear it out.
fn common_units(values: &[f64], digits: u8) -> Option<f64> {
    let scale = POWERS_OF_TEN.get(usize::from(digits))?;
    let (mut common, mut distinct, mut largest) = (0_u64, 0, f64::NEG_INFINITY);
    for &value in values {
        let scaled = (value * scale).round().abs();
        if scaled > EXACT_MAX {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let (mut one, mut other) = (scaled as u64, common);
        while other > 0 {
            (one, other) = (other, one % other);
        }
        common = one;
        // Values come in ascending runs: what is counted is never more than what is there.
        distinct += usize::from(value > largest);
        largest = largest.max(value);
        if common == 1 {
            return None;
        }
    }
    (distinct >= STEP_VALUES_MIN && common > 1).then_some(common as f64)
}

/// Months from January 1970 to the month of a moment.
fn month_index(seconds: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "a cast stops at the largest number")]
    let days = (seconds / DAY_S).floor().clamp(-1e7, 1e7) as i64;
    let (year, month, _) = civil_from_days(days);
    ((year - 1970) * 12 + month - 1) as f64
}

fn first_of_month(index: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "a cast stops at the largest number")]
    let index = index.clamp(-1e6, 1e6) as i64;
    let (year, month) = (1970 + index.div_euclid(12), index.rem_euclid(12) + 1);
    days_from_civil(year, month, 1) as f64 * DAY_S
}

fn nearest_month(seconds: f64) -> f64 {
    if (seconds / DAY_S).floor().abs() > 1e7 {
        return seconds;
    }
    let month = month_index(seconds);
    let (first, next) = (first_of_month(month), first_of_month(month + 1.0));
    if seconds - first <= next - seconds { first } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_values_share_is_kept() {
        let moment = |pattern: &str| ValueFormat::Moment { pattern: pattern.to_owned() };
        let decimal = |digits| ValueFormat::Decimal { digits, least: digits };
        let multiples = |step: f64| (1..20).map(|times| f64::from(times) * step).collect();
        let hundredths: Vec<f64> = (1..20).map(|times| f64::from(times * 5) / 100.0).collect();
        for (format, values, asked, found) in [
            (moment("%Y-%m-%d %H:%M"), vec![3_600.0, 10_800.0], 5_000.0, 3_600.0),
            (moment("%Y-%m-%d %H:%M"), vec![0.0, 90.5], 61.25, 61.25),
            (moment("%Y-%m"), vec![0.0], 20.0 * DAY_S, 31.0 * DAY_S),
            (moment("%m/%Y"), vec![0.0], -20.0 * DAY_S, -31.0 * DAY_S),
            (moment("%G-W%V"), vec![0.0], 9.0 * DAY_S, 11.0 * DAY_S),
            (decimal(1), vec![1_360.0, 1_292.0], 1_300.7, 1_301.0),
            (decimal(0), vec![250.0, 1_250.0], 999.0, 1_000.0),
            (decimal(2), vec![0.25], 1.234, 1.23),
            (decimal(0), vec![1e300, 0.5], 7.4, 7.0),
            (ValueFormat::Shortest, vec![1.0], 0.125, 0.125),
            (decimal(2), multiples(0.25), 1.4, 1.5),
            (decimal(2), hundredths.clone(), 0.16, 0.15),
            (decimal(2), hundredths[..5].to_vec(), 0.16, 0.16),
            (decimal(1), multiples(5.0), 12.6, 15.0),
            (decimal(0), multiples(7.0), 12.0, 14.0),
            (decimal(0), multiples(1_000.0), 1_400.0, 1_000.0),
        ] {
            assert_eq!(Grid::of(&format, &values).round(asked), found, "{format:?} {asked}");
        }
    }
    #[test]
    fn steps_from_one_multiple_to_another_lead_there() {
        let grids = [
            (Grid::Step(86_400.0), [0.0, 19_000.0 * DAY_S]),
            (Grid::Step(0.001), [1_600_000_000_123.0 * 0.001, 1_600_000_999_007.0 * 0.001]),
            (Grid::Weeks, [MONDAY_S, MONDAY_S - 40.0 * WEEK_S]),
            (Grid::Months, [days_from_civil(1969, 12, 1) as f64 * DAY_S, 31.0 * DAY_S]),
            (Grid::Free, [0.25, 1.75]),
        ];
        for (grid, [from, to]) in grids {
            let steps = grid.steps(from, to);
            assert_eq!(grid.after(from, steps), to, "{grid:?} {steps}");
            assert_eq!((grid.down(to), grid.up(to)), (to, to), "{grid:?}");
        }
        assert_eq!(Grid::Months.steps(-DAY_S, 31.0 * DAY_S), 2.0);
        // 10 January: February comes next, January was before.
        let tenth = 9.0 * DAY_S;
        assert_eq!((Grid::Months.down(tenth), Grid::Months.up(tenth)), (0.0, 31.0 * DAY_S));
        assert_eq!(Grid::Months.down(30.0 * DAY_S), 0.0);
        let day = Grid::Step(DAY_S);
        assert_eq!((day.down(1.9 * DAY_S), day.up(1.1 * DAY_S)), (DAY_S, 2.0 * DAY_S));
    }
}
