//! Subscriptions and deliveries. What a step changes is one transaction on one row; deliveries that
//! are over leave it for a history.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tgs_protocol::{
    event::Event,
    id::SubscriptionId,
    notification::{
        delivery::Delivery,
        store::{Change, Changed, NotificationStore, Subscribed},
        subscription::Subscription,
    },
    store::StoreError,
    unit::{EventNo, Timestamp},
};

use super::{
    Scylla,
    database::Decided,
    event::decoded,
    json::{decode, encode},
    lease::{natural, whole},
    trouble::Patience,
};
use crate::fence;

/// How messages call them.
const DELIVERIES: &str = "the deliveries";

/// A subscription as it stands.
struct Standing {
    row: Subscription,
    version: i64,
    deliveries: BTreeMap<i64, Delivery>,
}

#[async_trait]
impl NotificationStore for Scylla {
    async fn subscribe(&self, row: &Subscription) -> Result<Subscribed, StoreError> {
        let mut patience = Patience::of("subscribe");
        let body = encode(row, "a subscription")?;
        let mut is_unknown = false;
        loop {
            let (turn, others) = self.all_subscriptions(&mut patience).await?;
            if is_unknown && others.iter().any(|other| other.id == row.id) {
                return Ok(Subscribed::New);
            }
            if let Some(taken) = Subscribed::before(others.iter(), row) {
                return Ok(taken);
            }
            let next = turn.unwrap_or(0) + 1;
            let values = (&body, whole(row.version), next, row.id.as_str(), turn);
            let say = &self.database().say.subscribe;
            match self.database().decide(&mut patience, say, values).await? {
                Decided::Applied => return Ok(Subscribed::New),
                Decided::Refused => {}
                Decided::Unknown => is_unknown = true,
            }
        }
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        Ok(self.all_subscriptions(&mut Patience::of("list subscriptions")).await?.1)
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        let standing = self.standing(&mut Patience::of("read a subscription"), id).await?;
        Ok(standing.map(|it| it.row))
    }

    async fn change(&self, change: &Change) -> Result<Changed, StoreError> {
        let mut patience = Patience::of("change a subscription");
        let (id, version) = (&change.row.id, whole(change.row.version));
        let body = encode(&change.row, "a subscription")?;
        let written: BTreeMap<i64, Vec<u8>> = { change.made.iter() }
            .chain(&change.changed)
            .map(|it| Ok((whole(it.event.no.get()), encode(it, DELIVERIES)?)))
            .collect::<Result<_, StoreError>>()?;
        let mut is_unknown = false;
        loop {
            let Some(standing) = self.standing(&mut patience, id).await? else {
                return Ok(Changed::Gone);
            };
            // A write of unknown outcome that took place.
            if is_unknown && standing.row == change.row {
                break;
            }
            if standing.version + 1 != version {
                return Ok(Changed::Stale);
            }
            for made in &change.made {
                if self.find(&mut patience, &standing, made.event.no).await?.is_some() {
                    return Err(fence::made_twice(made));
                }
            }
            let values = (&body, version, &written, id.as_str(), standing.version);
            let say = &self.database().say.change_subscription;
            match self.database().decide(&mut patience, say, values).await? {
                Decided::Applied => break,
                Decided::Refused => {}
                Decided::Unknown => is_unknown = true,
            }
        }
        if change.changed.iter().any(|delivery| !delivery.is_open()) {
            self.settle(&mut patience, id).await?;
        }
        Ok(Changed::Done)
    }

    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<bool, StoreError> {
        let mut patience = Patience::of("unsubscribe");
        let (database, say) = (self.database(), &self.database().say);
        let mut is_unknown = false;
        let is_ours = loop {
            match database.decide(&mut patience, &say.unsubscribe, (id.as_str(),)).await? {
                Decided::Applied => break true,
                Decided::Refused => break is_unknown,
                Decided::Unknown => is_unknown = true,
            }
        };
        database.write(&mut patience, &say.drop_deliveries, (id.as_str(),)).await?;
        Ok(is_ours)
    }

