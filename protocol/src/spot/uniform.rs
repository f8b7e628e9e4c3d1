//! Uniform Progress: keep to the straight line from nothing at the start to all at the deadline.
//!
//! Behind the line a machine is worth any price, ahead of it only a cheap one; an on-demand machine
//! is left only when two changeovers ahead. After Wu et al., "Can't Be Late: Optimizing Spot
//! Instance Savings under Deadlines" (NSDI 2024); the form for many zones is that of SkyNomad's
//! artifact: cheapest first, zones of the region that was last used at the end.

use super::{Machine, NOTHING_S, Net, Policy, Tenure, View, Want};

/// In one zone: number 0 of the market.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneZone;

impl Policy for OneZone {
    fn decide(&mut self, view: &View<'_>) -> Want {
        let is_up = view.is_up(0);
        let mut wanted = wish(view, tenure(view), is_up, |needed, left| needed >= left).0;
        if view.is_late_without_net() {
            let is_warm = view.ran == Some(Tenure::Spot) && view.overhead_s < NOTHING_S;
            wanted = Some(if is_warm { Tenure::Spot } else { Tenure::OnDemand });
        }
        if wanted == Some(Tenure::Spot) && !is_up {
            wanted = view.is_late_without_net().then_some(Tenure::OnDemand);
        }
        wanted.map(|tenure| Machine { tenure, zone: 0 })
    }
}

/// In every zone of the market.
#[derive(Debug, Clone, Copy, Default)]
pub struct ManyZones {
    net: Net,
}

impl Policy for ManyZones {
    fn decide(&mut self, view: &View<'_>) -> Want {
        if let Some(machine) = self.net.catch(view) {
            return Some(machine);
        }
        let on_demand = || {
            let here = view.running.map(|machine| machine.zone);
            let zone = here.or(view.checkpoint).unwrap_or_default();
            Some(Machine { tenure: Tenure::OnDemand, zone })
        };
        let (mut wanted, ahead) = wish(view, tenure(view), true, |needed, left| needed > left);
        // Two changeovers ahead, an on-demand machine is left for any spot machine.
        let leaves = tenure(view) == Some(Tenure::OnDemand)
            && wanted == Some(Tenure::OnDemand)
            && ahead == Ahead::ByTwo;
        if leaves {
            wanted = Some(Tenure::Spot);
        }
        if let Some(machine) = view.running.filter(|machine| wanted == Some(machine.tenure)) {
            return Some(machine);
        }
        match wanted? {
            Tenure::OnDemand => on_demand(),
            Tenure::Spot => {
                if let Some(zone) = cheapest_elsewhere_first(view) {
                    return Some(Machine { tenure: Tenure::Spot, zone });
                }
                if leaves {
                    return None;
                }
                let (without, _) = wish(view, None, false, |needed, left| needed > left);
                without.filter(|tenure| *tenure == Tenure::OnDemand).and_then(|_| on_demand())
            }
        }
    }
}

/// How far ahead of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    /// At least two changeovers.
    ByTwo,
    /// Less, or behind.
    Less,
}

/// The tenure that the line asks for, if spot machines can be had or not.
fn wish(
    view: &View<'_>,
    current: Option<Tenure>,
    has_spot: bool,
    is_short: impl Fn(f64, f64) -> bool,
) -> (Option<Tenure>, Ahead) {
    let task = view.task;
    let progress = view.done_s - view.now_s() * task.work_s / task.deadline_s;
    let line_ahead = (view.now_s() + 2.0 * task.changeover_s) * task.work_s / task.deadline_s;
    let ahead = if line_ahead - view.done_s >= 0.0 { Ahead::Less } else { Ahead::ByTwo };
    let spot_or = |other| if has_spot { Some(Tenure::Spot) } else { other };
    let mut wanted = spot_or(None);
    if progress < 0.0 {
        wanted = spot_or(Some(Tenure::OnDemand));
    }
    if current == Some(Tenure::OnDemand) && (!has_spot || ahead == Ahead::Less) {
        wanted = Some(Tenure::OnDemand);
    }
    if is_short(view.needed_s(2.0), view.remaining_s()) && current != Some(Tenure::Spot) {
        wanted = Some(Tenure::OnDemand);
    }
    if view.is_late_without_net() {
        let is_warm = current == Some(Tenure::Spot) && view.overhead_s < NOTHING_S;
        let is_free = task.changeover_s == 0.0 && has_spot;
        let stays = is_warm || is_free;
        wanted = Some(if stays { Tenure::Spot } else { Tenure::OnDemand });
    }
    (wanted, ahead)
}

fn tenure(view: &View<'_>) -> Option<Tenure> {
    view.running.map(|machine| machine.tenure)
}

/// The cheapest zone with spot machines, zones of the region that was last used only after all
/// others: where one vanished, others soon do.
fn cheapest_elsewhere_first(view: &View<'_>) -> Option<usize> {
    let regions = &view.zones.regions;
    let Some(last) = view.checkpoint.map(|zone| regions[zone]) else { return view.cheapest_spot() };
    let (mut elsewhere, mut near) = (0, 0);
    for (zone, region) in regions.iter().enumerate() {
        let bit = view.up & 1 << zone;
        if *region == last {
            near |= bit;
        } else {
            elsewhere |= bit;
        }
    }
    let among = |up| View { up, ..*view }.cheapest_spot();
    among(elsewhere).or_else(|| among(near))
}
