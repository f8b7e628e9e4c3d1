//! Subscriptions and deliveries: JSON in tables, each change one durable transaction.

use async_trait::async_trait;
use redb::{ReadableTable, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use tgs_protocol::{
    event::{Event, Happening},
    id::{JobId, SubscriptionId},
    notification::{
        delivery::Delivery,
        store::{Change, Changed, NotificationStore, Subscribed},
        subscription::Subscription,
    },
    store::StoreError,
    unit::{EventNo, Timestamp},
};

use crate::{
    blocking::blocking,
    embedded::{
        Embedded,
        ledger::{
            Commit, DELIVERIES, DELIVERIES_OPEN, EVENTS, SUBSCRIPTIONS, decode, decode_known,
            encode,
        },
        schema::{META, READ_MARK_KEY},
        trouble::Trouble,
    },
    fence,
};

#[async_trait]
impl NotificationStore for Embedded {
    async fn subscribe(&self, row: &Subscription) -> Result<Subscribed, StoreError> {
        blocking(|| {
            fence::check_name(&JobId::new(row.id.as_str()))?;
            self.ledger().write(|transaction| {
                let mut table = transaction.open_table(SUBSCRIPTIONS)?;
                let all = all_in(&table)?;
                if let Some(taken) = Subscribed::before(all.iter(), row) {
                    return Ok(Commit::Leave(taken));
                }
                table.insert(row.id.as_str(), encode(row)?.as_slice())?;
                Ok(Commit::Keep(Subscribed::New))
            })
        })
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        blocking(|| self.ledger().read(|view| all_in(&view.open_table(SUBSCRIPTIONS)?)))
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        blocking(|| self.ledger().read(|view| row_in(&view.open_table(SUBSCRIPTIONS)?, id)))
    }

    async fn change(&self, change: &Change) -> Result<Changed, StoreError> {
        blocking(|| self.ledger().write(|transaction| put(transaction, change)))
    }

    async fn unsubscribe(&self, id: &SubscriptionId) -> Result<bool, StoreError> {
        blocking(|| {
            self.ledger().write(|transaction| {
                let removed = transaction.open_table(SUBSCRIPTIONS)?.remove(id.as_str())?.is_some();
                if !removed {
                    return Ok(Commit::Leave(false));
                }
                let mut table = transaction.open_table(DELIVERIES)?;
                table.retain_in(all_of(id), |_, _| false)?;
                let mut open = transaction.open_table(DELIVERIES_OPEN)?;
                open.retain_in(all_of(id), |_, ()| false)?;
                Ok(Commit::Keep(true))
            })
        })
    }

    async fn open_deliveries(&self, id: &SubscriptionId) -> Result<Vec<Delivery>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let table = view.open_table(DELIVERIES)?;
                let mut found = Vec::new();
                for entry in view.open_table(DELIVERIES_OPEN)?.range(all_of(id))? {
                    let bytes = table.get(entry?.0.value())?;
                    found.extend(bytes.map(|it| read(it.value(), "delivery", id)).transpose()?);
                }
                Ok(found)
            })
        })
    }

    async fn deliveries(
        &self,
        id: &SubscriptionId,
        before: Option<EventNo>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let end = before.map_or(u64::MAX, EventNo::get);
        blocking(|| {
            self.ledger().read(|view| {
                let table = view.open_table(DELIVERIES)?;
                let range = table.range((id.as_str(), 0)..(id.as_str(), end))?;
                let newest = range.rev().take(limit);
                newest.map(|entry| read(entry?.1.value(), "delivery", id)).collect()
            })
        })
    }

    async fn delivery(
        &self,
        id: &SubscriptionId,
        event: EventNo,
    ) -> Result<Option<Delivery>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let found = view.open_table(DELIVERIES)?.get((id.as_str(), event.get()))?;
                found.map(|bytes| read(bytes.value(), "delivery", id)).transpose()
            })
        })
    }

    async fn prune_deliveries(
        &self,
        id: &SubscriptionId,
        before: Timestamp,
        keep: usize,
    ) -> Result<usize, StoreError> {
        blocking(|| {
            self.ledger().write(|transaction| {
                let old = surplus(transaction, id, before, keep)?;
                let mut table = transaction.open_table(DELIVERIES)?;
                for no in &old {
                    table.remove((id.as_str(), *no))?;
                }
                Ok(if old.is_empty() { Commit::Leave(0) } else { Commit::Keep(old.len()) })
            })
        })
    }

    async fn endings(
        &self,
        before: Option<EventNo>,
        after: EventNo,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let (whose, end) = (JobId::new("all"), before.map_or(u64::MAX, EventNo::get));
        blocking(|| {
            self.ledger().read(|view| {
                let log = view.open_table(EVENTS)?;
                let mut found = Vec::new();
                let first = after.get().saturating_add(1).min(end);
                for entry in log.range(first..end)?.rev() {
                    if found.len() == limit {
                        break;
                    }
                    let event: Event = decode_known(entry?.1.value(), "events", &whose)?;
                    found.extend(matches!(event.what, Happening::Ended(_)).then_some(event));
                }
                Ok(found)
            })
        })
    }

    async fn read_mark(&self) -> Result<EventNo, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let mark = view.open_table(META)?.get(READ_MARK_KEY)?;
                Ok(EventNo(mark.map_or(0, |mark| mark.value())))
            })
        })
    }

    async fn mark_read(&self, through: EventNo) -> Result<EventNo, StoreError> {
        blocking(|| {
            self.ledger().write(|transaction| {
                let mut meta = transaction.open_table(META)?;
                let mark = meta.get(READ_MARK_KEY)?.map_or(0, |mark| mark.value());
                if mark >= through.get() {
                    return Ok(Commit::Leave(EventNo(mark)));
                }
                meta.insert(READ_MARK_KEY, through.get())?;
                Ok(Commit::Keep(through))
            })
        })
    }
}

