//! The policies that everything is compared with: pay always, or take what is cheap now.

use super::{Machine, Net, Policy, Tenure, View, Want};

/// An on-demand machine to the end: never late, never cheap.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnDemand;

impl Policy for OnDemand {
    fn decide(&mut self, view: &View<'_>) -> Want {
        let zone = match view.running {
            Some(Machine { tenure: Tenure::OnDemand, zone }) => zone,
            _ => view.cheapest_on_demand(),
        };
        Some(Machine { tenure: Tenure::OnDemand, zone })
    }
}

/// The cheapest spot machine there is, until it vanishes; nothing while there is none. May be late.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpotOnly;

impl Policy for SpotOnly {
    fn decide(&mut self, view: &View<'_>) -> Want {
        match view.running {
            Some(machine @ Machine { tenure: Tenure::Spot, .. }) => Some(machine),
            _ => view.cheapest_spot().map(|zone| Machine { tenure: Tenure::Spot, zone }),
        }
    }
}

/// [`SpotOnly`] until only an on-demand machine keeps the deadline.
#[derive(Debug, Clone, Copy, Default)]
pub struct GreedyWithNet {
    net: Net,
}

impl Policy for GreedyWithNet {
    fn decide(&mut self, view: &View<'_>) -> Want {
        self.net.catch(view).or_else(|| SpotOnly.decide(view))
    }
}
