//! Whole numbers too large for a double, such as stamps in nanoseconds: held less an offset, so
//! that every one of them is exact.

use arrow::array::Float64Array;
use tgs_protocol::{
    column::{ColumnKind, ValueFormat},
    limits::SHARED_ROWS_MIN,
};

use crate::{
    ingest::{
        gather::Gathered,
        kind::{Decision, FEW_NUMBERS, Settling},
        missing::{TOKEN_COUNT, token, token_text},
        name_hint::names_rows,
        number::EXACT_WHOLE_MAX,
    },
    table::Cells,
};

/// Offsets are multiples of this. An offset stands in model files: it must tell no number of the
/// table, and not even its ends.
const OFFSET_STEP: i128 = 1_000_000_000_000_000;

/// A column of whole numbers of any length.
pub struct LongNumbers {
    /// One per row; none where missing.
    values: Vec<Option<i64>>,
    tokens: [u64; TOKEN_COUNT],
    /// Some number has more than 64 bits.
    too_long: bool,
}

impl LongNumbers {
    /// Reads a column; none if a cell is neither a whole number, nor missing, nor its token.
    pub fn read(gathered: &Gathered) -> Option<Self> {
        let mut found = Self { values: Vec::new(), tokens: [0; TOKEN_COUNT], too_long: false };
        let mut fits = true;
        gathered.each_text(|text| {
            fits = found.push(text.trim_ascii());
            fits
        });
        (fits && (found.too_long || found.range().is_some())).then_some(found)
    }

    fn push(&mut self, text: &[u8]) -> bool {
        if let Some(token) = token(text).filter(|_| !text.is_empty()) {
            self.tokens[token] += 1;
            self.values.push(None);
            return true;
        }
        if text.is_empty() {
            self.values.push(None);
            return true;
        }
        let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let padded = digits.len() > 1 && digits[0] == b'0';
        if digits.is_empty() || padded || !digits.iter().all(u8::is_ascii_digit) {
            return false;
        }
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        self.too_long |= value.is_none();
        self.values.push(value);
        true
    }

    fn range(&self) -> Option<(i64, i64)> {
        let present = || self.values.iter().flatten().copied();
        Some((present().min()?, present().max()?))
    }

    /// The offset under which all numbers are exact; none if they are too far apart.
    pub fn offset(&self) -> Option<i64> {
        let (least, most) = self.range().filter(|_| !self.too_long)?;
        let (least, most) = (i128::from(least), i128::from(most));
        let middle = least.midpoint(most);
        let offset = (middle + OFFSET_STEP / 2).div_euclid(OFFSET_STEP) * OFFSET_STEP;
        let exact = |end: i128| (end - offset).abs() <= i128::from(EXACT_WHOLE_MAX);
        (exact(least) && exact(most)).then(|| i64::try_from(offset).ok()).flatten()
    }

    /// The cells less an offset; the nearest double where that is not exact.
    pub fn less(&self, offset: i64) -> Cells {
        let less = |value: i64| (i128::from(value) - i128::from(offset)) as f64;
        let cells: Float64Array = self.values.iter().map(|value| value.map(less)).collect();
        Cells::Number(cells)
    }

    /// How often each token for missing stands.
    pub fn tokens(&self) -> Vec<(&'static str, u64)> {
        let tokens = self.tokens.iter().enumerate();
        tokens.map(|(number, count)| (token_text(number), *count)).collect()
    }

    /// The numbers as a column of their own; none if they are levels, or name the rows.
    pub(crate) fn decide(&self, settling: &Settling, offset: i64) -> Option<Decision> {
        let mut sorted: Vec<i64> = self.values.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let whole = sorted.len() == settling.rows;
        let runs = || sorted.chunk_by(|one, other| one == other);
        let shared = runs().all(|run| run.len() as u64 >= SHARED_ROWS_MIN);
        let levels = runs().take(FEW_NUMBERS + 1).count();
        if levels <= FEW_NUMBERS && shared || whole && levels == 1 {
            return None;
        }
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let unique = whole && runs().all(|run| run.len() == 1);
        let consecutive = least.abs_diff(most) == sorted.len() as u64 - 1;
        if unique && (names_rows(settling.name) || consecutive) {
            return None;
        }
        let count = sorted.len();
        Some(Decision {
            kind: ColumnKind::Integer,
            reason: format!("{count} whole numbers between {least} and {most}"),
            format: ValueFormat::Whole { offset },
            cells: self.less(offset),
            tokens: self.tokens(),
            notices: Vec::new(),
        })
    }
}
