//! Two contenders and a store in a made-up world: clocks with any offset and 3 % of drift, pauses
//! longer than a TTL, messages that are late, lost on the way or on the way back. At no moment do
//! two that run both believe to hold the lease, and the store takes no write of an earlier epoch.
//! The same world with a broken rule shows that the check can fail.

use proptest::prelude::*;

use super::*;
use crate::{id::Incarnation, unit::Epoch};

const TICK_MS: u64 = 100;
const STORM_MS: u64 = 180_000;
const CALM_MS: u64 = 90_000;
const LOOK_EVERY_MS: u64 = 1_000;

/// How the rule is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The age of a cell is counted from before the question was sent.
    SinceAsked,
    /// A holder counts from the answer of a renewal, not from its sending.
    HeldSinceAnswer,
    /// A claim does not say what it saw.
    BlindClaim,
}

#[derive(Debug, Clone)]
enum Letter {
    Look { asked: Millis },
    Claim { seen: LeaseCell, sent: Millis },
    Renew { epoch: Epoch, sent: Millis },
    Release { epoch: Epoch },
    Seen { cell: LeaseCell, asked: Millis },
    Claimed { epoch: Epoch, sent: Millis },
    Renewed { epoch: Epoch, sent: Millis },
}

struct Contender {
    name: Incarnation,
    offset_ms: u64,
    drift_per_mille: u64,
    paused_until: u64,
    next_look: u64,
    sighting: Option<Sighting>,
    holding: Option<(Epoch, Holding)>,
    next_renewal: u64,
}

impl Contender {
    /// Its own monotonic clock.
    fn clock(&self, now: u64) -> Millis {
        Millis(self.offset_ms + now * self.drift_per_mille / 1_000)
    }

    fn believes(&self, now: u64) -> bool {
        let duty = self.holding.map(|(_, holding)| holding.duty(self.clock(now)));
        now >= self.paused_until && duty.is_some_and(|duty| duty != Duty::StandDown)
    }
}

struct World {
    fault: Fault,
    chance: u64,
    cell: LeaseCell,
    newest_epoch: Epoch,
    contenders: [Contender; 2],
    /// (arrives at, whose, whether to the store, what)
    post: Vec<(u64, usize, bool, Letter)>,
    storm: bool,
}

impl World {
    fn new(seed: u64, fault: Fault) -> Self {
        let mut world = Self {
            fault,
            chance: seed | 1,
            cell: LeaseCell { owner: None, epoch: Epoch(0), renewals: 0 },
            newest_epoch: Epoch(0),
            contenders: ["a", "b"].map(|name| Contender {
                name: Incarnation::new(name),
                offset_ms: 0,
                drift_per_mille: 1_000,
                paused_until: 0,
                next_look: 0,
                sighting: None,
                holding: None,
                next_renewal: 0,
            }),
            post: Vec::new(),
            storm: true,
        };
        for who in 0..2 {
            world.contenders[who].offset_ms = world.draw(1_000_000_000);
            world.contenders[who].drift_per_mille = 970 + world.draw(61);
        }
        world
    }

