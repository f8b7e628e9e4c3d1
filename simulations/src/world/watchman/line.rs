//! Holds QUEUE-1 and QUEUE-2 against one node from outside: from who came, who began on which
//! device, and who left. What the queue itself believes is not asked.

use tgs_protocol::{
    limits::AGEING_MS,
    queue::{Demand, DeviceClass, Seat, Turn},
    unit::ByteCount,
};

use super::super::{node::Premises, store::JobNo};

/// Who waits and who computes on a node, as seen from outside.
#[derive(Debug)]
pub struct Line {
    devices: Vec<DeviceClass>,
    memory: ByteCount,
    waiting: Vec<(JobNo, Turn)>,
    running: Vec<(JobNo, Seat, Demand)>,
}

impl Line {
    /// An empty line before these devices.
    pub fn new(premises: &Premises) -> Self {
        let Premises { devices, memory } = premises.clone();
        Self { devices, memory, waiting: Vec::new(), running: Vec::new() }
    }

    /// The process died.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.running.clear();
    }

    /// A job waits.
    pub fn joined(&mut self, job: JobNo, turn: Turn) {
        self.waiting.push((job, turn));
    }

    /// A job computes no more, or waits no more.
    pub fn left(&mut self, job: JobNo) {
        self.waiting.retain(|(it, _)| *it != job);
        self.running.retain(|(it, ..)| *it != job);
    }

    /// A job begins; says who was passed, if that was wrong.
    ///
    /// # Errors
    /// Who has its device or its memory (QUEUE-1), or who was before it (QUEUE-2).
    pub fn begins(&mut self, job: JobNo, seat: Seat) -> Result<(), Wrong> {
        let at = self.waiting.iter().position(|(it, _)| *it == job);
        let Some(at) = at else { return Err(Wrong::Twice(format!("{job:?} did not wait"))) };
        let (_, turn) = self.waiting.remove(at);
        let found = self.is_free(seat, turn.demand).and_then(|()| self.is_first(turn));
        self.running.push((job, seat, turn.demand));
        found
    }

    fn is_free(&self, seat: Seat, demand: Demand) -> Result<(), Wrong> {
        let Some(class) = self.devices.get(seat.0) else {
            return Err(Wrong::Twice(format!("no device {}", seat.0)));
        };
        if self.devices.contains(&demand.class) && *class != demand.class {
            return Err(Wrong::Twice(format!("device {} is {class:?}", seat.0)));
        }
        if let Some((other, ..)) = self.running.iter().find(|(_, taken, _)| *taken == seat) {
            return Err(Wrong::Twice(format!("device {} is of {other:?}", seat.0)));
        }
        let taken: u64 = self.running.iter().map(|(.., demand)| demand.memory.get()).sum();
        let all = taken + demand.memory.get();
        // Who needs more than there is computes alone.
        if all > self.memory.get() && !self.running.is_empty() {
            return Err(Wrong::Twice(format!("memory {all} of {}", self.memory)));
        }
        Ok(())
    }

    /// Nobody who came earlier, with no less priority, and needs no more of the same, still waits;
    /// nor anybody whose waiting outweighs the priority.
    fn is_first(&self, turn: Turn) -> Result<(), Wrong> {
        let is_same = |other: &Turn| {
            let (its, ours) = (other.demand, turn.demand);
            its.class == ours.class && its.memory <= ours.memory
        };
        let is_before = |other: &Turn| place(other) < place(&turn);
        let passed = self.waiting.iter().find(|(_, other)| is_same(other) && is_before(other));
        passed.map_or(Ok(()), |(other, its)| {
            Err(Wrong::Passed(format!("{turn:?} begins before {other:?}, {its:?}")))
        })
    }
}

/// As the guide has it: the time of acceptance, less ten minutes for each point.
fn place(turn: &Turn) -> i128 {
    let points = i128::from(turn.priority.points());
    i128::from(turn.accepted_at.get()) - points * i128::from(AGEING_MS)
}

/// What is wrong with a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// A device or memory is given twice.
    Twice(String),
    /// Somebody was passed.
    Passed(String),
}