    async fn open_deliveries(&self, id: &SubscriptionId) -> Result<Vec<Delivery>, StoreError> {
        let standing = self.standing(&mut Patience::of("list deliveries"), id).await?;
        let all = standing.into_iter().flat_map(|it| it.deliveries.into_values());
        Ok(all.filter(Delivery::is_open).collect())
    }

    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut patience = Patience::of("list deliveries");
        let Some(standing) = self.standing(&mut patience, id).await? else {
            return Ok(Vec::new());
        };
        let end = before.map_or(i64::MAX, |before| whole(before.get()));
        let mut found = self.history(&mut patience, id, end, limit).await?;
        // What stands in the row is newer.
        found.extend(standing.deliveries.into_iter().filter(|(no, _)| *no < end));
        Ok(found.into_values().rev().take(limit).collect())
    }

    async fn delivery(
        &self,
        id: &SubscriptionId,
        event: EventNo,
    ) -> Result<Option<Delivery>, StoreError> {
        let mut patience = Patience::of("read a delivery");
        let Some(standing) = self.standing(&mut patience, id).await? else { return Ok(None) };
        self.find(&mut patience, &standing, event).await
    }

    async fn prune_deliveries(
        &self,
        id: &SubscriptionId,
        before: Timestamp,
        keep: usize,
    ) -> Result<usize, StoreError> {
        let mut patience = Patience::of("remove old deliveries");
        self.settle(&mut patience, id).await?;
        let Some(standing) = self.standing(&mut patience, id).await? else { return Ok(0) };
        let mut over = self.history(&mut patience, id, i64::MAX, usize::MAX).await?;
        over.retain(|no, _| !standing.deliveries.contains_key(no));
        let surplus = |(at, it): &(usize, &Delivery)| *at >= keep || it.made_at < before;
        let old: Vec<i64> = { over.values().rev().enumerate().filter(surplus) }
            .map(|(_, it)| whole(it.event.no.get()))
            .collect();
        let (database, say) = (self.database(), &self.database().say);
        for no in &old {
            let values = (standing.version, id.as_str(), *no);
            database.write(&mut patience, &say.drop_delivery, values).await?;
        }
        Ok(old.len())
    }

    async fn endings(
        &self,
        before: Option<EventNo>,
        after: EventNo,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut patience = Patience::of("read notices");
        let newest = self.newest_number(&mut patience).await?;
        let end = before.map_or(i64::MAX, |before| whole(before.get()));
        let end = end.min(whole(newest.get()).saturating_add(1));
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let values = (end, whole(after.get()), limit);
        let say = &self.database().say.endings;
        let rows: Vec<(Vec<u8>,)> = self.database().rows(&mut patience, say, values).await?;
        rows.iter().map(decoded).collect()
    }

    async fn read_mark(&self) -> Result<EventNo, StoreError> {
        self.mark_of_reading(&mut Patience::of("read the mark of notices")).await
    }

    async fn mark_read(&self, through: EventNo) -> Result<EventNo, StoreError> {
        let mut patience = Patience::of("move the mark of notices");
        let (database, say) = (self.database(), &self.database().say);
        let wanted = whole(through.get());
        loop {
            let now = self.mark_of_reading(&mut patience).await?;
            if now >= through {
                return Ok(now);
            }
            let decided = match now {
                EventNo(0) => database.decide(&mut patience, &say.begin_mark, (wanted,)).await?,
                EventNo(_) => {
                    let values = (wanted, whole(now.get()));
                    database.decide(&mut patience, &say.move_mark, values).await?
                }
            };
            if decided == Decided::Applied {
                return Ok(through);
            }
        }
    }
}

