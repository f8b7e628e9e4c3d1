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
    /// Ticks that a run which has reached a length is likely to last beyond it, at the place of the
    /// first run of that length.
    beyond: Vec<f64>,
    /// Ticks that the present run has lasted.
    age: u32,
}

impl Runs {
    /// The present run is over. What follows from it is computed now, since runs end far more
    /// seldom than anybody asks: from the longest down, the risk at a length being that of all runs
    /// which reached it, the present one included.
    fn end(&mut self) {
        let at = self.ended.partition_point(|ended| *ended <= self.age);
        self.ended.insert(at, self.age);
        self.age = 0;
        let all = self.ended.len();
        self.beyond.resize(all, 0.0);
        let (mut longer, mut end) = (None::<(u32, f64)>, all);
        while end > 0 {
            let length = self.ended[end - 1];
            let first = self.ended[..end].partition_point(|ended| *ended < length);
            let survival = (-((end - first) as f64) / (all - first + 1) as f64).exp();
            let lasting = match longer {
                Some((next, beyond)) => f64::from(next - length) + beyond,
                // A heavy tail: what lasted so long lasts as long again.
                None => f64::from(length.max(1)),
            };
            self.beyond[first] = survival * lasting;
            (longer, end) = (Some((length, self.beyond[first])), first);
        }
    }

    /// Ticks that the present run is likely to last from now on.
    fn ticks(&self) -> f64 {
        let age = self.age.saturating_sub(1);
        let at = self.ended.partition_point(|ended| *ended <= age);
        match self.ended.get(at) {
            Some(length) => f64::from(length - age) + self.beyond[at],
            None => f64::from(age.max(1)),
        }
    }
}

impl Lifetimes for NelsonAalen {
    fn observe(&mut self, view: &View<'_>) {
        self.zones.resize_with(view.zones.count(), Runs::default);
        for (zone, runs) in self.zones.iter_mut().enumerate() {
            if view.is_up(zone) {
                runs.age += 1;
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
