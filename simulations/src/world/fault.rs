//! What goes wrong, one decision at a time.
//!
//! Every decision has a name: at which site, about what, the how-manieth. Whether it strikes,
//! and how hard, depends on the seed and on that name alone. So a fault can be taken out of a
//! world while all others stay as they were, which is what makes a failing world small.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{
    things::{THINGS, Things},
    weather::Weather,
};
use crate::dice::Dice;

macro_rules! sites {
    ($($name:ident = $id:literal, $kind:ident($often:literal): $what:literal;)*) => {
        /// Where a decision is taken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Site {
            $(#[doc = $what] $name,)*
        }

        impl Site {
            /// Every site.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// `call_lost`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }
            /// What goes wrong there, in words.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
            /// How often it strikes in a bad world.
            pub const fn often(self) -> Rate {
                match self { $(Self::$name => Rate::$kind($often),)* }
            }
        }
    };
}

/// How often something strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// So many times in a million decisions.
    Chance(u64),
    /// Once in so many milliseconds, on average.
    Every(u64),
}

sites! {
    CallLost = "call_lost", Chance(50_000): "a call is lost before it does anything";
    AnswerLost = "answer_lost", Chance(50_000): "a call takes effect and its answer is lost";
    CallSlow = "call_slow", Chance(50_000): "a call takes seconds";
    CallLate = "call_late", Chance(20_000): "a call takes effect after its sender gave it up";
    CallTwice = "call_twice", Chance(20_000): "a call takes effect twice";
    FactTwice = "fact_twice", Chance(200_000): "a fact is told twice, the second time much later";
    FactLate = "fact_late", Chance(100_000): "a fact is told much later";
    WorkFails = "work_fails", Chance(60_000): "work fails for a passing reason";
    WorkBreaks = "work_breaks", Chance(5_000): "work fails for good";
    SupervisorDies = "supervisor_dies", Chance(5_000): "the supervisor of a job dies";
    CheckpointTorn = "checkpoint_torn", Chance(200_000): "a checkpoint is torn";
    StaleList = "stale_list", Chance(100_000): "a list of jobs is an old one";
    StaleEvents = "stale_events", Chance(200_000): "a watcher reads an old log";
    Cancel = "cancel", Chance(200_000): "somebody cancels the job";
    SubmitAgain = "submit_again", Chance(300_000): "the order is sent once more";
    OtherBody = "other_body", Chance(100_000): "the order's key is sent with another body";
    ReceiptLost = "receipt_lost", Chance(200_000): "the answer to an order does not arrive";
    Crash = "crash", Every(60_000): "a process dies";
    Freeze = "freeze", Every(60_000): "a process stands still and knows nothing of it";
    Suspend = "suspend", Every(120_000): "a machine stands still, and its clock with it";
    ClockJump = "clock_jump", Every(120_000): "a wall clock jumps, forwards or backwards";
    Drain = "drain", Every(120_000): "a process is asked to leave, and started again";
    Notice = "notice", Every(120_000): "a spot machine is taken away after 0, 30 or 120 seconds";
    CutOut = "cut_out", Every(120_000): "calls of a process do not reach the store for a while";
    CutIn = "cut_in", Every(120_000): "answers of the store do not reach a process for a while";
    DiskFull = "disk_full", Every(300_000): "the disk of the store is full for a while";
    NoticeLost = "notice_lost", Chance(50_000): "a notice is lost on its way";
    NoticeUnanswered = "notice_unanswered", Chance(50_000): "a notice arrives, its answer is lost";
    NoticeLate = "notice_late", Chance(20_000): "a notice arrives after its sender gave it up";
    NoticeRefused = "notice_refused", Chance(100_000): "a receiver does not take a notice";
    ReceiverGone = "receiver_gone", Chance(5_000): "a receiver says that it is gone for good";
    WakeLost = "wake_lost", Chance(100_000): "nobody wakes who sends notices";
    ReceiverAway = "receiver_away", Every(300_000): "a receiver is away, for up to two hours";
    TurnedOff = "turned_off", Every(600_000): "a subscription is turned off, and on again";
    AskedAgain = "asked_again", Every(300_000): "somebody asks for a notice once more";
    BreaksDevices = "breaks_devices", Chance(50_000): "a job makes every device fail";
    DeviceBreaks = "device_breaks", Every(300_000): "a device fails at all work for a while";
    Forgotten = "forgotten", Chance(200_000): "somebody removes the job once it has ended";
    LeasesUnread = "leases_unread", Chance(50_000): "some leases cannot be read in a look at all";
    DiesCalling = "dies_calling", Chance(1_000): "a process dies while the store answers it";
    Stays = "stays", Chance(200_000): "a machine stays though its end was announced";
    Cordoned = "cordoned", Every(300_000): "operators let a node take up nothing for a while";
    Emptied = "emptied", Every(300_000): "operators let a node hand over what it has for a while";
    RegionLost = "region_lost", Every(300_000): "all nodes of a region die, or are cut off";
    Upgrade = "upgrade", Every(300_000): "all nodes are started anew, one after the other";
    LeaderStill = "leader_still", Chance(20_000):
        "whoever leads stands still for longer than that lasts, then says what it had decided";
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fault {
    /// Where.
    pub site: Site,
    /// About which order, node or watcher.
    pub of: u32,
    /// Which one there.
    pub nth: Nth,
}

/// The how-manieth decision of its kind. What a job is doing is a part of the kind: so the second
/// save while it trains stays the second one, whatever went otherwise before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nth {
    /// What is being done.
    pub kind: Kind,
    /// From 1.
    pub count: u16,
}

