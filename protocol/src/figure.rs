//! Numbers as people read them, in words, on the page and on the terminal: 32,561 · 1.2k · 0.993 ·
//! 12.3 % · 5.2 MB · 3:05.

use std::time::Duration;

use crate::unit::separated;

/// Digits after the point up to which a score tells itself from 0 and from 1.
const DIGITS_MAX: usize = 6;

/// A whole number with separators: `32,561`.
pub fn count(value: u64) -> String {
    separated(&value.to_string())
}

/// `1 gate`, `3 gates`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), noun_for(number, noun))
}

/// `row` of one, `rows` of any other number.
pub fn noun_for(number: u64, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// The verb after so many rows: one equals, two equal.
pub fn equal(rows: u64) -> &'static str {
    if rows == 1 { "equals" } else { "equal" }
}

/// At most three significant digits, large ones with a suffix: `0.12`, `1,234`, `12.3k`, `3.4 M`.
pub fn compact(value: f64) -> String {
    if !value.is_finite() {
        return "—".into();
    }
    let rounded = to_significant(value, 3);
    let size = rounded.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{rounded:e}").replace('-', "−");
    }
    let (unit, suffix) = suffix_of(size);
    let digits = (0..=6).find(|digits| is_whole(rounded / unit, *digits)).unwrap_or(6);
    let whole = to_significant(value, 4).abs();
    if unit == 1.0 && size >= 1000.0 {
        return fixed(whole.copysign(value), 0);
    }
    format!("{}{suffix}", fixed(rounded / unit, digits))
}

/// A value of a column: six significant digits, no separators, since it may be a year or a code.
pub fn plain(value: f64) -> String {
    if !value.is_finite() {
        return "—".into();
    }
    let rounded = to_significant(value, 6);
    // Whole numbers keep all their digits as long as they are exact.
    let shown = if value.fract() == 0.0 && value.abs() < 1e15 { value } else { rounded };
    let is_far = shown != 0.0 && !(1e-4..1e15).contains(&shown.abs());
    let text = if is_far { format!("{shown:e}") } else { format!("{shown}") };
    text.replace('-', "−")
}

/// A measured number: three digits after the point, two from 10 on, and as many as it takes to tell
/// it from 0 and from 1.
pub fn score(value: f64) -> String {
    if !value.is_finite() {
        return "—".into();
    }
    if value.fract() == 0.0 && value.abs() < 1e15 && value.abs() > 1.0 {
        return fixed(value, 0);
    }
    if value.abs() >= 100.0 {
        return compact(value);
    }
    if value.abs() >= 10.0 {
        return fixed(value, 2);
    }
    let hides = |text: &str| text.parse().is_ok_and(|shown: f64| is_end(shown) && !is_end(value));
    let written = |digits: usize| format!("{:.digits$}", value.abs());
    match (3..=DIGITS_MAX).find(|digits| !hides(&written(*digits))) {
        Some(digits) => fixed(value, digits),
        None if value > 0.5 && value < 1.0 => ">0.999999".into(),
        None if value > 1.0 => "<1.000001".into(),
        None if value > 0.0 => "<0.000001".into(),
        None => fixed(value, DIGITS_MAX),
    }
}

/// Whether a score is at an end of the usual scale, where a difference matters most.
fn is_end(value: f64) -> bool {
    value == 0.0 || value.abs() == 1.0
}

/// A share as percent, never rounded to none or all: `12.3 %`, `<0.01 %`, `0 %`.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    if !percent.is_finite() {
        return "—".into();
    }
    if (99.95..100.0).contains(&percent) {
        return ">99.9 %".into();
    }
    if is_whole(percent, 0) && (percent == 0.0 || percent.abs() >= 1.0) {
        return format!("{} %", fixed(percent, 0));
    }
    if percent > 0.0 && percent < 0.01 {
        return "<0.01 %".into();
    }
    let digits = if percent.abs() < 1.0 { 2 } else { 1 };
    format!("{} %", fixed(percent, digits))
}

