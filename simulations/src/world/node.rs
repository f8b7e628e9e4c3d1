//! A node of the world: a process with clocks of its own, its supervisors and its queue.

use std::rc::Rc;

use tgs_protocol::{
    id::Incarnation,
    queue::{DeviceClass, Queue, Seat, Seats, trust::Trust},
    unit::{ByteCount, Millis, Timestamp},
};

use super::{dispatcher::Dispatcher, event::ShellNo, store::JobNo};
use crate::dice::Dice;

/// One process on one machine.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub no: u32,
    /// How often it was started.
    pub boot: u32,
    /// It is one of this world.
    pub is_present: bool,
    /// It runs.
    pub is_up: bool,
    /// It was asked to leave, and begins nothing any more.
    pub is_draining: bool,
    /// It stands still until then, on the world's clock.
    pub still_until_ms: u64,
    /// When its clock last stood still, on that clock.
    pub suspended_at: Option<Millis>,
    /// Its calls do not reach the store until then.
    pub cut_out_until_ms: u64,
    /// Answers do not reach it until then.
    pub cut_in_until_ms: u64,
    /// Its own dice, for what takes how long.
    pub dice: Dice,
    /// Its supervisors.
    pub shells: Vec<(JobNo, ShellNo)>,
    /// Whose turn it is.
    pub queue: Queue,
    /// How its devices have done.
    pub trust: Trust,
    /// Jobs that were told to move.
    pub moving: Vec<JobNo>,
    /// A device that fails at all work until then.
    pub broken: Option<(Seat, u64)>,
    /// Who sends notices.
    pub dispatcher: Dispatcher,
    /// The name under which this boot holds leases.
    pub incarnation: Rc<Incarnation>,
    /// By job: it is in the queue or has a supervisor, or is left alone until then.
    here: Vec<Here>,
    premises: Premises,
    booted_at_ms: u64,
    /// How long its clock stood still since it was started.
    lost_ms: u64,
    /// How much faster its clock runs, in millionths.
    drift: i64,
    /// How far its wall clock is ahead.
    ahead_ms: i64,
}

/// How a node stands to a job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Here {
    /// It may take it, from then on.
    From(u64),
    /// It has it.
    Now,
}

/// What a node has to compute with.
#[derive(Debug, Clone)]
pub struct Premises {
    /// Its devices.
    pub devices: Vec<DeviceClass>,
    /// Its memory.
    pub memory: ByteCount,
}

impl Premises {
    fn drawn(dice: &mut Dice) -> Self {
        let class = |dice: &mut Dice| match dice.below(3) {
            0 => DeviceClass::Gpu,
            _ => DeviceClass::Cpu,
        };
        let devices = (0..dice.within(1, 3)).map(|_| class(dice)).collect();
        Self { devices, memory: ByteCount(dice.within(50, 200)) }
    }

    fn queue(&self) -> Queue {
        Queue::new(Seats::new(self.devices.iter().copied(), self.memory))
    }
}

impl Node {
    /// A node that has not been started.
    pub fn new(no: u32, seed: u64, drift_max: u32, is_present: bool) -> Self {
        let mut dice = Dice::of_seed(seed).apart(NODE).apart(u64::from(no));
        let premises = Premises::drawn(&mut dice);
        let drift = dice.below(2 * u64::from(drift_max) + 1) as i64 - i64::from(drift_max);
        Self {
            no,
            boot: 0,
            is_present,
            is_up: false,
            is_draining: false,
            still_until_ms: 0,
            suspended_at: None,
            cut_out_until_ms: 0,
            cut_in_until_ms: 0,
            dice,
            shells: Vec::new(),
            queue: premises.queue(),
            trust: Trust::default(),
            moving: Vec::new(),
            broken: None,
            dispatcher: Dispatcher::default(),
            incarnation: Rc::new(Incarnation::new("")),
            here: Vec::new(),
            premises,
            booted_at_ms: 0,
            lost_ms: 0,
            drift,
            ahead_ms: 0,
        }
    }