/// `call_lost/3/17.2`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, of, nth: Nth { kind: Kind(kind), count } } = self;
        write!(f, "{site}/{of}/{kind}.{count}")
    }
}

/// What is being done when something may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u8);

impl Kind {
    /// Something with time, people or nodes.
    pub const OTHER: Self = Self(255);
    /// A list of jobs is read.
    pub const LIST: Self = Self(254);
    /// Events are read.
    pub const EVENTS: Self = Self(253);
    /// An order is answered.
    pub const RECEIPT: Self = Self(252);

    /// A call to the store with this operation, for a job that is in this phase.
    pub fn call(op: u8, phase: u8) -> Self {
        Self(phase << 4 | op)
    }
    /// Work at a job in this phase.
    pub fn work(phase: u8) -> Self {
        Self(128 + phase)
    }
    /// A fact of work at a job in this phase.
    pub fn fact(phase: u8) -> Self {
        Self(136 + phase)
    }
    /// A checkpoint.
    pub const CHECKPOINT: Self = Self(144);
    /// An attempt at a notice.
    pub const ATTEMPT: Self = Self(145);
    /// A job is forgotten.
    pub const FORGET: Self = Self(160);
    /// Files of a job that is to be forgotten are removed.
    pub const EMPTY: Self = Self(161);
    /// What it delivered is removed.
    pub const DROP_RESULT: Self = Self(162);
    /// All jobs that have not ended are listed.
    pub const UNFINISHED: Self = Self(163);
    /// Their leases are read.
    pub const LEASES: Self = Self(164);
    /// Which of those leases cannot be read.
    pub const CELLS: Self = Self(165);
    /// It is looked whether jobs were ordered to end.
    pub const ORDERS: Self = Self(166);
    /// A job is read before it is taken up.
    pub const GLANCE: Self = Self(167);
    /// A job is ordered to end.
    pub const END: Self = Self(168);
    /// A call about the lead.
    pub fn board(op: u8) -> Self {
        Self(170 + op)
    }
    /// A leader is about to say what it has decided.
    pub const SPEAK: Self = Self(190);
    /// A call about notices.
    pub fn notice(op: u8) -> Self {
        Self(146 + op)
    }
}

/// The text names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called {0:?}: write it as call_lost/3/17.2")]
pub struct NoFault(String);

impl FromStr for Fault {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, NoFault> {
        let parse = || {
            let mut parts = text.split('/');
            let name = parts.next()?;
            let site = *Site::ALL.iter().find(|site| site.name() == name)?;
            let of = parts.next()?.parse().ok().filter(|of| *of < THINGS)?;
            let (kind, count) = parts.next()?.split_once('.')?;
            let nth = Nth { kind: Kind(kind.parse().ok()?), count: count.parse().ok()? };
            parts.next().is_none().then_some(Self { site, of, nth })
        };
        parse().ok_or_else(|| NoFault(text.to_owned()))
    }
}

/// Takes the decisions of one world.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    rates: [u64; Site::ALL.len()],
    /// The only ones that may strike, where not all may.
    only: Option<BTreeSet<Fault>>,
    things: Things,
    /// Moments so far of each thing, by kind.
    counts: Vec<[u16; 256]>,
    /// Those that struck, in order.
    pub struck: Vec<Fault>,
    /// Nothing goes wrong any more.
    pub are_over: bool,
}

