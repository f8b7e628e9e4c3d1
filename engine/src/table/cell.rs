//! How one number is written: digits, exponents and dates as in the source.

use tgs_protocol::column::{ColumnKind, ColumnSpec, Dress, ValueFormat};

use crate::table::moment::Pattern;

/// Writes the numbers of one column. Made once per column, used once per cell.
#[derive(Debug, Clone)]
pub struct NumberWriter {
    style: Style,
}

#[derive(Debug, Clone)]
enum Style {
    Decimal { digits: u8, least: u8 },
    Dressed { digits: u8, least: u8, dress: Dress },
    Whole { offset: i64 },
    Shortest,
    Moment(Pattern),
}

impl NumberWriter {
    /// The writer of a column of numbers or moments. A pattern that cannot be read is written in
    /// the ISO form of its kind.
    pub fn new(spec: &ColumnSpec) -> Self {
        let style = match (&spec.format, spec.kind.is_moment()) {
            (ValueFormat::Moment { .. }, _) | (_, true) => Style::Moment(moment_pattern(spec)),
            (ValueFormat::Dressed { digits, least, dress }, false) => {
                Style::Dressed { digits: *digits, least: *least, dress: dress.clone() }
            }
            (ValueFormat::Whole { offset }, false) => Style::Whole { offset: *offset },
            (format, false) => format
                .decimals()
                .map_or(Style::Shortest, |(digits, least)| Style::Decimal { digits, least }),
        };
        Self { style }
    }

    /// The writer for formats that have a type for numbers: no currency, no thousands parted.
    pub fn bare(spec: &ColumnSpec) -> Self {
        let style = match Self::new(spec).style {
            Style::Dressed { digits, least, .. } => Style::Decimal { digits, least },
            other => other,
        };
        Self { style }
    }

    /// Appends `value` as it would stand in the source; a number that is not finite writes nothing.
    pub fn write(&self, value: f64, out: &mut Vec<u8>) {
        if !value.is_finite() {
            return;
        }
        match &self.style {
            Style::Decimal { digits, least } => write_decimal(value, *digits, *least, out),
            Style::Dressed { digits, least, dress } => {
                let mut bare = Vec::new();
                write_decimal(value, *digits, *least, &mut bare);
                write_dressed(&bare, dress, out);
            }
            Style::Whole { offset } => {
                write_scaled(whole_of(value, *offset), 0, out);
            }
            Style::Shortest => write_shortest(value, out),
            Style::Moment(pattern) => pattern.write(value, out),
        }
    }
}

/// How the moments of a column are written; as ISO 8601 where its format does not say.
pub(crate) fn moment_pattern(spec: &ColumnSpec) -> Pattern {
    let iso = match spec.kind {
        ColumnKind::Date => "%Y-%m-%d",
        ColumnKind::Time => "%H:%M:%S",
        _ => "%Y-%m-%d %H:%M:%S",
    };
    let own = match &spec.format {
        ValueFormat::Moment { pattern } => Pattern::new(pattern),
        _ => None,
    };
    own.or_else(|| Pattern::new(iso)).expect("the ISO patterns are valid")
}

/// The whole number that a cell held less an offset stands for.
#[expect(clippy::cast_possible_truncation, reason = "a cell is within 2⁵³, or its end")]
pub(crate) fn whole_of(value: f64, offset: i64) -> i64 {
    (value.round() as i64).saturating_add(offset)
}

/// Largest size at which `value · 10^digits` is still within half a unit of the right integer.
const EXACT_BELOW: f64 = 2_251_799_813_685_248.0;

