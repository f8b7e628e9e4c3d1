//! One column of one block, held compactly and without loss: whole numbers until a cell is none,
//! then decimals, then numbered texts, then bare texts. What the column means is decided later,
//! over all blocks.

use crate::{
    ingest::{
        dictionary::Dictionary,
        missing::{TOKEN_COUNT, token, token_text},
        number::{decimal, whole},
    },
    table::cell::write_scaled,
};

/// Stands for an empty cell among mantissas; tokens for missing follow it.
pub const EMPTY: i64 = i64::MIN;
/// Mantissas up to here are no numbers.
pub const LAST_TOKEN: i64 = i64::MIN + TOKEN_COUNT as i64;
/// Stands for an empty cell among codes.
pub const EMPTY_CODE: u32 = u32::MAX;
/// Distinct texts of a block below which they are always numbered.
const DISTINCT_FEW: usize = 4_096;

/// The cells of one column in one block.
#[derive(Debug, Clone)]
pub enum Part {
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Numbers with a point; `digits` after it.
    Decimal {
        /// The number without its point.
        mantissas: Vec<i64>,
        /// Digits after the point, per cell.
        digits: Vec<u8>,
    },
    /// Numbered texts.
    Levels {
        /// Number of the text per cell.
        codes: Vec<u32>,
        /// The texts.
        dictionary: Dictionary,
    },
    /// Texts one after the other; an empty one is an empty cell.
    Texts {
        /// Where each ends.
        ends: Vec<u32>,
        /// All of them.
        bytes: Vec<u8>,
    },
}

/// Which of the four a part is. Blocks start with what the first block came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// [`Part::Whole`]
    Whole,
    /// [`Part::Decimal`]
    Decimal,
    /// [`Part::Levels`]
    Levels,
    /// [`Part::Texts`]
    Texts,
}

impl Part {
    /// An empty part.
    pub fn new(style: Style) -> Self {
        match style {
            Style::Whole => Self::Whole(Vec::new()),
            Style::Decimal => Self::Decimal { mantissas: Vec::new(), digits: Vec::new() },
            Style::Levels => Self::Levels { codes: Vec::new(), dictionary: Dictionary::default() },
            Style::Texts => Self::Texts { ends: Vec::new(), bytes: Vec::new() },
        }
    }

    /// What this part came to.
    pub fn style(&self) -> Style {
        match self {
            Self::Whole(_) => Style::Whole,
            Self::Decimal { .. } => Style::Decimal,
            Self::Levels { .. } => Style::Levels,
            Self::Texts { .. } => Style::Texts,
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(values) => values.len(),
            Self::Decimal { mantissas, .. } => mantissas.len(),
            Self::Levels { codes, .. } => codes.len(),
            Self::Texts { ends, .. } => ends.len(),
        }
    }

    /// True before the first cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for so many more cells.
    pub fn reserve(&mut self, cells: usize) {
        match self {
            Self::Whole(values) => values.reserve_exact(cells),
            Self::Decimal { mantissas, digits } => {
                mantissas.reserve_exact(cells);
                digits.reserve_exact(cells);
            }
            Self::Levels { codes, .. } => codes.reserve_exact(cells),
            Self::Texts { ends, .. } => ends.reserve_exact(cells),
        }
    }

    /// Appends a missing cell.
    pub fn push_empty(&mut self) {
        match self {
            Self::Whole(values) => values.push(EMPTY),
            Self::Decimal { mantissas, digits } => {
                mantissas.push(EMPTY);
                digits.push(0);
            }
            Self::Levels { codes, .. } => codes.push(EMPTY_CODE),
            Self::Texts { ends, bytes } => ends.push(bytes.len() as u32),
        }
    }

    /// Appends a cell; one of nothing but blanks is empty.
    #[inline]
    pub fn push(&mut self, cell: &[u8]) {
        match cell.first() {
            None => return self.push_empty(),
            Some(b' ' | b'\t') if cell.trim_ascii().is_empty() => return self.push_empty(),
            Some(_) => {}
        }
        match self {
            Self::Whole(values) => match whole(cell) {
                Some(value) => values.push(value),
                None => self.push_other(cell),
            },
            Self::Decimal { mantissas, digits } => match decimal(cell) {
                Some((mantissa, after)) => {
                    mantissas.push(mantissa);
                    digits.push(after);
                }
                None => self.push_other(cell),
            },
            Self::Levels { codes, dictionary } => {
                let known = dictionary.len();
                codes.push(dictionary.insert(cell));
                let grown = dictionary.len();
                if grown > known && grown > DISTINCT_FEW && grown * 2 > codes.len() {
                    self.turn_to_texts();
                }
            }
            Self::Texts { ends, bytes } => {
                bytes.extend_from_slice(cell);
                ends.push(bytes.len() as u32);
            }
        }
    }

