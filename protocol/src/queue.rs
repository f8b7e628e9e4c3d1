//! Which waiting job begins next on a node: by priority and waiting time, as devices and memory
//! allow.
//!
//! A point of priority is worth [`AGEING_MS`] of waiting. So a job's turn is decided once, when it
//! is accepted: its *place* is that time less its priority's worth, and the smallest place is
//! first. Nothing needs to be ranked anew as time goes by, and nobody starves: whoever came
//! [`PRIORITY_MAX`] × [`AGEING_MS`] earlier goes first, whatever the priorities.
//!
//! Jobs begin strictly in that order, with two exceptions. A job that waits for devices of its
//! class lets others pass that need another class; those that are free already are kept for it, if
//! it needs several at once. One that needs more than the node has begins with all that there are.
//! A job that needs more memory than the whole node has begins when nothing else runs: an estimate
//! may be wrong, and waiting would not help. One that waits for memory lets nobody pass, or small
//! jobs would keep it waiting for ever.
//!
//! Invariants kept here: QUEUE-1 (no device and no memory is given twice), QUEUE-2 (nobody passes
//! who came later with no more priority and needs the same), QUEUE-3 (what is set aside is given to
//! nobody).

pub mod estimate;
mod forecast;
mod seats;
pub mod trust;
mod waiting;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::seats::Aside;
pub use self::{
    seats::{Seat, Seats, Use},
    waiting::Waiting,
};
use crate::{
    id::JobId,
    invariant::{Invariant, holds},
    job::JobRow,
    limits::{AGEING_MS, MEMORY_PER_INPUT_BYTE, MEMORY_PER_JOB_BYTES, PRIORITY_MAX},
    request::{InputFile, JobRequest},
    unit::{ByteCount, Millis, Timestamp},
};

/// How urgent a job is, from 0 to [`PRIORITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

impl Priority {
    /// This priority, if it is one.
    pub fn new(points: u8) -> Option<Self> {
        (points <= PRIORITY_MAX).then_some(Self(points))
    }
    /// Its points.
    pub const fn points(self) -> u8 {
        self.0
    }
}

/// The middle.
impl Default for Priority {
    fn default() -> Self {
        Self(PRIORITY_MAX / 2)
    }
}

impl TryFrom<u8> for Priority {
    type Error = String;

    fn try_from(points: u8) -> Result<Self, String> {
        Self::new(points).ok_or_else(|| format!("a priority is 0 to {PRIORITY_MAX}, not {points}"))
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

/// What kind of device a job computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DeviceClass {
    /// Cores of the machine.
    Cpu,
    /// A graphics processor.
    Gpu,
}

impl DeviceClass {
    /// Every class.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Gpu];

    /// The one that serves where there is none of this.
    pub const fn other(self) -> Self {
        match self {
            Self::Cpu => Self::Gpu,
            Self::Gpu => Self::Cpu,
        }
    }
}

/// What a job needs while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Which device. On a node that has none of this class, any device serves.
    pub class: DeviceClass,
    /// How many at once.
    pub devices: u32,
    /// How much memory, as estimated.
    pub memory: ByteCount,
}

impl Demand {
    /// Of a job. Nets are trained on a graphics processor where there is one; all else computes on
    /// cores.
    pub fn of(row: &JobRow) -> Self {
        let JobRow { request, off_gpu, .. } = row;
        let trains_net = request.trains() && request.model.is_net();
        let class = match trains_net && !off_gpu {
            true => DeviceClass::Gpu,
            false => DeviceClass::Cpu,
        };
        let devices = if trains_net { request.devices } else { 1 };
        Self { class, devices, memory: memory_of(request) }
    }
}

/// The program with its libraries, and a table in memory beside what is computed of it (measured,
/// `docs/benchmarks.md`: 3.6 times the table, program included). Compressed tables grow by a factor
/// that nobody knows before; ten is usual.
fn memory_of(request: &JobRequest) -> ByteCount {
    let grown = |file: &InputFile| {
        let size = file.size.get().saturating_mul(MEMORY_PER_INPUT_BYTE);
        let name = file.path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let is_packed = ["gz", "zst", "parquet", "xlsx"].contains(&name);
        size.saturating_mul(if is_packed { 10 } else { 1 })
    };
    let inputs = request.inputs.iter().map(grown).fold(0, u64::saturating_add);
    ByteCount(inputs.saturating_add(MEMORY_PER_JOB_BYTES))
}

