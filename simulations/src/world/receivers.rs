//! Who gets notices, and what becomes of each attempt on its way there and back.

use tgs_protocol::{
    limits::NOTICE_ANSWER_MS,
    notification::{
        channel::{Again, Receipt, Undelivered},
        delivery::Delivery,
    },
    unit::{EventNo, Millis},
};

use super::{
    World,
    event::{AttemptNo, Event},
    fault::{Kind, Site},
    flaw::Flaw,
    notifications::SubscriptionNo,
    things::SUBSCRIBERS_FROM,
};
use crate::dice::Dice;

/// One attempt under way.
#[derive(Debug)]
pub struct Attempt {
    /// From which node, in which boot of it.
    pub from: (u32, u32),
    /// For which subscription.
    pub of: SubscriptionNo,
    /// Of which event.
    pub event: EventNo,
    /// Its number, for the watchman.
    no: u32,
    /// The name that its receiver sees.
    name: String,
    /// What its sender will hear.
    what: Result<Receipt, Undelivered>,
    /// It arrives, and its end is heard: how much of that is to come.
    left: u8,
}

/// What becomes of an attempt.
struct Fate {
    /// When it arrives; none if it does not.
    arrives_ms: Option<u64>,
    /// When its sender knows its end.
    ends_ms: u64,
    what: Result<Receipt, Undelivered>,
}

impl World<'_> {
    /// A process makes an attempt; it knows the subscription in this version.
    pub(super) fn begin_attempt(
        &mut self,
        node: u32,
        of: SubscriptionNo,
        delivery: &Delivery,
        version: u64,
    ) {
        let (boot, event) = (self.nodes[node as usize].boot, delivery.event.no);
        let no = self.watchman.notice_sent(of, delivery, (node, boot), version);
        let mut name = delivery.key().to_string();
        if self.flaw == Some(Flaw::NamesAttempts) {
            name.push_str(&format!("_{}", delivery.tries));
        }
        self.say(true, |_| format!("node {node} sends {name}"));
        let Fate { arrives_ms, ends_ms, what } = self.fate_of(of);
        let left = 1 + u8::from(arrives_ms.is_some());
        let attempt = Attempt { from: (node, boot), of, event, no, name, what, left };
        let no = AttemptNo(self.attempts.put(attempt));
        if let Some(arrives_ms) = arrives_ms {
            self.plan(arrives_ms, Event::Arrival(no));
        }
        self.plan(ends_ms, Event::AttemptEnd(no));
    }

    fn fate_of(&mut self, of: SubscriptionNo) -> Fate {
        let subscriber = self.people.subscriber_of(of);
        let thing = SUBSCRIBERS_FROM + subscriber;
        let pace = self.paces.of(thing);
        let (there, back) = (pace.within(1, 200), pace.within(1, 200));
        let moment = self.faults.moment(thing, Kind::ATTEMPT);
        let in_time = |arrives_ms, what| Fate { arrives_ms, ends_ms: there + back, what };
        let unanswered = |arrives_ms, why: &str| Fate {
            arrives_ms,
            ends_ms: NOTICE_ANSWER_MS,
            what: Err(Undelivered::unanswered(why)),
        };
        if self.people.is_away(subscriber, self.now_ms + there) {
            return in_time(None, Err(Undelivered::unanswered("connection refused")));
        }
        if self.faults.strikes(Site::NoticeLost, moment).is_some() {
            return unanswered(None, "it was lost");
        }
        if self.faults.strikes(Site::NoticeUnanswered, moment).is_some() {
            return unanswered(Some(there), "its answer was lost");
        }
        if let Some(mut dice) = self.faults.strikes(Site::NoticeLate, moment) {
            let arrives_ms = NOTICE_ANSWER_MS + dice.below(60_000);
            return unanswered(Some(arrives_ms), "no answer in time");
        }
        if let Some(mut dice) = self.faults.strikes(Site::NoticeRefused, moment) {
            return in_time(None, Err(refusal(&mut dice)));
        }
        if self.faults.strikes(Site::ReceiverGone, moment).is_some() {
            return in_time(None, Err(answered(410, Again::Gone)));
        }
        in_time(Some(there), Ok(Receipt { status: Some(204) }))
    }

    /// An attempt reaches its receiver.
    pub(super) fn arrival(&mut self, no: AttemptNo) {
        let Some(attempt) = self.attempts.get(no.0) else { return };
        let Attempt { of, event, name, .. } = attempt;
        self.watchman.notice_arrived(*of, *event, (attempt.from, attempt.no), name);
        let (of, name) = (*of, name.clone());
        self.say(true, |_| format!("{name} reaches the receiver of subscription {}", of.0));
        self.let_go(no);
    }

    /// The sender of an attempt knows its end.
    pub(super) fn attempt_end(&mut self, no: AttemptNo) {
        let Some(attempt) = self.attempts.get(no.0) else { return };
        let Attempt { from, of, event, what, .. } = attempt;
        let (from, of, event, what) = (*from, *of, *event, what.clone());
        self.watchman.notice_answered(of, event, from, &what);
        self.say(true, |_| match &what {
            Ok(_) => "it arrived".to_owned(),
            Err(undelivered) => undelivered.why.clone(),
        });
        self.let_go(no);
        self.attempt_answered(from.0, of, event, what);
    }

    /// One thing less is to come of an attempt.
    pub(super) fn let_go(&mut self, no: AttemptNo) {
        let Some(attempt) = self.attempts.get_mut(no.0) else { return };
        attempt.left -= 1;
        if attempt.left == 0 {
            self.attempts.take(no.0);
        }
    }
}

/// What a receiver says that does not take a notice: as `adapters/src/webhook` understands it.
fn refusal(dice: &mut Dice) -> Undelivered {
    let later = Again::Later(None);
    match dice.below(6) {
        0 => answered(301, later),
        1 => answered(400, later),
        2 => answered(429, Again::Later(Some(Millis(dice.within(1, 120_000))))),
        3 => answered(500, later),
        4 => answered(503, Again::Later(Some(Millis(dice.within(1, 20_000))))),
        _ => Undelivered { status: None, why: "not to be sent to".to_owned(), again: Again::Never },
    }
}

fn answered(status: u16, again: Again) -> Undelivered {
    Undelivered { status: Some(status), why: format!("status {status}"), again }
}
