//! A column seen as numbers: its values, how they are written, and whether they name rows.

use arrow::{
    array::{BooleanBufferBuilder, Float64Array},
    buffer::NullBuffer,
};
use tgs_protocol::column::ValueFormat;

use crate::ingest::{
    gather::Gathered,
    missing::{TOKEN_COUNT, token, token_text},
    number::{EXACT_WHOLE_MAX, Numeral, numeral, value_of},
    odd_cells::is_grouped,
    part::{EMPTY, LAST_TOKEN, Part},
};

/// Values of a column, and how they were written.
#[derive(Debug)]
pub struct Numbers {
    /// One per row; zero where missing.
    pub values: Vec<f64>,
    present: BooleanBufferBuilder,
    /// Cells that hold a number.
    pub count: usize,
    /// Largest number of digits after the point.
    pub digits_max: u8,
    digits_min: u8,
    needs_shortest: bool,
    /// Every value is a whole number.
    pub whole: bool,
    tokens: [u64; TOKEN_COUNT],
    /// Smallest and largest value.
    pub range: (f64, f64),
}

/// The first cell that is no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoNumber {
    /// Its row.
    pub row: usize,
    /// What stands there.
    pub text: Vec<u8>,
}

/// What a comma between digits may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Comma {
    /// No part of a number: it parts the cells.
    #[default]
    Never,
    /// The mark before a fraction, unless every such cell of the column may as well be a number
    /// with separators of thousands.
    IfClear,
    /// The mark before a fraction: the user says that these are numbers.
    Always,
}

impl Numbers {
    /// Reads a column as numbers; tokens for missing are missing. All fractions stand behind a
    /// point, or all behind a comma.
    ///
    /// # Errors
    /// The first cell that is no number.
    pub fn read(gathered: &Gathered, comma: Comma) -> Result<Self, NoNumber> {
        let wrong = match Self::read_marked(gathered, false) {
            Err(wrong) if comma != Comma::Never && numeral(&wrong.text, true).is_some() => wrong,
            read => return read,
        };
        if comma == Comma::IfClear && may_be_thousands(gathered) {
            return Err(wrong);
        }
        Self::read_marked(gathered, true)
    }

    fn read_marked(gathered: &Gathered, comma: bool) -> Result<Self, NoNumber> {
        match gathered {
            Gathered::Numbers(parts) => Self::of_parts(parts),
            Gathered::Levels(levels) => {
                let meanings: Vec<Option<Meaning>> =
                    levels.dictionary.iter().map(|text| Meaning::of(text, comma)).collect();
                if let Some(bad) = meanings.iter().position(Option::is_none) {
                    let code = bad as u32;
                    let text = levels.dictionary.get(code).to_vec();
                    return Err(NoNumber { row: levels.first_row(code), text });
                }
                let mut numbers = Self::with_capacity(levels.codes.len());
                for &code in &levels.codes {
                    let meaning = meanings.get(code as usize).copied().flatten();
                    numbers.push(meaning.unwrap_or(Meaning::Empty));
                }
                Ok(numbers)
            }
            Gathered::Texts(texts) => {
                let mut numbers = Self::with_capacity(0);
                for (row, text) in texts.iter().enumerate() {
                    let meaning = if text.is_empty() {
                        Meaning::Empty
                    } else {
                        let wrong = || NoNumber { row, text: text.to_vec() };
                        Meaning::of(text, comma).ok_or_else(wrong)?
                    };
                    numbers.push(meaning);
                }
                Ok(numbers)
            }
        }
    }

    fn with_capacity(rows: usize) -> Self {
        Self {
            values: Vec::with_capacity(rows),
            present: BooleanBufferBuilder::new(rows),
            count: 0,
            digits_max: 0,
            digits_min: u8::MAX,
            needs_shortest: false,
            whole: true,
            tokens: [0; TOKEN_COUNT],
            range: (f64::INFINITY, f64::NEG_INFINITY),
        }
    }

    fn of_parts(parts: &[Part]) -> Result<Self, NoNumber> {
        let mut numbers = Self::with_capacity(parts.iter().map(Part::len).sum());
        for part in parts {
            let first_row = numbers.values.len();
            let wrong = match part {
                Part::Whole(values) => {
                    values.iter().position(|&value| !numbers.push_mantissa(value, 0))
                }
                Part::Decimal { mantissas, digits } => mantissas
                    .iter()
                    .zip(digits)
                    .position(|(&mantissa, &digits)| !numbers.push_mantissa(mantissa, digits)),
                Part::Levels { .. } | Part::Texts { .. } => None,
            };
            if let (Some(at), Part::Whole(values)) = (wrong, part) {
                let text = values[at].to_string().into_bytes();
                return Err(NoNumber { row: first_row + at, text });
            }
            if let (Some(at), Part::Decimal { mantissas, .. }) = (wrong, part) {
                let text = mantissas[at].to_string().into_bytes();
                return Err(NoNumber { row: first_row + at, text });
            }
        }
        Ok(numbers)
    }

    /// False if it is a whole number too large for a double.
    #[inline]
    fn push_mantissa(&mut self, mantissa: i64, digits: u8) -> bool {
        if mantissa <= LAST_TOKEN {
            let token = (mantissa != EMPTY).then(|| (mantissa - EMPTY - 1) as usize);
            self.push(token.map_or(Meaning::Empty, Meaning::Token));
            return true;
        }
        if digits == 0 && mantissa.abs() > EXACT_WHOLE_MAX {
            return false;
        }
        let needs_shortest = digits > 0 && mantissa.abs() >= 1_000_000_000_000_000;
        let value = value_of(mantissa, digits);
        self.push(Meaning::Number(Numeral { value, digits, needs_shortest }));
        true
    }

