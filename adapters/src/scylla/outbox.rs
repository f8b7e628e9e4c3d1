//! How what a job's write made becomes known: its place in the list, and numbers for its events
//! (`numbering`).
//!
//! A mark stands before a write that makes events, and goes once they are told: the mark of a node
//! that died is found by the others.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tgs_protocol::{id::JobId, job::JobRow, store::StoreError};
use tracing::warn;
use ulid::Ulid;

use super::{Scylla, job::News, trouble::Patience};

/// No write is under way for longer: its sender gives up after ten seconds, the database sooner.
const WRITE_MAX: Duration = Duration::from_secs(60);

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
        if seen.is_gone && seen.row.is_some() {
            self.go_on_forgetting(patience, job, &seen).await?;
        } else {
            if let Some((row, version)) = &seen.row {
                self.put_place(patience, row, *version).await?;
            }
            if !seen.pending.is_empty() {
                self.number(patience, job).await?;
            }
        }
        match mark {
            Some(mark) => self.unmark(patience, job, mark).await,
            None => Ok(()),
        }
    }

    /// The same of a row that this task wrote: what there is to tell is known.
    pub(super) async fn tell_of(
        &self,
        patience: &mut Patience,
        (row, news): (&JobRow, News),
        mark: &str,
    ) -> Result<(), StoreError> {
        if news.has_moved {
            self.put_place(patience, row, news.version).await?;
        }
        if news.has_events {
            self.number(patience, &row.id).await?;
        }
        self.unmark(patience, &row.id, mark).await
    }

    /// Takes a mark away.
    pub(super) async fn unmark(
        &self,
        patience: &mut Patience,
        job: &JobId,
        mark: &str,
    ) -> Result<(), StoreError> {
        let say = &self.database().say.unmark;
        self.database().write(patience, say, (job.as_str(), mark)).await
    }

    /// Tells of every job that bears a mark: what a node wrote that then died. A job that cannot be
    /// told of is left for the next time, and named in the log.
    ///
    /// # Errors
    /// `StoreSilent` when the database does not answer.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        self.catch_up_with(Duration::ZERO).await
    }

    /// The same of marks that were seen for so long: their writers may be alive, and tell
    /// themselves. A mark goes once its write is over, whatever became of it.
    pub(super) async fn catch_up_with(&self, least: Duration) -> Result<(), StoreError> {
        let mut patience = Patience::of("look for jobs to tell of");
        let say = &self.database().say.marks;
        let marks: Vec<(String, String)> = self.database().rows(&mut patience, say, ()).await?;
        self.marks().retain(|known, _| marks.contains(known));
        for (job, mark) in marks {
            let known = (job.clone(), mark.clone());
            let since = *self.marks().entry(known).or_insert_with(Instant::now);
            if since.elapsed() < least {
                continue;
            }
            let over = (since.elapsed() > WRITE_MAX).then_some(mark.as_str());
            self.tell_or_leave(&JobId::new(&job), over).await;
        }
        Ok(())
    }

    /// Tells of a job that this task did not write, or leaves it for the next time.
    pub(super) async fn tell_or_leave(&self, job: &JobId, mark: Option<&str>) {
        let mut patience = Patience::of("tell of a job");
        let told = self.tell(&mut patience, job, mark).await;
        if let Err(error) = self.passed_over().unless_newer(job.as_str(), told) {
            warn!(%job, %error, "what was written of a job is not told yet");
        }
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<(String, String), Instant>> {
        self.inner.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
