//! Holds QUEUE-1 and QUEUE-2 against one node from outside: from who came, who began on which
//! device, and who left. What the queue itself believes is not asked.

use std::collections::BTreeSet;

use tgs_protocol::{
    limits::{AGEING_MS, DEVICE_FAILURES_MAX},
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
    running: Vec<(JobNo, Vec<Seat>, Turn)>,
    /// Devices that are set aside, and at whose failure, while that job is here.
    aside: Vec<(Seat, Option<JobNo>)>,
    /// Who failed last on a device, and how often in a row.
    failures: Vec<(Seat, JobNo, u32)>,
    /// Who failed on another device as well while one was aside for it, and is still here.
    at_fault: Vec<JobNo>,
}

impl Line {
    /// An empty line before these devices.
    pub fn new(premises: &Premises) -> Self {
        let Premises { devices, memory } = premises.clone();
        let (waiting, running, at_fault) = (Vec::new(), Vec::new(), Vec::new());
        let (aside, failures) = (Vec::new(), Vec::new());
        Self { devices, memory, waiting, running, aside, failures, at_fault }
    }

    /// The process died.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.running.clear();
        self.aside.clear();
        self.failures.clear();
        self.at_fault.clear();
    }

    /// A job gives its device back and waits again.
    pub fn gave_back(&mut self, job: JobNo) {
        let Some(at) = self.running.iter().position(|(it, ..)| *it == job) else { return };
        let (_, _, turn) = self.running.remove(at);
        self.waiting.push((job, turn));
    }

    /// A device is set aside at the failure of this job.
    ///
    /// # Errors
    /// It had failed everywhere before.
    pub fn set_aside(&mut self, seat: Seat, job: JobNo) -> Result<(), String> {
        self.aside.push((seat, Some(job)));
        match self.at_fault.contains(&job) {
            true => Err(format!("device {} is set aside for {job:?}, which is at fault", seat.0)),
            false => Ok(()),
        }
    }

    /// A device is used again.
    pub fn take_back(&mut self, seat: Seat) {
        self.aside.retain(|(it, _)| *it != seat);
    }

    /// A device did a piece of work.
    pub fn worked(&mut self, seat: Seat) {
        self.failures.retain(|(it, ..)| *it != seat);
    }

    /// A device failed at a job's work.
    pub fn failed(&mut self, job: JobNo, seat: Seat) {
        let known = self.failures.iter().find(|(at, by, _)| (*at, *by) == (seat, job));
        let before = known.map_or(0, |(.., count)| *count);
        self.worked(seat);
        self.failures.push((seat, job, before + 1));
        let has_another = self.aside.iter().any(|(at, by)| *by == Some(job) && *at != seat);
        if has_another && before + 1 >= DEVICE_FAILURES_MAX {
            self.at_fault.push(job);
        }
    }

    /// Whether no device is set aside for a job that now failed as often on this one.
    ///
    /// # Errors
    /// Which one is.
    pub fn blames_justly(&self, job: JobNo, seat: Seat) -> Result<(), String> {
        let is_here = |(at, by, _): &&(Seat, JobNo, u32)| (*at, *by) == (seat, job);
        let count = self.failures.iter().find(is_here).map_or(0, |(.., count)| *count);
        let blamed = self.aside.iter().find(|(at, by)| *by == Some(job) && *at != seat);
        match blamed.filter(|_| count >= DEVICE_FAILURES_MAX) {
            Some((first, _)) => Err(format!(
                "{job:?} fails on device {} too, and device {} is aside for it",
                seat.0, first.0
            )),
            None => Ok(()),
        }
    }

    /// A job waits.
    pub fn joined(&mut self, job: JobNo, turn: Turn) {
        self.waiting.push((job, turn));
    }

    /// A job computes no more, or waits no more.
    pub fn left(&mut self, job: JobNo) {
        self.waiting.retain(|(it, _)| *it != job);
        self.running.retain(|(it, ..)| *it != job);
        // What it did before says nothing any more of the device that is set aside.
        self.failures.retain(|(_, by, _)| *by != job);
        self.at_fault.retain(|it| *it != job);
        for (_, by) in self.aside.iter_mut().filter(|(_, by)| *by == Some(job)) {
            *by = None;
        }
    }

    /// A job begins; says who was passed, if that was wrong.
    ///
    /// # Errors
    /// Who has its device or its memory (QUEUE-1), or who was before it (QUEUE-2).
    pub fn begins(&mut self, job: JobNo, seats: Vec<Seat>) -> Result<(), Wrong> {
        let at = self.waiting.iter().position(|(it, _)| *it == job);
        let Some(at) = at else { return Err(Wrong::Twice(format!("{job:?} did not wait"))) };
        let (_, turn) = self.waiting.remove(at);
        let found = self.are_as_many(&seats, turn.demand).and_then(|()| {
            seats.iter().try_for_each(|seat| self.is_free(*seat, turn.demand))?;
            self.is_first(turn)
        });
        self.running.push((job, seats, turn));
        found
    }

    /// As many different devices as it needs, or all that serve it.
    fn are_as_many(&self, seats: &[Seat], demand: Demand) -> Result<(), Wrong> {
        let has_class = self.has_class(demand.class);
        let serves = |(at, class): &(usize, &DeviceClass)| {
            let is_aside = self.aside.iter().any(|(it, _)| it.0 == *at);
            !is_aside && (**class == demand.class || !has_class)
        };
        let serving = self.devices.iter().enumerate().filter(serves).count();
        let different: BTreeSet<_> = seats.iter().map(|seat| seat.0).collect();
        let needed = (demand.devices as usize).min(serving);
        if (different.len(), seats.len()) != (needed, needed) {
            return Err(Wrong::Twice(format!("{seats:?} for {demand:?}, of {serving}")));
        }
        Ok(())
    }

    fn is_free(&self, seat: Seat, demand: Demand) -> Result<(), Wrong> {
        let Some(class) = self.devices.get(seat.0) else {
            return Err(Wrong::Twice(format!("no device {}", seat.0)));
        };
        if self.aside.iter().any(|(it, _)| *it == seat) {
            return Err(Wrong::Aside(format!("device {} is set aside", seat.0)));
        }
        if self.has_class(demand.class) && *class != demand.class {
            return Err(Wrong::Twice(format!("device {} is {class:?}", seat.0)));
        }
        if let Some((other, ..)) = self.running.iter().find(|(_, taken, _)| taken.contains(&seat)) {
            return Err(Wrong::Twice(format!("device {} is of {other:?}", seat.0)));
        }
        let taken: u64 = self.running.iter().map(|(.., turn)| turn.demand.memory.get()).sum();
        let all = taken + demand.memory.get();
        // Who needs more than there is computes alone.
        if all > self.memory.get() && !self.running.is_empty() {
            return Err(Wrong::Twice(format!("memory {all} of {}", self.memory)));
        }
        Ok(())
    }

    /// Whether a device of this class is used.
    fn has_class(&self, class: DeviceClass) -> bool {
        let is_aside = |at: usize| self.aside.iter().any(|(it, _)| it.0 == at);
        let mut devices = self.devices.iter().enumerate();
        devices.any(|(at, it)| *it == class && !is_aside(at))
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
    /// A device is given away that is set aside.
    Aside(String),
}
