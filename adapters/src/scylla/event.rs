//! The log of events, read by number.

use std::time::Duration;

use async_trait::async_trait;
use tgs_protocol::{
    event::Event,
    id::JobId,
    store::{EventLog, StoreError},
    unit::EventNo,
};
use tokio::time::timeout;

use super::{Scylla, json::decode_known, lease::whole, numbering::BUCKET, trouble::Patience};

/// A waiter asks again after so long: it may have begun before the database could be reached.
const WAIT_MAX: Duration = Duration::from_secs(30);

#[async_trait]
impl EventLog for Scylla {
    async fn events(
        &self,
        after: EventNo,
        job: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut patience = Patience::of("read events");
        let newest = self.newest_number(&mut patience).await?;
        if after >= newest {
            return Ok(Vec::new());
        }
        // What was numbered since is not entered for certain.
        let (first, last) = (whole(after.get()) + 1, whole(newest.get()));
        match job {
            Some(job) => self.events_of(&mut patience, job, (first, last), limit).await,
            None => self.events_between(&mut patience, (first, last), limit).await,
        }
    }

    async fn newest_event(&self) -> Result<EventNo, StoreError> {
        self.newest_number(&mut Patience::of("look for the newest event")).await
    }

    async fn wait_for_event(&self, after: EventNo) {
        // It is an error only once the sender is gone, and `self` holds it. What other nodes told
        // is looked for by one task for all that wait.
        let mut told = self.inner.told.subscribe();
        let _ = timeout(WAIT_MAX, told.wait_for(|newest| *newest > after)).await;
    }
}

impl Scylla {
    async fn events_between(
        &self,
        patience: &mut Patience,
        (first, last): (i64, i64),
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let mut found = Vec::new();
        for bucket in first / BUCKET..=last / BUCKET {
            let left = limit - found.len();
            if left == 0 {
                break;
            }
            let values = (bucket, first, last, i32::try_from(left).unwrap_or(i32::MAX));
            let say = &self.database().say.entries;
            let rows: Vec<(Vec<u8>,)> = self.database().rows(patience, say, values).await?;
            found.extend(rows.iter().map(decoded).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(found)
    }

    async fn events_of(
        &self,
        patience: &mut Patience,
        job: &JobId,
        (first, last): (i64, i64),
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let values = (job.as_str(), first, last, i32::try_from(limit).unwrap_or(i32::MAX));
        let say = &self.database().say.entries_of;
        let rows: Vec<(Vec<u8>,)> = self.database().rows(patience, say, values).await?;
        rows.iter().map(decoded).collect()
    }

    /// Removes a job's events from the log; their numbers are not given again.
    pub(super) async fn drop_events(
        &self,
        patience: &mut Patience,
        job: &JobId,
    ) -> Result<(), StoreError> {
        let (database, say) = (self.database(), &self.database().say);
        let numbers: Vec<(i64,)> =
            database.rows(patience, &say.numbers_of, (job.as_str(),)).await?;
        for (no,) in numbers {
            database.write(patience, &say.drop_entry, (no / BUCKET, no)).await?;
            database.write(patience, &say.drop_ending, (no,)).await?;
        }
        database.write(patience, &say.drop_entries_of, (job.as_str(),)).await
    }
}

/// An event as a row of the log has it.
pub(super) fn decoded((bytes,): &(Vec<u8>,)) -> Result<Event, StoreError> {
    decode_known(bytes, "the log of events")
}
