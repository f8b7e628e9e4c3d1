//! The parts of a column joined: numbers stay numbers, texts are numbered while they repeat enough.

use std::sync::Arc;

use arrow::{
    array::{StringArray, UInt32Array},
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
};
use tgs_protocol::{code::Code, engine::EngineError};

use crate::{
    ingest::{
        dictionary::Dictionary,
        part::{EMPTY_CODE, Part},
    },
    table::Cells,
};

/// All cells of a column, before it is known what they mean.
#[derive(Debug)]
pub enum Gathered {
    /// Every cell is a plain number, a token for missing, or empty.
    Numbers(Vec<Part>),
    /// Texts that repeat.
    Levels(Levels),
    /// Texts that hardly repeat.
    Texts(Texts),
}

/// Numbered texts.
#[derive(Debug, Default)]
pub struct Levels {
    /// Number of the text per row; [`EMPTY_CODE`] where empty.
    pub codes: Vec<u32>,
    /// The texts.
    pub dictionary: Dictionary,
    /// How often each stands.
    pub counts: Vec<u64>,
}

/// Texts one after the other; an empty one is a missing cell.
#[derive(Debug, Default)]
pub struct Texts {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

/// A column of texts holds more than 2 GiB. Waiting does not help, so it is no lack of memory.
#[derive(Debug)]
pub struct TooLong;

impl TooLong {
    /// The error of the column of this name.
    pub fn of(self, column: &str) -> EngineError {
        let message = format!(
            "cannot read column \"{column}\": it holds more than 2 GiB of text; split the table, \
             shorten the texts or leave the column out"
        );
        EngineError::new(Code::SourceUnreadable, message)
    }
}

impl Gathered {
    /// Joins parts. Numbers stay numbers unless `as_text`; texts are numbered while there are at
    /// most `distinct_max` of them.
    ///
    /// # Errors
    /// When a column of texts is longer than 2 GiB.
    pub fn join(parts: Vec<Part>, as_text: bool, distinct_max: usize) -> Result<Self, TooLong> {
        let plain = |part: &Part| matches!(part, Part::Whole(_) | Part::Decimal { .. });
        if !as_text && parts.iter().all(plain) {
            return Ok(Self::Numbers(parts));
        }
        if let Some(levels) = Levels::join(&parts, distinct_max) {
            return Ok(Self::Levels(levels));
        }
        let mut texts = Texts::default();
        for part in parts {
            texts.append(&part)?;
        }
        Ok(Self::Texts(texts))
    }

    /// Calls `see` with every cell as it was written, an empty one as an empty text, until it gives
    /// false.
    pub fn each_text(&self, mut see: impl FnMut(&[u8]) -> bool) {
        match self {
            Self::Numbers(parts) => {
                parts.iter().all(|part| part.each_text_while(&mut see));
            }
            Self::Levels(levels) => {
                levels.codes.iter().all(|&code| see(levels.dictionary.get(code)));
            }
            Self::Texts(texts) => {
                texts.iter().all(see);
            }
        }
    }

    /// The column as texts.
    ///
    /// # Errors
    /// When it is longer than 2 GiB.
    pub fn into_texts(self) -> Result<Texts, TooLong> {
        let mut texts = Texts::default();
        match self {
            Self::Texts(texts) => return Ok(texts),
            Self::Numbers(parts) => parts.iter().try_for_each(|part| texts.append(part))?,
            Self::Levels(levels) => {
                for &code in &levels.codes {
                    texts.push(levels.dictionary.get(code))?;
                }
            }
        }
        Ok(texts)
    }
}

impl Levels {
    fn join(parts: &[Part], distinct_max: usize) -> Option<Self> {
        let mut joined = Self::default();
        joined.codes.reserve_exact(parts.iter().map(Part::len).sum());
        for part in parts {
            if let Part::Levels { codes, dictionary } = part {
                let renamed: Vec<u32> =
                    dictionary.iter().map(|text| joined.dictionary.insert(text)).collect();
                let rename = |code: &u32| renamed.get(*code as usize).copied();
                joined.codes.extend(codes.iter().map(|code| rename(code).unwrap_or(EMPTY_CODE)));
            } else {
                let (codes, dictionary) = (&mut joined.codes, &mut joined.dictionary);
                part.each_text(|text| {
                    let full = dictionary.len() > distinct_max;
                    codes.push(if text.is_empty() || full {
                        EMPTY_CODE
                    } else {
                        dictionary.insert(text)
                    });
                });
            }
            if joined.dictionary.len() > distinct_max {
                return None;
            }
        }
        joined.counts = vec![0; joined.dictionary.len()];
        for &code in &joined.codes {
            if let Some(count) = joined.counts.get_mut(code as usize) {
                *count += 1;
            }
        }
        Some(joined)
    }

