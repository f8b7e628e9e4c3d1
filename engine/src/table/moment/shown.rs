//! A moment written by the parts of a pattern.

use super::{Item, MONTHS, civil_from_days, first_monday};

/// A moment in parts, to be written.
pub(super) struct Shown {
    year: i64,
    month: i64,
    day: i64,
    of_day: i64,
    days: i64,
    fraction: i64,
    digits: u8,
}

/// Beyond these years a date cannot be written with four digits.
const FIRST_SECOND: f64 = -62_167_219_200.0;
const LAST_SECOND: f64 = 253_402_300_799.0;

impl Shown {
    pub(super) fn of(seconds: f64, digits: u8) -> Self {
        let scale = 10_i64.pow(u32::from(digits));
        let seconds = seconds.clamp(FIRST_SECOND, LAST_SECOND);
        let (mut whole, mut fraction) = (seconds.floor(), 0.0);
        if digits == 0 {
            whole = seconds.round();
        } else {
            fraction = ((seconds - whole) * scale as f64).round();
            if fraction >= scale as f64 {
                (whole, fraction) = (whole + 1.0, 0.0);
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "clamped above")]
        let (whole, fraction) = (whole as i64, fraction as i64);
        let days = whole.div_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        Self { year, month, day, days, of_day: whole.rem_euclid(86_400), fraction, digits }
    }

    pub(super) fn write(&self, item: Item, out: &mut Vec<u8>) {
        let hour = self.of_day / 3_600;
        match item {
            Item::Literal(byte) => out.push(byte),
            Item::Year => padded(self.year, 4, out),
            Item::WeekYear => padded(self.week().0, 4, out),
            Item::Week => padded(self.week().1, 2, out),
            Item::YearOfCentury => padded(self.year.rem_euclid(100), 2, out),
            Item::Month { padded: pad } => padded(self.month, 1 + usize::from(pad), out),
            Item::Day { padded: pad } => padded(self.day, 1 + usize::from(pad), out),
            Item::MonthShort => out.extend_from_slice(&self.month_name().as_bytes()[..3]),
            Item::MonthLong => out.extend_from_slice(self.month_name().as_bytes()),
            Item::Hour { padded: pad } => padded(hour, 1 + usize::from(pad), out),
            Item::HourOfHalf { padded: pad } => {
                padded((hour + 11) % 12 + 1, 1 + usize::from(pad), out);
            }
            Item::HalfOfDay => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
            Item::Minute => padded(self.of_day / 60 % 60, 2, out),
            Item::Second => padded(self.of_day % 60, 2, out),
            Item::Fraction(Some(digits)) => {
                out.push(b'.');
                padded(self.fraction, usize::from(digits), out);
            }
            Item::Fraction(None) => self.write_open_fraction(out),
            Item::Offset { colon } => {
                out.extend_from_slice(if colon { b"+00:00" } else { b"+0000" });
            }
        }
    }

    /// The ISO year and week.
    fn week(&self) -> (i64, i64) {
        // Of the three years that may hold the day's week, the last that has begun.
        let mut years = (self.year - 1..=self.year + 1).rev();
        let year = years.find(|year| first_monday(*year) <= self.days).unwrap_or(self.year);
        (year, (self.days - first_monday(year)) / 7 + 1)
    }

    fn write_open_fraction(&self, out: &mut Vec<u8>) {
        if self.fraction > 0 {
            out.push(b'.');
            padded(self.fraction, usize::from(self.digits), out);
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }

    fn month_name(&self) -> &'static str {
        usize::try_from(self.month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("???")
    }
}

fn padded(value: i64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}