/// The row and its deliveries, if the row is the one that was seen.
fn put(transaction: &WriteTransaction, change: &Change) -> Result<Commit<Changed>, Trouble> {
    let id = &change.row.id;
    let mut rows = transaction.open_table(SUBSCRIPTIONS)?;
    match row_in(&rows, id)? {
        None => return Ok(Commit::Leave(Changed::Gone)),
        Some(row) if row.version + 1 != change.row.version => {
            return Ok(Commit::Leave(Changed::Stale));
        }
        Some(_) => {}
    }
    rows.insert(id.as_str(), encode(&change.row)?.as_slice())?;
    let mut table = transaction.open_table(DELIVERIES)?;
    let mut open = transaction.open_table(DELIVERIES_OPEN)?;
    for (delivery, is_new) in with(&change.made, true).chain(with(&change.changed, false)) {
        let key = (id.as_str(), delivery.event.no.get());
        let before = table.insert(key, encode(delivery)?.as_slice())?;
        if is_new && before.is_some() {
            return Err(fence::made_twice(delivery).into());
        }
        if delivery.is_open() {
            open.insert(key, ())?;
        } else {
            open.remove(key)?;
        }
    }
    Ok(Commit::Keep(Changed::Done))
}

fn with<T>(all: &[T], mark: bool) -> impl Iterator<Item = (&T, bool)> {
    all.iter().map(move |one| (one, mark))
}

/// Deliveries that are over and are not to be kept.
fn surplus(
    transaction: &WriteTransaction,
    id: &SubscriptionId,
    before: Timestamp,
    keep: usize,
) -> Result<Vec<u64>, Trouble> {
    let table = transaction.open_table(DELIVERIES)?;
    let (mut old, mut kept) = (Vec::new(), 0);
    for entry in table.range(all_of(id))?.rev() {
        let (key, bytes) = entry?;
        let delivery: Delivery = read(bytes.value(), "delivery", id)?;
        if delivery.is_open() {
            continue;
        }
        if kept >= keep || delivery.made_at < before {
            old.push(key.value().1);
        }
        kept += 1;
    }
    Ok(old)
}

fn all_of(id: &SubscriptionId) -> std::ops::RangeInclusive<(&str, u64)> {
    (id.as_str(), 0)..=(id.as_str(), u64::MAX)
}

fn all_in(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Vec<Subscription>, Trouble> {
    let mut all = Vec::new();
    for entry in table.iter()? {
        let (name, bytes) = entry?;
        all.push(read(bytes.value(), "subscription", &SubscriptionId::new(name.value()))?);
    }
    Ok(all)
}

fn row_in(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    id: &SubscriptionId,
) -> Result<Option<Subscription>, Trouble> {
    let found = table.get(id.as_str())?;
    found.map(|bytes| read(bytes.value(), "subscription", id)).transpose()
}

/// A value of these tables; the message names the subscription.
fn read<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    id: &SubscriptionId,
) -> Result<T, Trouble> {
    decode(bytes, what, &JobId::new(format!("(none; subscription {id})")))
}
