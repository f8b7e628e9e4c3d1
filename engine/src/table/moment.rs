//! Dates and times as texts: one strftime pattern reads and writes every cell of a column.
//!
//! Understood: `%Y %y %m %-m %d %-d %b %B %H %-H %I %-I %p %M %S %.f %.1f` … `%.9f` `%:z %z %%` and
//! literal text. Civil dates are those of Hinnant, "chrono-compatible low-level date algorithms"
//! (2013).

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
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
        names_something.then_some(Self { items })
    }

    /// True if the pattern names a day.
    pub fn has_date(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Day { .. }))
    }

    /// True if the pattern names a time of day.
    pub fn has_time(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Hour { .. } | Item::HourOfHalf { .. }))
    }

    /// Seconds since 1970-01-01 (UTC where an offset stands), or since midnight for a time alone;
    /// none if the text does not follow the pattern to its last byte.
    pub fn parse(&self, text: &[u8]) -> Option<f64> {
        let mut found = Parts::default();
        let mut rest = text;
        for item in &self.items {
            found.take(*item, &mut rest)?;
        }
        if rest.is_empty() { found.seconds(self.has_date()) } else { None }
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

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
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
            Item::Year => self.year = number(rest, 4, 4)?,
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

/// A moment in parts, to be written.
struct Shown {
    year: i64,
    month: i64,
    day: i64,
    of_day: i64,
    fraction: i64,
    digits: u8,
}

/// Beyond these years a date cannot be written with four digits.
const FIRST_SECOND: f64 = -62_167_219_200.0;
const LAST_SECOND: f64 = 253_402_300_799.0;

impl Shown {
    fn of(seconds: f64, digits: u8) -> Self {
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
        let (year, month, day) = civil_from_days(whole.div_euclid(86_400));
        Self { year, month, day, of_day: whole.rem_euclid(86_400), fraction, digits }
    }

    fn write(&self, item: Item, out: &mut Vec<u8>) {
        let hour = self.of_day / 3_600;
        match item {
            Item::Literal(byte) => out.push(byte),
            Item::Year => padded(self.year, 4, out),
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
    fn civil_dates_go_round() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
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
