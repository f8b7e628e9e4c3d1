//! Cuts a stream of CSV into blocks of whole records, so that each can be read by any thread.

use std::io::{self, Read};

use memchr::{memchr, memrchr};

use crate::ingest::records::line_ends;

/// Bytes of an ordinary block: large enough that what a block costs does not count, small enough
/// that its cells stay in a core's cache.
const BLOCK_BYTES: usize = 1 << 20;
/// Longest record; beyond it a quote was surely never closed.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// Blocks of whole records, in order.
pub struct Blocks<R> {
    reader: R,
    delimiter: u8,
    /// Read, but not yet given out; begins at the start of a record.
    carry: Vec<u8>,
    block_bytes: usize,
    at_end: bool,
}

/// Why no further block can be given.
#[derive(Debug)]
pub enum NoBlock {
    /// The stream cannot be read.
    Io(io::Error),
    /// A quote is opened so many line ends after the start of this block and never closed.
    Unclosed {
        /// Line ends in this block before the quote.
        lines: u64,
    },
}

impl<R: Read> Blocks<R> {
    /// Begins with `head`, bytes already taken from the reader.
    pub fn new(reader: R, head: Vec<u8>, delimiter: u8) -> Self {
        Self { reader, delimiter, carry: head, block_bytes: BLOCK_BYTES, at_end: false }
    }

    /// The next block; none after the last.
    pub fn next_block(&mut self) -> Result<Option<Vec<u8>>, NoBlock> {
        let mut scan = Scan::default();
        let mut wanted = self.block_bytes;
        loop {
            self.fill(wanted).map_err(NoBlock::Io)?;
            scan.run(&self.carry, self.delimiter, self.at_end);
            if self.at_end {
                if let Some(quote) = scan.open {
                    let lines = line_ends(&self.carry[..quote]);
                    return Err(NoBlock::Unclosed { lines });
                }
                let last = std::mem::take(&mut self.carry);
                return Ok((!last.is_empty()).then_some(last));
            }
            if let Some(cut) = scan.cut {
                let mut rest = Vec::with_capacity(self.block_bytes + self.block_bytes / 8);
                rest.extend_from_slice(&self.carry[cut..]);
                let mut block = std::mem::replace(&mut self.carry, rest);
                block.truncate(cut);
                return Ok(Some(block));
            }
            if self.carry.len() >= RECORD_BYTES_MAX {
                let lines = line_ends(&self.carry[..scan.open.unwrap_or(0)]);
                return Err(NoBlock::Unclosed { lines });
            }
            wanted = self.carry.len() * 2;
        }
    }

    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let missing = wanted.saturating_sub(self.carry.len());
        if missing > 0 && !self.at_end {
            let taken = (&mut self.reader).take(missing as u64).read_to_end(&mut self.carry)?;
            self.at_end = taken < missing;
        }
        Ok(())
    }
}

/// How far the start of a block was looked at for quotes.
#[derive(Default)]
struct Scan {
    /// Bytes looked at.
    at: usize,
    /// Where the quote stands that is open there.
    open: Option<usize>,
    /// End of the last record that surely is whole.
    cut: Option<usize>,
}

impl Scan {
    fn run(&mut self, bytes: &[u8], delimiter: u8, at_end: bool) {
        loop {
            let from = self.at;
            if self.open.is_some() {
                let Some(found) = memchr(b'"', &bytes[from..]) else {
                    self.at = bytes.len();
                    return;
                };
                match bytes.get(from + found + 1) {
                    Some(b'"') => self.at = from + found + 2,
                    // The quote may turn out to be doubled by the first byte not read yet.
                    None if !at_end => {
                        self.at = from + found;
                        return;
                    }
                    _ => {
                        self.at = from + found + 1;
                        self.open = None;
                    }
                }
                continue;
            }
            let quote = memchr(b'"', &bytes[from..]).map(|found| from + found);
            let end = quote.unwrap_or(bytes.len());
            self.cut = last_line_end(bytes, from, end).or(self.cut);
            let Some(quote) = quote else {
                self.at = end;
                return;
            };
            self.at = quote + 1;
            let opens = quote == 0
                || matches!(bytes[quote - 1], b'\n' | b'\r')
                || bytes[quote - 1] == delimiter;
            // A quote after the closing one is text: it cannot follow a delimiter.
            self.open = opens.then_some(quote);
        }
    }
}

/// Where the line after the last line end of `bytes[from..end]` begins. A CR at the very end is
/// left: its LF may follow.
fn last_line_end(bytes: &[u8], from: usize, end: usize) -> Option<usize> {
    let text = &bytes[from..end];
    if let Some(found) = memrchr(b'\n', text) {
        return Some(from + found + 1);
    }
    let found = memrchr(b'\r', text)? + from;
    match bytes.get(found + 1) {
        Some(b'\n') => Some(found + 2),
        Some(_) => Some(found + 1),
        None => memrchr(b'\r', &bytes[from..found]).map(|found| from + found + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, block_bytes: usize) -> Result<Vec<String>, NoBlock> {
        let mut blocks = Blocks::new(text.as_bytes(), Vec::new(), b',');
        blocks.block_bytes = block_bytes;
        let mut found = Vec::new();
        while let Some(block) = blocks.next_block()? {
            found.push(String::from_utf8(block).unwrap());
        }
        Ok(found)
    }

    #[test]
    fn blocks_end_where_records_end() {
        let texts = [
            "a,b\n1,\"x\ny\"\n2,\"\"\"\n\"\n3,z\n",
            "a\r\nb\r\n\"c\r\nd\"\r\ne",
            "a\rb\r\"c\rd\"\re\r",
            "5\",x\ny,6\"\n\"q\"w\"\nz,1\n",
            "",
            "\n",
        ];
        for text in texts {
            let whole = cut(text, 1 << 20).unwrap();
            assert_eq!(whole.concat(), text);
            for block_bytes in 1..text.len() + 2 {
                let found = cut(text, block_bytes).unwrap();
                assert_eq!(found.concat(), text, "{block_bytes}");
                for block in &found[..found.len().saturating_sub(1)] {
                    assert!(block.ends_with(['\n', '\r']), "{block:?} of {text:?}");
                    assert!(!block.ends_with("\"x\n") && !block.ends_with("\"c\r"), "{block:?}");
                }
            }
        }
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        for (block_bytes, before) in [(1, 0), (7, 0), (1 << 20, 1)] {
            let error = cut("a,b\n1,\"x\ny,2\nz\n", block_bytes).unwrap_err();
            let told = matches!(error, NoBlock::Unclosed { lines } if lines == before);
            assert!(told, "{block_bytes}: {error:?}");
        }
    }
}
