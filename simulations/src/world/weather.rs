//! How bad a world is: sizes and rates of everything that can go wrong, drawn by seed.

use crate::dice::Dice;

/// Rates are in a million.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// Nodes of the world.
    pub nodes: usize,
    /// Jobs that are submitted.
    pub jobs: u64,
    /// Devices of each node.
    pub devices: usize,
    /// When everything that can go wrong stops going wrong.
    pub calm_at_ms: u64,
    /// How long a calm world may take until all jobs have ended.
    pub patience_ms: u64,
    /// Calls to the store that are lost before they do anything.
    pub call_lost: u32,
    /// Calls that take effect while their answer is lost: the outcome is unknown.
    pub answer_lost: u32,
    /// Calls that meet a full disk.
    pub disk_full: u32,
    /// Calls that take much longer than usual.
    pub call_slow: u32,
    /// Facts that are told twice, the second time much later.
    pub fact_twice: u32,
    /// Facts that come much later.
    pub fact_late: u32,
    /// Works that fail for a passing reason.
    pub work_fails: u32,
    /// Works that fail for good.
    pub work_breaks: u32,
    /// Checkpoints that are found torn.
    pub checkpoint_torn: u32,
    /// Mean time between crashes of a node; 0: never.
    pub crash_every_ms: u64,
    /// Mean time between pauses of a node; 0: never.
    pub freeze_every_ms: u64,
    /// Longest pause.
    pub freeze_ms_max: u64,
    /// How much faster or slower a node's clock may run.
    pub drift: u32,
    /// Jobs that someone cancels.
    pub cancelled: u32,
    /// Submissions that are sent again, with the same key.
    pub submitted_twice: u32,
}

impl Weather {
    /// Nothing goes wrong.
    pub fn calm(nodes: usize, jobs: u64) -> Self {
        Self {
            nodes,
            jobs,
            devices: 1,
            calm_at_ms: 0,
            patience_ms: 4 * 3_600_000,
            call_lost: 0,
            answer_lost: 0,
            disk_full: 0,
            call_slow: 0,
            fact_twice: 0,
            fact_late: 0,
            work_fails: 0,
            work_breaks: 0,
            checkpoint_torn: 0,
            crash_every_ms: 0,
            freeze_every_ms: 0,
            freeze_ms_max: 0,
            drift: 0,
            cancelled: 0,
            submitted_twice: 0,
        }
    }

    /// The weather of a seed: each kind of trouble is there or not, rare or frequent.
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::of_seed(seed).apart(WEATHER);
        let mut rate = |often: u32| match dice.below(3) {
            0 => 0,
            1 => often / 10,
            _ => often,
        };
        let rates = Self {
            call_lost: rate(50_000),
            answer_lost: rate(50_000),
            disk_full: rate(20_000),
            call_slow: rate(50_000),
            fact_twice: rate(200_000),
            fact_late: rate(100_000),
            work_fails: rate(100_000),
            work_breaks: rate(10_000),
            checkpoint_torn: rate(200_000),
            drift: rate(50_000),
            cancelled: rate(200_000),
            submitted_twice: rate(300_000),
            ..Self::calm(1, 1)
        };
        let mut often = |mean_ms: u64| match dice.below(3) {
            0 => 0,
            1 => mean_ms * 10,
            _ => mean_ms,
        };
        let (crash_every_ms, freeze_every_ms) = (often(60_000), often(60_000));
        Self {
            nodes: dice.within(1, 4) as usize,
            jobs: dice.within(1, 8),
            devices: dice.within(1, 2) as usize,
            calm_at_ms: dice.within(60_000, 900_000),
            crash_every_ms,
            freeze_every_ms,
            freeze_ms_max: 60_000,
            ..rates
        }
    }
}

/// The stream of dice that makes the weather.
const WEATHER: u64 = 1;
