//! Spot markets: what was up when at which price, and what a policy makes of it.
//!
//! The model of time is that of the published simulators (Wu et al., NSDI 2024; SkyNomad, 2026). In
//! tick `t`: (1) a spot machine is lost if its zone is not up; (2) if the work is done, all is
//! over; (3) the policy says what runs until `t + 1`; (4) beginning on a machine costs a
//! changeover, and egress if the checkpoint lies in another region; (5) the whole tick is billed,
//! also the one that completes the work. A job is late if work is left after the last tick.

pub mod optimum;
pub mod run;
pub mod trace;

use tgs_protocol::spot::Zones;

/// A market over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// What does not change.
    pub zones: Zones,
    /// Which zones have spot machines in each tick, a bit each.
    pub up: Vec<u64>,
    /// Dollars an hour for a spot machine, at `tick * zones + zone`.
    pub spot: Vec<f64>,
}

impl Market {
    /// How many ticks are known.
    pub fn ticks(&self) -> usize {
        self.up.len()
    }

    /// Spot prices of one tick, by zone.
    pub fn prices(&self, tick: usize) -> &[f64] {
        let count = self.zones.count();
        &self.spot[tick * count..(tick + 1) * count]
    }

    /// The ticks from `start` on, at most `ticks` of them, in these zones.
    #[must_use]
    pub fn window(&self, start: usize, ticks: usize, zones: &[usize]) -> Self {
        let within = start..(start + ticks).min(self.ticks());
        let bits = |up: u64| {
            let here = zones.iter().enumerate();
            here.fold(0, |bits, (at, zone)| bits | (up >> zone & 1) << at)
        };
        let up = self.up[within.clone()].iter().map(|up| bits(*up)).collect();
        let row = |tick| zones.iter().map(move |zone| self.prices(tick)[*zone]);
        let pairs = zones.iter().flat_map(|from| zones.iter().map(move |to| (*from, *to)));
        let zones = Zones {
            names: zones.iter().map(|zone| self.zones.names[*zone].clone()).collect(),
            regions: zones.iter().map(|zone| self.zones.regions[*zone]).collect(),
            on_demand: zones.iter().map(|zone| self.zones.on_demand[*zone]).collect(),
            egress: pairs.map(|(from, to)| self.zones.egress(from, to, 1.0)).collect(),
            tick_s: self.zones.tick_s,
        };
        Self { zones, up, spot: within.flat_map(row).collect() }
    }

    /// Numbers of the zones with these names.
    ///
    /// # Errors
    /// The first name that is none of this market's zones.
    pub fn numbers<'a>(&self, names: &[&'a str]) -> Result<Vec<usize>, &'a str> {
        let number =
            |name: &&'a str| self.zones.names.iter().position(|known| known == name).ok_or(*name);
        names.iter().map(number).collect()
    }
}
