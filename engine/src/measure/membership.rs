//! Membership inference: can someone who holds a person's record and the synthetic table tell
//! whether that person was among the training rows?
//!
//! Two attacks. *Distance*: whoever lies near a synthetic row was a member. *Density ratio*
//! (DOMIAS, van Breugel et al., 2023): whoever lies where synthetic rows are denser than the
//! population is.
//! Both densities are of the nearest neighbour, in the space of training ranks and mismatches:
//! log density is −d·log r, so the attack's order is that of r_population / r_synthetic.
//! The holdout is cut in two halves; one is the non-members, the other the population, and then the
//! other way round. Success is the area under the ROC curve; advantage over chance is
//! max(0, 2·AUC − 1), the worse of the two attacks counts.

use tgs_protocol::engine::EngineError;

use crate::measure::{
    crew::Crew,
    frame::Frame,
    sample::Draw,
    score::{Estimate, Z_95, auc, auc_interval},
    space::{Metric, Near, Points, Scale, Space, nearest},
};

/// Members, and non-members, of each half.
const QUERIES_MAX: usize = 2_500;
/// Rows of the population of each half.
const POPULATION_MAX: usize = 5_000;
/// Synthetic rows the attacker holds.
const SYNTHETIC_MAX: usize = 40_000;
/// Holdout rows below which no attack is tried.
const HOLDOUT_MIN: usize = 40;
/// Keeps the ratio finite for exact copies: far below the distance of any two different rows.
const TINY: f64 = 1e-6;

/// Success of the two attacks.
#[derive(Debug, Clone, Copy)]
pub struct Membership {
    /// Area under the curve of the density ratio.
    pub density_ratio: Estimate,
    /// Area under the curve of the distance.
    pub distance: Estimate,
}

impl Membership {
    /// Success over chance of the better attack, 0 … 1, with the half-width of its interval.
    pub fn advantage(&self) -> Estimate {
        let worse = if self.density_ratio.value >= self.distance.value {
            self.density_ratio
        } else {
            self.distance
        };
        Estimate {
            value: (2.0 * worse.value - 1.0).max(0.0),
            interval: worse.interval.map(|half| 2.0 * half),
        }
    }
    /// Whether the better attack beats chance beyond doubt: by more than its 99 % interval.
    pub fn is_significant(&self) -> bool {
        const Z_99: f64 = 2.576;
        let advantage = self.advantage();
        advantage.interval.is_none_or(|half| advantage.value > half * Z_99 / Z_95)
    }
}

/// Attacks the table. None when too few rows were kept aside.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, seed: u64, crew: Crew) -> Result<Option<Membership>, EngineError> {
    if frame.holdout.rows < HOLDOUT_MIN || frame.synthetic.rows == 0 {
        return Ok(None);
    }
    let space = Space::new(frame, Scale::Rank);
    let draw = |part, from, take| Draw::Membership.shuffled(seed, part, from, take);
    let made = space.points(&frame.synthetic, &draw(0, frame.synthetic.rows, SYNTHETIC_MAX));
    let aside = draw(1, frame.holdout.rows, frame.holdout.rows);
    let members = draw(2, frame.train.rows, 2 * QUERIES_MAX);
    let halves = aside.split_at(aside.len() / 2);
    let mut areas = [[0.0; 2]; 2];
    let mut rows = 0;
    for (turn, (strangers, population)) in
        [(halves.0, halves.1), (halves.1, halves.0)].into_iter().enumerate()
    {
        let size = strangers.len().min(QUERIES_MAX).min(members.len() / 2);
        if size == 0 {
            return Ok(None);
        }
        let cut = |rows: &[usize], most: usize| rows[..rows.len().min(most)].to_vec();
        let inside = space.points(&frame.train, &members[turn * size..(turn + 1) * size]);
        let outside = space.points(&frame.holdout, &cut(strangers, size));
        let crowd = space.points(&frame.holdout, &cut(population, POPULATION_MAX));
        let scores =
            [attack(&inside, &made, &crowd, crew)?, attack(&outside, &made, &crowd, crew)?];
        for (which, area) in areas[turn].iter_mut().enumerate() {
            let both: Vec<f64> = scores.iter().flatten().map(|score| score[which]).collect();
            let is_member: Vec<bool> = (0..both.len()).map(|row| row < size).collect();
            *area = auc(&both, &is_member).unwrap_or(0.5);
        }
        rows += size;
    }
    let estimate = |which: usize| {
        let value = (areas[0][which] + areas[1][which]) / 2.0;
        Estimate { value, interval: auc_interval(value, rows, rows) }
    };
    Ok(Some(Membership { density_ratio: estimate(0), distance: estimate(1) }))
}

/// How sure each attack is that a row was a member: density ratio, distance.
fn attack(
    rows: &Points,
    made: &Points,
    crowd: &Points,
    crew: Crew,
) -> Result<Vec<[f64; 2]>, EngineError> {
    let to_made: Vec<Near<1>> = nearest(rows, made, Metric::Absolute, false, crew)?;
    let to_crowd: Vec<Near<1>> = nearest(rows, crowd, Metric::Absolute, false, crew)?;
    let score = |(made, crowd): (&Near<1>, &Near<1>)| {
        let (made, crowd) = (f64::from(made.distances[0]), f64::from(crowd.distances[0]));
        [(crowd + TINY) / (made + TINY), -made]
    };
    Ok(to_made.iter().zip(&to_crowd).map(score).collect())
}
