//! People who want to hear of jobs: who subscribes to what, turns it off and on, and asks for a
//! notice once more.

use std::{collections::BTreeSet, fmt, rc::Rc};

use tgs_protocol::{
    id::SubscriptionId,
    notification::{
        patience::Patience,
        store::{Change, Changed, Subscribed},
        subscription::{EventKind, Standing, Subscription},
        target::{SigningKey, SigningSecret, Target},
    },
    submission::Submission,
};

use super::{
    World, bytes,
    event::{Asker, Event},
    fault::{Fault, Kind, Site},
    notifications::{NoticeOp, NoticeReply, SubscriptionNo},
    people::{AGAIN_MS, People},
    store::{Op, Reply},
    things::SUBSCRIBERS_FROM,
};
use crate::dice::Dice;

/// Somebody who subscribes, with the receiver of his notices.
#[derive(Debug)]
pub struct Subscriber {
    no: u32,
    tries: u32,
    is_answered: bool,
    /// His receiver takes nothing until then.
    away_until_ms: u64,
}

/// What somebody wants of his subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To have it.
    Subscribe,
    /// To hear nothing any more.
    TurnOff,
    /// To hear again.
    TurnOn,
    /// To get the newest notice once more.
    Resend,
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscribe => "be told",
            Self::TurnOff => "hear nothing any more",
            Self::TurnOn => "hear again",
            Self::Resend => "get the newest notice once more",
        })
    }
}

/// The stream of dice that subscribers are made of.
const SUBSCRIBERS: u64 = 9;

impl Subscriber {
    pub(super) fn new(no: u32) -> Self {
        Self { no, tries: 0, is_answered: false, away_until_ms: 0 }
    }
}

impl People {
    pub(super) fn has_subscribers(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Whose subscription this is.
    pub(super) fn subscriber_of(&self, of: SubscriptionNo) -> u32 {
        self.subscriptions.get(of.at()).copied().unwrap_or_default()
    }

    /// Pauses of days, made short: else worlds would last for days.
    pub(super) fn patience(&self) -> Patience {
        Patience::times(self.patience_share)
    }

    /// Whether somebody's receiver takes nothing then.
    pub(super) fn is_away(&self, subscriber: u32, at_ms: u64) -> bool {
        let his = self.subscribers.iter().find(|it| it.no == subscriber);
        his.is_some_and(|it| it.away_until_ms > at_ms)
    }

    fn subscriber(&mut self, no: u32) -> Option<&mut Subscriber> {
        self.subscribers.iter_mut().find(|it| it.no == no)
    }

    /// Whoever has no answer to his subscription.
    pub(super) fn unanswered_subscriber(&self) -> Option<u32> {
        self.subscribers.iter().find(|it| !it.is_answered).map(|it| it.no)
    }
}

impl World<'_> {
    pub(super) fn plan_subscribers(&mut self) {
        let end_ms = self.weather.calm_at_ms;
        for at in 0..self.people.subscribers.len() {
            let no = self.people.subscribers[at].no;
            let at_ms = self.subscriber_dice(no).below(self.weather.orders_until_ms);
            self.plan(at_ms, Event::Wish { subscriber: no, wish: Wish::Subscribe });
            let thing = SUBSCRIBERS_FROM + no;
            for site in [Site::ReceiverAway, Site::TurnedOff, Site::AskedAgain] {
                for (at_ms, fault) in self.faults.troubles(site, thing, end_ms) {
                    self.plan(at_ms, Event::Trouble(fault));
                }
            }
        }
    }

    fn subscriber_dice(&self, no: u32) -> Dice {
        Dice::of_seed(self.seed).apart(SUBSCRIBERS).apart(u64::from(no))
    }

    /// Something befalls a subscriber or his receiver.
    pub(super) fn trouble_of_subscriber(&mut self, fault: Fault, mut dice: Dice) {
        let no = fault.of.saturating_sub(SUBSCRIBERS_FROM);
        let wishes = |world: &mut Self, after_ms, wish| {
            world.plan(after_ms, Event::Wish { subscriber: no, wish });
        };
        match fault.site {
            Site::TurnedOff => {
                wishes(self, 0, Wish::TurnOff);
                wishes(self, dice.within(1, 120_000), Wish::TurnOn);
            }
            Site::AskedAgain => wishes(self, 0, Wish::Resend),
            _ => {
                // It comes back when nothing goes wrong any more, at the latest.
                let until_ms = self.now_ms + dice.within(1_000, 7_200_000);
                let until_ms = until_ms.min(self.weather.calm_at_ms);
                if let Some(it) = self.people.subscriber(no) {
                    it.away_until_ms = until_ms;
                }
            }
        }
    }

