//! The utility rule of SkyNomad (arXiv 2601.06520, 2026): what an hour of work is worth now, less
//! its price, the changeover spread over the machine's expected life, and egress.
//!
//! The value of an hour grows as progress falls behind; a machine that runs is left only for one
//! that is better by more than a gate, and an idle job begins only where utility is positive.

use super::{Machine, Net, Policy, Tenure, View, Want, lifetime::Lifetimes};

/// Dollars an hour by which another machine must be better, whatever else.
const GATE: f64 = 0.5;
/// The same for each gigabyte of the checkpoint.
const GATE_PER_GB: f64 = 0.0002;
/// The same as a share of the value of an hour.
const GATE_SHARE: f64 = 0.05;

/// What an hour of work is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// The rate that is needed from now on over the rate at the start, as the artifact has it.
    RateRatio,
    /// The rate that is needed over the rate so far (equation 8 of the paper).
    SoFar,
}

/// The policy.
#[derive(Debug, Clone)]
pub struct SkyNomad<L> {
    worth: Worth,
    lifetimes: L,
    net: Net,
}

impl<L: Lifetimes> SkyNomad<L> {
    /// With this worth of an hour and these lifetimes.
    pub fn new(worth: Worth, lifetimes: L) -> Self {
        Self { worth, lifetimes, net: Net::default() }
    }

    /// Dollars that an hour of work is worth now.
    fn value(&self, view: &View<'_>) -> f64 {
        let task = view.task;
        let (now, deadline, work, done) = (view.now_s(), task.deadline_s, task.work_s, view.done_s);
        let on_demand = smallest(&view.zones.on_demand);
        let value = match self.worth {
            Worth::RateRatio => on_demand * deadline / (deadline - now) * (work - done) / work,
            Worth::SoFar if now > 0.0 => {
                let line = (work * now / deadline).max(1e-9);
                let so_far = if done > 1e-9 { done } else { line };
                on_demand * (now / (deadline - now)) * ((work - so_far) / so_far)
            }
            Worth::SoFar => on_demand,
        };
        value.max(smallest(view.spot))
    }

    fn hours(&self, view: &View<'_>, zone: usize) -> f64 {
        let remaining = (view.task.deadline_s - view.now_s()) / 3600.0;
        self.lifetimes.hours(view, zone).min(remaining)
    }
}

impl<L: Lifetimes> Policy for SkyNomad<L> {
    fn decide(&mut self, view: &View<'_>) -> Want {
        self.lifetimes.observe(view);
        if let Some(machine) = self.net.catch(view) {
            return Some(machine);
        }
        let value = self.value(view);
        let mut best = Choice { utility: 0.0, machine: None };
        for zone in 0..view.zones.count() {
            for tenure in [Tenure::Spot, Tenure::OnDemand] {
                let machine = Machine { tenure, zone };
                if view.running == Some(machine) {
                    continue;
                }
                if let Some(utility) = self.utility(view, machine, value) {
                    best = best.or(Choice { utility, machine: Some(machine) });
                }
            }
        }
        let Some(running) = view.running else { return best.machine };
        let price = match running.tenure {
            Tenure::Spot => view.spot[running.zone],
            Tenure::OnDemand => view.zones.on_demand[running.zone],
        };
        let gate = GATE + GATE_PER_GB * view.task.checkpoint_gb + GATE_SHARE * value;
        let is_better = best.utility > value - price + gate;
        best.machine.filter(|_| is_better).or(Some(running))
    }
}

impl<L: Lifetimes> SkyNomad<L> {
    /// Dollars an hour that beginning on a machine is worth; none where it cannot be had or would
    /// vanish before it gains anything.
    fn utility(&self, view: &View<'_>, machine: Machine, value: f64) -> Option<f64> {
        let zone = machine.zone;
        let moved = match view.checkpoint {
            Some(from) if from != zone => {
                Some(view.zones.egress(from, zone, view.task.checkpoint_gb))
            }
            _ => None,
        };
        let egress_over = |hours: f64| moved.map_or(0.0, |dollars| dollars / hours);
        match machine.tenure {
            Tenure::OnDemand => {
                let left_h = (view.left_s() / 3600.0).max(1e-6);
                Some(value - view.zones.on_demand[zone] - egress_over(left_h))
            }
            Tenure::Spot if view.is_up(zone) => {
                let (hours, changeover_h) =
                    (self.hours(view, zone), view.task.changeover_s / 3600.0);
                (hours > changeover_h).then(|| {
                    let gained = value * (hours - changeover_h) / hours;
                    gained - view.spot[zone] - egress_over(hours)
                })
            }
            Tenure::Spot => None,
        }
    }
}

/// A machine and what it is worth.
#[derive(Debug, Clone, Copy)]
struct Choice {
    utility: f64,
    machine: Want,
}

impl Choice {
    /// The better one; of equals nothing before spot before on-demand, then the first zone.
    fn or(self, other: Self) -> Self {
        let rank = |want: Want| want.map(|machine| (machine.tenure, machine.zone));
        let is_better = other.utility > self.utility
            || (other.utility == self.utility && rank(other.machine) < rank(self.machine));
        if is_better { other } else { self }
    }
}

fn smallest(prices: &[f64]) -> f64 {
    prices.iter().copied().fold(f64::INFINITY, f64::min)
}
