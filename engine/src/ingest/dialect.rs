//! Which character parts the cells of a CSV file.

use crate::ingest::{number::numeral, records::first_record};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const RECORDS_LOOKED_AT: usize = 200;

/// The delimiter of the records in `sample`: the one by which the most records are as wide as the
/// header, then the one that gives the most columns, then the most numbers. `whole` says that the
/// sample is the whole file.
pub fn sniff(sample: &[u8], whole: bool) -> u8 {
    let mut best = (b',', (0.0, 1, 0));
    for delimiter in DELIMITERS {
        let found = agreement(sample, delimiter, whole);
        if found.1 > 1 && found > best.1 {
            best = (delimiter, found);
        }
    }
    best.0
}

/// Share of records as wide as the first, that width, and cells that are numbers.
fn agreement(sample: &[u8], delimiter: u8, whole: bool) -> (f64, usize, usize) {
    let (header, mut at, _) = first_record(sample, delimiter);
    let (mut alike, mut seen, mut numbers) = (0_usize, 0_usize, 0_usize);
    let is_number = |cell: &[u8]| {
        numeral(cell, false).is_some() || delimiter != b',' && numeral(cell, true).is_some()
    };
    while at < sample.len() && seen < RECORDS_LOOKED_AT {
        let (cells, length, _) = first_record(&sample[at..], delimiter);
        at += length;
        // The last record of a sample may be cut.
        if cells.is_empty() || (at >= sample.len() && !whole) {
            break;
        }
        seen += 1;
        alike += usize::from(cells.len() == header.len());
        numbers += cells.iter().filter(|cell| is_number(cell.as_ref())).count();
    }
    let share = if seen == 0 { 1.0 } else { alike as f64 / seen as f64 };
    (share, header.len(), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_gives_even_rows() {
        for (sample, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,7\n3,1;4\n", b';'),
            ("a\tb\n1,2\t3\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("\"x,y\";b\n\"1,2\";3\n", b';'),
            ("a\n1\n2\n", b','),
            ("a,b;c\n1,2\n3,4\n", b','),
            ("name;note\nx;a, b\ny;c, d, e\n", b';'),
            ("id;weight, kg\n1;72,5\n2;81,0\n", b';'),
            ("id,size; in cm\n1,72\n", b','),
            ("a;b", b';'),
            ("", b','),
        ] {
            assert_eq!(
                char::from(sniff(sample.as_bytes(), true)),
                char::from(delimiter),
                "{sample}"
            );
        }
    }
}