/// What decides when a job's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// How urgent it is.
    pub priority: Priority,
    /// Since when it waits.
    pub accepted_at: Timestamp,
    /// What it needs.
    pub demand: Demand,
    /// How long it will still take, as far as anybody knows; decides no turn.
    pub left: Option<Millis>,
}

impl Turn {
    /// Of this job.
    pub fn of(row: &JobRow) -> Self {
        let (priority, accepted_at) = (row.priority, row.accepted_at);
        let still = |takes: Millis| Millis(takes.get().saturating_sub(row.ran.get()));
        let left = row.estimate.as_ref().map(|estimate| still(estimate.takes));
        Self { priority, accepted_at, demand: Demand::of(row), left }
    }

    /// The order of turns among jobs that need the same: smaller is earlier. It is the time of
    /// acceptance less what the priority is worth, so the order of two jobs never changes.
    pub fn rank_ms(&self) -> i128 {
        let worth = i128::from(self.priority.points()) * i128::from(AGEING_MS);
        i128::from(self.accepted_at.get()) - worth
    }
}

/// A job that waits or runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    place: Place,
    demand: Demand,
    left: Option<Millis>,
    /// Where it computes, and devices that share the work; none while it waits.
    seats: Vec<Seat>,
}

/// Where a job stands in line: smaller is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// When it was accepted, less what its priority is worth.
    turn_ms: i128,
    /// Order of joining, among equals.
    joined: u64,
}

/// A job's turn has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which job.
    pub job: JobId,
    /// The device it computes on, and those that share the work.
    pub seats: Vec<Seat>,
}

/// The jobs of one node, waiting and running.
#[derive(Debug, Clone)]
pub struct Queue {
    seats: Seats,
    entries: BTreeMap<JobId, Entry>,
    line: BTreeMap<Place, JobId>,
    joined: u64,
    /// Nobody begins while it is closed.
    is_closed: bool,
}

impl Queue {
    /// Nobody waits yet.
    pub fn new(seats: Seats) -> Self {
        Self { seats, entries: BTreeMap::new(), line: BTreeMap::new(), joined: 0, is_closed: false }
    }

    /// A job comes in; one that is here already stays as it is. Says who begins.
    pub fn join(&mut self, job: JobId, turn: Turn) -> Vec<Start> {
        if self.entries.contains_key(&job) {
            return Vec::new();
        }
        self.joined += 1;
        let place = Place { turn_ms: turn.rank_ms(), joined: self.joined };
        let (demand, left) = (turn.demand, turn.left);
        let entry = Entry { place, demand, left, seats: Vec::new() };
        self.entries.insert(job.clone(), entry);
        self.line.insert(place, job);
        self.begin()
    }

    /// A job goes: it ended, was interrupted, or no longer waits. Says who begins.
    pub fn leave(&mut self, job: &JobId) -> Vec<Start> {
        let Some(entry) = self.entries.remove(job) else { return Vec::new() };
        self.line.remove(&entry.place);
        self.seats.free_all(&entry.seats, entry.demand.memory);
        self.begin()
    }

    /// What a job needs that waits or runs here.
    pub fn demand(&self, job: &JobId) -> Option<Demand> {
        self.entries.get(job).map(|entry| entry.demand)
    }

    /// A job gives its device back and waits again, in the place that it had; from now on it needs
    /// this. Says who begins.
    pub fn give_back(&mut self, job: &JobId, demand: Demand) -> Vec<Start> {
        let Some(entry) = self.entries.get_mut(job) else { return Vec::new() };
        let seats = std::mem::take(&mut entry.seats);
        if seats.is_empty() {
            return Vec::new();
        }
        self.line.insert(entry.place, job.clone());
        self.seats.free_all(&seats, entry.demand.memory);
        entry.demand = demand;
        self.begin()
    }

    /// A device is not used any more; whoever runs on it keeps it until they give it back. Others
    /// may begin that had to wait for its class.
    pub fn set_aside(&mut self, seat: Seat) -> Vec<Start> {
        self.seats.set_aside(seat, Some(Aside::Failed));
        self.begin()
    }