    /// Somebody asks for something, at whichever node is there.
    pub(super) fn wish(&mut self, no: u32, wish: Wish) {
        let Some(it) = self.people.subscriber(no) else { return };
        if wish == Wish::Subscribe && it.is_answered {
            return;
        }
        it.tries += 1;
        let thing = SUBSCRIBERS_FROM + no;
        let tries = it.tries;
        if wish == Wish::Subscribe {
            self.plan(AGAIN_MS, Event::Wish { subscriber: no, wish });
        }
        let Some(node) = self.somewhere(thing, tries) else { return };
        let op = match wish {
            Wish::Subscribe => Some(NoticeOp::Subscribe(Rc::new(self.subscription(no, tries)))),
            _ => self.changed(no, node, wish),
        };
        if let Some(op) = op {
            let asker = Asker::Subscriber { subscriber: no, wish };
            self.call(node, None, thing, Op::Notice(op), asker);
        }
    }

    /// The row that somebody asks for; he hears of what comes after the newest event.
    fn subscription(&self, no: u32, tries: u32) -> Subscription {
        let mut dice = self.subscriber_dice(no).apart(1);
        let kinds: &[EventKind] = match dice.below(4) {
            0 => &[EventKind::Accepted, EventKind::Ended],
            1 => &[EventKind::StageBegan, EventKind::Judged],
            _ => &[EventKind::Ended],
        };
        let key = [dice.any().to_le_bytes(); 4].concat();
        let secret = SigningSecret::of_key(&key).expect("thirty-two bytes are a key");
        let url = "https://example.org/hook".parse().expect("an address");
        let order = format!("subscriber-{no}").parse().expect("letters and digits are a key");
        Subscription {
            id: SubscriptionId::new(format!("s{no}.{tries}")),
            target: Target::Webhook { url, keys: vec![SigningKey { secret, until: None }] },
            kinds: BTreeSet::from_iter(kinds.iter().copied()),
            state: Standing::Active,
            trouble: None,
            after: self.store.newest(),
            made_at: self.nodes[0].wall(self.now_ms),
            submission: Some(Submission { key: order, body: bytes::mixed(&[u64::from(no)]) }),
            version: 1,
        }
    }

    /// What a desk writes for somebody: as `actors/src/notice_desk.rs` does, from the row as it is.
    fn changed(&self, no: u32, node: u32, wish: Wish) -> Option<NoticeOp> {
        let at = self.people.subscriptions.iter().position(|it| *it == no)?;
        let held = self.store.notices.all.get(at)?;
        let row = (*held.row).clone();
        let change = match wish {
            Wish::Resend if row.state == Standing::Disabled => return None,
            Wish::Resend => {
                let newest = held.deliveries.values().rev().find(|it| !it.is_open())?;
                let again = newest.clone().asked_again(self.nodes[node as usize].wall(self.now_ms));
                Change { changed: vec![again], ..Change::of(row) }
            }
            wish => Change::of(row.turned(wish == Wish::TurnOn, self.store.newest())),
        };
        Some(NoticeOp::Change(SubscriptionNo(at as u32), Rc::new(change)))
    }

    /// A front is answered by the store.
    pub(super) fn wish_answered(&mut self, node: u32, no: u32, wish: Wish, reply: &Reply) {
        match reply {
            Reply::Notice(NoticeReply::Subscribed(Subscribed::New | Subscribed::Known(_))) => {
                let moment = self.faults.moment(SUBSCRIBERS_FROM + no, Kind::RECEIPT);
                let is_lost = self.faults.strikes(Site::ReceiptLost, moment).is_some();
                if let Some(it) = self.people.subscriber(no) {
                    it.is_answered |= !is_lost;
                }
            }
            Reply::Notice(NoticeReply::Changed(Changed::Done)) => {}
            // Others changed it meanwhile, or nobody knows what happened: he asks once more.
            _ if wish != Wish::Subscribe => {
                self.plan(1_000, Event::Wish { subscriber: no, wish });
            }
            _ => {}
        }
        self.wake_dispatcher(node);
    }
}