fn write_decimal(value: f64, digits: u8, least: u8, out: &mut Vec<u8>) {
    let scale = POWERS_OF_TEN.get(usize::from(digits)).copied().unwrap_or(f64::INFINITY);
    let scaled = (value * scale).round();
    let start = out.len();
    if scaled.abs() < EXACT_BELOW {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the line above")]
        write_scaled(scaled as i64, usize::from(digits), out);
    } else {
        out.extend_from_slice(format!("{value:.*}", usize::from(digits)).as_bytes());
    }
    let spare = usize::from(digits.saturating_sub(least));
    let zeros = out[start..].iter().rev().take_while(|&&byte| byte == b'0').count();
    out.truncate(out.len() - zeros.min(spare));
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

/// Appends a number in its dress.
fn write_dressed(bare: &[u8], dress: &Dress, out: &mut Vec<u8>) {
    let (sign, digits) = match bare.strip_prefix(b"-") {
        Some(digits) => (&b"-"[..], digits),
        None => (&b""[..], bare),
    };
    let (before, after) = if dress.sign_inside { (&b""[..], sign) } else { (sign, &b""[..]) };
    out.extend_from_slice(before);
    out.extend_from_slice(dress.prefix.as_bytes());
    out.extend_from_slice(after);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    for (at, digit) in digits[..whole].iter().enumerate() {
        if at > 0
            && (whole - at).is_multiple_of(3)
            && let Some(group) = dress.group
        {
            out.extend_from_slice(group.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.push(*digit);
    }
    if let Some((_, fraction)) = digits[whole..].split_first() {
        out.push(if dress.comma { b',' } else { b'.' });
        out.extend_from_slice(fraction);
    }
    out.extend_from_slice(dress.suffix.as_bytes());
}

/// Appends `mantissa / 10^digits` in full.
pub(crate) fn write_scaled(mantissa: i64, digits: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    if digits == 0 {
        out.extend_from_slice(buffer.format(mantissa).as_bytes());
        return;
    }
    if mantissa < 0 {
        out.push(b'-');
    }
    let all = buffer.format(mantissa.unsigned_abs()).as_bytes();
    let (whole, fraction) = all.split_at(all.len().saturating_sub(digits));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', digits - fraction.len()));
    out.extend_from_slice(fraction);
}

fn write_shortest(value: f64, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(if value == 0.0 { 0.0 } else { value });
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// Powers of ten that a double holds exactly.
pub(crate) const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64, kind: ColumnKind, format: ValueFormat) -> String {
        let (name, reason) = ("x".to_owned(), String::new());
        let spec = ColumnSpec { name, kind, reason, format, missing_token: None };
        let mut out = Vec::new();
        NumberWriter::new(&spec).write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_are_written_with_their_digits() {
        for (value, digits, least, text) in [
            (17.0, 0, 0, "17"),
            (-3.6, 0, 0, "-4"),
            (-0.04, 1, 1, "0.0"),
            (0.5, 2, 2, "0.50"),
            (0.5, 2, 0, "0.5"),
            (150.0, 1, 1, "150.0"),
            (150.0, 1, 0, "150"),
            (67.0, 2, 1, "67.0"),
            (2.25, 2, 1, "2.25"),
            (-0.05, 2, 2, "-0.05"),
            (1e18, 2, 2, "1000000000000000000.00"),
            (1e22, 0, 0, "10000000000000000000000"),
            (2.675, 2, 2, "2.68"),
            (f64::NAN, 2, 2, ""),
        ] {
            let format = ValueFormat::Decimal { digits, least };
            assert_eq!(written(value, ColumnKind::Real, format), text);
        }
    }

    #[test]
    fn numbers_are_written_in_their_dress() {
        let dress = |prefix: &str, suffix: &str, comma, group, sign_inside| {
            let (prefix, suffix) = (prefix.to_owned(), suffix.to_owned());
            Dress { prefix, suffix, comma, group, sign_inside }
        };
        for (value, dress, text) in [
            (1_033.39, dress("", "", true, Some('.'), false), "1.033,39"),
            (-1_234_567.5, dress("$", "", false, Some(','), false), "-$1,234,567.50"),
            (-5.0, dress("$", "", false, None, true), "$-5.00"),
            (999.0, dress("", " €", true, Some('\u{a0}'), false), "999,00 €"),
            (100_000.0, dress("", " €", true, Some('\u{a0}'), false), "100\u{a0}000,00 €"),
            (51.0, dress("", "%", false, None, false), "51.00%"),
        ] {
            let format = ValueFormat::Dressed { digits: 2, least: 2, dress };
            assert_eq!(written(value, ColumnKind::Real, format), text);
        }
    }

    #[test]
    fn long_whole_numbers_are_written_to_the_last_digit() {
        for (value, offset, text) in [
            (1.0, 1_700_000_000_000_000_000, "1700000000000000001"),
            (-9_007_199_254_740_991.0, -9_000_000_000_000_000_000, "-9009007199254740991"),
            (5e15, i64::MAX, "9223372036854775807"),
        ] {
            let format = ValueFormat::Whole { offset };
            assert_eq!(written(value, ColumnKind::Integer, format), text);
        }
    }

    #[test]
    fn shortest_reads_back_the_same() {
        for (value, text) in
            [(240.119_000_000_000_03, "240.11900000000003"), (22.0, "22"), (1e-7, "1e-7")]
        {
            assert_eq!(written(value, ColumnKind::Real, ValueFormat::Shortest), text);
        }
    }

    #[test]
    fn moments_follow_their_pattern() {
        let pattern = "%d.%m.%Y %H:%M".to_owned();
        let format = ValueFormat::Moment { pattern };
        assert_eq!(written(951_782_400.0, ColumnKind::Datetime, format), "29.02.2000 00:00");
        assert_eq!(written(86_400.0, ColumnKind::Date, ValueFormat::Verbatim), "1970-01-02");
    }
}