    /// The same of a device whose thread hangs: it keeps the memory of its job, also when the job
    /// leaves, until it is taken back.
    pub fn set_aside_stuck(&mut self, seat: Seat) -> Vec<Start> {
        self.seats.set_aside(seat, Some(Aside::Stuck(ByteCount(0))));
        self.begin()
    }

    /// A device that was set aside is used again. Says who begins.
    pub fn take_back(&mut self, seat: Seat) -> Vec<Start> {
        self.seats.set_aside(seat, None);
        self.begin()
    }

    /// From now on nobody begins, until it is opened. Says who begins.
    pub fn set_closed(&mut self, is_closed: bool) -> Vec<Start> {
        self.is_closed = is_closed;
        self.begin()
    }

    /// Who computes on this device, or has it share the work.
    pub fn who_is_on(&self, seat: Seat) -> Option<&JobId> {
        self.entries.iter().find(|(_, entry)| entry.seats.contains(&seat)).map(|(job, _)| job)
    }

    /// What the node has, and what of it is used.
    pub fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Whether a job that needs this would begin at once.
    pub fn has_room(&self, demand: Demand) -> bool {
        !self.is_closed && self.line.is_empty() && self.seats.find(demand, &[]).is_ok()
    }

    /// Where a job computes; none while it waits.
    pub fn seat(&self, job: &JobId) -> Option<Seat> {
        self.entries.get(job)?.seats.first().copied()
    }

    /// How many devices are a job's now; none while it waits.
    pub fn devices(&self, job: &JobId) -> u32 {
        let seats = self.entries.get(job).map_or(0, |entry| entry.seats.len());
        u32::try_from(seats).unwrap_or(u32::MAX)
    }

    /// Why a job waits; none if it runs or is not here.
    pub fn why(&self, job: &JobId) -> Option<Waiting> {
        let entry = self.entries.get(job).filter(|entry| entry.seats.is_empty())?;
        if self.is_closed {
            return Some(Waiting::Disk);
        }
        let ahead = self.line.range(..entry.place).count() as u64;
        if ahead > 0 {
            return Some(Waiting::Turn { ahead });
        }
        Some(match self.seats.find(entry.demand, &[]) {
            Err(waiting) => waiting,
            Ok(_) => Waiting::Turn { ahead },
        })
    }

    /// How many wait, and how many run.
    pub fn counts(&self) -> (usize, usize) {
        (self.line.len(), self.entries.len() - self.line.len())
    }

    /// Gives seats in order, until nobody may begin.
    fn begin(&mut self) -> Vec<Start> {
        if self.is_closed {
            return Vec::new();
        }
        let mut begun = Vec::new();
        let (mut passed, mut kept) = (Passed::default(), Vec::new());
        for (place, job) in &self.line {
            let Some(entry) = self.entries.get_mut(job) else { continue };
            match self.seats.take(entry.demand, &kept) {
                Ok(seats) => {
                    holds!(Invariant::Queue2, !passed.has_equal(entry.demand), "job {job}");
                    entry.seats.clone_from(&seats);
                    begun.push((*place, Start { job: job.clone(), seats }));
                }
                Err(Waiting::Memory { .. }) => break,
                Err(_) if self.seats.are_all_taken() => break,
                Err(_) => {
                    kept.extend(self.seats.free_for(entry.demand));
                    passed.add(entry.demand);
                }
            }
        }
        let started = begun.into_iter().map(|(place, start)| {
            self.line.remove(&place);
            start
        });
        started.collect()
    }
}

/// The least memory that those need who were passed, by class.
#[derive(Debug, Default)]
struct Passed(BTreeMap<DeviceClass, ByteCount>);

impl Passed {
    fn add(&mut self, demand: Demand) {
        let least = self.0.entry(demand.class).or_insert(demand.memory);
        *least = demand.memory.min(*least);
    }
    /// Whether one of them needs no more than this.
    fn has_equal(&self, demand: Demand) -> bool {
        self.0.get(&demand.class).is_some_and(|least| *least <= demand.memory)
    }
}

#[cfg(test)]
mod tests;
