//! A courier under random kills, lost answers and writes of unknown outcome: every event that was
//! subscribed has one delivery, each arrives at least once, and none is sent after it is known to
//! have arrived.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    samples::{ended, noted, subscription},
    *,
};
use crate::{invariant::caught, limits::EVENTS_READ_MAX};

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// What is durable, and what the receiver got.
struct World {
    dice: Dice,
    now: u64,
    log: Vec<Event>,
    row: Subscription,
    deliveries: BTreeMap<EventNo, Delivery>,
    received: BTreeMap<EventNo, u32>,
    answers: Vec<CourierEvent>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (log, deliveries, received) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let row = subscription("s");
        Self { dice: Dice(seed), now: 0, log, row, deliveries, received, answers: Vec::new() }
    }

    fn open(&self) -> Vec<Delivery> {
        self.deliveries.values().filter(|it| it.is_open()).cloned().collect()
    }

    /// The store's write: whole or not at all, and sometimes whole with its answer lost.
    fn write(&mut self, change: &Change) -> bool {
        if self.dice.below(10) == 0 {
            return false;
        }
        if change.row.version != self.row.version + 1 {
            return false;
        }
        self.row = change.row.clone();
        for made in &change.made {
            let before = self.deliveries.insert(made.event.no, made.clone());
            assert_eq!(before, None, "made twice");
        }
        for changed in &change.changed {
            let before = self.deliveries.insert(changed.event.no, changed.clone());
            assert!(before.is_some_and(|it| it.is_open()), "what is over changes no more");
        }
        self.dice.below(10) != 0
    }

    fn send(&mut self, delivery: &Delivery) {
        let no = delivery.event.no;
        assert!(self.deliveries[&no].is_open(), "sent although it is known to have arrived");
        let fate = self.dice.below(4);
        if fate >= 1 {
            *self.received.entry(no).or_default() += 1;
        }
        let what = match fate {
            // It arrived, or not: either way nobody said so.
            0 | 1 => Err(Undelivered::unanswered("silence")),
            _ => Ok(Receipt::default()),
        };
        let at = self.dice.below(self.answers.len() as u64 + 1) as usize;
        self.answers.insert(at, CourierEvent::Answered { event: no, what });
    }

    /// One step with its actions; false if the courier must be put back.
    fn perform(&mut self, courier: &mut Courier, event: CourierEvent) -> bool {
        let mut next = courier.clone();
        for action in next.step(Timestamp(self.now), event) {
            match action {
                CourierAction::Save(change) if !self.write(&change) => return false,
                CourierAction::Save(_) => {}
                CourierAction::Send(delivery) => self.send(&delivery),
            }
        }
        *courier = next;
        true
    }

    fn heard(&mut self, courier: &Courier) -> CourierEvent {
        match self.dice.below(3) {
            0 if !self.answers.is_empty() => self.answers.remove(0),
            1 => {
                let after = courier.reads_after().map_or(u64::MAX, EventNo::get);
                let limit = 1 + self.dice.below(EVENTS_READ_MAX as u64) as usize;
                let later = self.log.iter().filter(|event| event.no.get() > after);
                CourierEvent::Read(later.take(limit).cloned().collect())
            }
            _ => CourierEvent::Looked,
        }
    }
}

fn live(seed: u64) {
    let mut world = World::new(seed);
    let mut courier = Courier::new(world.row.clone(), Vec::new(), Patience::USUAL);
    let mut wanted = BTreeSet::new();
    let mut quiet = 0;
    while quiet < 400 {
        world.now += world.dice.below(3_600_000);
        if wanted.len() < 20 {
            let no = world.log.len() as u64 + 1;
            let is_end = world.dice.below(3) == 0;
            world.log.push(if is_end { ended(no, "j") } else { noted(no) });
            wanted.extend(is_end.then_some(EventNo(no)));
        } else {
            quiet += 1;
        }
        if world.dice.below(25) == 0 {
            // Killed: what was under way is forgotten.
            world.answers.clear();
            courier = Courier::new(world.row.clone(), world.open(), Patience::USUAL);
        }
        let event = world.heard(&courier);
        if !world.perform(&mut courier, event.clone()) {
            if matches!(event, CourierEvent::Answered { .. }) {
                world.answers.insert(0, event); // It is not forgotten for a write that failed.
            }
            courier = courier.put_back(world.row.clone(), world.open());
        }
    }
    let made: BTreeSet<_> = world.deliveries.keys().copied().collect();
    assert_eq!(made, wanted, "one delivery for each event that is wanted");
    for (no, delivery) in &world.deliveries {
        assert!(!delivery.is_open(), "{no} is still open: {delivery:?}");
        let is_delivered = matches!(
            delivery.state,
            crate::notification::delivery::DeliveryState::Delivered { .. }
        );
        assert!(!is_delivered || world.received.contains_key(no), "{no} never arrived");
    }
    assert!(world.received.len() >= wanted.len() - 1, "{:?}", world.received);
}

#[test]
fn every_notice_arrives_whatever_is_killed() {
    for seed in 0..300 {
        let broken = caught(|| live(seed));
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
    }
}
