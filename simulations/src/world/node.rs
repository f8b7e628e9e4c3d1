//! A node of the world: a process with clocks of its own, its supervisors and its queue.

use std::rc::Rc;

use tgs_protocol::{
    id::Incarnation,
    lease::rule::Sighting,
    presence::{NodeOrder, Standing},
    queue::{DeviceClass, Queue, Seat, Seats, trust::Trust},
    residency::Ground,
    unit::{ByteCount, Millis, Timestamp},
};

use super::{
    dispatcher::Dispatcher, event::ShellNo, finder::Finding, leading::Leading, store::JobNo,
};
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
    /// Where it stands.
    pub region: u32,
    /// Its machine is one that may be taken away.
    pub is_spot: bool,
    /// It was asked to leave, and begins nothing any more.
    pub is_draining: bool,
    /// Its machine will be taken away.
    pub is_interrupted: bool,
    /// What operators want of it, now and after a restart.
    pub wanted: NodeOrder,
    /// Until when.
    pub wanted_until_ms: u64,
    /// What it knows of that; none until it asked.
    pub ordered: Option<NodeOrder>,
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
    /// Jobs whose turn has not come.
    pub waiting: Vec<JobNo>,
    /// What was seen of the leases of jobs that wait here and that others held.
    pub sightings: Vec<(JobNo, Sighting)>,
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
    /// Who finds jobs.
    pub finding: Finding,
    /// Who places jobs, if this node leads.
    pub leading: Leading,
    /// The name under which this boot holds leases.
    pub incarnation: Rc<Incarnation>,
    premises: Premises,
    booted_at_ms: u64,
    /// How long its clock stood still since it was started.
    lost_ms: u64,
    /// How much faster its clock runs, in millionths.
    drift: i64,
    /// How far its wall clock is ahead.
    ahead_ms: i64,
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
        let regions = Dice::of_seed(seed).apart(REGIONS).within(1, u64::from(REGIONS_MAX));
        let region = Dice::of_seed(seed).apart(REGIONS).apart(u64::from(no)).below(regions) as u32;
        Self {
            no,
            boot: 0,
            is_present,
            is_up: false,
            region,
            is_spot: Dice::of_seed(seed).apart(SPOT).apart(u64::from(no)).below(2) == 0,
            is_draining: false,
            is_interrupted: false,
            wanted: NodeOrder::Work,
            wanted_until_ms: 0,
            ordered: None,
            still_until_ms: 0,
            suspended_at: None,
            cut_out_until_ms: 0,
            cut_in_until_ms: 0,
            dice,
            shells: Vec::new(),
            waiting: Vec::new(),
            sightings: Vec::new(),
            queue: premises.queue(),
            trust: Trust::default(),
            moving: Vec::new(),
            broken: None,
            dispatcher: Dispatcher::default(),
            finding: Finding::default(),
            leading: Leading::default(),
            incarnation: Rc::new(Incarnation::new("")),
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
        (self.is_draining, self.is_interrupted, self.ordered) = (false, false, None);
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
        (self.finding, self.leading) = (Finding::default(), Leading::default());
        self.moving.clear();
        self.waiting.clear();
        self.sightings.clear();
        std::mem::take(&mut self.shells)
    }

    /// What it stands on.
    pub fn ground(&self) -> Ground {
        Ground { region: self.region.to_string(), is_spot: self.is_spot }
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

    /// Whether it takes up jobs.
    pub fn standing(&self) -> Standing {
        match (self.is_draining || self.is_interrupted, self.ordered) {
            (true, _) => Standing::Leaving,
            (false, Some(NodeOrder::Work)) => Standing::Working,
            (false, Some(NodeOrder::Cordon) | None) => Standing::Cordoned,
            (false, Some(NodeOrder::Drain)) => Standing::Draining,
        }
    }

    /// It takes up nothing.
    pub fn is_closed(&self) -> bool {
        self.standing() != Standing::Working
    }

    /// Whether a job waits or runs here.
    pub fn has(&self, job: JobNo) -> bool {
        self.waiting.contains(&job) || self.shell_of(job).is_some()
    }

    /// Its supervisor of a job.
    pub fn shell_of(&self, job: JobNo) -> Option<ShellNo> {
        self.shells.iter().find(|(of, _)| *of == job).map(|(_, shell)| *shell)
    }
}

/// When worlds begin, for wall clocks: some time in 2026.
const EPOCH_MS: u64 = 1_780_000_000_000;
/// The stream of dice that nodes are made of.
const NODE: u64 = 4;
/// The one that says where they stand, and the one that says on what.
const REGIONS: u64 = 10;
const SPOT: u64 = 0x5b07;
/// Regions of a world, at most.
pub const REGIONS_MAX: u32 = 4;