    /// A number below `below`, by SplitMix64: the world's only chance.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.chance;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % below
    }

    /// Runs the storm, then fair weather; `Err` tells the first promise that broke.
    fn run(mut self) -> Result<(), String> {
        for now in (0..STORM_MS + CALM_MS).step_by(usize::try_from(TICK_MS).expect("small")) {
            self.storm = now < STORM_MS;
            self.deliver(now)?;
            for who in 0..2 {
                if self.storm && self.draw(400) == 0 {
                    self.contenders[who].paused_until = now + self.draw(2 * LEASE_TTL_MS);
                }
                if now >= self.contenders[who].paused_until {
                    self.act(who, now);
                }
            }
            if self.contenders.iter().all(|contender| contender.believes(now)) {
                return Err(format!("both believe to hold at {now} ms"));
            }
        }
        let end = STORM_MS + CALM_MS - TICK_MS;
        let holders = self.contenders.iter().filter(|it| it.believes(end)).count();
        if holders == 1 { Ok(()) } else { Err("nobody holds after fair weather".to_owned()) }
    }

    fn act(&mut self, who: usize, now: u64) {
        let clock = self.contenders[who].clock(now);
        if let Some((epoch, holding)) = self.contenders[who].holding {
            match holding.duty(clock) {
                Duty::StandDown => self.contenders[who].holding = None,
                Duty::Renew if now >= self.contenders[who].next_renewal => {
                    self.contenders[who].next_renewal = now + LOOK_EVERY_MS;
                    self.send(who, now, true, Letter::Renew { epoch, sent: clock });
                }
                Duty::WaitUntil(_) if self.storm && self.draw(600) == 0 => {
                    self.contenders[who].holding = None;
                    self.send(who, now, true, Letter::Release { epoch });
                }
                Duty::Renew | Duty::WaitUntil(_) => {}
            }
        } else if now >= self.contenders[who].next_look {
            self.contenders[who].next_look = now + LOOK_EVERY_MS;
            // Whoever claims forgets what it saw: a claim may be lost or refused.
            let ripe = |sighting: &mut Sighting| sighting.may_claim(clock, false);
            let letter = match self.contenders[who].sighting.take_if(ripe) {
                Some(sighting) => Letter::Claim { seen: sighting.cell, sent: clock },
                None => Letter::Look { asked: clock },
            };
            self.send(who, now, true, letter);
        }
    }

    /// Posts a letter: sometimes late, sometimes never.
    fn send(&mut self, who: usize, now: u64, to_store: bool, letter: Letter) {
        let delay = match (self.storm, self.draw(10)) {
            (true, 0) => return,
            (true, 1) => self.draw(LEASE_TTL_MS),
            (true, 2..4) => self.draw(3_000),
            _ => 1 + self.draw(50),
        };
        self.post.push((now + delay, who, to_store, letter));
    }

    fn deliver(&mut self, now: u64) -> Result<(), String> {
        let paused = self.contenders.each_ref().map(|contender| contender.paused_until > now);
        let is_due = |letter: &(u64, usize, bool, Letter)| {
            letter.0 <= now && (letter.2 || !paused[letter.1])
        };
        let (mut due, later): (Vec<_>, Vec<_>) = self.post.drain(..).partition(is_due);
        self.post = later;
        due.sort_by_key(|letter| letter.0);
        for (_, who, _, letter) in due {
            self.take(who, now, letter)?;
        }
        Ok(())
    }

    fn take(&mut self, who: usize, now: u64, letter: Letter) -> Result<(), String> {
        let clock = self.contenders[who].clock(now);
        let fault = self.fault;
        match letter {
            Letter::Look { asked } => {
                let cell = self.cell.clone();
                self.send(who, now, false, Letter::Seen { cell, asked });
            }
            Letter::Claim { seen, sent } => {
                if seen == self.cell || (fault == Fault::BlindClaim && sent.get() > 0) {
                    let owner = Some(self.contenders[who].name.clone());
                    self.cell = LeaseCell { owner, epoch: self.cell.epoch.next(), renewals: 0 };
                    let epoch = self.cell.epoch;
                    self.send(who, now, false, Letter::Claimed { epoch, sent });
                }
            }
            Letter::Renew { epoch, sent } if self.is_held_by(who, epoch) => {
                self.cell.renewals += 1;
                self.send(who, now, false, Letter::Renewed { epoch, sent });
            }
            Letter::Release { epoch } if self.is_held_by(who, epoch) => self.cell.owner = None,
            Letter::Renew { .. } | Letter::Release { .. } => {}
            Letter::Seen { cell, asked } => {
                let since = if fault == Fault::SinceAsked { asked } else { clock };
                let contender = &mut self.contenders[who];
                contender.sighting = Some(match contender.sighting.take() {
                    Some(sighting) => sighting.look(cell, since),
                    None => Sighting::first(cell, since),
                });
            }
            Letter::Claimed { epoch, sent } => {
                let sent = if fault == Fault::HeldSinceAnswer { clock } else { sent };
                self.contenders[who].holding = Some((epoch, Holding { sent }));
            }
            Letter::Renewed { epoch, sent } => {
                let sent = if fault == Fault::HeldSinceAnswer { clock } else { sent };
                // Answers may overtake each other, and come after the holder stood down.
                if let Some((held, holding)) = &mut self.contenders[who].holding
                    && *held == epoch
                {
                    holding.sent = holding.sent.max(sent);
                }
            }
        }
        let is_older = self.cell.epoch < self.newest_epoch;
        self.newest_epoch = self.cell.epoch;
        if is_older { Err("the epoch went back".to_owned()) } else { Ok(()) }
    }

    fn is_held_by(&self, who: usize, epoch: Epoch) -> bool {
        self.cell.epoch == epoch && self.cell.owner.as_ref() == Some(&self.contenders[who].name)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_two_holders_and_in_fair_weather_one(seed in any::<u64>()) {
        prop_assert_eq!(World::new(seed, Fault::None).run(), Ok(()));
    }
}

#[test]
fn a_broken_rule_is_caught() {
    for fault in [Fault::SinceAsked, Fault::HeldSinceAnswer, Fault::BlindClaim] {
        let is_caught = |seed: &u64| {
            let end = World::new(*seed, fault).run();
            end.is_err_and(|why| why.starts_with("both believe"))
        };
        let caught = (0..3_000).find(is_caught);
        assert!(caught.is_some(), "{fault:?} went unnoticed in 3,000 worlds");
    }
}
