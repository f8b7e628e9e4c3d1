//! Numbers that are one person's own: what few rows hold is moved once, before a model keeps it.
//!
//! A model learns the moved number, keeps it in its file, and draws from it. So neither the file
//! nor any number of rows tells more of a person than one draw would; a shift drawn anew for every
//! cell is averaged away by whoever asks for enough of them.
//!
//! The shift is a function of the training rows. The seed of the job has no part in it, for it
//! stands in the manifest: dice that everybody can throw again hide nothing, and under other seeds
//! the same rows would tell their numbers a little better each time.

use tgs_protocol::{digest::Digest, limits::SHARED_ROWS_MIN};

use crate::{
    random::{Purpose, Stream},
    table::{Cells, Table, grid::Grid},
};

/// A number moves at most by this part of half the range: in the tails, where gaps are wide, more
/// would cost the ends of the range and with them every correlation.
const REACH_MAX: f64 = 0.01;
/// It may move by so many steps of the column's grid, however narrow the range.
const REACH_STEPS: f64 = 2.0;
/// More steps than this are no steps any more but a line.
const COUNTED_STEPS_MAX: f64 = 1e15;

/// The distinct ones of ascending numbers, and how many each stands for.
pub(crate) fn runs(ascending: &[f64]) -> (Vec<f64>, Vec<u64>) {
    let runs = ascending.chunk_by(|one, other| one == other);
    runs.map(|run| (run[0], run.len() as u64)).unzip()
}

/// Knows which numbers of a column are somebody's own, and where they go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnNumbers {
    key: u64,
    column: u64,
    rows_min: u64,
}

impl OwnNumbers {
    /// Of these training rows; a number that fewer than `rows_min` of them hold is somebody's own.
    pub(crate) fn of(train: &Table, rows_min: u64) -> Self {
        let mut digests = Vec::new();
        for column in train.columns() {
            let mut bytes: Vec<u8> = Vec::with_capacity(8 * train.rows());
            match &column.cells {
                Cells::Number(values) => values.iter().for_each(|value| {
                    // Minus zero is no other number than zero; missing is like none.
                    let bits = value.map_or(u64::MAX, |value| (value + 0.0).to_bits());
                    bytes.extend(bits.to_le_bytes());
                }),
                Cells::Level { codes, .. } => codes.iter().for_each(|code| {
                    bytes.extend(code.unwrap_or(u32::MAX).to_le_bytes());
                }),
                // Ids and texts are long, and the rest is hard enough to guess.
                Cells::Text(_) => {}
            }
            digests.extend(Digest::of(&bytes).as_bytes());
        }
        let digest = Digest::of(&digests);
        let key = digest.as_bytes().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte));
        Self { key, column: 0, rows_min }
    }

    /// The same for the column at this place.
    pub(crate) fn in_column(self, at: usize) -> Self {
        Self { column: at as u64, ..self }
    }

    /// Whether a number that so many rows hold is nobody's own.
    pub(crate) fn is_shared(&self, rows: u64) -> bool {
        rows >= self.rows_min
    }

    /// Whether so few rows hold any number that the column must be learned as empty: a number
    /// without others beside it has no place to go to, and a handful is no distribution.
    pub(crate) fn are_too_few(&self, present: usize) -> bool {
        (present as u64) < self.rows_min.min(SHARED_ROWS_MIN)
    }

    /// What a model may keep of a column's distinct numbers, given ascending with the rows that
    /// hold each: the shared ones as they are, the others a way towards one of their neighbours, on
    /// either side as likely, up to the middle of the gap but not far. The order stays, the grid
    /// stays, and nothing leaves the range. Where the grid leaves no place between, as between
    /// whole numbers without gaps, a number stays.
    pub(crate) fn moved(&self, distinct: &[f64], rows: &[u64], grid: Grid) -> Vec<f64> {
        let (Some(first), Some(last)) = (distinct.first(), distinct.last()) else {
            return Vec::new();
        };
        // Halves, here and below, so that the largest numbers do not overflow.
        let reach = REACH_MAX * (last / 2.0 - first / 2.0);
        let reach = reach.max(REACH_STEPS * grid.step());
        let moved = distinct.iter().zip(rows).enumerate().map(|(at, (value, rows))| {
            if self.is_shared(*rows) {
                return *value;
            }
            let mut dice = Stream::new(self.key, Purpose::OwnNumber, self.column << 32 | at as u64);
            let (above_first, share) = (dice.bits() & 1 == 1, dice.uniform());
            let below = at.checked_sub(1).map(|below| distinct[below]);
            let mut sides = [below, distinct.get(at + 1).copied()];
            if above_first {
                sides.reverse();
            }
            let shifted = |next: f64| {
                let room = (next / 2.0 - value / 2.0).clamp(-reach, reach);
                let moved = grid.round(value + shift(room, share, grid.step()));
                (moved != *value).then(|| moved.clamp(value.min(next), value.max(next)))
            };
            sides.into_iter().flatten().find_map(shifted).unwrap_or(*value)
        });
        moved.collect()
    }
}

/// A share in (0, 1) of the room: a step of the grid at least, if there is room for one.
fn shift(room: f64, share: f64, step: f64) -> f64 {
    // A step and its multiples are seldom exact.
    let steps = (room.abs() / step + 1e-6).floor();
    if step <= 0.0 || steps > COUNTED_STEPS_MAX {
        return share * room;
    }
    let whole = (1.0 + (share * steps).floor()).min(steps);
    (whole * step).copysign(room)
}

#[cfg(test)]
mod tests;
