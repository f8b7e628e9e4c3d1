//! How large and how bad a world is, drawn by seed.

use super::fault::{Rate, Site};
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
    /// How long a calm world may take until all jobs have ended.
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

    /// The weather of a seed: each kind of trouble is there or not, rare or frequent.
    pub fn of_seed(seed: u64) -> Self {
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
        weather.nodes = dice.within(1, 4) as u32;
        weather.orders = dice.within(1, 8) as u32;
        weather.watchers = dice.below(3) as u32;
        weather.calm_at_ms = dice.within(60_000, 900_000);
        // All at once, or one after the other.
        weather.orders_until_ms = *dice.pick(&[1, 60_000, weather.calm_at_ms / 2]).unwrap_or(&1);
        weather.drift = *dice.pick(&[0, DRIFT_MAX / 10, DRIFT_MAX]).unwrap_or(&0);
        weather
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
