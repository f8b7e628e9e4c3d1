//! Three attacks on persons, after Anonymeter (Giomi et al., "A unified framework for quantifying
//! privacy risk in synthetic data", PoPETs 2023): singling a person out by a description, linking
//! two halves of a record, inferring a column from the others.
//!
//! An attack that succeeds as often on strangers as on training rows tells what is true of people,
//! not who was among them. The risk is what it gains beyond that: (a − c) / (1 − c), a and c being
//! the shares of successes on training rows and on as many holdout rows.

mod inference;
mod linkability;
mod singling_out;

use libm::{pow, sqrt};
use tgs_protocol::engine::EngineError;

use crate::{
    measure::{
        crew::Crew,
        frame::{Frame, Side},
        sample::Draw,
        score::{Estimate, Z_95},
        space::{Scale, Space},
    },
    random::inverse_normal,
};

/// Holdout rows below which no attack is tried.
const STRANGERS_MIN: usize = 40;
/// Training rows that are attacked, and strangers.
const ATTACKED_MAX: usize = 1_000;
/// Synthetic rows that the attacker holds.
const SYNTHETIC_MAX: usize = 20_000;

/// What the three attacks reach; each is none where it cannot be tried.
#[derive(Debug, Default)]
pub struct Attacks {
    /// Descriptions of one person.
    pub singling_out: Option<Risk>,
    /// The same person's rows in two tables.
    pub linkability: Option<Risk>,
    /// A column of a person from the others.
    pub inference: Option<Inference>,
}

/// The column that is inferred most beyond strangers.
#[derive(Debug)]
pub struct Inference {
    /// Its name.
    pub column: String,
    /// How often it is guessed.
    pub risk: Risk,
    /// Columns among which it is the worst.
    pub columns: usize,
}

/// How often an attack succeeds.
#[derive(Debug, Clone, Copy)]
pub struct Risk {
    /// On training rows.
    pub members: Rate,
    /// On rows that the generator never saw.
    pub strangers: Rate,
}

/// A share of successes and the half-width of its 95 % interval (Wilson, 1927).
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Centre of the interval.
    pub value: f64,
    /// Half-width.
    pub half: f64,
}

impl Rate {
    /// So many successes in so many attempts.
    pub fn of(successes: usize, attempts: usize) -> Self {
        let (s, n, z2) = (successes as f64, attempts as f64, Z_95 * Z_95);
        let spread = if n > 0.0 { s * (n - s) / n } else { 0.0 };
        Self { value: (s + z2 / 2.0) / (n + z2), half: Z_95 / (n + z2) * sqrt(spread + z2 / 4.0) }
    }
}

impl Inference {
    /// As [`Risk::beyond_strangers`], the interval widened so that it holds for all columns at once
    /// (Šidák, 1967): the worst of many is no news.
    pub fn beyond_strangers(&self) -> Estimate {
        let each = 1.0 - pow(0.95, 1.0 / self.columns.max(1) as f64);
        let wider = inverse_normal(1.0 - each / 2.0) / Z_95;
        let Estimate { value, interval } = self.risk.beyond_strangers();
        Estimate { value, interval: interval.map(|half| half * wider.max(1.0)) }
    }
}

impl Risk {
    /// What members have to fear at least: the lower end of the interval. Of several risks the one
    /// is told of which this is most, so that few attempts do not win by chance.
    fn at_least(&self) -> f64 {
        let risk = self.beyond_strangers();
        risk.value - risk.interval.unwrap_or(0.0)
    }

    /// What members have to fear beyond strangers, zero at least; the interval by propagation of
    /// both errors.
    pub fn beyond_strangers(&self) -> Estimate {
        let (a, c) = (self.members, self.strangers);
        let left = 1.0 - c.value;
        let by_members = a.half / left;
        let by_strangers = (a.value - 1.0) * c.half / (left * left);
        Estimate {
            value: ((a.value - c.value) / left).max(0.0),
            interval: Some(sqrt(by_members * by_members + by_strangers * by_strangers)),
        }
    }
}

/// Tries all three.
///
/// # Errors
/// `Stopped` when the watch says so.
pub fn measure(frame: &Frame, seed: u64, crew: Crew) -> Result<Attacks, EngineError> {
    if frame.holdout.rows < STRANGERS_MIN || frame.train.rows < STRANGERS_MIN {
        return Ok(Attacks::default());
    }
    let space = Space::new(frame, Scale::Rank);
    Ok(Attacks {
        singling_out: singling_out::measure(frame, seed, crew)?,
        linkability: linkability::measure(frame, &space, seed, crew)?,
        inference: inference::measure(frame, &space, seed, crew)?,
    })
}

/// The synthetic rows that an attacker holds.
fn held(frame: &Frame, part: u64, seed: u64) -> Vec<usize> {
    Draw::Attacks.rows(seed, part, frame.synthetic.rows, SYNTHETIC_MAX)
}

/// As many training rows as strangers, at most so many of each.
fn attacked(frame: &Frame, part: u64, seed: u64, most: usize) -> [(&Side, Vec<usize>); 2] {
    let take = most.min(frame.train.rows).min(frame.holdout.rows);
    [(&frame.train, part), (&frame.holdout, part + 1)]
        .map(|(side, part)| (side, Draw::Attacks.rows(seed, part, side.rows, take)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_risks_are_those_of_the_formulas() {
        // statsmodels: proportion_confint(30, 100, method="wilson") is .218945 … .395855.
        let rate = Rate::of(30, 100);
        assert!((rate.value - rate.half - 0.218_945).abs() < 2e-5, "{rate:?}");
        assert!((rate.value + rate.half - 0.395_855).abs() < 2e-5, "{rate:?}");
        let risk = Risk { members: Rate::of(60, 100), strangers: Rate::of(20, 100) };
        let (a, c) = (risk.members.value, risk.strangers.value);
        let found = risk.beyond_strangers();
        assert!((found.value - (a - c) / (1.0 - c)).abs() < 1e-12);
        let none = Risk { members: Rate::of(10, 100), strangers: Rate::of(20, 100) };
        assert_eq!(none.beyond_strangers().value, 0.0);
        assert!(Rate::of(0, 0).value.is_finite());
    }
}
