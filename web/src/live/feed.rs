//! One watcher's place in the log. It is asked for more when the watcher has taken what it got, so
//! a slow one costs no memory.

use std::{collections::BTreeMap, time::Duration};

use tgs_protocol::{
    event::{Event, Happening},
    id::JobId,
    limits::EVENTS_READ_MAX,
    progress::Progress,
    store::StoreError,
    unit::EventNo,
};
use tokio::time::{Instant, sleep, timeout};

use super::seat::Seat;
use crate::route::InHouse;

/// How often progress is looked at.
const PROGRESS_PERIOD: Duration = Duration::from_millis(500);
/// A silent connection is thought dead by what lies between; a sign of life keeps it.
const BEAT_PERIOD: Duration = Duration::from_secs(15);
/// How long a store that failed is left alone.
const STORE_REST: Duration = Duration::from_secs(1);

/// A watcher.
pub struct Feed {
    house: InHouse,
    job: Option<JobId>,
    after: EventNo,
    told: BTreeMap<JobId, Progress>,
    last_word: Instant,
    /// Whether the job had ended before what was asked for, is looked at once: later its end comes
    /// as an event.
    may_have_ended: bool,
    is_over: bool,
    _seat: Seat,
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Events, oldest first.
    Events(Vec<Event>),
    /// How far jobs are.
    Progress(Vec<(JobId, Progress)>),
    /// Nothing; the connection lives.
    Beat,
}

impl Feed {
    /// Of one job, or of all, from after this event on.
    pub fn new(house: InHouse, seat: Seat, job: Option<JobId>, after: EventNo) -> Self {
        let (told, last_word, may_have_ended) = (BTreeMap::new(), Instant::now(), job.is_some());
        Self { house, job, after, told, last_word, may_have_ended, is_over: false, _seat: seat }
    }

    /// What comes next; none once the job has ended and everything was told.
    pub async fn next(&mut self) -> Option<Item> {
        while !self.is_over {
            match self.look().await {
                Ok(Some(item)) => {
                    self.last_word = Instant::now();
                    return Some(item);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read");
                    sleep(STORE_REST).await;
                    return Some(Item::Beat);
                }
            }
        }
        None
    }

    async fn look(&mut self) -> Result<Option<Item>, StoreError> {
        // Read before the events: what comes in between is waited for in vain, never missed.
        let newest = self.house.events.newest_event().await?;
        let events = self.house.events.events(self.after, self.job.as_ref(), EVENTS_READ_MAX);
        let events = events.await?;
        if let Some(last) = events.last() {
            self.after = last.no;
            self.is_over = self.job.is_some() && matches!(last.what, Happening::Ended(_));
            return Ok(Some(Item::Events(events)));
        }
        if let Some(job) = self.job.as_ref().filter(|_| self.may_have_ended)
            && let Ok(row) = self.house.desk.show(job).await
        {
            // What came in between may be its end.
            if self.house.events.newest_event().await? == newest {
                (self.is_over, self.may_have_ended) = (row.state.is_final(), false);
            }
            return Ok(None);
        }
        let _ = timeout(PROGRESS_PERIOD, self.house.events.wait_for_event(newest)).await;
        Ok(self
            .progress()
            .await
            .or_else(|| (self.last_word.elapsed() >= BEAT_PERIOD).then_some(Item::Beat)))
    }

    /// What is new of it.
    async fn progress(&mut self) -> Option<Item> {
        let all = self.house.desk.progress().await;
        let mut told = BTreeMap::new();
        let mut new = Vec::new();
        for (job, progress) in all {
            if self.job.as_ref().is_some_and(|asked| *asked != job) {
                continue;
            }
            if self.told.get(&job) != Some(&progress) {
                new.push((job.clone(), progress.clone()));
            }
            told.insert(job, progress);
        }
        self.told = told;
        (!new.is_empty()).then_some(Item::Progress(new))
    }
}