impl Faults {
    /// The faults of a seed in this weather, or only some of them.
    pub fn new(seed: u64, weather: &Weather, only: Option<&BTreeSet<Fault>>) -> Self {
        let things = Things::of(weather);
        Self {
            seed: Dice::of_seed(seed).apart(FAULTS).any(),
            rates: weather.rates,
            only: only.cloned(),
            things,
            counts: vec![[0; 256]; things.all().count()],
            struck: Vec::new(),
            are_over: weather.calm_at_ms == 0,
        }
    }

    /// One more moment of this kind, in which something may go wrong.
    pub fn moment(&mut self, of: u32, kind: Kind) -> (u32, Nth) {
        let count = &mut self.counts[self.things.place(of)][usize::from(kind.0)];
        *count = count.saturating_add(1);
        (of, Nth { kind, count: *count })
    }

    /// Takes one decision; if the fault strikes, gives the dice that say how hard.
    pub fn strikes(&mut self, site: Site, (of, nth): (u32, Nth)) -> Option<Dice> {
        let rate = self.rates[site as usize];
        if rate == 0 || self.are_over {
            return None;
        }
        let fault = Fault { site, of, nth };
        let mut dice = self.dice_of(fault);
        let is_struck = dice.below(1_000_000) < rate;
        if !(is_struck && self.may(fault)) {
            return None;
        }
        self.struck.push(fault);
        Some(dice)
    }

    /// Troubles that come by time, until `end_ms`: when each comes, and its name.
    pub fn troubles(&self, site: Site, of: u32, end_ms: u64) -> Vec<(u64, Fault)> {
        let every_ms = self.rates[site as usize];
        let (mut troubles, mut at_ms) = (Vec::new(), 0);
        for count in 1..u16::MAX {
            let fault = Fault { site, of, nth: Nth { kind: Kind::OTHER, count } };
            at_ms += 1 + Dice::of_seed(!self.dice_of(fault).any()).below(2 * every_ms);
            if every_ms == 0 || at_ms >= end_ms {
                break;
            }
            if self.may(fault) {
                troubles.push((at_ms, fault));
            }
        }
        troubles
    }

    /// A planned trouble comes: the dice that say how hard.
    pub fn comes(&mut self, fault: Fault) -> Dice {
        self.struck.push(fault);
        self.dice_of(fault)
    }

    fn may(&self, fault: Fault) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&fault))
    }

    fn dice_of(&self, Fault { site, of, nth }: Fault) -> Dice {
        let nth = u64::from(nth.kind.0) << 16 | u64::from(nth.count);
        let name = (site as u64) << 56 | u64::from(of) << 32 | nth;
        Dice::of_seed(self.seed).apart(name)
    }
}

/// The stream of dice that faults are made of.
const FAULTS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        let names: BTreeSet<_> = Site::ALL.iter().map(|site| site.name()).collect();
        assert_eq!(names.len(), Site::ALL.len());
        for site in Site::ALL {
            let fault = Fault { site: *site, of: 3, nth: Nth { kind: Kind::LIST, count: 17 } };
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        for text in [
            "",
            "call_lost",
            "call_lost/1",
            "call_lost/1/2",
            "call_lost/1/2.3/4",
            "x/1/2.1",
            "crash/9999/1.1",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_that_is_taken_out_leaves_the_others_as_they_were() {
        let weather = Weather { calm_at_ms: 1, ..Weather::worst() };
        let struck = |only: Option<&BTreeSet<Fault>>| {
            let mut faults = Faults::new(7, &weather, only);
            let hard = (0..2_000).map(|_| {
                let moment = faults.moment(1, Kind::LIST);
                faults.strikes(Site::AnswerLost, moment)
            });
            let hard: Vec<_> = hard.flatten().map(|mut dice| dice.any()).collect();
            (faults.struck, hard)
        };
        let (all, hard) = struck(None);
        assert!(all.len() > 50, "{}", all.len());
        let but_one: BTreeSet<_> = all.iter().copied().filter(|it| *it != all[9]).collect();
        let (fewer, softer) = struck(Some(&but_one));
        assert_eq!(fewer, but_one.into_iter().collect::<Vec<_>>());
        let kept: Vec<_> = (0..all.len()).filter(|at| *at != 9).map(|at| hard[at]).collect();
        assert_eq!(softer, kept);
    }
}
