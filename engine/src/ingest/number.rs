//! Texts that are numbers. The canonical forms can be rendered back byte for byte, which is what
//! lets a column be held as integers before it is known whether it is one.

use crate::table::cell::POWERS_OF_TEN;

/// Largest whole number up to which every whole number is a double.
pub const EXACT_WHOLE_MAX: i64 = 9_007_199_254_740_992;

/// A number as it stands in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numeral {
    /// The nearest double.
    pub value: f64,
    /// Digits after the point.
    pub digits: u8,
    /// Written with an exponent, or with more digits than a double keeps.
    pub needs_shortest: bool,
}

/// A whole number without sign but minus, leading zeros or more than 18 digits.
#[inline]
pub fn whole(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (&first, rest) = digits.split_first()?;
    if digits.len() > 18 || !first.is_ascii_digit() {
        return None;
    }
    if first == b'0' && (negative || !rest.is_empty()) {
        return None;
    }
    let mut sum = i64::from(first - b'0');
    for &byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum * 10 + i64::from(digit);
    }
    Some(if negative { -sum } else { sum })
}

/// A number with a point as (mantissa, digits after the point); same limits as [`whole`], and at
/// least one digit on both sides.
#[inline]
pub fn decimal(text: &[u8]) -> Option<(i64, u8)> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 19 || digits.len() < 3 {
        return None;
    }
    let mut sum = 0_i64;
    let mut point = None;
    for (at, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            sum = sum * 10 + i64::from(digit);
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return None;
        }
    }
    let point = point?;
    let after = digits.len() - 1 - point;
    let zero_led = point > 1 && digits[0] == b'0';
    if point == 0 || after == 0 || zero_led || (negative && sum == 0) {
        return None;
    }
    Some((if negative { -sum } else { sum }, after as u8))
}

/// The double nearest to `mantissa / 10^digits`.
#[inline]
pub fn value_of(mantissa: i64, digits: u8) -> f64 {
    if mantissa.abs() <= EXACT_WHOLE_MAX {
        // Both are exact and one rounding follows (Clinger, 1990).
        return mantissa as f64 / POWERS_OF_TEN[usize::from(digits)];
    }
    let mut text = Vec::with_capacity(24);
    crate::table::cell::write_scaled(mantissa, usize::from(digits), &mut text);
    fast_float2::parse(&text).unwrap_or(f64::NAN)
}

/// Significant digits of a mantissa.
pub fn significant_digits(mantissa: i64) -> u32 {
    mantissa.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
}

/// Any way to write a finite decimal number, blanks around it allowed. Whole numbers with leading
/// zeros or too large for a double are names, not numbers, and refused. With `comma`, the fraction
/// stands behind a comma.
pub fn numeral(text: &[u8], comma: bool) -> Option<Numeral> {
    let text = text.trim_ascii();
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (whole_digits, rest) = split_digits(unsigned);
    let point = if comma { b',' } else { b'.' };
    let (fraction, rest) = match rest.split_first() {
        Some((&first, after)) if first == point => split_digits(after),
        _ => (&rest[..0], rest),
    };
    if whole_digits.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => false,
        [b'e' | b'E', power @ ..] => {
            let power =
                power.strip_prefix(b"-").or_else(|| power.strip_prefix(b"+")).unwrap_or(power);
            if power.is_empty() || !power.iter().all(u8::is_ascii_digit) {
                return None;
            }
            true
        }
        _ => return None,
    };
    if whole_digits.len() > 1 && whole_digits[0] == b'0' {
        return None;
    }
    let value: f64 = if comma {
        let swapped: Vec<u8> =
            text.iter().map(|&byte| if byte == b',' { b'.' } else { byte }).collect();
        fast_float2::parse(&swapped).ok()?
    } else {
        fast_float2::parse(text.strip_prefix(b"+").unwrap_or(text)).ok()?
    };
    let is_whole = fraction.is_empty() && !exponent;
    let exact = |digits: &[u8]| {
        let sum = digits.iter().try_fold(0_i64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
        });
        sum.is_some_and(|sum| sum <= EXACT_WHOLE_MAX)
    };
    if !value.is_finite() || (is_whole && !exact(whole_digits)) {
        return None;
    }
    let significant = whole_digits.len() + fraction.len();
    let digits = u8::try_from(fraction.len()).unwrap_or(u8::MAX);
    let long = significant > 15 && !fraction.is_empty() && significant_of(unsigned) > 15;
    Some(Numeral { value, digits, needs_shortest: exponent || long })
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn significant_of(unsigned: &[u8]) -> usize {
    let digits = unsigned.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    digits.filter(|byte| byte.is_ascii_digit()).skip_while(|byte| **byte == b'0').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms_render_back() {
        for text in ["0", "7", "-1", "123456789012345678", "-999999999999999999"] {
            assert_eq!(whole(text.as_bytes()).unwrap().to_string(), text);
        }
        for text in ["", "-", "-0", "00", "007", "+1", "1.0", " 1", "1234567890123456789", "1a"] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
        for text in ["0.0", "0.50", "-0.05", "12.3", "-240.1190000000003", "0.00000000000000001"] {
            let (mantissa, digits) = decimal(text.as_bytes()).unwrap();
            let mut out = Vec::new();
            crate::table::cell::write_scaled(mantissa, usize::from(digits), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
            assert_eq!(value_of(mantissa, digits), text.parse::<f64>().unwrap());
        }
        for text in ["", ".5", "5.", "1", "-0.0", "00.5", "1.2.3", "1e5", "1,5", "-.5", "- .5"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn large_mantissas_are_rounded_once() {
        for text in ["240.11900000000003", "0.1234567890123456", "12345678901.2345678"] {
            let (mantissa, digits) = decimal(text.as_bytes()).unwrap();
            assert_eq!(value_of(mantissa, digits), text.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn numerals_in_every_dress() {
        for (text, value, digits, shortest) in [
            ("1", 1.0, 0, false),
            (" +1.50 ", 1.5, 2, false),
            (".5", 0.5, 1, false),
            ("5.", 5.0, 0, false),
            ("-0", 0.0, 0, false),
            ("1e5", 1e5, 0, true),
            ("1.25E-3", 1.25e-3, 2, true),
            ("240.11900000000003", 240.119_000_000_000_03, 14, true),
            ("0.000000000000000012", 1.2e-17, 18, false),
        ] {
            let numeral = numeral(text.as_bytes(), false).unwrap();
            let found = (numeral.value, numeral.digits, numeral.needs_shortest);
            assert_eq!(found, (value, digits, shortest), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "007",
            "9007199254740993",
            "1e999",
            "inf",
            "nan",
            "0x1",
            "1 2",
            "1e",
            "1,5",
        ] {
            assert_eq!(numeral(text.as_bytes(), false), None, "{text}");
        }
        assert_eq!(
            numeral(b"2,75", true).map(|found| (found.value, found.digits)),
            Some((2.75, 2))
        );
    }
}
