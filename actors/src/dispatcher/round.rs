//! One courier at work: what it hears is one step, and a step counts when its write took place.

use std::collections::VecDeque;

use tgs_protocol::{
    id::SubscriptionId,
    limits::EVENTS_READ_MAX,
    notification::{
        channel::{Receipt, Undelivered},
        step::{Courier, CourierAction, CourierEvent},
        store::Changed,
    },
    store::StoreError,
    unit::{EventNo, Millis, Timestamp},
};

use super::{Office, attempt::Attempts};
use crate::store_call::answer;

/// A subscription and what is not yet done for it.
pub(super) struct Round {
    id: SubscriptionId,
    /// None until it was read.
    courier: Option<Courier>,
    /// Ends of attempts whose step was not written yet. They are kept through failed writes: what
    /// is known to have arrived is not sent again because a disk was full.
    heard: VecDeque<CourierEvent>,
    /// The courier is not what the store holds.
    is_stale: bool,
    /// A store that failed is left alone until then.
    rests_until: Option<Timestamp>,
}

/// What came of working at a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worked {
    /// All that can be done now.
    Done,
    /// There are more events than were read at once.
    HasMore,
    /// The subscription was removed.
    Gone,
}

impl Round {
    pub(super) fn new(id: SubscriptionId) -> Self {
        let (courier, heard, rests_until) = (None, VecDeque::new(), None);
        Self { id, courier, heard, is_stale: true, rests_until }
    }

    /// The store's row has this version now.
    pub(super) fn saw(&mut self, version: u64) {
        let has = self.courier.as_ref().map(|courier| courier.row().version);
        self.is_stale |= has != Some(version);
    }

    pub(super) fn hear(&mut self, event: EventNo, what: Result<Receipt, Undelivered>) {
        self.heard.push_back(CourierEvent::Answered { event, what });
    }

    /// How long until there is something to do, as far as is known.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Millis> {
        let due = self.courier.as_ref().and_then(|courier| courier.next_due(now));
        let at = self.rests_until.or(due)?;
        Some(Millis(at.get().saturating_sub(now.get())))
    }

    pub(super) async fn work(&mut self, office: &Office, attempts: &mut Attempts<'_>) -> Worked {
        let now = office.ports.clock.now();
        let rest = u64::try_from(office.rest.as_millis()).unwrap_or(u64::MAX);
        let longest = Timestamp(now.get().saturating_add(rest));
        if self.rests_until.is_some_and(|until| until > now && until <= longest) {
            return Worked::Done;
        }
        self.rests_until = None;
        self.take_steps(office, attempts).await.unwrap_or_else(|error| {
            tracing::warn!(subscription = %self.id, %error, "notices wait for the store");
            (self.is_stale, self.rests_until) = (true, Some(longest));
            Worked::Done
        })
    }

    async fn take_steps(
        &mut self,
        office: &Office,
        attempts: &mut Attempts<'_>,
    ) -> Result<Worked, StoreError> {
        if !self.is_fresh(office).await? {
            return Ok(Worked::Gone);
        }
        while let Some(event) = self.heard.front().cloned() {
            if !self.take(event, office, attempts).await? {
                return Ok(Worked::HasMore);
            }
            self.heard.pop_front();
        }
        let (events, has_more) = self.read(office).await?;
        let event = match events.is_empty() {
            true => CourierEvent::Looked,
            false => CourierEvent::Read(events),
        };
        let is_done = self.take(event, office, attempts).await? && !has_more;
        Ok(if is_done { Worked::Done } else { Worked::HasMore })
    }

    /// Puts the courier back to what the store holds, if it is not; false if that is nothing.
    async fn is_fresh(&mut self, office: &Office) -> Result<bool, StoreError> {
        if !self.is_stale {
            return Ok(true);
        }
        let store = &office.notices.notifications;
        let row = answer("read subscription", store.subscription(&self.id)).await?;
        let Some(row) = row else { return Ok(false) };
        let open = answer("list deliveries", store.open_deliveries(&self.id)).await?;
        self.courier = Some(match self.courier.take() {
            Some(courier) => courier.put_back(row, open),
            None => Courier::new(row, open, office.patience),
        });
        self.is_stale = false;
        Ok(true)
    }

    async fn read(
        &self,
        office: &Office,
    ) -> Result<(Vec<tgs_protocol::event::Event>, bool), StoreError> {
        let after = self.courier.as_ref().and_then(Courier::reads_after);
        let Some(after) = after else { return Ok((Vec::new(), false)) };
        let reading = office.notices.events.events(after, None, EVENTS_READ_MAX);
        let events = answer("read events", reading).await?;
        let has_more = events.len() == EVENTS_READ_MAX;
        Ok((events, has_more))
    }

    /// One step; false if another write came before: then the courier is stale.
    async fn take(
        &mut self,
        event: CourierEvent,
        office: &Office,
        attempts: &mut Attempts<'_>,
    ) -> Result<bool, StoreError> {
        let Some(courier) = &self.courier else { return Ok(false) };
        let mut next = courier.clone();
        let actions = next.step(office.ports.clock.now(), event);
        for action in actions {
            match action {
                CourierAction::Save(change) => {
                    let writing = office.notices.notifications.change(&change);
                    if answer("write notices", writing).await? != Changed::Done {
                        self.is_stale = true;
                        return Ok(false);
                    }
                }
                CourierAction::Send(delivery) => attempts.begin(&next.row().target, &delivery),
            }
        }
        self.courier = Some(next);
        Ok(true)
    }
}
