//! When a run has learned what it can: looks at validation rows, and the ending that follows.
//!
//! A net that goes on after the common part is learned learns rows by heart. It shows as loss that
//! only training rows lose: of what they gain between two looks, validation rows gain ever less.
//! Below a share the *ending* begins: the learning rate falls to zero over a few more steps, since
//! parameters from the midst of a run at full rate are worse than their losses say.

use serde::{Deserialize, Serialize};
use tgs_protocol::report::Curve;

/// The constants of stopping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopping {
    /// Steps between two looks.
    pub every: u64,
    /// The step before which nothing is judged: that of the phase that validation rows speak of.
    pub from: u64,
    /// Looks without improvement before the run ends at once; none: never.
    pub patience: Option<u32>,
    /// The ending begins when validation rows gain less than this share of what training rows gain;
    /// none: never.
    pub shared_gain_min: Option<f64>,
    /// A look is compared with the last one before this share of its steps.
    pub compared_share: f64,
    /// Looks that are made before one is judged: at first every row gains.
    pub looks_min: usize,
    /// Looks in a row that must agree before the ending begins: one alone, or two, may err.
    pub agreeing_looks: u32,
    /// Steps of the ending, as a share of those made before it.
    pub ending_share: f64,
}

impl Stopping {
    /// Never looks and never ends before its steps are made.
    pub(crate) const NEVER: Self = Self {
        every: u64::MAX,
        from: 0,
        patience: None,
        shared_gain_min: None,
        compared_share: 0.0,
        looks_min: 0,
        agreeing_looks: 1,
        ending_share: 0.0,
    };
}

/// Steps between two looks that stand so many passes over the rows apart.
pub(crate) fn steps_apart(epochs: f64, batches_per_epoch: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
    let steps = (epochs * batches_per_epoch as f64).round() as u64;
    steps.max(1)
}

/// What was seen so far, and what follows from it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Looks {
    training: Vec<(u64, f64)>,
    validation: Vec<(u64, f64)>,
    seen: Vec<(u64, f64)>,
    best: Option<f64>,
    since_best: u32,
    agreeing: u32,
    ending: Option<Ending>,
}

/// The steps over which the learning rate falls to zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Ending {
    from: u64,
    to: u64,
}

/// The losses of one look: of the steps since the last, on validation rows, on training rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Losses {
    pub training: f64,
    pub validation: Option<f64>,
    pub seen: Option<f64>,
}

impl Looks {
    /// Notes a look after `step` steps. True when the parameters are the best so far; where nothing
    /// is held out, the last ones are.
    pub(crate) fn note(&mut self, step: u64, losses: Losses, stopping: &Stopping) -> bool {
        self.training.push((step, losses.training));
        self.seen.extend(losses.seen.map(|seen| (step, seen)));
        let Some(validation) = losses.validation else { return true };
        self.validation.push((step, validation));
        if let (None, Some(least)) = (self.ending, stopping.shared_gain_min) {
            let copies = self.shared_gain(stopping).is_some_and(|share| share < least);
            self.agreeing = if copies { self.agreeing + 1 } else { 0 };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
            let more = (step.saturating_sub(stopping.from) as f64 * stopping.ending_share) as u64;
            self.ending = (self.agreeing >= stopping.agreeing_looks)
                .then(|| Ending { from: step, to: step.saturating_add(more) });
        }
        let better = self.best.is_none_or(|best| validation < best);
        self.since_best = if better { 0 } else { self.since_best + 1 };
        if better {
            self.best = Some(validation);
        }
        better
    }

    /// The step after which the run is over, if before `steps`.
    pub(crate) fn last_step(&self, steps: u64) -> u64 {
        self.ending.map_or(steps, |ending| ending.to.min(steps))
    }

    /// Whether the run has waited long enough for an improvement.
    pub(crate) fn out_of_patience(&self, stopping: &Stopping) -> bool {
        stopping.patience.is_some_and(|patience| self.since_best >= patience)
    }

