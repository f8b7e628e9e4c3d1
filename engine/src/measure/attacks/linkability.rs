//! Linkability: someone who holds two halves of a person's record, without knowing that they
//! belong together, looks for each half's nearest synthetic rows. Where both halves lead to the
//! same synthetic row, it links them.

use tgs_protocol::engine::EngineError;

use super::{ATTACKED_MAX, Rate, Risk, attacked, held};
use crate::measure::{
    crew::Crew,
    frame::Frame,
    sample::Draw,
    space::{Metric, Near, Points, Space, nearest},
};

/// Synthetic rows that each half may lead to.
const NEIGHBOURS: usize = 5;
/// Draws of this attack, told apart from those of the others.
const PART: u64 = 4;

/// How often both halves of a row lead to one synthetic row; none for fewer than two columns.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(
    frame: &Frame,
    space: &Space,
    seed: u64,
    crew: Crew,
) -> Result<Option<Risk>, EngineError> {
    if frame.fields.len() < 2 {
        return Ok(None);
    }
    let halves = Halves::new(frame.fields.len(), seed);
    let [left, right] = halves.of(space.points(&frame.synthetic, &held(frame, PART, seed)));
    let mut rates = Vec::with_capacity(2);
    for (side, rows) in attacked(frame, PART + 1, seed, ATTACKED_MAX) {
        let [known, other] = halves.of(space.points(side, &rows));
        let find = |half: &Points, made: &Points| -> Result<Vec<Near<NEIGHBOURS>>, EngineError> {
            nearest(half, made, Metric::Absolute, false, crew)
        };
        let (known, other) = (find(&known, &left)?, find(&other, &right)?);
        let linked = known.iter().zip(&other).filter(|(a, b)| a.shares_a_row_with(b)).count();
        rates.push(Rate::of(linked, rows.len()));
    }
    Ok(Some(Risk { members: rates[0], strangers: rates[1] }))
}

/// Which columns lie in the first half.
struct Halves(Vec<bool>);

impl Halves {
    fn new(columns: usize, seed: u64) -> Self {
        let mut first = vec![false; columns];
        let order = Draw::Attacks.shuffled(seed, PART + 3, columns, columns / 2);
        order.into_iter().for_each(|column| first[column] = true);
        Self(first)
    }

    fn of(&self, points: Points) -> [Points; 2] {
        let rows = points.rows;
        let mut halves = [Vec::new(), Vec::new()];
        for (column, is_first) in points.columns.into_iter().zip(&self.0) {
            halves[usize::from(!is_first)].push(column);
        }
        halves.map(|columns| Points { rows, columns })
    }
}
