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
/// Dollars an hour that rounding may come to.
const ROUNDING: f64 = 1e-6;

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
        match view.spot.iter().any(|price| *price <= value) {
            true => value,
            false => value.max(smallest(view.spot)),
        }
    }
}

impl<L: Lifetimes> Policy for SkyNomad<L> {
    fn decide(&mut self, view: &View<'_>) -> Want {
        // Once it caught, it does so to the end: nobody asks for lifetimes any more.
        if let Some(machine) = self.net.catch(view) {
            return Some(machine);
        }
        self.lifetimes.observe(view);
        let value = self.value(view);
        let Some(running) = view.running else { return self.best(view, value, 0.0) };
        let price = match running.tenure {
            Tenure::Spot => view.spot[running.zone],
            Tenure::OnDemand => view.zones.on_demand[running.zone],
        };
        let gate = GATE + GATE_PER_GB * view.task.checkpoint_gb + GATE_SHARE * value;
        self.best(view, value, (value - price + gate).max(0.0)).or(Some(running))
    }
}

impl<L: Lifetimes> SkyNomad<L> {
    /// The machine that is worth most to begin on, other than the one that runs, if it is worth
    /// more than `least` dollars an hour. Of equals spot comes before on-demand, then the first
    /// zone.
    fn best(&self, view: &View<'_>, value: f64, least: f64) -> Want {
        let running = |tenure| match view.running {
            Some(machine) if machine.tenure == tenure => Some(machine.zone),
            _ => None,
        };
        let moved = |zone: usize| match view.checkpoint {
            Some(from) if from != zone => view.zones.egress(from, zone, view.task.checkpoint_gb),
            _ => 0.0,
        };
        let remaining_h = (view.task.deadline_s - view.now_s()) / 3600.0;
        let changeover_h = view.task.changeover_s / 3600.0;
        let spot_utility = |zone: usize| {
            let hours = self.lifetimes.hours(view, zone).min(remaining_h);
            // Others would vanish before they gain anything.
            let gained = (hours > changeover_h).then(|| value * (hours - changeover_h) / hours)?;
            Some(gained - view.spot[zone] - moved(zone) / hours)
        };
        // Two numbers rather than a machine: what is compared in every tick stays in registers.
        let (mut most, mut spot, mut on_demand) = (least, None, None);
        // Most are ruled out by their price alone: nothing is worth more than an hour of work.
        let may_be = |price: f64, most: f64| value - price > most - ROUNDING;
        let here = running(Tenure::Spot);
        for (zone, price) in view.spot.iter().enumerate().filter(|(zone, _)| view.is_up(*zone)) {
            if may_be(*price, most)
                && here != Some(zone)
                && let Some(utility) = spot_utility(zone)
                && utility > most
            {
                (most, spot) = (utility, Some(zone));
            }
        }
        let left_h = (view.left_s() / 3600.0).max(1e-6);
        let here = running(Tenure::OnDemand);
        for (zone, price) in view.zones.on_demand.iter().enumerate() {
            if may_be(*price, most) && here != Some(zone) {
                let utility = value - price - moved(zone) / left_h;
                if utility > most {
                    (most, on_demand) = (utility, Some(zone));
                }
            }
        }
        let machine = |tenure| move |zone| Machine { tenure, zone };
        on_demand.map(machine(Tenure::OnDemand)).or(spot.map(machine(Tenure::Spot)))
    }
}

fn smallest(prices: &[f64]) -> f64 {
    prices
        .iter()
        .copied()
        .fold(f64::INFINITY, |least, price| if price < least { price } else { least })
}