    /// Number of cells that hold a text.
    pub fn present(&self) -> usize {
        self.counts.iter().sum::<u64>() as usize
    }

    /// First row of a text.
    pub fn first_row(&self, code: u32) -> usize {
        self.codes.iter().position(|&found| found == code).unwrap_or(0)
    }

    /// As level cells, levels in byte order. `text_of` may join several texts to one level; none
    /// makes the cell missing.
    pub fn into_cells<'a>(&'a self, text_of: impl Fn(u32) -> Option<&'a [u8]>) -> Cells {
        let texts: Vec<Option<&[u8]>> = (0..self.counts.len() as u32).map(text_of).collect();
        let mut sorted: Vec<&[u8]> = texts.iter().flatten().copied().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let place = |text: &&[u8]| sorted.binary_search(text).ok().map(|at| at as u32);
        let renamed: Vec<Option<u32>> =
            texts.iter().map(|text| text.as_ref().and_then(place)).collect();
        let rename = |code: &u32| renamed.get(*code as usize).copied().flatten();
        let codes: UInt32Array = self.codes.iter().map(rename).collect();
        let levels = sorted.iter().map(|text| String::from_utf8_lossy(text));
        Cells::Level { codes, levels: Arc::new(StringArray::from_iter_values(levels)) }
    }
}

impl Texts {
    /// Appends a text.
    pub fn push(&mut self, text: &[u8]) -> Result<(), TooLong> {
        self.bytes.extend_from_slice(text);
        let end = i32::try_from(self.bytes.len()).map_err(|_| TooLong)?;
        self.ends.push(end);
        Ok(())
    }

    fn append(&mut self, part: &Part) -> Result<(), TooLong> {
        let mut fits = Ok(());
        part.each_text(|text| {
            if fits.is_ok() {
                fits = self.push(text);
            }
        });
        fits
    }

    /// All texts.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, &end)| &self.bytes[from as usize..end as usize])
    }

    /// As text cells; those of `missing` and the empty ones are missing.
    pub fn into_cells(self, missing: impl Fn(&[u8]) -> bool) -> Cells {
        let present: Vec<bool> =
            self.iter().map(|text| !text.is_empty() && !missing(text)).collect();
        let nulls = NullBuffer::from(present);
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.extend_from_slice(&self.ends);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let bytes = Buffer::from_vec(self.bytes);
        let texts = StringArray::try_new(offsets.clone(), bytes.clone(), nulls.clone());
        // Every reader checks its texts; should one not have, its bytes are shown as what they are.
        Cells::Text(texts.unwrap_or_else(|_| {
            let lossy = offsets.windows(2).enumerate().map(|(row, pair)| {
                let text = &bytes[pair[0] as usize..pair[1] as usize];
                let present = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                present.then(|| String::from_utf8_lossy(text).into_owned())
            });
            lossy.collect()
        }))
    }
}

#[cfg(test)]
mod tests {
    use tgs_protocol::code::Retry;

    use super::*;

    #[test]
    fn a_column_too_long_is_named_and_not_tried_again() {
        let error = TooLong.of("letter");
        assert_eq!(error.code(), Some(Code::SourceUnreadable));
        assert!(error.to_string().contains("\"letter\""), "{error}");
        assert_eq!(Code::SourceUnreadable.retry(), Retry::Never);
    }
}
