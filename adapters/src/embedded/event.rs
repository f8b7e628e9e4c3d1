//! The log of events: appended in the transaction that writes the row they are read off.

use async_trait::async_trait;
use redb::{ReadableTable, WriteTransaction};
use tgs_protocol::{
    event::{Event, events},
    id::JobId,
    job::JobRow,
    store::{EventLog, StoreError},
    unit::EventNo,
};

use crate::{
    blocking::blocking,
    embedded::{
        Embedded,
        ledger::{EVENTS, EVENTS_OF, decode_known, encode},
        schema::{META, NEWEST_EVENT_KEY},
        trouble::Trouble,
    },
};

#[async_trait]
impl EventLog for Embedded {
    async fn events(
        &self,
        after: EventNo,
        job: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let Some(first) = after.get().checked_add(1) else { return Ok(Vec::new()) };
        blocking(|| {
            self.ledger().read(|view| {
                let log = view.open_table(EVENTS)?;
                let mut found = Vec::new();
                if let Some(job) = job {
                    let of_job = view.open_table(EVENTS_OF)?;
                    let wanted = (job.as_str(), first)..=(job.as_str(), u64::MAX);
                    for entry in of_job.range(wanted)?.take(limit) {
                        let (_, no) = entry?.0.value();
                        let event = log.get(no)?;
                        let event =
                            event.map(|it| decode_known(it.value(), "events", job)).transpose()?;
                        found.extend(event);
                    }
                } else {
                    let whose = JobId::new("all");
                    for entry in log.range(first..)?.take(limit) {
                        found.push(decode_known(entry?.1.value(), "events", &whose)?);
                    }
                }
                Ok(found)
            })
        })
    }

    async fn newest_event(&self) -> Result<EventNo, StoreError> {
        blocking(|| self.newest_event_now())
    }

    async fn wait_for_event(&self, after: EventNo) {
        let mut told = self.inner.told.subscribe();
        // It is an error only once the sender is gone, and `self` holds it.
        let _ = told.wait_for(|newest| *newest > after).await;
    }
}

impl Embedded {
    pub(super) fn newest_event_now(&self) -> Result<EventNo, StoreError> {
        self.ledger().read(|view| {
            let newest = view.open_table(META)?.get(NEWEST_EVENT_KEY)?;
            Ok(EventNo(newest.map_or(0, |newest| newest.value())))
        })
    }

    /// Wakes whoever waits for an event; zero is none.
    pub(super) fn tell(&self, newest: EventNo) {
        self.inner.told.send_if_modified(|told| {
            let is_newer = *told < newest;
            *told = (*told).max(newest);
            is_newer
        });
    }
}

/// Appends what is new in a row; gives the newest number there is.
pub(super) fn append(
    transaction: &WriteTransaction,
    before: Option<&JobRow>,
    row: &JobRow,
) -> Result<EventNo, Trouble> {
    let mut meta = transaction.open_table(META)?;
    // Counted beside the events: those of forgotten jobs are gone, their numbers are used.
    let newest = meta.get(NEWEST_EVENT_KEY)?.map_or(0, |newest| newest.value());
    let (mut log, mut of_job) =
        (transaction.open_table(EVENTS)?, transaction.open_table(EVENTS_OF)?);
    let added = events(before, row, EventNo(newest));
    for event in &added {
        log.insert(event.no.get(), encode(event)?.as_slice())?;
        of_job.insert((row.id.as_str(), event.no.get()), ())?;
    }
    let newest = added.last().map_or(EventNo(newest), |event| event.no);
    meta.insert(NEWEST_EVENT_KEY, newest.get())?;
    Ok(newest)
}

/// Removes all events of a job.
pub(super) fn forget(transaction: &WriteTransaction, job: &JobId) -> Result<(), Trouble> {
    let mut log = transaction.open_table(EVENTS)?;
    let mut of_job = transaction.open_table(EVENTS_OF)?;
    let all = (job.as_str(), 0)..=(job.as_str(), u64::MAX);
    for entry in of_job.extract_from_if(all, |_, ()| true)? {
        let (_, no) = entry?.0.value();
        log.remove(no)?;
    }
    Ok(())
}
