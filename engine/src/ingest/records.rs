//! Where the cells of a block of CSV begin and end, by RFC 4180: quotes only at the start of a
//! cell, a doubled quote inside is one, line ends are LF, CRLF or CR, blank lines are no records.

use memchr::memchr;

/// Cells of a block in row order, and how its lines run.
#[derive(Debug, Default)]
pub struct Records {
    cells: Vec<Cell>,
    width: usize,
    /// Physical lines that end in this block.
    pub lines: u64,
    /// Blank lines skipped.
    pub blank_lines: u64,
    /// First line of each record, counted from the start of the block; left empty while record and
    /// line run in step.
    pub line_of: Vec<u32>,
}

/// One cell: bytes of the block, and whether doubled quotes stand in it.
#[derive(Debug, Clone, Copy)]
struct Cell {
    from: u32,
    /// Length, with a top bit set where quotes must be undone.
    length: u32,
}

/// Doubled quotes stand between the quotes.
const DOUBLED: u32 = 1 << 31;
/// Text follows the closing quote; the cell begins at its opening one.
const FOLLOWED: u32 = 1 << 30;

/// Why a block cannot be cut into records of the right width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ragged {
    /// Line of the record, counted from the start of the block.
    pub line: u64,
    /// Its number of cells.
    pub cells: usize,
}