    /// Calls `see` with each cell as it was written; an empty one as an empty text.
    pub fn each_text(&self, mut see: impl FnMut(&[u8])) {
        self.each_text_while(|text| {
            see(text);
            true
        });
    }

    /// The same until `see` gives false; true if it never did.
    pub fn each_text_while(&self, mut see: impl FnMut(&[u8]) -> bool) -> bool {
        let mut text = Vec::new();
        let mut rendered = |mantissa: i64, digits: u8| {
            text.clear();
            render(mantissa, digits, &mut text);
            see(&text)
        };
        match self {
            Self::Whole(values) => values.iter().all(|&value| rendered(value, 0)),
            Self::Decimal { mantissas, digits } => {
                mantissas.iter().zip(digits).all(|(&mantissa, &digits)| rendered(mantissa, digits))
            }
            Self::Levels { codes, dictionary } => {
                codes.iter().all(|&code| see(dictionary.get(code)))
            }
            Self::Texts { ends, bytes } => {
                let mut from = 0;
                ends.iter().all(|&end| {
                    let begin = std::mem::replace(&mut from, end as usize);
                    see(&bytes[begin..from])
                })
            }
        }
    }

    /// A cell that is not what the cells before it were.
    #[cold]
    #[inline(never)]
    fn push_other(&mut self, cell: &[u8]) {
        let stands_for = token(cell)
            .filter(|&number| token_text(number).as_bytes() == cell)
            .map(|number| EMPTY + 1 + number as i64);
        match self {
            Self::Whole(values) => {
                if let Some(token) = stands_for {
                    return values.push(token);
                }
                if decimal(cell).is_some() {
                    let mantissas = std::mem::take(values);
                    let digits = vec![0; mantissas.len()];
                    *self = Self::Decimal { mantissas, digits };
                } else {
                    self.turn_to_levels();
                }
            }
            Self::Decimal { mantissas, digits } => {
                if let Some(value) = stands_for.or_else(|| whole(cell)) {
                    mantissas.push(value);
                    digits.push(0);
                    return;
                }
                self.turn_to_levels();
            }
            Self::Levels { .. } | Self::Texts { .. } => {}
        }
        self.push(cell);
    }

    fn turn_to_levels(&mut self) {
        let mut dictionary = Dictionary::default();
        let mut codes = Vec::with_capacity(self.len());
        self.each_text(|text| {
            codes.push(if text.is_empty() { EMPTY_CODE } else { dictionary.insert(text) });
        });
        *self = Self::Levels { codes, dictionary };
    }

    fn turn_to_texts(&mut self) {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(self.len());
        self.each_text(|text| {
            bytes.extend_from_slice(text);
            ends.push(bytes.len() as u32);
        });
        *self = Self::Texts { ends, bytes };
    }
}

/// Appends the text of a mantissa: nothing for an empty cell, a token's text, or the number.
pub fn render(mantissa: i64, digits: u8, text: &mut Vec<u8>) {
    if mantissa > LAST_TOKEN {
        write_scaled(mantissa, usize::from(digits), text);
    } else if mantissa != EMPTY {
        text.extend_from_slice(token_text((mantissa - EMPTY - 1) as usize).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_reads_back_as_it_was_written() {
        let cells: [(&[&str], Style); 6] = [
            (&["1", "-20", "", "NA", "?"], Style::Whole),
            (&["1", "NA", "2.50", "", "7"], Style::Decimal),
            (&["1.5", "", "2", "x", "1.5", "NA"], Style::Levels),
            (&["12", "007", "", " 5", "-0", "1e5"], Style::Levels),
            (&["", "", ""], Style::Whole),
            (&["null", "a"], Style::Levels),
        ];
        for (cells, style) in cells {
            for start in [Style::Whole, Style::Decimal, Style::Levels, Style::Texts] {
                let mut part = Part::new(start);
                cells.iter().for_each(|cell| part.push(cell.as_bytes()));
                let mut found = Vec::new();
                part.each_text(|text| found.push(String::from_utf8(text.to_vec()).unwrap()));
                assert_eq!(found, cells);
                if start == Style::Whole {
                    assert_eq!(part.style(), style, "{cells:?}");
                }
            }
        }
    }

    #[test]
    fn blanks_alone_are_empty_and_many_texts_lose_their_numbers() {
        let mut part = Part::new(Style::Whole);
        part.push(b"  \t");
        assert_eq!(part.len(), 1);
        part.each_text(|text| assert!(text.is_empty()));
        (0..10_000).for_each(|number| part.push(format!("t{number}").as_bytes()));
        assert_eq!((part.style(), part.len()), (Style::Texts, 10_001));
    }
}