/// `54 times out of 100`.
pub fn times_of_hundred(share: f64) -> String {
    format!("{:.0} times out of 100", 100.0 * share)
}

/// So many digits after the point, separators before it, a true minus sign, never a negative zero.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let negative = value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if negative { "−" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", separated(whole))
}

/// The divisor and suffix that suit a size: (1000, `k`), (10⁶, ` M`), …
pub fn suffix_of(size: f64) -> (f64, &'static str) {
    [(1e12, " tn"), (1e9, " bn"), (1e6, " M")]
        .into_iter()
        .find(|(unit, _)| size >= *unit)
        .unwrap_or(if size >= 1e4 { (1e3, "k") } else { (1.0, "") })
}

/// True if the value has no more than so many digits after the point.
pub fn is_whole(value: f64, digits: usize) -> bool {
    let scaled = (0..digits).fold(value, |scaled, _| scaled * 10.0);
    (scaled - scaled.round()).abs() <= 1e-6 * scaled.abs().max(1e-3)
}

/// `0.4 s`, `12 s`, `3:05`, `1:02:03`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// `5.2 MB`; powers of 1000, as disks are sold.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut size = number as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

fn to_significant(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_like_numbers() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.123_45, "0.123"),
            (0.15, "0.15"),
            (12.0, "12"),
            (1234.4, "1,234"),
            (12_340.0, "12.3k"),
            (999_950.0, "1 M"),
            (3_400_000.0, "3.4 M"),
            (-2.5e9, "−2.5 bn"),
            (1e-7, "1e−7"),
            (f64::NAN, "—"),
        ] {
            assert_eq!(compact(value), text, "{value}");
        }
    }

    #[test]
    fn scores_never_round_to_perfection() {
        for (value, text) in [
            (1.0, "1.000"),
            (0.9996, "0.9996"),
            (0.999_98, "0.99998"),
            (0.999_999_9, ">0.999999"),
            (1.000_000_1, "<1.000001"),
            (0.0, "0.000"),
            (0.0002, "0.0002"),
            (0.000_000_1, "<0.000001"),
            (0.5, "0.500"),
            (53.0, "53"),
            (-0.0001, "−0.0001"),
            (6.134, "6.134"),
            (61.34, "61.34"),
            (12_345.6, "12.3k"),
            (f64::INFINITY, "—"),
        ] {
            assert_eq!(score(value), text, "{value}");
        }
    }

    #[test]
    fn values_of_columns_keep_what_one_reads() {
        for (value, text) in [
            (1987.0, "1987"),
            (-0.5, "−0.5"),
            (123_456_789.0, "123456789"),
            (123_456.789, "123457"),
            (0.123_456_789, "0.123457"),
            (1.234_567_89e-15, "1.23457e−15"),
            (6.02e23, "6.02e23"),
            (0.0, "0"),
        ] {
            assert_eq!(plain(value), text, "{value}");
        }
    }

    #[test]
    fn shares_are_percent() {
        for (value, text) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.1, "10 %"),
            (0.9999, ">99.9 %"),
            (0.1234, "12.3 %"),
            (0.001, "0.10 %"),
            (1e-6, "<0.01 %"),
        ] {
            assert_eq!(share(value), text, "{value}");
        }
        assert_eq!(times_of_hundred(0.543), "54 times out of 100");
    }

    #[test]
    fn counts_have_separators() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
        assert_eq!((counted(1, "gate"), counted(2, "gate")), ("1 gate".into(), "2 gates".into()));
    }

    #[test]
    fn times_and_sizes_read_well() {
        for (seconds, text) in
            [(0.43, "0.4 s"), (12.9, "12 s"), (185.0, "3:05"), (3723.0, "1:02:03")]
        {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text);
        }
        for (number, text) in [(12, "12 B"), (5_277_522, "5.3 MB")] {
            assert_eq!(bytes(number), text);
        }
    }
}
