//! How large and how bad a world is, drawn by seed.

use super::{
    fault::{Rate, Site},
    things::NODES_MAX,
};
use crate::dice::Dice;

/// Sizes of a world, and how often each thing goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// Nodes of the world.
    pub nodes: u32,
    /// Orders of jobs.
    pub orders: u32,
    /// People who follow events.
    pub watchers: u32,
    /// People who are sent notices.
    pub subscribers: u32,
    /// Orders come until then.
    pub orders_until_ms: u64,
    /// When everything that can go wrong stops going wrong.
    pub calm_at_ms: u64,
    /// How long a calm world may take until all jobs have ended: a transfer that nobody answers, a
    /// look at what was suspended, and a notice that was given before.
    pub work_patience_ms: u64,
    /// How long it may take until everybody outside has what he came for.
    pub patience_ms: u64,
    /// How much faster or slower a node's clock may run, in millionths.
    pub drift: u32,
    /// By [`Site`]: times in a million, or mean milliseconds between two; 0: never.
    pub rates: [u64; Site::ALL.len()],
}

impl Weather {
    /// Nothing goes wrong.
    pub fn calm(nodes: u32, orders: u32) -> Self {
        Self {
            nodes,
            orders,
            watchers: 1,
            subscribers: 1,
            orders_until_ms: 60_000,
            calm_at_ms: 0,
            work_patience_ms: 20 * 60_000,
            patience_ms: 4 * 3_600_000,
            drift: 0,
            rates: [0; Site::ALL.len()],
        }
    }

    /// Everything goes wrong often.
    pub fn worst() -> Self {
        let mut worst = Self { calm_at_ms: 600_000, drift: DRIFT_MAX, ..Self::calm(4, 8) };
        for site in Site::ALL {
            let (Rate::Chance(often) | Rate::Every(often)) = site.often();
            worst.rates[*site as usize] = often;
        }
        worst
    }

    /// The weather of a seed: each kind of trouble is there or not, rare or frequent; few nodes, or
    /// in one world of many hundreds.
    pub fn of_seed(seed: u64) -> Self {
        let weather = Self::small(seed);
        let mut size = Dice::of_seed(seed).apart(WEATHER).apart(LATER).apart(SIZE);
        if size.below(LARGE_ONE_IN) > 0 {
            return weather;
        }
        let least = LARGE_FROM << size.below(5).min(size.below(5));
        weather.sized((least + size.below(least)) as u32)
    }

    /// The weather of a seed over so many nodes.
    pub fn of_size(seed: u64, nodes: u32) -> Self {
        Self::small(seed).sized(nodes)
    }

    fn small(seed: u64) -> Self {
        let mut dice = Dice::of_seed(seed).apart(WEATHER);
        let mut weather = Self::calm(1, 1);
        // What was added later has dice of its own: so earlier seeds keep their weather.
        let later = dice.apart(LATER);
        for site in Site::ALL {
            weather.rates[*site as usize] = match *site < Site::NoticeLost {
                true => rate(*site, &mut dice),
                false => rate(*site, &mut later.apart(*site as u64)),
            };
        }
        weather.subscribers = *later.apart(SUBSCRIBERS).pick(&[0, 0, 1, 1, 2, 3]).unwrap_or(&0);
        weather.nodes = dice.within(1, u64::from(SMALL_NODES_MAX)) as u32;
        weather.orders = dice.within(1, u64::from(SMALL_ORDERS_MAX)) as u32;
        weather.watchers = dice.below(3) as u32;
        weather.calm_at_ms = dice.within(60_000, 900_000);
        // All at once, or one after the other.
        weather.orders_until_ms = *dice.pick(&[1, 60_000, weather.calm_at_ms / 2]).unwrap_or(&1);
        weather.drift = *dice.pick(&[0, DRIFT_MAX / 10, DRIFT_MAX]).unwrap_or(&0);
        weather
    }

    /// The same weather over so many nodes, with proportionate orders. In a large world nobody
    /// subscribes: small ones see to notices.
    fn sized(self, nodes: u32) -> Self {
        let nodes = nodes.clamp(1, NODES_MAX);
        if nodes <= SMALL_NODES_MAX {
            return Self { nodes, ..self };
        }
        let orders = (nodes * self.orders / SMALL_ORDERS_MAX).max(self.orders);
        let calm_at_ms = self.calm_at_ms.min(LARGE_CALM_MS);
        let orders_until_ms = self.orders_until_ms.min(calm_at_ms / 2);
        Self { nodes, orders, subscribers: 0, calm_at_ms, orders_until_ms, ..self }
    }

    /// How many small ones it is as large as: so many times as much its tenants may have at once.
    pub fn times(&self) -> u32 {
        (self.nodes / SMALL_NODES_MAX).max(1)
    }

    /// Whether it is one of the few large ones.
    pub fn is_large(&self) -> bool {
        self.nodes > SMALL_NODES_MAX
    }
}

/// Never, rarely or often.
fn rate(site: Site, dice: &mut Dice) -> u64 {
    match (dice.below(3), site.often()) {
        (0, _) => 0,
        (1, Rate::Chance(often)) => often / 10,
        (1, Rate::Every(often)) => often * 10,
        (_, Rate::Chance(often) | Rate::Every(often)) => often,
    }
}

/// Clocks of real machines are a hundred times better.
const DRIFT_MAX: u32 = 50_000;
/// The stream of dice that makes the weather.
const WEATHER: u64 = 1;
/// Within it, what was added later; and how many subscribe.
const LATER: u64 = 2;
const SUBSCRIBERS: u64 = 1 << 32;
const SIZE: u64 = 2 << 32;
/// Most worlds have so many nodes and orders at most; one in so many has more, at least so many
/// nodes, and is calm after so long.
const SMALL_NODES_MAX: u32 = 4;
const SMALL_ORDERS_MAX: u32 = 8;
const LARGE_ONE_IN: u64 = 500;
const LARGE_FROM: u64 = 50;
const LARGE_CALM_MS: u64 = 180_000;
