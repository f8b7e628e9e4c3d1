//! Subscriptions and deliveries in memory.

use async_trait::async_trait;
use tgs_protocol::{
    event::{Event, Happening},
    id::SubscriptionId,
    notification::{
        delivery::Delivery,
        store::{Change, Changed, NotificationStore, Subscribed},
        subscription::Subscription,
    },
    store::StoreError,
    unit::{EventNo, Timestamp},
};

use super::{Memory, State};
use crate::fence;

#[async_trait]
impl NotificationStore for Memory {
    async fn subscribe(&self, row: &Subscription) -> Result<Subscribed, StoreError> {
        let mut state = self.state();
        let all = state.subscriptions.values();
        if let Some(taken) = Subscribed::before(all, row) {
            return Ok(taken);
        }
        state.subscriptions.insert(row.id.clone(), row.clone());
        Ok(Subscribed::New)
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        Ok(self.state().subscriptions.values().cloned().collect())
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        Ok(self.state().subscriptions.get(id).cloned())
    }

    async fn change(&self, change: &Change) -> Result<Changed, StoreError> {
        let mut state = self.state();
        let id = &change.row.id;
        match state.subscriptions.get(id).map(|row| row.version + 1 == change.row.version) {
            None => return Ok(Changed::Gone),
            Some(false) => return Ok(Changed::Stale),
            Some(true) => {}
        }
        let key = |delivery: &Delivery| (id.clone(), delivery.event.no);
        if let Some(made) = change.made.iter().find(|it| state.deliveries.contains_key(&key(it))) {
            return Err(fence::made_twice(made));
        }
        for delivery in change.made.iter().chain(&change.changed) {
            state.deliveries.insert(key(delivery), delivery.clone());
        }
        state.subscriptions.insert(id.clone(), change.row.clone());
        Ok(Changed::Done)
    }

    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<bool, StoreError> {
        let mut state = self.state();
        state.deliveries.retain(|(of, _), _| of != id);
        Ok(state.subscriptions.remove(id).is_some())
    }

    async fn open_deliveries(&self, id: &SubscriptionId) -> Result<Vec<Delivery>, StoreError> {
        let state = self.state();
        Ok(state.deliveries_of(id).filter(|delivery| delivery.is_open()).cloned().collect())
    }

    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let is_before = |it: &&Delivery| before.is_none_or(|end| it.event.no < end);
        let state = self.state();
        let found = state.deliveries_of(id).rev().filter(is_before);
        Ok(found.take(limit).cloned().collect())
    }

    async fn delivery(
        &self,
        id: &SubscriptionId,
        event: EventNo,
    ) -> Result<Option<Delivery>, StoreError> {
        Ok(self.state().deliveries.get(&(id.clone(), event)).cloned())
    }

    async fn prune_deliveries(
        &self,
        id: &SubscriptionId,
        before: Timestamp,
        keep: usize,
    ) -> Result<usize, StoreError> {
        let mut state = self.state();
        let over = state.deliveries_of(id).rev().filter(|delivery| !delivery.is_open());
        let surplus = |(at, it): &(usize, &Delivery)| *at >= keep || it.made_at < before;
        let old: Vec<_> =
            over.enumerate().filter(surplus).map(|(_, delivery)| delivery.event.no).collect();
        for no in &old {
            state.deliveries.remove(&(id.clone(), *no));
        }
        Ok(old.len())
    }

    async fn endings(
        &self,
        before: Option<EventNo>,
        after: EventNo,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let is_meant = |event: &&Event| {
            matches!(event.what, Happening::Ended(_))
                && event.no > after
                && before.is_none_or(|end| event.no < end)
        };
        let state = self.state();
        let found = state.events.iter().rev().flatten().filter(is_meant);
        Ok(found.take(limit).cloned().collect())
    }

    async fn read_mark(&self) -> Result<EventNo, StoreError> {
        Ok(self.state().read_mark)
    }

    async fn mark_read(&self, through: EventNo) -> Result<EventNo, StoreError> {
        let mut state = self.state();
        state.read_mark = state.read_mark.max(through);
        Ok(state.read_mark)
    }
}

impl State {
    /// Of one subscription, oldest first.
    fn deliveries_of(
        &self,
        id: &SubscriptionId,
    ) -> impl DoubleEndedIterator<Item = &Delivery> + use<'_> {
        let all = (id.clone(), EventNo(0))..=(id.clone(), EventNo(u64::MAX));
        self.deliveries.range(all).map(|(_, delivery)| delivery)
    }
}
