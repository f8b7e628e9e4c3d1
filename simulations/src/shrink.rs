//! How a failing world is made small: orders, nodes, people, time and faults are left out as long
//! as the same promise still breaks.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
//! 2002) over the decisions of the weather. Since each fault has a name of its own
//! (`world/fault.rs`), leaving one out changes none of the others.

use std::collections::BTreeSet;

use tgs_protocol::invariant::Invariant;

use crate::{
    scenario::Scenario,
    world::{Course, Fault, Site, simulate},
};

/// Worlds that are lived to make one small.
const WORLDS_MAX: usize = 3_000;
/// Events of all of them.
const EVENTS_MAX: u64 = 100_000_000;

/// A small world in which a promise breaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Small {
    /// The world.
    pub scenario: Scenario,
    /// How it goes.
    pub course: Course,
    /// Worlds that were lived to find it.
    pub worlds: usize,
}

/// Makes a failing world small; none if no promise breaks in it.
pub fn shrink(scenario: &Scenario) -> Option<Small> {
    let course = simulate(scenario);
    let broken = course.violation.as_ref()?.invariant;
    let mut search = Search {
        broken,
        events: course.events,
        small: Small { scenario: scenario.clone(), course, worlds: 1 },
    };
    let faults = search.struck();
    search.fails(Scenario { faults: Some(faults), ..search.small.scenario.clone() });
    loop {
        let before = search.size();
        search.without_orders_nodes_and_people();
        search.without_sites();
        search.without_faults();
        search.in_less_time();
        if search.size() == before || search.is_spent() {
            return Some(search.small);
        }
    }
}

/// The smallest world so far.
struct Search {
    broken: Invariant,
    events: u64,
    small: Small,
}

impl Search {
    fn is_spent(&self) -> bool {
        self.small.worlds >= WORLDS_MAX || self.events >= EVENTS_MAX
    }

    fn struck(&self) -> BTreeSet<Fault> {
        self.small.course.faults.iter().copied().collect()
    }

    fn size(&self) -> (usize, usize, usize, usize, u64, u64) {
        let Scenario { orders, nodes, watchers, subscribers, weather, .. } = &self.small.scenario;
        let faults = self.small.course.faults.len();
        let times = (weather.calm_at_ms, weather.orders_until_ms);
        let people = watchers.len() + subscribers.len();
        (orders.len(), nodes.len(), people, faults, times.0, times.1)
    }

    /// Whether the promise still breaks in this world; if so it is the smallest so far. Faults that
    /// do not strike in it any more are left out of it.
    fn fails(&mut self, mut scenario: Scenario) -> bool {
        // Without nodes nothing ends, whatever the fault.
        if self.is_spent() || scenario.nodes.is_empty() {
            return false;
        }
        let course = simulate(&scenario);
        self.small.worlds += 1;
        self.events += course.events;
        let is_same = course.violation.as_ref().is_some_and(|it| it.invariant == self.broken);
        if is_same {
            scenario.faults = Some(course.faults.iter().copied().collect());
            (self.small.scenario, self.small.course) = (scenario, course);
        }
        is_same
    }

    fn without_orders_nodes_and_people(&mut self) {
        let orders = self.small.scenario.orders.clone();
        self.fewer(&orders, |it, orders| Scenario { orders, ..it });
        let nodes = self.small.scenario.nodes.clone();
        self.fewer(&nodes, |it, nodes| Scenario { nodes, ..it });
        let watchers = self.small.scenario.watchers.clone();
        self.fewer(&watchers, |it, watchers| Scenario { watchers, ..it });
        let subscribers = self.small.scenario.subscribers.clone();
        self.fewer(&subscribers, |it, subscribers| Scenario { subscribers, ..it });
    }

    fn without_sites(&mut self) {
        for site in Site::ALL {
            let (mut kept, all) = (self.struck(), self.struck().len());
            kept.retain(|fault| fault.site != *site);
            if kept.len() < all {
                self.fails(Scenario { faults: Some(kept), ..self.small.scenario.clone() });
            }
        }
    }

    fn without_faults(&mut self) {
        let faults: Vec<Fault> = self.struck().into_iter().collect();
        self.fewer(&faults, |it, faults| Scenario {
            faults: Some(faults.into_iter().collect()),
            ..it
        });
    }

    /// Nothing happens after the promise broke; clocks run alike, and people come early.
    fn in_less_time(&mut self) {
        let with = |search: &Self, change: &dyn Fn(&mut crate::world::Weather)| {
            let mut scenario = search.small.scenario.clone();
            change(&mut scenario.weather);
            scenario
        };
        let at_ms = self.small.course.violation.as_ref().map_or(0, |it| it.at_ms);
        for calm_at_ms in [0, at_ms / 4, at_ms / 2, at_ms + 1] {
            if calm_at_ms < self.small.scenario.weather.calm_at_ms
                && self.fails(with(self, &|it| it.calm_at_ms = calm_at_ms))
            {
                break;
            }
        }
        if self.small.scenario.weather.orders_until_ms > 1 {
            self.fails(with(self, &|it| it.orders_until_ms = 1));
        }
        if self.small.scenario.weather.drift > 0 {
            self.fails(with(self, &|it| it.drift = 0));
        }
    }

    /// Leaves out ever smaller parts of a list.
    fn fewer<T: Clone>(&mut self, list: &[T], with: impl Fn(Scenario, Vec<T>) -> Scenario) {
        let mut list = list.to_vec();
        let mut part = list.len();
        while part > 0 && !self.is_spent() {
            let mut from = 0;
            while from < list.len() {
                let to = (from + part).min(list.len());
                let rest = [&list[..from], &list[to..]].concat();
                if self.fails(with(self.small.scenario.clone(), rest.clone())) {
                    list = rest;
                } else {
                    from = to;
                }
            }
            part /= 2;
        }
    }
}

#[cfg(test)]
mod tests;
