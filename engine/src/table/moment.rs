//! Dates and times as texts: one strftime pattern reads and writes every cell of a column.
//!
//! Understood: `%Y %y %m %-m %d %-d %b %B %G %V %H %-H %I %-I %p %M %S %.f %.1f` … `%.9f` `%:z %z`
//! `%%` and literal text. A month stands for its first day, a week for its Monday.

mod civil;
mod shown;

use civil::first_monday;
pub use civil::{civil_from_days, days_from_civil};
use shown::Shown;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Literal(u8),
    Year,
    YearOfCentury,
    Month {
        padded: bool,
    },
    Day {
        padded: bool,
    },
    MonthShort,
    MonthLong,
    /// The year that an ISO week belongs to.
    WeekYear,
    Week,
    Hour {
        padded: bool,
    },
    HourOfHalf {
        padded: bool,
    },
    HalfOfDay,
    Minute,
    Second,
    /// Point and digits; none means as many as stand there.
    Fraction(Option<u8>),
    Offset {
        colon: bool,
    },
}

/// What the dates of a pattern can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Months.
    Month,
    /// ISO weeks.
    Week,
    /// Days, or what is less.
    Day,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Pattern {
    /// Compiles a strftime pattern; none if it holds something not understood or names no part of a
    /// date or time.
    pub fn new(pattern: &str) -> Option<Self> {
        let mut items = Vec::new();
        let mut rest = pattern.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            if first == b'%' {
                items.push(item(&mut rest)?);
            } else {
                items.push(Item::Literal(first));
            }
        }
        let names_something = items.iter().any(|item| !matches!(item, Item::Literal(_)));
        let unit = unit_of(&items);
        names_something.then_some(Self { items, unit })
    }

    /// True if the pattern names a day, or a month or week of a year.
    pub fn has_date(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Day { .. })) || self.unit != Unit::Day
    }

    /// What its dates can tell apart.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// True if the pattern names a time of day.
    pub fn has_time(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Hour { .. } | Item::HourOfHalf { .. }))
    }

    /// Seconds since 1970-01-01 (UTC where an offset stands), or since midnight for a time alone;
    /// none if the text does not follow the pattern to its last byte.
    pub fn parse(&self, text: &[u8]) -> Option<f64> {
        let day = i64::from(self.unit == Unit::Month);
        let mut found = Parts { day, ..Parts::default() };
        let mut rest = text;
        for item in &self.items {
            found.take(*item, &mut rest)?;
        }
        match self.unit {
            _ if !rest.is_empty() => None,
            Unit::Week => found.monday(),
            _ => found.seconds(self.has_date()),
        }
    }

    /// Appends the moment. Rounds to what the pattern can show.
    pub fn write(&self, seconds: f64, out: &mut Vec<u8>) {
        let digits = self.items.iter().find_map(|item| match item {
            Item::Fraction(digits) => Some(digits.unwrap_or(6)),
            _ => None,
        });
        let parts = Shown::of(seconds, digits.unwrap_or(0));
        for item in &self.items {
            parts.write(*item, out);
        }
    }
}

fn unit_of(items: &[Item]) -> Unit {
    let has = |wanted: fn(&Item) -> bool| items.iter().any(wanted);
    let time = has(|item| matches!(item, Item::Hour { .. } | Item::HourOfHalf { .. }));
    let month = has(|item| matches!(item, Item::Month { .. } | Item::MonthShort | Item::MonthLong));
    let year = has(|item| matches!(item, Item::Year | Item::YearOfCentury));
    if time || has(|item| matches!(item, Item::Day { .. })) {
        Unit::Day
    } else if has(|item| *item == Item::Week) && has(|item| *item == Item::WeekYear) {
        Unit::Week
    } else if month && year {
        Unit::Month
    } else {
        Unit::Day
    }
}

