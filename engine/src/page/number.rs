//! Numbers as people write them: 32,561 · 1.2k · 3.4 M · 0.993 · 12.3 %.

use tgs_protocol::unit::{self, separated};

/// A whole number with separators: `32,561`.
pub fn count(value: u64) -> String {
    separated(&value.to_string())
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

/// A score: three digits after the point, four where three would hide a difference from 0 or 1.
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
    let three = fixed(value, 3);
    let hides = (three == "1.000" && value != 1.0) || (three == "0.000" && value != 0.0);
    if hides { fixed(value, 4) } else { three }
}

/// A share as percent: `12.3 %`, `<0.01 %`, `0 %`.
pub fn share(value: f64) -> String {
    let percent = value * 100.0;
    if !percent.is_finite() {
        return "—".into();
    }
    if percent == 0.0 || percent == 100.0 {
        return format!("{percent:.0} %");
    }
    if percent > 0.0 && percent < 0.01 {
        return "<0.01 %".into();
    }
    let digits = if percent.abs() < 1.0 { 2 } else { 1 };
    format!("{} %", fixed(percent, digits))
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

/// `1 gate`, `3 gates`.
pub fn counted(number: usize, noun: &str) -> String {
    unit::counted(number as u64, noun)
}

/// True if the value has no more than so many digits after the point.
pub fn is_whole(value: f64, digits: usize) -> bool {
    let scaled = value * libm::pow(10.0, digits as f64);
    (scaled - scaled.round()).abs() <= 1e-6 * scaled.abs().max(1e-3)
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
            (0.0, "0.000"),
            (0.0002, "0.0002"),
            (0.5, "0.500"),
            (53.0, "53"),
            (-0.0001, "−0.0001"),
            (61.34, "61.340"),
            (12_345.6, "12.3k"),
            (f64::INFINITY, "—"),
        ] {
            assert_eq!(score(value), text, "{value}");
        }
    }

    #[test]
    fn shares_are_percent() {
        for (value, text) in
            [(0.0, "0 %"), (1.0, "100 %"), (0.1234, "12.3 %"), (0.001, "0.10 %"), (1e-6, "<0.01 %")]
        {
            assert_eq!(share(value), text, "{value}");
        }
    }

    #[test]
    fn counts_have_separators() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
        assert_eq!((counted(1, "gate"), counted(2, "gate")), ("1 gate".into(), "2 gates".into()));
    }
}
