//! A node of the world: a process with a clock of its own, its supervisors and its queue.

use std::collections::BTreeMap;

use tgs_protocol::{
    id::{Incarnation, JobId},
    queue::{DeviceClass, Queue, Seats},
    unit::{ByteCount, Millis},
};

use super::event::ShellNo;

/// One process on one machine.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub no: usize,
    /// How often it was started.
    pub boot: u64,
    /// It runs.
    pub is_up: bool,
    /// It stands still until then, on the world's clock.
    pub frozen_until_ms: u64,
    /// When it was started, on the world's clock.
    booted_at_ms: u64,
    /// How much faster its clock runs, in millionths.
    drift: i64,
    devices: usize,
    /// Its supervisors by job.
    pub shells: BTreeMap<JobId, ShellNo>,
    /// Whose turn it is.
    pub queue: Queue,
}

impl Node {
    /// A node that has not been started.
    pub fn new(no: usize, devices: usize, drift: i64) -> Self {
        Self {
            no,
            boot: 0,
            is_up: false,
            frozen_until_ms: 0,
            booted_at_ms: 0,
            drift,
            devices,
            shells: BTreeMap::new(),
            queue: empty(devices),
        }
    }

    /// Starts the process.
    pub fn start(&mut self, now_ms: u64) {
        self.boot += 1;
        self.is_up = true;
        self.booted_at_ms = now_ms;
        self.frozen_until_ms = now_ms;
    }

    /// The process is gone, and with it all it knew.
    pub fn die(&mut self) -> Vec<ShellNo> {
        self.is_up = false;
        self.queue = empty(self.devices);
        std::mem::take(&mut self.shells).into_values().collect()
    }

    /// Its own monotonic clock.
    pub fn clock(&self, now_ms: u64) -> Millis {
        let lived = i128::from(now_ms.saturating_sub(self.booted_at_ms));
        let own = lived + lived * i128::from(self.drift) / 1_000_000;
        Millis(u64::try_from(own).unwrap_or(0))
    }

    /// The name under which this boot holds leases.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation::new(format!("node-{}.{}", self.no, self.boot))
    }

    /// Whether it acts now.
    pub fn is_awake(&self, now_ms: u64) -> bool {
        self.is_up && self.frozen_until_ms <= now_ms
    }
}

fn empty(devices: usize) -> Queue {
    let classes = std::iter::repeat_n(DeviceClass::Cpu, devices);
    Queue::new(Seats::new(classes, ByteCount(1_000)))
}