    /// Starts the process.
    pub fn start(&mut self, now_ms: u64) {
        self.boot += 1;
        self.is_up = true;
        self.is_draining = false;
        self.booted_at_ms = now_ms;
        self.still_until_ms = now_ms;
        (self.suspended_at, self.lost_ms) = (None, 0);
        self.incarnation = Rc::new(Incarnation::new(format!("node-{}.{}", self.no, self.boot)));
    }

    /// The process is gone, and with it all it knew.
    pub fn die(&mut self) -> Vec<(JobNo, ShellNo)> {
        self.is_up = false;
        self.queue = self.premises.queue();
        (self.trust, self.dispatcher) = (Trust::default(), Dispatcher::default());
        self.moving.clear();
        self.here.clear();
        std::mem::take(&mut self.shells)
    }

    /// What it has to compute with.
    pub fn premises(&self) -> &Premises {
        &self.premises
    }

    /// Its own monotonic clock.
    pub fn clock(&self, now_ms: u64) -> Millis {
        let lived = now_ms.saturating_sub(self.booted_at_ms + self.lost_ms);
        Millis(self.own_ms(lived))
    }

    /// How much its own clock goes on while the world's goes on so much.
    pub fn own_ms(&self, world_ms: u64) -> u64 {
        let world_ms = world_ms as i64;
        (world_ms + world_ms * self.drift / 1_000_000) as u64
    }

    /// How long the world takes for so much on its own clock, at least.
    pub fn lasts_ms(&self, own_ms: u64) -> u64 {
        let rate = (1_000_000 + self.drift) as u64;
        (own_ms * 1_000_000).div_ceil(rate) + 1
    }

    /// Its wall clock.
    pub fn wall(&self, now_ms: u64) -> Timestamp {
        Timestamp((EPOCH_MS + now_ms).saturating_add_signed(self.ahead_ms))
    }

    /// One of its devices fails until then, also after the process was started anew.
    pub fn break_device(&mut self, until_ms: u64, dice: &mut Dice) {
        let seat = dice.below(self.premises.devices.len() as u64) as usize;
        self.broken = Some((Seat(seat), until_ms));
    }

    /// Its wall clock jumps.
    pub fn jump(&mut self, dice: &mut Dice) {
        let bound = *dice.pick(&[1_000, 60_000, 3_600_000, EPOCH_MS]).unwrap_or(&1_000);
        self.ahead_ms = dice.below(2 * bound) as i64 - bound as i64;
    }

    /// It stands still, and its clock with it.
    pub fn suspend(&mut self, now_ms: u64, ms: u64) {
        self.suspended_at = Some(self.clock(now_ms));
        self.still_until_ms = now_ms + ms;
        self.lost_ms += ms;
    }

    /// Whether it acts now.
    pub fn is_awake(&self, now_ms: u64) -> bool {
        self.is_up && self.still_until_ms <= now_ms
    }

    /// Whether it may take a job that it sees in a list.
    pub fn may_take(&self, job: JobNo, now_ms: u64) -> bool {
        match self.here.get(job.at()) {
            Some(Here::Now) => false,
            Some(Here::From(ms)) => *ms <= now_ms,
            None => true,
        }
    }

    /// It has the job.
    pub fn has(&mut self, job: JobNo) {
        self.set_here(job, Here::Now);
    }

    /// It no longer has the job, and leaves it alone until then.
    pub fn leaves_alone(&mut self, job: JobNo, until_ms: u64) {
        self.set_here(job, Here::From(until_ms));
    }

    /// Its supervisor of a job.
    pub fn shell_of(&self, job: JobNo) -> Option<ShellNo> {
        self.shells.iter().find(|(of, _)| *of == job).map(|(_, shell)| *shell)
    }

    fn set_here(&mut self, job: JobNo, here: Here) {
        if self.here.len() <= job.at() {
            self.here.resize(job.at() + 1, Here::From(0));
        }
        self.here[job.at()] = here;
    }
}

/// When worlds begin, for wall clocks: some time in 2026.
const EPOCH_MS: u64 = 1_780_000_000_000;
/// The stream of dice that nodes are made of.
const NODE: u64 = 4;
