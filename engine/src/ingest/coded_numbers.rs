//! Whole numbers that are no quantities: days written without marks, and postal codes.

use crate::ingest::{
    calendar::{Moments, Named},
    gather::Gathered,
    kind::{Decision, Settling, of_moments},
    name_hint::{names_places, names_rows},
    numbers::Numbers,
};

const COMPACT_DAY: &str = "%Y%m%d";
/// Days that a table is about.
const COMPACT_DAYS: (f64, f64) = (19_000_101.0, 21_001_231.0);
/// Of so many numbers that lie there by chance, hardly ever all are days.
const DAYS_MIN: usize = 5;

impl Settling<'_> {
    /// Days, if every number is one, as `20150113`.
    pub(crate) fn compact_days(&self, gathered: &Gathered, numbers: &Numbers) -> Option<Decision> {
        let (least, most) = numbers.range;
        let plausible = least >= COMPACT_DAYS.0 && most <= COMPACT_DAYS.1;
        if !plausible
            || !are_codes(numbers)
            || numbers.count < DAYS_MIN
            || names_rows(self.name)
            || numbers.distinct(1).is_some()
        {
            return None;
        }
        let moments = Moments::read(gathered, Some(&Named::new(COMPACT_DAY)?)).ok()?;
        let mut decision = of_moments(moments);
        decision.notices.push(format!(
            "every whole number is a day written as {COMPACT_DAY}: read as dates; if they are \
             numbers, say \"integer\" in the metadata"
        ));
        Some(decision)
    }

    /// Whether the numbers are postal codes, which repeat and have no sums.
    pub(crate) fn are_postal_codes(&self, numbers: &Numbers, distinct_max: usize) -> bool {
        if !names_places(self.name) || !are_codes(numbers) || numbers.tokens().any(|(_, n)| n > 0) {
            return false;
        }
        let distinct = numbers.distinct_count();
        distinct > 1 && distinct <= distinct_max && 2 * distinct <= numbers.count
    }
}

fn are_codes(numbers: &Numbers) -> bool {
    numbers.whole && numbers.digits_max == 0 && numbers.dress.is_none() && numbers.range.0 >= 0.0
}
