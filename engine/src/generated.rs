//! Columns that are made anew, never learned: ids and free texts.
//!
//! A model must not hold what names a person. So nothing of the source is kept here but its look:
//! character classes, lengths, punctuation and the prefix that *all* values share, and of counting
//! ids the largest number. Names of people come from lists of our own. Looks that fewer than
//! `SHARED_ROWS_MIN` rows share are not kept either.
//!
//! Ids are unique over the whole endless table of a seed by construction, because each is a
//! one-to-one function of its global row number.

use arrow::array::{StringArray, StringBuilder};
use serde::{Deserialize, Serialize};
use tgs_protocol::{chunk::ChunkNo, column::ColumnKind, digest::Digest, limits::CHUNK_ROWS};

use crate::{
    random::{Purpose, Stream},
    table::{Cells, Column},
};

mod identifier;
mod mixer;
mod names;
mod prose;
#[cfg(test)]
mod tests;
mod word;

use identifier::Identifier;
use names::Names;
use prose::Prose;

/// How to write new values of one id or text column. Part of the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// Keeps columns of one table apart; a digest of the column's name.
    salt: u64,
    missing_share: f64,
    look: Look,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Look {
    /// No value was ever seen.
    Nothing,
    Identifier(Identifier),
    Names(Names),
    Prose(Prose),
}

/// Appends the value of a row, by its global number, to a text.
type Writer<'a> = Box<dyn FnMut(u64, &mut Stream, &mut String) + 'a>;

impl Generated {
    /// Learns the look of a column of kind id or text. A column that holds no texts is all missing.
    pub fn fit(column: &Column) -> Self {
        let bytes = *Digest::of(column.spec.name.as_bytes()).as_bytes();
        let salt = bytes.iter().take(8).fold(0, |salt, byte| salt << 8 | u64::from(*byte));
        let values: Vec<&str> = match &column.cells {
            Cells::Text(texts) => texts.iter().flatten().collect(),
            Cells::Number(_) | Cells::Level { .. } => Vec::new(),
        };
        let look = match (values.is_empty(), column.spec.kind) {
            (true, _) => Look::Nothing,
            (false, ColumnKind::Id) => Look::Identifier(Identifier::fit(&values)),
            (false, _) => match Names::fit(column, &values) {
                Some(names) => Look::Names(names),
                None => Look::Prose(Prose::fit(&values)),
            },
        };
        let rows = column.cells.len().max(1);
        Self { salt, missing_share: (rows - values.len().min(rows)) as f64 / rows as f64, look }
    }

    /// The first `rows` cells of chunk number `chunk` of the endless table of `seed`; fewer rows
    /// are a prefix of more. Always [`Cells::Text`].
    pub fn chunk(&self, seed: u64, chunk: ChunkNo, rows: usize) -> Cells {
        let seed = seed ^ self.salt;
        let mut stream = Stream::new(seed, Purpose::SampleText, u64::from(chunk.0));
        let first_row = u64::from(chunk.0) * CHUNK_ROWS;
        let mut texts = StringBuilder::with_capacity(rows, rows * 16);
        let mut text = String::new();
        let mut write: Writer = match &self.look {
            Look::Nothing => return Cells::Text(StringArray::new_null(rows)),
            Look::Identifier(identifier) => identifier.writer(seed),
            Look::Names(names) => names.writer(),
            Look::Prose(prose) => prose.writer(),
        };
        for row in first_row..first_row + rows as u64 {
            let missing = stream.uniform() < self.missing_share;
            text.clear();
            write(row, &mut stream, &mut text);
            texts.append_option((!missing).then_some(text.as_str()));
        }
        drop(write);
        Cells::Text(texts.finish())
    }
}