    /// The mean loss of the steps before the newest look.
    pub(crate) fn training_loss(&self) -> Option<f64> {
        self.training.last().map(|(_, loss)| *loss)
    }

    /// What the ending leaves of the learning rate at a step.
    pub(crate) fn rate_left(&self, step: u64) -> f64 {
        self.ending.map_or(1.0, |Ending { from, to }| {
            let way = step.saturating_sub(from) as f64 / to.saturating_sub(from).max(1) as f64;
            1.0 - way.min(1.0)
        })
    }

    /// The curves that a report shows.
    pub(crate) fn curves(&self) -> Vec<Curve> {
        let named = [
            ("training loss", &self.training),
            ("validation loss", &self.validation),
            ("loss on training rows", &self.seen),
        ];
        let seen = named.into_iter().filter(|(_, points)| !points.is_empty());
        seen.map(|(name, points)| Curve { name: name.to_owned(), points: points.clone() }).collect()
    }

    /// What validation rows gained since an earlier look, over what training rows gained; none
    /// where training rows gained nothing.
    fn shared_gain(&self, stopping: &Stopping) -> Option<f64> {
        let (step, validation) = *self.validation.last()?;
        let (_, seen) = *self.seen.last()?;
        if self.validation.len() <= stopping.looks_min || self.seen.len() != self.validation.len() {
            return None;
        }
        let made = step.saturating_sub(stopping.from) as f64;
        let before = stopping.from as f64 + made * stopping.compared_share;
        let at = self.validation.partition_point(|(step, _)| *step as f64 <= before);
        let at = at.checked_sub(1)?;
        let gained = self.seen[at].1 - seen;
        (gained > 0.0).then(|| (self.validation[at].1 - validation) / gained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPING: Stopping = Stopping {
        every: 10,
        shared_gain_min: Some(0.5),
        compared_share: 0.6,
        looks_min: 8,
        agreeing_looks: 3,
        ending_share: 0.25,
        ..Stopping::NEVER
    };

    /// Training rows gain all the way; validation rows a share that falls from one to nothing.
    fn looked(until: u64, stopping: &Stopping) -> (Looks, Vec<u64>) {
        let (mut looks, mut kept, mut validation, mut seen) = (Looks::default(), vec![], 2.0, 2.0);
        for step in (10..=until).step_by(10) {
            let gain = 1.0 / step as f64;
            seen -= gain;
            validation -= gain * (1.0 - step as f64 / 400.0);
            let losses = Losses { training: seen, validation: Some(validation), seen: Some(seen) };
            if looks.note(step, losses, stopping) {
                kept.push(step);
            }
        }
        (looks, kept)
    }

    #[test]
    fn ending_begins_where_validation_rows_no_longer_gain_their_share() {
        let (looks, _) = looked(150, &STOPPING);
        assert_eq!((looks.last_step(1_000), looks.rate_left(150)), (1_000, 1.0));
        let (looks, _) = looked(300, &STOPPING);
        let Ending { from, to } = looks.ending.expect("has begun");
        assert!((250..=290).contains(&from) && to == from + from / 4, "{from} to {to}");
        assert_eq!((looks.last_step(1_000), looks.last_step(to - 1)), (to, to - 1));
        assert_eq!((looks.rate_left(from), looks.rate_left(to)), (1.0, 0.0));
        assert!((looks.rate_left((from + to) / 2) - 0.5).abs() < 0.02);
    }

    #[test]
    fn the_lowest_validation_loss_is_kept_and_patience_counts_from_it() {
        let stopping = Stopping { patience: Some(3), shared_gain_min: None, ..STOPPING };
        let (looks, kept) = looked(410, &stopping);
        assert!(kept.last().is_some_and(|last| (390..=400).contains(last)), "{kept:?}");
        assert!(!looks.out_of_patience(&stopping) && looks.ending.is_none());
        assert!(looked(420, &stopping).0.out_of_patience(&stopping));
        assert!(!looked(450, &Stopping::NEVER).0.out_of_patience(&Stopping::NEVER));
    }
}
