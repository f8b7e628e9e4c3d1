//! Numbers for the events that writes left in their jobs' partitions.
//!
//! Giving them is an act of its own, which anybody may begin or end: the end of the log names the
//! events that were numbered last, and whoever numbers others first enters those in the log and
//! takes them out of the jobs. So numbers have no gaps, nothing is numbered twice, and a node that
//! dies in between holds nobody up (helping, as in Herlihy, 1991).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{MutexGuard, PoisonError},
};

use futures_util::future::try_join_all;
use scylla::DeserializeRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tgs_protocol::{id::JobId, store::StoreError, unit::EventNo};

use super::{
    Scylla,
    database::Decided,
    json::{decode_known, encode},
    lease::natural,
    trouble::{Patience, damaged},
};

/// Events that get their numbers in one act: what a statement carries with ease.
const ENTRIES_MAX: usize = 256;
/// Numbers of one partition of the log.
pub(super) const BUCKET: i64 = 4_096;
/// Entries of a job that are written at the same time.
const AT_ONCE: usize = 64;
/// Jobs that are looked at, or whose events are entered, at the same time.
const JOBS_AT_ONCE: usize = 16;

/// How messages call it.
const LOG_END: &str = "the end of the log";

/// The end of the log.
#[derive(Debug, Default)]
struct LogEnd {
    turn: Option<i64>,
    newest: i64,
    numbered: Vec<Numbered>,
}

/// Events of one job that got their numbers together.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Numbered {
    job: JobId,
    /// The newest one that was told before.
    told: i64,
    /// The number of the first.
    first: i64,
    /// As their writer put them: whoever numbers them need not know what they say.
    events: Vec<Value>,
}

/// What of a job concerns the log.
#[derive(Debug, Default)]
struct Outbox {
    told: i64,
    pending: BTreeMap<i64, Vec<u8>>,
    is_gone: bool,
}

impl Outbox {
    /// Those to be numbered, at most `room`.
    fn events(&self, room: usize) -> Result<Vec<Value>, serde_json::Error> {
        let untold = self.pending.range(self.told + 1..).filter(|_| !self.is_gone);
        untold.take(room).map(|(_, bytes)| serde_json::from_slice(bytes)).collect()
    }
}

#[derive(Debug, DeserializeRow)]
struct OutboxColumns {
    #[expect(dead_code, reason = "DISTINCT asks for it")]
    job: String,
    told: Option<i64>,
    pending: Option<BTreeMap<i64, Vec<u8>>>,
    gone: Option<bool>,
}

/// How the end of the log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seeing {
    /// As it was decided last, whoever has begun to decide something; holds up who decides.
    Decided,
    /// With everything whose writer was told that it is done.
    Copied,
}

/// Whose events are entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// This task numbered them just now.
    Ours,
    /// Another one may have entered them.
    Anybodys,
}

/// Jobs that one task numbers; they wait again if it is cut off.
struct Taken<'store> {
    store: &'store Scylla,
    jobs: BTreeSet<JobId>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.store.unnumbered().append(&mut self.jobs);
    }
}

impl Scylla {
    /// Numbers the events of a job, and enters them in the log: with those of all jobs that wait.
    pub(super) async fn number(
        &self,
        patience: &mut Patience,
        job: &JobId,
    ) -> Result<(), StoreError> {
        self.unnumbered().insert(job.clone());
        let mut turn = self.inner.turn.lock().await;
        if !self.unnumbered().contains(job) {
            return Ok(()); // Another task had it with its own, and has ended.
        }
        // At the beginning: what is put there from now on is numbered by its own task.
        let mut taken = Taken { store: self, jobs: std::mem::take(&mut *self.unnumbered()) };
        let unreadable = self.number_all(patience, &taken.jobs, &mut turn).await?;
        taken.jobs.clear();
        match unreadable.contains(job) {
            false => Ok(()),
            true => Err(damaged(&format!("the events of job {job}"))),
        }
    }

