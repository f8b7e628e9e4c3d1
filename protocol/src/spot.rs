//! Where a job runs on a market of machines that may vanish: policies as pure rules.
//!
//! Time goes in ticks. At each of them a policy sees the market as it is ([`View`]) and says what
//! should run until the next ([`Want`]); whoever carries it out, a scheduler or the simulator,
//! bills, loses and moves machines. Beginning on a machine costs a changeover (boot, restore)
//! during which nothing is gained; moving a checkpoint to another region costs egress.
//!
//! | policy | file | source |
//! |---|---|---|
//! | on-demand only, greedy spot, greedy with a net | `greedy.rs` | folklore |
//! | Uniform Progress, one zone and many | `uniform.rs` | Wu et al., "Can't Be Late" (NSDI 2024) |
//! | the utility rule of SkyNomad | `sky.rs`, `lifetime.rs` | arXiv 2601.06520 (2026) |
//!
//! Quantities are `f64` in seconds, hours, gigabytes and dollars, as in the published simulators,
//! and are computed in their order: results are compared with theirs to a millionth of a dollar.

pub mod greedy;
pub mod lifetime;
pub mod sky;
pub mod uniform;

/// Zones of one market; they are told apart by a bit each.
pub const ZONES_MAX: usize = 64;
/// Below this many seconds, nothing is left: of the work, or of a changeover.
pub const NOTHING_S: f64 = 1e-3;

/// How a machine is paid, and whether it may vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tenure {
    /// Cheap, and taken back whenever the zone has none left.
    Spot,
    /// Dear, and ours until we give it back.
    OnDemand,
}

/// A machine, or a gang of them, in one zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Machine {
    /// How it is paid.
    pub tenure: Tenure,
    /// In which zone of the market.
    pub zone: usize,
}

/// What should run until the next tick; nothing, if none.
pub type Want = Option<Machine>;

/// What must be done, by when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// Seconds of work.
    pub work_s: f64,
    /// Seconds from the start until it must be done.
    pub deadline_s: f64,
    /// Seconds that beginning on a machine costs.
    pub changeover_s: f64,
    /// Gigabytes that moving to another region carries.
    pub checkpoint_gb: f64,
}

/// A market as it does not change: zones, their regions, and the price of leaving them.
#[derive(Debug, Clone, PartialEq)]
pub struct Zones {
    /// Names, such as `us-east-1c`.
    pub names: Vec<String>,
    /// For each zone the number of its region.
    pub regions: Vec<usize>,
    /// Dollars an hour for a machine that is ours.
    pub on_demand: Vec<f64>,
    /// Dollars a gigabyte from zone `i` to zone `j`, at `i * zones + j`.
    pub egress: Vec<f64>,
    /// Seconds of a tick.
    pub tick_s: f64,
}

impl Zones {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }
    /// Dollars for this many gigabytes from one zone to another.
    pub fn egress(&self, from: usize, to: usize, gigabytes: f64) -> f64 {
        self.egress[from * self.count() + to] * gigabytes
    }
}

/// One moment, as a policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What must be done.
    pub task: &'a Task,
    /// The market as it does not change.
    pub zones: &'a Zones,
    /// Which zones have spot machines now, a bit each.
    pub up: u64,
    /// Dollars an hour for a spot machine now, by zone.
    pub spot: &'a [f64],
    /// The number of this tick.
    pub tick: usize,
    /// Seconds of work that are done.
    pub done_s: f64,
    /// Seconds of the present changeover that are left.
    pub overhead_s: f64,
    /// What runs now; a spot machine that was just lost does not.
    pub running: Option<Machine>,
    /// What ran before this tick's losses.
    pub ran: Option<Tenure>,
    /// Where the newest checkpoint lies: the zone of the last machine.
    pub checkpoint: Option<usize>,
}

impl View<'_> {
    /// Whether a zone has spot machines.
    pub fn is_up(&self, zone: usize) -> bool {
        self.up >> zone & 1 == 1
    }
    /// Seconds since the start.
    pub fn now_s(&self) -> f64 {
        self.tick as f64 * self.zones.tick_s
    }
    /// Seconds of work that are left.
    pub fn left_s(&self) -> f64 {
        self.task.work_s - self.done_s
    }
    /// Whole ticks that the work needs with so many changeovers, in seconds.
    pub fn needed_s(&self, changeovers: f64) -> f64 {
        let tick_s = self.zones.tick_s;
        ((self.left_s() + changeovers * self.task.changeover_s) / tick_s - 1e-9).ceil() * tick_s
    }
    /// Whole ticks until the deadline, in seconds.
    pub fn remaining_s(&self) -> f64 {
        let tick_s = self.zones.tick_s;
        ((self.task.deadline_s - self.now_s()) / tick_s + 1e-9).floor() * tick_s
    }
    /// Whether only a machine that cannot vanish keeps the deadline: there is no slack for one more
    /// changeover.
    pub fn is_late_without_net(&self) -> bool {
        self.needed_s(1.0) >= self.remaining_s()
    }
    /// The zone in which an on-demand machine to the end costs least, egress included.
    pub fn cheapest_on_demand(&self) -> usize {
        let cost = |zone: usize| {
            let moved = match self.checkpoint {
                Some(from) => self.zones.egress(from, zone, self.task.checkpoint_gb),
                None => 0.0,
            };
            self.zones.on_demand[zone] * self.left_s() / 3600.0 + moved
        };
        least(self.zones.count(), cost).unwrap_or_default()
    }
    /// The cheapest zone that has spot machines now, the first of several.
    pub fn cheapest_spot(&self) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut up = self.up;
        while up != 0 {
            let zone = up.trailing_zeros() as usize;
            up &= up - 1;
            if best.is_none_or(|best| self.spot[zone] < self.spot[best]) {
                best = Some(zone);
            }
        }
        best
    }
}

/// Decides at each tick. A policy may remember what it saw.
pub trait Policy {
    /// What should run until the next tick. A spot machine may be wanted only where there is one.
    fn decide(&mut self, view: &View<'_>) -> Want;
}

/// A decision that is never taken back: to the end on a machine that cannot vanish.
#[derive(Debug, Clone, Copy, Default)]
pub struct Net {
    zone: Option<usize>,
}

impl Net {
    /// The machine to finish on, once slack is gone; it stays the answer from then on.
    pub fn catch(&mut self, view: &View<'_>) -> Want {
        if self.zone.is_none() && view.is_late_without_net() {
            let here = view.running.map(|machine| machine.zone);
            self.zone = Some(here.unwrap_or_else(|| view.cheapest_on_demand()));
        }
        let zone = match view.running {
            Some(Machine { tenure: Tenure::OnDemand, zone }) => self.zone.map(|_| zone),
            _ => self.zone,
        };
        zone.map(|zone| Machine { tenure: Tenure::OnDemand, zone })
    }
}

/// The first number below `count` with the least cost.
fn least(count: usize, cost: impl Fn(usize) -> f64) -> Option<usize> {
    (0..count)
        .map(|at| (at, cost(at)))
        .reduce(|best, it| if it.1 < best.1 { it } else { best })
        .map(|(at, _)| at)
}
