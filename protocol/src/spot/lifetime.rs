//! How long a spot machine is likely to live: known for certain, or learned from what was seen.

use super::View;

/// Tells expected lifetimes. Every zone is looked at in every tick before any is asked for.
pub trait Lifetimes {
    /// Takes in which zones are up now.
    fn observe(&mut self, view: &View<'_>);
    /// Hours that a spot machine of this zone is likely to live from now on.
    fn hours(&self, view: &View<'_>, zone: usize) -> f64;
}

/// Knows the future: for bounds, never for use.
#[derive(Debug, Clone)]
pub struct Oracle {
    zones: usize,
    /// Ticks that a zone stays up from a tick on, at `tick * zones + zone`.
    left: Vec<u32>,
}

impl Oracle {
    /// From which zones are up in each tick, a bit each.
    pub fn of(up: &[u64], zones: usize) -> Self {
        let mut left = vec![0; up.len() * zones];
        for (tick, now) in up.iter().enumerate().rev() {
            for zone in 0..zones {
                let after = left.get((tick + 1) * zones + zone).copied().unwrap_or_default();
                left[tick * zones + zone] = if now >> zone & 1 == 1 { after + 1 } else { 0 };
            }
        }
        Self { zones, left }
    }
}

impl Lifetimes for Oracle {
    fn observe(&mut self, _view: &View<'_>) {}

    fn hours(&self, view: &View<'_>, zone: usize) -> f64 {
        f64::from(self.left[view.tick * self.zones + zone]) * (view.zones.tick_s / 3600.0)
    }
}

/// Learns from the runs that it saw end: mean residual life given the age reached, with survival
/// after Nelson (1972) and Aalen (1978); the present run counts as censored.
#[derive(Debug, Clone, Default)]
pub struct NelsonAalen {
    zones: Vec<Runs>,
}

/// What was seen of one zone.
#[derive(Debug, Clone, Default)]
struct Runs {
    /// Every length at which a run ended, shortest first.
    lengths: Vec<Length>,
    /// The place of the first length that the present run has not outlived.
    next: usize,
    /// Ticks that the present run has lasted, this one included.
    age: u32,
}

/// Runs of one length.
#[derive(Debug, Clone, Copy)]
struct Length {
    ticks: u32,
    /// Runs that ended at it.
    ended: u32,
    /// Runs that reached it: those that ended at it or later.
    reached: u32,
    /// Ticks that a run which has reached it is likely to last beyond it.
    beyond: f64,
}

impl Runs {
    fn go_on(&mut self) {
        self.age += 1;
        // Lengths differ and an age grows by one: no more than one is outlived.
        let is_outlived = self.lengths.get(self.next).is_some_and(|next| next.ticks < self.age);
        self.next += usize::from(is_outlived);
    }

    /// The present run is over. What follows from it is computed now, since runs end far more
    /// seldom than anybody asks; what lies beyond a longer run is as it was.
    fn end(&mut self) {
        let (ticks, at) = (self.age, self.next);
        (self.age, self.next) = (0, 0);
        match self.lengths.get_mut(at) {
            Some(length) if length.ticks == ticks => {
                length.ended += 1;
                length.reached += 1;
            }
            longer => {
                let reached = 1 + longer.map_or(0, |longer| longer.reached);
                self.lengths.insert(at, Length { ticks, ended: 1, reached, beyond: 0.0 });
            }
        }
        let (shorter, longer) = self.lengths.split_at_mut(at + 1);
        let mut longer = longer.first().copied();
        for length in &mut shorter[..at] {
            length.reached += 1;
        }
        for length in shorter.iter_mut().rev() {
            // At risk were all runs that reached it, and the present one.
            let survival = (-f64::from(length.ended) / f64::from(length.reached + 1)).exp();
            let lasting = match longer {
                Some(longer) => f64::from(longer.ticks - length.ticks) + longer.beyond,
                // A heavy tail: what lasted so long lasts as long again.
                None => f64::from(length.ticks.max(1)),
            };
            length.beyond = survival * lasting;
            longer = Some(*length);
        }
    }

    /// Ticks that the present run is likely to last from now on.
    fn ticks(&self) -> f64 {
        let age = self.age.saturating_sub(1);
        match self.lengths.get(self.next) {
            Some(length) => f64::from(length.ticks - age) + length.beyond,
            None => f64::from(age.max(1)),
        }
    }
}

impl Lifetimes for NelsonAalen {
    fn observe(&mut self, view: &View<'_>) {
        self.zones.resize_with(view.zones.count(), Runs::default);
        for (zone, runs) in self.zones.iter_mut().enumerate() {
            if view.is_up(zone) {
                runs.go_on();
            } else if runs.age > 0 {
                runs.end();
            }
        }
    }

    fn hours(&self, view: &View<'_>, zone: usize) -> f64 {
        let ticks = self.zones.get(zone).map_or(0.0, Runs::ticks);
        ticks * (view.zones.tick_s / 3600.0)
    }
}
