//! Parts of files (RFC 9110, 14): one range of bytes. Of several the whole is sent, which the rule
//! allows, and so for what is no range.

use crate::number;

/// Which bytes to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// From the first to the last of them, both counted.
    Bytes {
        first: u64,
        last: u64,
    },
    /// The file has none of those.
    None,
}

/// What `Range` asks for of a file of so many bytes.
pub fn part(header: Option<&str>, size: u64) -> Part {
    let range = header.and_then(|text| {
        let (unit, range) = text.split_once('=')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some(range.trim())
    });
    range.and_then(|range| one(range, size)).unwrap_or(Part::Whole)
}

/// None for what is no range.
fn one(range: &str, size: u64) -> Option<Part> {
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim_end(), last.trim_start());
    if first.is_empty() {
        let count = number::read_at_most(last)?.min(size);
        let some = Part::Bytes { first: size - count, last: size.saturating_sub(1) };
        return Some(if count == 0 { Part::None } else { some });
    }
    let first = number::read_at_most(first)?;
    let last = if last.is_empty() { u64::MAX } else { number::read_at_most(last)? };
    if last < first {
        return None;
    }
    let some = Part::Bytes { first, last: last.min(size.saturating_sub(1)) };
    Some(if first < size { some } else { Part::None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rule_says() {
        let bytes = |first, last| Part::Bytes { first, last };
        for (header, wanted) in [
            ("bytes=0-0", bytes(0, 0)),
            ("bytes=2-5", bytes(2, 5)),
            ("bytes=2-", bytes(2, 9)),
            ("bytes=2-99999999999999999999999", bytes(2, 9)),
            ("bytes=-3", bytes(7, 9)),
            ("bytes=-30", bytes(0, 9)),
            ("Bytes = 9-9", bytes(9, 9)),
            ("bytes=10-", Part::None),
            ("bytes=99999999999999999999999-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=5-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("rows=0-1", Part::Whole),
            ("bytes", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(Some(header), 10), wanted, "{header:?}");
        }
        assert_eq!(part(None, 10), Part::Whole);
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(part(Some(header), 0), Part::None, "{header}: an empty file has no bytes");
        }
    }
}
