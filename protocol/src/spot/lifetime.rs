//! How long a spot machine is likely to live: known for certain, or learned from what was seen.

use super::View;

/// Tells expected lifetimes. Every zone is looked at in every tick.
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
    /// Lengths in ticks of runs that ended, shortest first.
    ended: Vec<u32>,
    /// Ticks that the present run has lasted.
    age: u32,
}

impl Lifetimes for NelsonAalen {
    fn observe(&mut self, view: &View<'_>) {
        self.zones.resize_with(view.zones.count(), Runs::default);
        for (zone, runs) in self.zones.iter_mut().enumerate() {
            if view.is_up(zone) {
                runs.age += 1;
            } else if runs.age > 0 {
                let at = runs.ended.partition_point(|ended| *ended <= runs.age);
                runs.ended.insert(at, runs.age);
                runs.age = 0;
            }
        }
    }

    fn hours(&self, view: &View<'_>, zone: usize) -> f64 {
        let Some(runs) = self.zones.get(zone) else { return 0.0 };
        let tick_h = view.zones.tick_s / 3600.0;
        let age = runs.age.saturating_sub(1);
        let longer = &runs.ended[runs.ended.partition_point(|ended| *ended <= age)..];
        let at_risk = longer.len() + 1;
        let (mut hours, mut survival, mut reached) = (0.0, 1.0_f64, age);
        let mut at = 0;
        while at < longer.len() {
            let length = longer[at];
            let same = longer[at..].partition_point(|ended| *ended == length);
            hours += survival * f64::from(length - reached) * tick_h;
            survival *= (-(same as f64) / (at_risk - at) as f64).exp();
            reached = length;
            at += same;
        }
        // A heavy tail: what lasted so long lasts as long again.
        hours + survival * f64::from(reached.max(1)) * tick_h
    }
}
