//! A column seen as numbers: its values, how they are written, and whether they name rows.

use arrow::{
    array::{BooleanBufferBuilder, Float64Array},
    buffer::NullBuffer,
};
use tgs_protocol::column::{Dress, ValueFormat};

use crate::ingest::{
    dress::{dress_of, undressed},
    gather::Gathered,
    missing::{TOKEN_COUNT, is_infinite, token, token_text},
    number::{EXACT_WHOLE_MAX, Numeral, numeral, value_of},
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
    /// What the numbers wear.
    pub dress: Option<Dress>,
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
    /// The mark before a fraction, where it may be either: the user says that these are numbers.
    Always,
    /// Between thousands, where it may be either: the user says so of a file parted by commas.
    Thousands,
}

impl Numbers {
    /// Reads a column as numbers; tokens for missing are missing. All are written alike: plainly,
    /// or in one dress. `by_file`: see [`dress_of`].
    ///
    /// # Errors
    /// The first cell that is no number.
    pub fn read(
        gathered: &Gathered,
        comma: Comma,
        by_file: Option<char>,
    ) -> Result<Self, NoNumber> {
        let plain = Self::read_in(gathered, None);
        // In a file of decimal commas `1.234` is one thousand.
        let parted = |numbers: &Self| by_file == Some(',') && numbers.digits_max == 3;
        if plain.as_ref().is_ok_and(|numbers| !parted(numbers)) {
            return plain;
        }
        match dress_of(gathered, comma, by_file) {
            Some(dress) if dress != Dress::default() => {
                Self::read_in(gathered, Some(dress)).or(plain)
            }
            _ => plain,
        }
    }

    /// Reads a column as numbers that all wear this, or nothing.
    ///
    /// # Errors
    /// The first cell that is no such number.
    pub fn read_in(gathered: &Gathered, dress: Option<Dress>) -> Result<Self, NoNumber> {
        let mut numbers = Self { dress, ..Self::with_capacity(0) };
        match gathered {
            Gathered::Numbers(parts) if numbers.dress.is_none() => return Self::of_parts(parts),
            Gathered::Levels(levels) => {
                let meanings: Vec<Option<Meaning>> =
                    levels.dictionary.iter().map(|text| numbers.meaning(text)).collect();
                if let Some(bad) = meanings.iter().position(Option::is_none) {
                    let code = bad as u32;
                    let text = levels.dictionary.get(code).to_vec();
                    return Err(NoNumber { row: levels.first_row(code), text });
                }
                numbers.values.reserve_exact(levels.codes.len());
                for &code in &levels.codes {
                    let meaning = meanings.get(code as usize).copied().flatten();
                    numbers.push(meaning.unwrap_or(Meaning::Empty));
                }
            }
            Gathered::Numbers(_) | Gathered::Texts(_) => {
                let (mut row, mut wrong) = (0, None);
                gathered.each_text(|text| {
                    match numbers.meaning(text) {
                        Some(meaning) => numbers.push(meaning),
                        None => wrong = Some(NoNumber { row, text: text.to_vec() }),
                    }
                    row += 1;
                    wrong.is_none()
                });
                if let Some(wrong) = wrong {
                    return Err(wrong);
                }
            }
        }
        Ok(numbers)
    }

    fn meaning(&self, text: &[u8]) -> Option<Meaning> {
        if text.is_empty() {
            return Some(Meaning::Empty);
        }
        let number = self.numeral(text).map(Meaning::Number);
        number.or_else(|| token(text).map(Meaning::Token))
    }

    /// A text as one of these numbers.
    pub fn numeral(&self, text: &[u8]) -> Option<Numeral> {
        match &self.dress {
            None => numeral(text, false),
            Some(dress) => numeral(&undressed(text, dress)?, false),
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
            dress: None,
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

    /// How values are written; `exact` are precision and scale in a typed source.
    pub fn format(&self, exact: Option<(u8, u8)>) -> ValueFormat {
        let least = if self.count == 0 { self.digits_max } else { self.digits_min };
        match (exact, &self.dress) {
            _ if self.needs_shortest => ValueFormat::Shortest,
            (Some((precision, digits)), _) if digits >= self.digits_max => {
                ValueFormat::Exact { precision, digits }
            }
            (_, Some(dress)) => {
                ValueFormat::Dressed { digits: self.digits_max, least, dress: dress.clone() }
            }
            (_, None) => ValueFormat::Decimal { digits: self.digits_max, least },
        }
    }

    /// What a user should know of its cells.
    pub fn notices(&self) -> Vec<String> {
        let infinite = self.tokens().filter(|(text, _)| is_infinite(text));
        let count: u64 = infinite.map(|(_, count)| count).sum();
        let notice = || {
            let cells = if count == 1 { "1 cell holds" } else { &format!("{count} cells hold") };
            format!("{cells} an infinite number: read as missing")
        };
        (count > 0).then(notice).into_iter().collect()
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

    /// The number of distinct values.
    pub fn distinct_count(&self) -> usize {
        let present = self.values.iter().enumerate().filter(|(row, _)| self.is_present(*row));
        let mut sorted: Vec<f64> = present.map(|(_, value)| *value).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.dedup();
        sorted.len()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::part::Style;

    fn read(cells: &[&str], comma: Comma) -> Option<Vec<f64>> {
        let mut part = Part::new(Style::Whole);
        cells.iter().for_each(|cell| part.push(cell.as_bytes()));
        let gathered = Gathered::join(vec![part], false, 1_000).expect("fits");
        Numbers::read(&gathered, comma, None).ok().map(|numbers| numbers.values)
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
            (&["999,50", "1.234", "2.500"], IfClear, Some(vec![999.5, 1_234.0, 2_500.0])),
            (&["999,50", "1.234", "2.5"], Always, None),
            (&["5,25 €", "1.000,00 €"], Never, Some(vec![5.25, 1_000.0])),
            (&["1,5", "2"], Never, None),
        ] {
            assert_eq!(read(cells, comma), values, "{cells:?} {comma:?}");
        }
    }
}
