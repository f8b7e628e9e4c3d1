//! Everything that chance is thrown for, by number: orders, nodes, people, and what nodes do beside
//! their jobs. A number says the same in every world, however large that is.

use super::weather::Weather;
use crate::dice::Dice;

/// Numbers of orders, and of nodes, are below.
const PEOPLE_FROM: u32 = 4_096;
/// Numbers of watchers.
pub const WATCHERS_FROM: u32 = PEOPLE_FROM;
/// Numbers of subscribers.
pub const SUBSCRIBERS_FROM: u32 = PEOPLE_FROM + 8;
/// Numbers of those who send notices, one in each node.
pub const SENDERS_FROM: u32 = PEOPLE_FROM + 16;
/// Numbers of those who find jobs, one in each node.
pub const FINDERS_FROM: u32 = SENDERS_FROM + NODES_MAX;
/// All numbers are below.
pub const THINGS: u32 = FINDERS_FROM + NODES_MAX;
/// Nodes of the largest world.
pub const NODES_MAX: u32 = 1_000;

/// Where the things of one world stand in a list that has no gaps.
#[derive(Debug, Clone, Copy)]
pub struct Things {
    /// Orders or nodes, whichever are more.
    first: u32,
    nodes: u32,
}

impl Things {
    /// Of a world of this size.
    pub fn of(weather: &Weather) -> Self {
        Self { first: weather.orders.max(weather.nodes), nodes: weather.nodes }
    }

    /// The number of each, in the order of their places.
    pub fn all(self) -> impl Iterator<Item = u32> {
        let finders = FINDERS_FROM..FINDERS_FROM + self.nodes;
        (0..self.first).chain(PEOPLE_FROM..SENDERS_FROM + self.nodes).chain(finders)
    }

    /// Where a thing stands.
    pub fn place(self, of: u32) -> usize {
        let before = match of {
            FINDERS_FROM.. => FINDERS_FROM - self.nodes - SENDERS_FROM + PEOPLE_FROM,
            PEOPLE_FROM.. => PEOPLE_FROM,
            _ => return of as usize,
        };
        (self.first + of - before) as usize
    }
}

/// How long things take: each thing has dice of its own.
#[derive(Debug)]
pub struct Paces {
    things: Things,
    dice: Vec<Dice>,
}

/// The stream of dice that say how long things take.
const PACE: u64 = 7;

impl Paces {
    /// In the world of this seed.
    pub fn new(seed: u64, things: Things) -> Self {
        let dice = |of| Dice::of_seed(seed).apart(PACE).apart(u64::from(of));
        Self { things, dice: things.all().map(dice).collect() }
    }

    /// The dice of a thing.
    pub fn of(&mut self, thing: u32) -> &mut Dice {
        &mut self.dice[self.things.place(thing)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_has_a_place_of_its_own() {
        for (nodes, orders) in [(1, 1), (4, 8), (3, 20), (NODES_MAX, 7)] {
            let things = Things::of(&Weather::calm(nodes, orders));
            let places: Vec<usize> = things.all().map(|of| things.place(of)).collect();
            assert_eq!(places, (0..places.len()).collect::<Vec<_>>(), "{nodes} {orders}");
        }
    }
}
