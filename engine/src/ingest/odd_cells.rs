//! Notices of cells that keep a column from being numbers.

use tgs_protocol::column::ColumnKind;

use crate::{
    ingest::{
        gather::{Levels, Texts},
        kind::{Decision, Settling},
        number::numeral,
        numbers::Comma,
        raw::shown,
    },
    table::Cells,
};

impl Settling<'_> {
    /// As [`Settling::mixed_texts`], for numbered texts.
    pub(crate) fn mixed_levels(&self, levels: &Levels) -> Option<String> {
        let mut numbers = 0;
        let mut first: Option<usize> = None;
        let codes = levels.dictionary.iter().zip(&levels.counts).enumerate();
        for (code, (text, count)) in codes {
            if self.is_number(text) {
                numbers += count;
            } else if !text.iter().all(u8::is_ascii_digit) {
                // Codes are in the order of first appearance, so the first such code stands first.
                first = first.or(Some(code));
            }
        }
        let code = first? as u32;
        let row = levels.first_row(code);
        self.mixed(numbers, levels.present(), row, levels.dictionary.get(code))
    }

    /// A notice where nearly all cells are numbers, but not all.
    pub(crate) fn mixed_texts(&self, texts: &Texts) -> Option<String> {
        let is_number = |text: &[u8]| self.is_number(text);
        let trial = texts.iter().take(200).filter(|text| is_number(text)).count();
        if trial * 2 < texts.iter().take(200).count() {
            return None;
        }
        let odd = |text: &[u8]| !text.is_empty() && !is_number(text);
        let named = |text: &[u8]| odd(text) && !text.iter().all(u8::is_ascii_digit);
        let (row, text) = texts.iter().enumerate().find(|(_, text)| named(text))?;
        let present = texts.iter().filter(|text| !text.is_empty()).count();
        let odd = texts.iter().filter(|text| odd(text)).count();
        self.mixed((present - odd) as u64, present, row, text)
    }

    /// A notice where the first texts are numbers, but for their points and commas.
    pub(crate) fn grouped<'a, I: Iterator<Item = &'a [u8]>>(
        &self,
        texts: impl Fn() -> I,
    ) -> Option<String> {
        let first = || texts().filter(|text| !text.is_empty()).take(100);
        let is_amount = |text: &[u8]| is_grouped(text) || self.is_number(text);
        if let Some(example) = first().find(|text| is_grouped(text)) {
            let grouped = first().filter(|text| is_grouped(text)).count();
            return (first().all(is_amount) || grouped * 2 >= first().count()).then(|| {
                let example = shown(example);
                let by_metadata = match self.comma {
                    Comma::Never => ", or say \"real\" in the metadata",
                    _ => {
                        ", or, if the comma stands before a fraction, say \"real\" in the metadata"
                    }
                };
                format!(
                    "{example} looks like a number with thousands separators: read as text; to \
                     have numbers, write them without separators{by_metadata}"
                )
            });
        }
        let comma = first().find(|text| text.contains(&b','))?;
        let point = first().find(|text| text.contains(&b'.'))?;
        first().all(is_amount).then(|| {
            let (comma, point) = (shown(comma), shown(point));
            format!(
                "{comma} and {point} stand in one column: read as text; to have numbers, write all \
                 fractions with the same mark"
            )
        })
    }

    /// A number by itself, whatever stands in other cells.
    fn is_number(&self, text: &[u8]) -> bool {
        let comma = self.comma != Comma::Never;
        numeral(text, false).or_else(|| numeral(text, true).filter(|_| comma)).is_some()
    }

    fn mixed(&self, numbers: u64, present: usize, row: usize, text: &[u8]) -> Option<String> {
        let share = numbers as f64 / present as f64;
        (0.95..1.0).contains(&share).then(|| {
            format!(
                "{:.1} % of the cells are numbers, but {} holds {}: read as texts; if it means \
                 \"missing\", say so in the metadata (\"missing\": [{}])",
                share * 100.0,
                self.places.name(row),
                shown(text),
                shown(text)
            )
        })
    }
}

/// A notice where texts are mostly digits and nothing else was told of them: they are made anew
/// from their pattern, so whatever they count is lost.
pub(crate) fn mostly_digits(decision: &Decision) -> Option<String> {
    let Cells::Text(texts) = &decision.cells else { return None };
    if decision.kind != ColumnKind::Text || !decision.notices.is_empty() {
        return None;
    }
    let first = || texts.iter().flatten().take(200);
    let of_digits = |text: &&str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        2 * digits >= text.chars().filter(|letter| !letter.is_whitespace()).count()
    };
    let example = first().find(of_digits)?;
    (2 * first().filter(of_digits).count() > first().count()).then(|| {
        format!(
            "{} and the like are mostly digits, but neither numbers nor dates: read as text and \
             made anew, without meaning; to have them learned, write plain numbers or ISO dates, \
             or give the kind in the metadata",
            shown(example.as_bytes())
        )
    })
}

/// A number whose thousands are parted by commas.
pub fn is_grouped(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = text.split(|byte| *byte == b'.').next().unwrap_or(text);
    let fraction = text.get(whole.len() + 1..).unwrap_or_default();
    let mut groups = whole.split(|byte| *byte == b',');
    let digits = |group: &[u8]| !group.is_empty() && group.iter().all(u8::is_ascii_digit);
    let first = groups.next().unwrap_or_default();
    first.len() <= 3
        && digits(first)
        && whole.contains(&b',')
        && groups.all(|group| group.len() == 3 && digits(group))
        && fraction.iter().all(u8::is_ascii_digit)
}