impl Records {
    /// Finds all cells of a block of whole records of `width` cells each.
    pub fn find(block: &[u8], delimiter: u8, width: usize) -> Result<Self, Ragged> {
        let mut records = Self { width, ..Self::default() };
        records.cells.reserve(block.len() / 6);
        let stops = stops(delimiter);
        let mut at = 0;
        while let Some(&first) = block.get(at) {
            if matches!(first, b'\n' | b'\r') {
                at = past_line_end(block, at);
                records.blank_lines += 1;
                records.lines += 1;
                continue;
            }
            let line = records.lines;
            records.note_line(line);
            let before = records.cells.len();
            at = records.record(block, at, delimiter, &stops);
            let cells = records.cells.len() - before;
            if cells != width {
                return Err(Ragged { line, cells });
            }
        }
        Ok(records)
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// True if the block holds no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `see` with every cell of a column, from first record to last.
    pub fn each(&self, block: &[u8], column: usize, mut see: impl FnMut(&[u8])) {
        let mut text = Vec::new();
        for record in self.cells.chunks_exact(self.width) {
            let cell = record[column];
            let from = cell.from as usize;
            let raw = &block[from..from + (cell.length & !(DOUBLED | FOLLOWED)) as usize];
            if cell.length & (DOUBLED | FOLLOWED) == 0 {
                see(raw);
            } else {
                text.clear();
                let raw = if cell.length & FOLLOWED == 0 { raw } else { &raw[1..] };
                undress(raw, &mut text);
                see(&text);
            }
        }
    }

    fn note_line(&mut self, line: u64) {
        let record = self.len() as u64;
        if self.line_of.is_empty() && record != line {
            self.line_of = (0..record as u32).collect();
        }
        if !self.line_of.is_empty() || record != line {
            self.line_of.push(line as u32);
        }
    }

    /// Takes one record and gives where the next begins.
    fn record(&mut self, block: &[u8], mut at: usize, delimiter: u8, stops: &[bool; 256]) -> usize {
        loop {
            let end = match block.get(at) {
                Some(b'"') => self.quoted(block, at, stops),
                _ => {
                    let end = plain_end(block, at, stops);
                    self.cells.push(Cell { from: at as u32, length: (end - at) as u32 });
                    end
                }
            };
            match block.get(end) {
                Some(&byte) if byte == delimiter => at = end + 1,
                Some(_) => {
                    self.lines += 1;
                    return past_line_end(block, end);
                }
                None => {
                    self.lines += 1;
                    return end;
                }
            }
        }
    }

    /// Takes a cell that begins with a quote and gives where its delimiter or line end stands.
    fn quoted(&mut self, block: &[u8], at: usize, stops: &[bool; 256]) -> usize {
        let from = at + 1;
        let mut doubled = false;
        let mut search = from;
        let close = loop {
            match memchr(b'"', &block[search..]) {
                None => break block.len(),
                Some(found) if block.get(search + found + 1) == Some(&b'"') => {
                    doubled = true;
                    search += found + 2;
                }
                Some(found) => break search + found,
            }
        };
        self.lines += line_ends(&block[from..close]);
        let end = plain_end(block, (close + 1).min(block.len()), stops);
        let (from, to, flag) = match (end > close + 1, doubled) {
            (true, _) => (at, end, FOLLOWED),
            (false, true) => (from, close, DOUBLED),
            (false, false) => (from, close, 0),
        };
        self.cells.push(Cell { from: from as u32, length: (to - from) as u32 | flag });
        end
    }
}

/// The cells of the first record, and how many bytes and lines it and the blank lines before it
/// take.
pub fn first_record(block: &[u8], delimiter: u8) -> (Vec<Vec<u8>>, usize, u64) {
    let mut records = Records::default();
    let stops = stops(delimiter);
    let mut at = 0;
    while matches!(block.get(at), Some(b'\n' | b'\r')) {
        at = past_line_end(block, at);
        records.lines += 1;
    }
    if at >= block.len() {
        return (Vec::new(), block.len(), records.lines);
    }
    let end = records.record(block, at, delimiter, &stops);
    records.width = 1;
    let mut cells = Vec::new();
    records.each(block, 0, |cell| cells.push(cell.to_vec()));
    (cells, end, records.lines)
}

/// Where the next line begins, after the line end at `at`.
pub fn past_line_end(block: &[u8], at: usize) -> usize {
    if block[at] == b'\r' && block.get(at + 1) == Some(&b'\n') { at + 2 } else { at + 1 }
}

fn stops(delimiter: u8) -> [bool; 256] {
    let mut stops = [false; 256];
    for byte in [delimiter, b'\n', b'\r'] {
        stops[usize::from(byte)] = true;
    }
    stops
}

#[inline]
fn plain_end(block: &[u8], at: usize, stops: &[bool; 256]) -> usize {
    let rest = &block[at..];
    at + rest.iter().position(|&byte| stops[usize::from(byte)]).unwrap_or(rest.len())
}

/// Line ends of a text: LF, CR, or both together.
pub fn line_ends(text: &[u8]) -> u64 {
    let mut count = 0;
    let mut before = 0;
    for &byte in text {
        count += u64::from(byte == b'\r' || (byte == b'\n' && before != b'\r'));
        before = byte;
    }
    count
}

/// Undoes quotes in what follows an opening one: doubled ones are halved up to the closing one, the
/// rest stays as it is.
fn undress(raw: &[u8], text: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(found) = memchr(b'"', rest) {
        text.extend_from_slice(&rest[..found]);
        if rest.get(found + 1) == Some(&b'"') {
            text.push(b'"');
            rest = &rest[found + 2..];
        } else {
            rest = &rest[found + 1..];
            break;
        }
    }
    text.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<Vec<String>> {
        let records = Records::find(text.as_bytes(), b',', width).unwrap();
        let mut rows = vec![Vec::new(); records.len()];
        for column in 0..width {
            let mut row = 0;
            records.each(text.as_bytes(), column, |cell| {
                rows[row].push(String::from_utf8(cell.to_vec()).unwrap());
                row += 1;
            });
        }
        rows
    }

    #[test]
    fn cells_by_rfc_4180() {
        for (text, expected) in [
            ("a,b\n1,2\n", vec![["a", "b"], ["1", "2"]]),
            ("a,b\r\n1,\r\n,2", vec![["a", "b"], ["1", ""], ["", "2"]]),
            ("a,b\r1,2\r", vec![["a", "b"], ["1", "2"]]),
            ("\n\na,b\n\r\n1,2\n\n", vec![["a", "b"], ["1", "2"]]),
            ("\"a,\"\"\n\",\"\"\nx\"y,\"z\"w\n", vec![["a,\"\n", ""], ["x\"y", "zw"]]),
            ("\"\"\"\",\"\"\"a\"\"\"\n", vec![["\"", "\"a\""]]),
            ("\"\"x,\"a\"\"b\"c\"\"d\n", vec![["x", "a\"bc\"\"d"]]),
            ("\"a\" ,b", vec![["a ", "b"]]),
        ] {
            assert_eq!(rows(text, 2), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_are_physical() {
        let text = b"a,b\n\"x\ny\",1\r\n\nlast,\"\r\n\"\n";
        let records = Records::find(text, b',', 2).unwrap();
        assert_eq!((records.line_of.as_slice(), records.lines), ([0, 1, 4].as_slice(), 6));
        assert_eq!(records.blank_lines, 1);
        let straight = Records::find(b"a,b\nc,d", b',', 2).unwrap();
        assert_eq!((straight.line_of.len(), straight.lines), (0, 2));
        let ragged = Records::find(b"a,b\n\"\n\",1,2\n", b',', 2).unwrap_err();
        assert_eq!(ragged, Ragged { line: 1, cells: 3 });
    }

    #[test]
    fn the_first_record_tells_where_it_ends() {
        let (cells, end, lines) = first_record(b"\n\"a\nb\",c\r\n1,2", b',');
        assert_eq!((cells.len(), end, lines), (2, 10, 3));
        assert_eq!(first_record(b"\n\n", b',').0.len(), 0);
    }
}
