//! How what a job's write made becomes known: its place in the list, and numbers for its events.
//!
//! The write leaves its events in the job's own partition. Giving them numbers is an act of its
//! own, which anybody may begin or end: the end of the log names the events that were numbered
//! last, and whoever numbers others first enters those in the log and takes them out of the jobs.
//! So numbers have no gaps, nothing is numbered twice, and a node that dies in between holds nobody
//! up (helping, as in Herlihy, 1991).
//!
//! A mark stands before a write that makes events, and goes once they are told: the mark of a node
//! that died is found by the others.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tgs_protocol::{
    event::{Event, Happening},
    id::JobId,
    store::StoreError,
    unit::EventNo,
};
use ulid::Ulid;

use super::{
    Scylla,
    database::Decided,
    lease::{natural, whole},
    trouble::{Patience, damaged},
};

/// Events that get their numbers in one act: what a statement carries with ease.
const ENTRIES_MAX: usize = 256;
/// Numbers of one partition of the log.
pub(super) const BUCKET: i64 = 4_096;
/// No write is under way for longer: its sender gives up after ten seconds, the database sooner.
const WRITE_MAX: Duration = Duration::from_secs(60);
/// Entries that are written at the same time.
const AT_ONCE: usize = 64;

/// The end of the log.
#[derive(Debug, Default)]
struct LogEnd {
    turn: Option<i64>,
    newest: i64,
    entries: Vec<Numbered>,
}

/// Events of one job that got their numbers together.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Numbered {
    job: JobId,
    /// The newest one that was told before.
    told: i64,
    /// These, with their numbers in the log.
    events: Vec<Event>,
}

impl Scylla {
    /// Says that a job may soon have events to tell; gives the mark.
    pub(super) async fn mark(
        &self,
        patience: &mut Patience,
        job: &JobId,
    ) -> Result<String, StoreError> {
        let mark = Ulid::new().to_string();
        let say = &self.database().say.mark;
        self.database().write(patience, say, (job.as_str(), mark.as_str())).await?;
        Ok(mark)
    }

    /// Makes known what stands in a job's partition, and takes the mark away.
    pub(super) async fn tell(
        &self,
        patience: &mut Patience,
        job: &JobId,
        mark: Option<&str>,
    ) -> Result<(), StoreError> {
        let seen = self.see(patience, job).await?;
        if let Some((row, version)) = &seen.row {
            self.put_place(patience, row, *version).await?;
        }
        if !seen.pending.is_empty() {
            self.number(patience, job).await?;
        }
        if let Some(mark) = mark {
            let say = &self.database().say.unmark;
            self.database().write(patience, say, (job.as_str(), mark)).await?;
        }
        Ok(())
    }

