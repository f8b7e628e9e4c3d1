//! The least that a task can cost on a market whose future is known: what policies are measured by.
//!
//! Exact dynamic programming forward over (tick, machine, changeover left, work done), work counted
//! in units that divide both the tick and the changeover.

use tgs_protocol::spot::Task;

use super::Market;

/// Dollars, or infinity if the deadline cannot be kept. Ticks and changeover must be whole seconds.
pub fn optimum(market: &Market, task: &Task) -> f64 {
    Search::of(market, task).run()
}

/// Cheapest dollars by units of work done; the last entry is *all done*.
type Costs = Vec<f64>;

struct Search<'a> {
    market: &'a Market,
    ticks: usize,
    /// Units of the whole work.
    units: usize,
    /// Units gained in the tick of a launch, then by ticks since: the last one repeats.
    gains: Vec<usize>,
    /// Egress of the checkpoint at `from * zones + to`.
    egress: Vec<f64>,
}

/// Costs of all ways to be at a machine of one kind, by ticks since its launch.
type Running = Vec<Option<Costs>>;

impl<'a> Search<'a> {
    fn of(market: &'a Market, task: &Task) -> Self {
        let (tick, changeover) = (market.zones.tick_s as u64, task.changeover_s as u64);
        let unit = if changeover == 0 { tick } else { gcd(tick, changeover) };
        let mut gains = Vec::new();
        let mut left = changeover;
        loop {
            gains.push((tick.saturating_sub(left) / unit) as usize);
            if left == 0 {
                break;
            }
            left = left.saturating_sub(tick);
        }
        Self {
            market,
            ticks: (task.deadline_s / market.zones.tick_s + 1e-9).floor() as usize,
            units: ((task.work_s - 1e-6).ceil() as u64).div_ceil(unit) as usize,
            gains,
            egress: market.zones.egress.iter().map(|it| it * task.checkpoint_gb).collect(),
        }
    }

    fn run(&self) -> f64 {
        let zones = self.market.zones.count();
        let nowhere = || vec![f64::INFINITY; self.units + 1];
        let mut fresh = nowhere();
        fresh[0] = 0.0;
        let mut idle: Vec<Costs> = vec![nowhere(); zones];
        let mut running: Vec<[Running; 2]> = vec![[Vec::new(), Vec::new()]; zones];
        for tick in 0..self.ticks.min(self.market.ticks()) {
            for (idle, kinds) in idle.iter_mut().zip(&running) {
                kinds.iter().flatten().flatten().for_each(|costs| keep_less(idle, costs));
            }
            let mut next = Vec::with_capacity(zones);
            for (zone, kinds) in running.iter().enumerate() {
                let source = self.source(&fresh, &idle, zone);
                next.push([0, 1].map(|kind| self.stay(tick, zone, kind, &source, kinds)));
            }
            running = next;
        }
        let done = |costs: &Costs| costs[self.units];
        let at_work = running.iter().flatten().flatten().flatten().map(done);
        idle.iter().map(done).chain(at_work).fold(f64::INFINITY, f64::min)
    }

    /// The cheapest ways to stand before a launch in this zone.
    fn source(&self, fresh: &Costs, idle: &[Costs], zone: usize) -> Costs {
        let mut source = fresh.clone();
        for (from, costs) in idle.iter().enumerate() {
            let egress = self.egress[from * idle.len() + zone];
            for (least, cost) in source.iter_mut().zip(costs) {
                *least = least.min(cost + egress);
            }
        }
        source
    }

    /// One tick on spot (kind 0) or on demand (kind 1): launched now, or running on.
    fn stay(
        &self,
        tick: usize,
        zone: usize,
        kind: usize,
        source: &Costs,
        kinds: &[Running; 2],
    ) -> Running {
        if kind == 0 && self.market.up[tick] >> zone & 1 == 0 {
            return Vec::new();
        }
        let hourly = match kind {
            0 => self.market.prices(tick)[zone],
            _ => self.market.zones.on_demand[zone],
        };
        let dollars = hourly * self.market.zones.tick_s / 3600.0;
        let last = self.gains.len();
        let mut next: Running = vec![None; last];
        next[0] = Some(self.gain(source, self.gains[0], dollars));
        for (since, costs) in kinds[kind].iter().enumerate() {
            let Some(costs) = costs else { continue };
            let gain = self.gains[(since + 1).min(last - 1)];
            let moved = self.gain(costs, gain, dollars);
            match &mut next[(since + 1).min(last - 1)] {
                Some(known) => keep_less(known, &moved),
                empty => *empty = Some(moved),
            }
        }
        next
    }

    /// The same costs with so many units done more, and dollars paid more.
    fn gain(&self, costs: &Costs, units: usize, dollars: f64) -> Costs {
        let mut gained = vec![f64::INFINITY; self.units + 1];
        let units = units.min(self.units);
        let (short, complete) = costs.split_at(self.units - units);
        for (gained, cost) in gained[units..].iter_mut().zip(short) {
            *gained = cost + dollars;
        }
        // Whatever completes the work is all done, however much too far it would go.
        gained[self.units] = complete.iter().copied().fold(f64::INFINITY, f64::min) + dollars;
        gained
    }
}

fn keep_less(least: &mut Costs, costs: &Costs) {
    for (least, cost) in least.iter_mut().zip(costs) {
        *least = least.min(*cost);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