fn item(rest: &mut &[u8]) -> Option<Item> {
    let (&letter, after) = rest.split_first()?;
    *rest = after;
    Some(match letter {
        b'Y' => Item::Year,
        b'y' => Item::YearOfCentury,
        b'm' => Item::Month { padded: true },
        b'd' => Item::Day { padded: true },
        b'b' | b'h' => Item::MonthShort,
        b'B' => Item::MonthLong,
        b'G' => Item::WeekYear,
        b'V' => Item::Week,
        b'H' => Item::Hour { padded: true },
        b'I' => Item::HourOfHalf { padded: true },
        b'p' => Item::HalfOfDay,
        b'M' => Item::Minute,
        b'S' => Item::Second,
        b'z' => Item::Offset { colon: false },
        b'%' => Item::Literal(b'%'),
        b':' => {
            *rest = rest.strip_prefix(b"z")?;
            Item::Offset { colon: true }
        }
        b'-' => {
            let (&letter, after) = rest.split_first()?;
            *rest = after;
            match letter {
                b'm' => Item::Month { padded: false },
                b'd' => Item::Day { padded: false },
                b'H' => Item::Hour { padded: false },
                b'I' => Item::HourOfHalf { padded: false },
                _ => return None,
            }
        }
        b'.' => {
            let (&next, after) = rest.split_first()?;
            let digits = matches!(next, b'1'..=b'9').then(|| next - b'0');
            *rest = if digits.is_some() { after } else { rest };
            *rest = rest.strip_prefix(b"f")?;
            Item::Fraction(digits)
        }
        _ => return None,
    })
}

/// What stands in one text.
#[derive(Default)]
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    week: i64,
    hour: i64,
    minute: i64,
    second: i64,
    fraction: f64,
    half: Option<bool>,
    offset_minutes: i64,
}

impl Parts {
    fn take(&mut self, item: Item, rest: &mut &[u8]) -> Option<()> {
        match item {
            Item::Literal(byte) => {
                let (&first, after) = rest.split_first()?;
                *rest = after;
                return (first == byte).then_some(());
            }
            Item::Year | Item::WeekYear => self.year = number(rest, 4, 4)?,
            Item::Week => self.week = number(rest, 2, 2)?,
            Item::YearOfCentury => {
                // POSIX: 69 to 99 are of the twentieth century.
                let year = number(rest, 2, 2)?;
                self.year = if year < 69 { 2_000 + year } else { 1_900 + year };
            }
            Item::Month { padded } => self.month = number(rest, 1 + usize::from(padded), 2)?,
            Item::Day { padded } => self.day = number(rest, 1 + usize::from(padded), 2)?,
            Item::Hour { padded } | Item::HourOfHalf { padded } => {
                self.hour = number(rest, 1 + usize::from(padded), 2)?;
                if matches!(item, Item::HourOfHalf { .. }) && !(1..=12).contains(&self.hour) {
                    return None;
                }
            }
            Item::Minute => self.minute = number(rest, 2, 2)?,
            Item::Second => self.second = number(rest, 2, 2)?,
            Item::MonthShort => self.month = month(rest, |name| &name[..3])?,
            Item::MonthLong => self.month = month(rest, |name| name)?,
            Item::HalfOfDay => {
                let (half, after) = rest.split_first_chunk::<2>()?;
                *rest = after;
                self.half = Some(match half.to_ascii_uppercase().as_slice() {
                    b"AM" => false,
                    b"PM" => true,
                    _ => return None,
                });
            }
            Item::Fraction(digits) => self.fraction = fraction(rest, digits)?,
            Item::Offset { colon } => self.offset_minutes = offset(rest, colon)?,
        }
        Some(())
    }

