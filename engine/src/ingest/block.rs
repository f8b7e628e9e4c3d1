//! One block of whole CSV records, read into parts.

use crate::ingest::{
    part::{Part, Style},
    records::{Ragged, Records, line_ends},
};

/// What all threads know of the file.
pub struct Shape<'a> {
    /// Parts cells.
    pub delimiter: u8,
    /// Cells of a record.
    pub width: usize,
    /// What the parts of the first block came to.
    pub styles: Vec<Style>,
    /// What the metadata calls missing.
    pub called_missing: &'a [Vec<u8>],
}

/// A block that was read.
pub struct Done {
    /// One per column.
    pub parts: Vec<Part>,
    /// Per column and text that the metadata calls missing: how often it stood there.
    pub called_missing: Vec<Vec<u64>>,
    /// Records.
    pub rows: usize,
    /// Physical lines.
    pub lines: u64,
    /// Lines skipped.
    pub blank_lines: u64,
    /// See [`Records::line_of`].
    pub line_of: Vec<u32>,
    /// Holds characters beyond ASCII.
    pub beyond_ascii: bool,
}

/// Why a block could not be read; lines count from the start of the block.
pub enum Fault {
    /// A record of another width.
    Ragged(Ragged),
    /// Bytes that are not UTF-8; `told_before`: the block holds UTF-8 beyond ASCII before them.
    NotUtf8 {
        #[allow(missing_docs)]
        line: u64,
        #[allow(missing_docs)]
        told_before: bool,
    },
    /// A zero byte.
    Nul {
        #[allow(missing_docs)]
        line: u64,
    },
    /// A quote that is never closed.
    Unclosed {
        #[allow(missing_docs)]
        line: u64,
    },
}

/// Reads a block of whole records.
pub fn read_block(block: &[u8], shape: &Shape) -> Result<Done, Fault> {
    if let Err(error) = std::str::from_utf8(block) {
        let valid = &block[..error.valid_up_to()];
        let line = line_ends(valid);
        return Err(Fault::NotUtf8 { line, told_before: !valid.is_ascii() });
    }
    if let Some(nul) = memchr::memchr(0, block) {
        return Err(Fault::Nul { line: line_ends(&block[..nul]) });
    }
    let records = Records::find(block, shape.delimiter, shape.width).map_err(Fault::Ragged)?;
    let mut called_missing = vec![vec![0; shape.called_missing.len()]; shape.width];
    let mut parts = Vec::with_capacity(shape.width);
    for (column, style) in shape.styles.iter().enumerate() {
        let mut part = Part::new(*style);
        part.reserve(records.len());
        if shape.called_missing.is_empty() {
            records.each(block, column, |cell| part.push(cell));
        } else {
            let counts = &mut called_missing[column];
            records.each(block, column, |cell| {
                match shape.called_missing.iter().position(|text| text == cell) {
                    Some(which) => {
                        counts[which] += 1;
                        part.push_empty();
                    }
                    None => part.push(cell),
                }
            });
        }
        parts.push(part);
    }
    Ok(Done {
        parts,
        called_missing,
        rows: records.len(),
        lines: records.lines,
        blank_lines: records.blank_lines,
        line_of: records.line_of,
        beyond_ascii: !block.is_ascii(),
    })
}