    fn unnumbered(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.inner.unnumbered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the jobs of which nothing can be read.
    async fn number_all(
        &self,
        patience: &mut Patience,
        jobs: &BTreeSet<JobId>,
        turn: &mut Option<i64>,
    ) -> Result<BTreeSet<JobId>, StoreError> {
        let mut left = BTreeSet::new();
        loop {
            let end = self.log_end(patience, Seeing::Decided).await?;
            self.enter(&end, Whose::Anybodys, turn).await?;
            let fresh = self.fresh(jobs, (end.newest, &mut left)).await?;
            if fresh.is_empty() {
                return Ok(left);
            }
            let count = fresh.iter().map(|it| it.events.len()).sum::<usize>();
            let next = LogEnd {
                turn: Some(end.turn.unwrap_or(0) + 1),
                newest: end.newest + i64::try_from(count).unwrap_or(i64::MAX),
                numbered: fresh,
            };
            match self.extend(patience, end.turn, &next).await? {
                // Whatever became of it, the next look at the end enters what stands there.
                Decided::Unknown => {}
                Decided::Refused => patience.after_another().await?,
                Decided::Applied => {
                    self.enter(&next, Whose::Ours, turn).await?;
                    if count < ENTRIES_MAX {
                        return Ok(left);
                    }
                }
            }
        }
    }

    async fn extend(
        &self,
        patience: &mut Patience,
        before: Option<i64>,
        next: &LogEnd,
    ) -> Result<Decided, StoreError> {
        let numbered = encode(&next.numbered, LOG_END)?;
        let (database, say) = (self.database(), &self.database().say);
        match before {
            None => {
                let values = (next.turn, next.newest, &numbered);
                database.decide(patience, &say.begin_log, values).await
            }
            Some(before) => {
                let values = (next.turn, next.newest, &numbered, before);
                database.decide(patience, &say.extend_log, values).await
            }
        }
    }

    /// The newest number, once everything up to it can be read.
    pub(super) async fn newest_number(
        &self,
        patience: &mut Patience,
    ) -> Result<EventNo, StoreError> {
        let end = self.log_end(patience, Seeing::Copied).await?;
        let newest = EventNo(natural(end.newest));
        // Most looks find nothing new, and do not hold up those who write.
        if *self.inner.told.borrow() < newest {
            let mut turn = self.inner.turn.lock().await;
            self.enter(&end, Whose::Anybodys, &mut turn).await?;
        }
        Ok(newest)
    }

    async fn log_end(&self, patience: &mut Patience, seeing: Seeing) -> Result<LogEnd, StoreError> {
        type Columns = (Option<i64>, Option<i64>, Option<Vec<u8>>);
        let say = match seeing {
            Seeing::Decided => &self.database().say.see_log_end,
            Seeing::Copied => &self.database().say.copied_log_end,
        };
        let rows: Vec<Columns> = self.database().rows(patience, say, ()).await?;
        let Some((turn, newest, numbered)) = rows.into_iter().next() else {
            return Ok(LogEnd::default());
        };
        let numbered = numbered.map_or_else(|| Ok(Vec::new()), |it| decode_known(&it, LOG_END))?;
        Ok(LogEnd { turn, newest: newest.unwrap_or(0), numbered })
    }

    /// Enters what was numbered last, unless this process has seen to it.
    async fn enter(
        &self,
        end: &LogEnd,
        whose: Whose,
        turn: &mut Option<i64>,
    ) -> Result<(), StoreError> {
        if *turn < end.turn {
            for some in end.numbered.chunks(JOBS_AT_ONCE) {
                try_join_all(some.iter().map(|it| self.enter_job(it, whose))).await?;
            }
            *turn = end.turn;
        }
        let newest = EventNo(natural(end.newest));
        self.inner.told.send_if_modified(|told| {
            let is_newer = newest > *told;
            *told = newest.max(*told);
            is_newer
        });
        Ok(())
    }

    async fn enter_job(&self, numbered: &Numbered, whose: Whose) -> Result<(), StoreError> {
        let (job, mut patience) = (&numbered.job, Patience::of("enter events"));
        if whose == Whose::Anybodys {
            // Another one may have seen to it, and the job may be forgotten since.
            let outbox = self.outbox(&mut patience, job).await?;
            if outbox.is_gone || outbox.told != numbered.told {
                return Ok(());
            }
        }
        let entries: Vec<(i64, &Value)> = (numbered.first..).zip(&numbered.events).collect();
        for some in entries.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|(no, event)| self.enter_one(job, *no, event))).await?;
        }
        if !self.set_told(&mut patience, numbered).await?
            && self.outbox(&mut patience, job).await?.is_gone
        {
            self.drop_events(&mut patience, job).await?;
        }
        Ok(())
    }

    async fn enter_one(&self, job: &JobId, no: i64, event: &Value) -> Result<(), StoreError> {
        let mut patience = Patience::of("enter an event");
        let mut event = event.clone();
        let is_end = event["type"] == "job.ended";
        event["no"] = natural(no).into();
        let bytes = encode(&event, "an event")?;
        let (database, say) = (self.database(), &self.database().say);
        let values = (no / BUCKET, no, job.as_str(), &bytes);
        database.write(&mut patience, &say.put_entry, values).await?;
        if is_end {
            database.write(&mut patience, &say.put_ending, (no, &bytes)).await?;
        }
        database.write(&mut patience, &say.put_entry_of, (job.as_str(), no, &bytes)).await
    }

    /// Takes events that are in the log out of their job; false if another one has done so.
    async fn set_told(
        &self,
        patience: &mut Patience,
        numbered: &Numbered,
    ) -> Result<bool, StoreError> {
        let count = i64::try_from(numbered.events.len()).unwrap_or(i64::MAX);
        let told = numbered.told + count;
        let entered: Vec<i64> = (numbered.told + 1..=told).collect();
        let values = (told, &entered, numbered.job.as_str(), numbered.told);
        self.database().decide_surely(patience, &self.database().say.set_told, values).await
    }

    /// What these jobs have to tell, with numbers after `newest`; jobs of which nothing can be read
    /// go to `left`, so that they hold up no other.
    async fn fresh(
        &self,
        jobs: &BTreeSet<JobId>,
        (newest, left): (i64, &mut BTreeSet<JobId>),
    ) -> Result<Vec<Numbered>, StoreError> {
        let jobs: Vec<&JobId> = jobs.iter().collect();
        let (mut fresh, mut first, mut room) = (Vec::new(), newest + 1, ENTRIES_MAX);
        for some in jobs.chunks(JOBS_AT_ONCE) {
            let outboxes = try_join_all(some.iter().map(|job| self.outbox_of(job))).await?;
            for (job, outbox) in some.iter().zip(outboxes) {
                let Ok(events) = outbox.events(room) else {
                    left.insert((*job).clone());
                    continue;
                };
                if !events.is_empty() {
                    room -= events.len();
                    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
                    let (job, told) = ((*job).clone(), outbox.told);
                    fresh.push(Numbered { job, told, first, events });
                    first += count;
                }
            }
        }
        Ok(fresh)
    }

    async fn outbox_of(&self, job: &JobId) -> Result<Outbox, StoreError> {
        self.outbox(&mut Patience::of("look what a job has to tell"), job).await
    }

    async fn outbox(&self, patience: &mut Patience, job: &JobId) -> Result<Outbox, StoreError> {
        let say = &self.database().say.see_outbox;
        let rows: Vec<OutboxColumns> = self.database().rows(patience, say, (job.as_str(),)).await?;
        Ok(rows.into_iter().next().map_or_else(Outbox::default, |columns| Outbox {
            told: columns.told.unwrap_or(0),
            pending: columns.pending.unwrap_or_default(),
            is_gone: columns.gone.unwrap_or(false),
        }))
    }
}