    #[inline]
    fn push(&mut self, meaning: Meaning) {
        let Meaning::Number(numeral) = meaning else {
            if let Meaning::Token(token) = meaning {
                self.tokens[token] += 1;
            }
            self.values.push(0.0);
            self.present.append(false);
            return;
        };
        // Minus zero is no other number than zero.
        let value = numeral.value + 0.0;
        self.values.push(value);
        self.present.append(true);
        self.count += 1;
        self.digits_max = self.digits_max.max(numeral.digits);
        self.digits_min = self.digits_min.min(numeral.digits);
        self.needs_shortest |= numeral.needs_shortest;
        self.whole &= value == value.trunc();
        self.range = (self.range.0.min(value), self.range.1.max(value));
    }

    /// How values are written.
    pub fn format(&self) -> ValueFormat {
        if self.needs_shortest {
            return ValueFormat::Shortest;
        }
        let fixed = self.digits_min == self.digits_max || self.count == 0;
        ValueFormat::Decimal { digits: self.digits_max, fixed }
    }

    /// True where a number stands.
    pub fn is_present(&self, row: usize) -> bool {
        self.present.get_bit(row)
    }

    /// Missing cells.
    pub fn missing(&self) -> usize {
        self.values.len() - self.count
    }

    /// How often each token for missing stands, as (token, count).
    pub fn tokens(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.tokens.iter().enumerate().map(|(number, count)| (token_text(number), *count))
    }

    /// The distinct values in ascending order, each with its rows; none if there are more than
    /// `most`.
    pub fn distinct(&self, most: usize) -> Option<Vec<(f64, u64)>> {
        let mut found: Vec<(f64, u64)> = Vec::with_capacity(most + 1);
        let mut last = 0;
        for (row, &value) in self.values.iter().enumerate() {
            if !self.is_present(row) {
                continue;
            }
            if found.get(last).is_none_or(|(known, _)| *known != value) {
                last = found.iter().position(|(known, _)| *known == value).unwrap_or(found.len());
                if last == most {
                    return None;
                }
                if last == found.len() {
                    found.push((value, 0));
                }
            }
            found[last].1 += 1;
        }
        found.sort_by(|one, other| one.0.total_cmp(&other.0));
        Some(found)
    }

    /// True if every row holds another whole number.
    pub fn are_unique(&self) -> bool {
        if self.missing() > 0 || !self.whole {
            return false;
        }
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// True if the values, in some order, are a run of whole numbers without a gap.
    pub fn are_consecutive(&self) -> bool {
        self.range.1 - self.range.0 + 1.0 == self.values.len() as f64 && self.are_unique()
    }

    /// As an Arrow array.
    pub fn into_array(mut self) -> Float64Array {
        let nulls = NullBuffer::new(self.present.finish());
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Float64Array::new(self.values.into(), nulls)
    }
}

/// What one cell says.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Number(Numeral),
    Token(usize),
    Empty,
}

impl Meaning {
    fn of(text: &[u8], comma: bool) -> Option<Self> {
        numeral(text, comma).map(Self::Number).or_else(|| token(text).map(Self::Token))
    }
}

/// True if every cell with a comma looks like `1,234`, none like `0,234` or `1,5`.
fn may_be_thousands(gathered: &Gathered) -> bool {
    let mut clear = false;
    gathered.each_text(|text| {
        clear = text.contains(&b',') && (!is_grouped(text) || is_below_one(text));
        !clear
    });
    !clear
}

fn is_below_one(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.strip_prefix(b"-").unwrap_or(text).starts_with(b"0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::part::Style;

    fn read(cells: &[&str], comma: Comma) -> Option<Vec<f64>> {
        let mut part = Part::new(Style::Whole);
        cells.iter().for_each(|cell| part.push(cell.as_bytes()));
        let gathered = Gathered::join(vec![part], false, 1_000).expect("fits");
        Numbers::read(&gathered, comma).ok().map(|numbers| numbers.values)
    }

    #[test]
    fn a_comma_is_a_point_where_it_can_be_nothing_else() {
        use Comma::{Always, IfClear, Never};
        for (cells, comma, values) in [
            (&["1,5", "2", "999,50"][..], IfClear, Some(vec![1.5, 2.0, 999.5])),
            (&["1,234", "0,125"], IfClear, Some(vec![1.234, 0.125])),
            (&["1,234", "-0,125"], IfClear, Some(vec![1.234, -0.125])),
            (&["1,234", "2,5"], IfClear, Some(vec![1.234, 2.5])),
            (&["1.234", "2.500"], IfClear, Some(vec![1.234, 2.5])),
            (&["1,234", "12,500", "999"], IfClear, None),
            (&["1,234", "12,500", "999"], Always, Some(vec![1.234, 12.5, 999.0])),
            (&["1,234,567", "2,5"], Always, None),
            (&["999,50", "1.234", "2.500"], IfClear, None),
            (&["999,50", "1.234", "2.500"], Always, None),
            (&["1,5", "2"], Never, None),
        ] {
            assert_eq!(read(cells, comma), values, "{cells:?} {comma:?}");
        }
    }
}