    /// Tells of every job that bears a mark: what a node wrote that then died. A mark goes once it
    /// was seen here for so long that its write is over, whatever became of it.
    ///
    /// # Errors
    /// `StoreSilent` when the database does not answer.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let mut patience = Patience::of("look for jobs to tell of");
        let say = &self.database().say.marks;
        let marks: Vec<(String, String)> = self.database().rows(&mut patience, say, ()).await?;
        self.marks().retain(|known, _| marks.contains(known));
        for (job, mark) in marks {
            let known = (job.clone(), mark.clone());
            let since = *self.marks().entry(known).or_insert_with(Instant::now);
            let is_over = since.elapsed() > WRITE_MAX;
            let mut patience = Patience::of("tell of jobs");
            self.tell(&mut patience, &JobId::new(&job), is_over.then_some(mark.as_str())).await?;
        }
        Ok(())
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<(String, String), Instant>> {
        self.inner.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers the events of a job, and enters them in the log: with those of all jobs that wait.
    async fn number(&self, patience: &mut Patience, job: &JobId) -> Result<(), StoreError> {
        self.unnumbered().insert(job.clone());
        let mut turn = self.inner.turn.lock().await;
        if !self.unnumbered().contains(job) {
            // Another task had it with its own.
            return Ok(());
        }
        let jobs = self.unnumbered().clone();
        let numbered = self.number_all(patience, &jobs, &mut turn).await;
        // Also after trouble: their marks stand, and whoever waits tries them for itself.
        if numbered.is_ok() {
            self.unnumbered().retain(|it| !jobs.contains(it));
        }
        numbered
    }

    fn unnumbered(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.inner.unnumbered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn number_all(
        &self,
        patience: &mut Patience,
        jobs: &BTreeSet<JobId>,
        turn: &mut Option<i64>,
    ) -> Result<(), StoreError> {
        loop {
            let end = self.log_end(patience).await?;
            self.enter(patience, &end, turn).await?;
            let fresh = self.fresh(patience, jobs, end.newest).await?;
            if fresh.is_empty() {
                return Ok(());
            }
            let count = fresh.iter().map(|it| it.events.len()).sum::<usize>();
            let newest = end.newest + i64::try_from(count).unwrap_or(i64::MAX);
            let entries = serde_json::to_vec(&fresh)
                .map_err(|_| crate::fault::internal("number events: no JSON".to_owned()))?;
            let (next, say) = (end.turn.unwrap_or(0) + 1, &self.database().say);
            let decided = match end.turn {
                None => {
                    let values = (next, newest, &entries);
                    self.database().decide(patience, &say.begin_log, values).await?
                }
                Some(before) => {
                    let values = (next, newest, &entries, before);
                    self.database().decide(patience, &say.extend_log, values).await?
                }
            };
            if decided == Decided::Refused {
                patience.after_another().await?;
            }
            // Whatever became of it, the next look at the end enters what stands there.
        }
    }

    /// The newest number, once everything up to it can be read.
    pub(super) async fn newest_number(
        &self,
        patience: &mut Patience,
    ) -> Result<EventNo, StoreError> {
        let mut turn = self.inner.turn.lock().await;
        let end = self.log_end(patience).await?;
        self.enter(patience, &end, &mut turn).await?;
        Ok(EventNo(natural(end.newest)))
    }

    async fn log_end(&self, patience: &mut Patience) -> Result<LogEnd, StoreError> {
        type Columns = (Option<i64>, Option<i64>, Option<Vec<u8>>);
        let say = &self.database().say.see_log_end;
        let rows: Vec<Columns> = self.database().rows(patience, say, ()).await?;
        let Some((turn, newest, entries)) = rows.into_iter().next() else {
            return Ok(LogEnd::default());
        };
        let entries = entries.map_or_else(
            || Ok(Vec::new()),
            |bytes| serde_json::from_slice(&bytes).map_err(|_| damaged("the end of the log")),
        );
        Ok(LogEnd { turn, newest: newest.unwrap_or(0), entries: entries? })
    }

    /// Enters what was numbered last, unless this process has seen to it.
    async fn enter(
        &self,
        patience: &mut Patience,
        end: &LogEnd,
        turn: &mut Option<i64>,
    ) -> Result<(), StoreError> {
        if *turn != end.turn {
            for numbered in &end.entries {
                // Another one may have seen to it, and the job may be forgotten since.
                if self.see(patience, &numbered.job).await?.told != numbered.told {
                    continue;
                }
                for some in numbered.events.chunks(AT_ONCE) {
                    try_join_all(some.iter().map(|event| self.enter_one(event))).await?;
                }
                self.set_told(patience, numbered).await?;
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

    async fn enter_one(&self, event: &Event) -> Result<(), StoreError> {
        let mut patience = Patience::of("enter an event");
        let bytes = serde_json::to_vec(event)
            .map_err(|_| crate::fault::internal("enter an event: no JSON".to_owned()))?;
        let (no, job, say) = (whole(event.no.get()), event.job.as_str(), &self.database().say);
        let values = (no / BUCKET, no, job, &bytes);
        self.database().write(&mut patience, &say.put_entry, values).await?;
        if matches!(event.what, Happening::Ended(_)) {
            self.database().write(&mut patience, &say.put_ending, (no, &bytes)).await?;
        }
        self.database().write(&mut patience, &say.put_entry_of, (job, no, &bytes)).await
    }

    /// Takes events that are in the log out of their job. Another one may have done so.
    async fn set_told(
        &self,
        patience: &mut Patience,
        numbered: &Numbered,
    ) -> Result<(), StoreError> {
        let count = i64::try_from(numbered.events.len()).unwrap_or(i64::MAX);
        let told = numbered.told + count;
        let entered: Vec<i64> = (numbered.told + 1..=told).collect();
        loop {
            let values = (told, &entered, numbered.job.as_str(), numbered.told);
            let say = &self.database().say.set_told;
            match self.database().decide(patience, say, values).await? {
                Decided::Applied | Decided::Refused => return Ok(()),
                Decided::Unknown => {}
            }
        }
    }

    /// What these jobs have to tell, with numbers after `newest`.
    async fn fresh(
        &self,
        patience: &mut Patience,
        jobs: &BTreeSet<JobId>,
        mut newest: i64,
    ) -> Result<Vec<Numbered>, StoreError> {
        let mut fresh = Vec::new();
        let mut count = 0;
        for job in jobs {
            let seen = self.see(patience, job).await?;
            let untold = seen.pending.range(seen.told + 1..).take(ENTRIES_MAX - count);
            let events: Vec<Event> = untold
                .map(|(_, bytes)| {
                    newest += 1;
                    let event: Event = serde_json::from_slice(bytes)
                        .map_err(|_| damaged(&format!("the events of job {job}")))?;
                    Ok(Event { no: EventNo(natural(newest)), ..event })
                })
                .collect::<Result<_, StoreError>>()?;
            count += events.len();
            if !events.is_empty() {
                fresh.push(Numbered { job: job.clone(), told: seen.told, events });
            }
            if count == ENTRIES_MAX {
                break;
            }
        }
        Ok(fresh)
    }
}