    fn seconds(&self, has_date: bool) -> Option<f64> {
        let hour = match self.half {
            None => self.hour,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let mut whole = hour * 3_600 + self.minute * 60 + self.second;
        if has_date {
            if !(1..=12).contains(&self.month) || self.day < 1 || self.day > self.days() {
                return None;
            }
            whole += days_from_civil(self.year, self.month, self.day) * 86_400;
        }
        Some((whole - self.offset_minutes * 60) as f64 + self.fraction)
    }

    fn monday(&self) -> Option<f64> {
        let monday = first_monday(self.year) + 7 * (self.week - 1);
        let exists = self.week >= 1 && monday < first_monday(self.year + 1);
        exists.then_some((monday * 86_400) as f64)
    }

    fn days(&self) -> i64 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

fn number(rest: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let length = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if length < least {
        return None;
    }
    let (digits, after) = rest.split_at(length);
    *rest = after;
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn month(rest: &mut &[u8], form: impl Fn(&'static str) -> &'static str) -> Option<i64> {
    // The longest name that fits, so that "Mar" is not taken for a part of another name.
    let at = MONTHS.iter().position(|name| {
        let name = form(name).as_bytes();
        rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name))
    })?;
    *rest = &rest[form(MONTHS[at]).len()..];
    i64::try_from(at + 1).ok()
}

fn fraction(rest: &mut &[u8], digits: Option<u8>) -> Option<f64> {
    let Some(after) = rest.strip_prefix(b".") else {
        return digits.is_none().then_some(0.0);
    };
    let most = digits.map_or(9, usize::from);
    let length = after.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || digits.is_some_and(|digits| length != usize::from(digits)) {
        return None;
    }
    let (shown, after) = after.split_at(length);
    *rest = after;
    let sum = shown.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(sum as f64 / 10_f64.powi(i32::try_from(length).ok()?))
}

fn offset(rest: &mut &[u8], colon: bool) -> Option<i64> {
    if let Some(after) = rest.strip_prefix(b"Z") {
        *rest = after;
        return Some(0);
    }
    let (&sign, after) = rest.split_first()?;
    *rest = after;
    let hours = number(rest, 2, 2)?;
    if colon {
        *rest = rest.strip_prefix(b":")?;
    }
    let minutes = number(rest, 2, 2)?;
    if hours > 18 || minutes > 59 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written_the_same() {
        for (pattern, text, seconds) in [
            ("%Y-%m-%d", "2000-02-29", 951_782_400.0),
            ("%Y-%m-%d", "1969-12-31", -86_400.0),
            ("%Y-%m-%d", "1600-01-01", -11_676_096_000.0),
            ("%d.%m.%Y %H:%M", "29.02.2000 01:02", 951_786_120.0),
            ("%Y-%m", "1970-02", 31.0 * 86_400.0),
            ("%m/%Y", "01/1971", 365.0 * 86_400.0),
            ("%b %Y", "Dec 1969", -31.0 * 86_400.0),
            ("%G-W%V", "1970-W02", 4.0 * 86_400.0),
            ("%G-W%V", "1970-W01", -3.0 * 86_400.0),
            ("%G-W%V", "2015-W53", 1_451_260_800.0),
            ("%G-W%V", "2016-W01", 1_451_865_600.0),
            ("%-m/%-d/%y", "2/9/70", 39.0 * 86_400.0),
            ("%-d/%-m/%Y", "31/12/1970", 364.0 * 86_400.0),
            ("%H:%M:%S", "23:59:59", 86_399.0),
            ("%I:%M %p", "12:30 AM", 1_800.0),
            ("%-I:%M %p", "1:30 PM", 48_600.0),
            ("%d-%b-%Y", "03-Jan-1970", 172_800.0),
            ("%B %-d, %Y", "March 1, 1970", 59.0 * 86_400.0),
            ("%Y-%m-%dT%H:%M:%S%.3fZ", "1970-01-01T00:00:01.250Z", 1.25),
            ("%H:%M:%S%.f", "00:00:01.5", 1.5),
            ("%H:%M:%S%.f", "00:00:01", 1.0),
            ("%Y-%m-%d %H:%M:%S%:z", "1970-01-01 02:00:00+00:00", 7_200.0),
        ] {
            let compiled = Pattern::new(pattern).unwrap();
            assert_eq!(compiled.parse(text.as_bytes()), Some(seconds), "{pattern} {text}");
            let mut out = Vec::new();
            compiled.write(seconds, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{pattern}");
        }
        let offset = Pattern::new("%Y-%m-%d %H:%M%z").unwrap();
        assert_eq!(offset.parse(b"1970-01-01 02:00+0200"), Some(0.0));
    }

    #[test]
    fn texts_that_are_no_moment_are_refused() {
        for (pattern, text) in [
            ("%Y-%m-%d", "2001-02-29"),
            ("%Y-%m-%d", "2001-13-01"),
            ("%Y-%m-%d", "2001-1-01"),
            ("%Y-%m-%d", "2001-01-01 "),
            ("%d.%m.%Y", "00.01.2001"),
            ("%Y-%m", "1990-13"),
            ("%Y-%m", "1990-00"),
            ("%G-W%V", "2016-W53"),
            ("%G-W%V", "2016-W00"),
            ("%H:%M", "24:00"),
            ("%H:%M", "12:60"),
            ("%I:%M %p", "13:00 PM"),
            ("%H:%M:%S%.3f", "12:00:00.12"),
            ("%B", "Mai"),
            ("%Y", ""),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().parse(text.as_bytes()), None, "{text}");
        }
        for pattern in ["", "%", "%Q", "abc", "%-", "%.", "%.0f", "%:"] {
            assert_eq!(Pattern::new(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_fraction_that_rounds_up_carries() {
        let mut out = Vec::new();
        Pattern::new("%H:%M:%S%.1f").unwrap().write(59.99, &mut out);
        assert_eq!(out, b"00:01:00.0");
        out.clear();
        Pattern::new("%Y").unwrap().write(f64::MAX, &mut out);
        assert_eq!(out, b"9999");
    }
}