impl Scylla {
    /// Every subscription, and how many there ever were.
    async fn all_subscriptions(
        &self,
        patience: &mut Patience,
    ) -> Result<(Option<i64>, Vec<Subscription>), StoreError> {
        let say = &self.database().say.see_subscriptions;
        let rows: Vec<(Option<i64>, Option<Vec<u8>>)> =
            self.database().rows(patience, say, ()).await?;
        let turn = rows.first().and_then(|row| row.0);
        let bodies = rows.iter().filter_map(|row| row.1.as_ref());
        // What one of them is told by a newer version is sent by a newer version.
        let read = |body: &Vec<u8>| {
            let read = decode(body, "a subscription");
            self.passed_over().unless_newer("a subscription", read).transpose()
        };
        Ok((turn, bodies.filter_map(read).collect::<Result<_, _>>()?))
    }

    async fn standing(
        &self,
        patience: &mut Patience,
        id: &SubscriptionId,
    ) -> Result<Option<Standing>, StoreError> {
        type Columns = (Option<Vec<u8>>, Option<i64>, Option<BTreeMap<i64, Vec<u8>>>);
        let say = &self.database().say.see_subscription;
        let rows: Vec<Columns> = self.database().rows(patience, say, (id.as_str(),)).await?;
        let Some((Some(body), version, deliveries)) = rows.into_iter().next() else {
            return Ok(None);
        };
        let what = format!("subscription {id}");
        let read = |(no, bytes): (i64, Vec<u8>)| Ok((no, decode(&bytes, &what)?));
        let deliveries = deliveries.unwrap_or_default().into_iter().map(read);
        Ok(Some(Standing {
            row: decode(&body, &what)?,
            version: version.unwrap_or(0),
            deliveries: deliveries.collect::<Result<_, StoreError>>()?,
        }))
    }

    /// Moves deliveries that are over into the history. The row may have changed since: then
    /// whoever changed it does so.
    async fn settle(&self, patience: &mut Patience, id: &SubscriptionId) -> Result<(), StoreError> {
        let Some(standing) = self.standing(patience, id).await? else { return Ok(()) };
        let over: Vec<(&i64, &Delivery)> =
            standing.deliveries.iter().filter(|(_, it)| !it.is_open()).collect();
        if over.is_empty() {
            return Ok(());
        }
        let (database, say) = (self.database(), &self.database().say);
        for (no, delivery) in &over {
            let values = (id.as_str(), **no, encode(*delivery, DELIVERIES)?, standing.version);
            database.write(patience, &say.put_delivery, values).await?;
        }
        let numbers: Vec<i64> = over.iter().map(|(no, _)| **no).collect();
        let values = (&numbers, id.as_str(), standing.version);
        // Once more does no harm, and so does never: what stands in both is the same.
        let _ = database.decide(patience, &say.settle_subscription, values).await?;
        Ok(())
    }

    async fn find(
        &self,
        patience: &mut Patience,
        standing: &Standing,
        event: EventNo,
    ) -> Result<Option<Delivery>, StoreError> {
        let no = whole(event.get());
        if let Some(delivery) = standing.deliveries.get(&no) {
            return Ok(Some(delivery.clone()));
        }
        let say = &self.database().say.delivery;
        let values = (standing.row.id.as_str(), no);
        let rows: Vec<(Vec<u8>,)> = self.database().rows(patience, say, values).await?;
        rows.first().map(|(body,)| decode(body, DELIVERIES)).transpose()
    }

    /// Deliveries that are over, of events before this one: the newest.
    async fn history(
        &self,
        patience: &mut Patience,
        id: &SubscriptionId,
        end: i64,
        limit: usize,
    ) -> Result<BTreeMap<i64, Delivery>, StoreError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let say = &self.database().say.deliveries;
        let rows: Vec<(i64, Vec<u8>)> =
            self.database().rows(patience, say, (id.as_str(), end, limit)).await?;
        let read = |(no, body): (i64, Vec<u8>)| Ok((no, decode(&body, DELIVERIES)?));
        rows.into_iter().map(read).collect()
    }

    async fn mark_of_reading(&self, patience: &mut Patience) -> Result<EventNo, StoreError> {
        let say = &self.database().say.see_mark;
        let rows: Vec<(Option<i64>,)> = self.database().rows(patience, say, ()).await?;
        Ok(EventNo(natural(rows.first().and_then(|row| row.0).unwrap_or(0))))
    }
}
