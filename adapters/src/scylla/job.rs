//! Job rows: the row, its version and the events that it makes change in one transaction. Lists and
//! numbers follow (`outbox`).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use scylla::DeserializeRow;
use tgs_protocol::{
    event::events,
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
    lease::{Lease, LeaseCell},
    residency::Ground,
    store::{JobStore, StoreError, Written},
    submission::{IdempotencyKey, Inserted, Submission},
    unit::{Epoch, EventNo},
};
use tracing::warn;
use ulid::Ulid;

use super::{
    Scylla,
    database::Decided,
    json::{encode, not_read},
    lease::{cell_of, natural, whole},
    place::rank_of,
    trouble::Patience,
};
use crate::fence::{self, Fenced};

/// What became of a save.
#[derive(Debug, Clone, Copy)]
enum Saved {
    Kept(News),
    /// `was_unknown`: it may have been made before it was found to be overtaken.
    Refused {
        by: Epoch,
        was_unknown: bool,
    },
}

/// What others do not know yet of a row that was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    pub(super) version: i64,
    /// Its place in the list or the line is not what it was.
    pub(super) has_moved: bool,
    /// Events may have no number yet.
    pub(super) has_events: bool,
}

/// The partition of a job as it stands.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) cell: LeaseCell,
    /// The row and how often it was written; none before the insertion and after the job was
    /// forgotten.
    pub(super) row: Option<(JobRow, i64)>,
    /// Which insertion made it.
    stamp: Option<String>,
    /// Its newest event, counted from one within the job.
    newest: i64,
    /// Those that may have no number in the log yet, as JSON.
    pub(super) pending: BTreeMap<i64, Vec<u8>>,
    /// It is forgotten, or about to be.
    pub(super) is_gone: bool,
}

#[derive(Debug, DeserializeRow)]
struct Columns {
    #[expect(dead_code, reason = "DISTINCT asks for it")]
    job: String,
    owner: Option<String>,
    epoch: Option<i64>,
    renewals: Option<i64>,
    body: Option<Vec<u8>>,
    version: Option<i64>,
    stamp: Option<String>,
    newest: Option<i64>,
    pending: Option<BTreeMap<i64, Vec<u8>>>,
    gone: Option<bool>,
}

#[async_trait]
impl JobStore for Scylla {
    async fn insert(&self, row: &JobRow) -> Result<Inserted, StoreError> {
        fence::check_name(&row.id)?;
        let body = fence::encode_row(row)?;
        let stamp = Ulid::new().to_string();
        let mut patience = Patience::of("insert a job");
        if let Some(sent) = &row.submission
            && let Some(taken) = self.take_key(&mut patience, (row, sent), (&stamp, &body)).await?
        {
            return Ok(taken);
        }
        if self.insert_row(&mut patience, row, (&stamp, &body)).await? {
            return Ok(Inserted::New);
        }
        if let Some(sent) = &row.submission {
            let values = (sent.key.as_str(), row.id.as_str());
            let say = &self.database().say.free_key;
            let _ = self.database().decide(&mut patience, say, values).await?;
        }
        Ok(Inserted::NameTaken)
    }

    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        if fence::check_name(job).is_err() {
            return Ok(None); // No row ever had such a name.
        }
        let seen = self.see(&mut Patience::of("read a job"), job).await?;
        Ok(seen.row.filter(|_| !seen.is_gone).map(|(row, _)| row))
    }

    async fn ordered(&self, key: &IdempotencyKey) -> Result<Option<JobRow>, StoreError> {
        let (database, mut patience) = (self.database(), Patience::of("look for an order"));
        let say = &database.say.see_key;
        let found: Vec<(String, String, Vec<u8>)> =
            database.rows(&mut patience, say, (key.as_str(),)).await?;
        match found.into_iter().next() {
            Some((job, ..)) => self.read(&JobId::new(job)).await,
            None => Ok(None),
        }
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        self.page_of(listing).await
    }

    async fn first_in_line(
        &self,
        class: StateClass,
        ground: Option<&Ground>,
        but: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<Vec<JobRow>, StoreError> {
        self.in_line(class, ground, but, limit).await
    }

    async fn line(
        &self,
        class: StateClass,
        known: &BTreeSet<JobId>,
        limit: usize,
    ) -> Result<(Vec<JobId>, Vec<JobRow>), StoreError> {
        self.line_but(class, known, limit).await
    }

    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, StoreError> {
        self.count_places().await
    }

    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        fence::check_owns(lease, row)?;
        let body = fence::encode_row(row)?;
        let mut patience = Patience::of("save a job");
        let mark = self.mark(&mut patience, &row.id).await?;
        let saved = self.save_row(&mut patience, lease, (row, &body)).await;
        let told = match &saved {
            Ok(Saved::Kept(news)) => self.tell_of(&mut patience, (row, *news), &mark).await,
            Ok(Saved::Refused { was_unknown: false, .. }) => {
                self.unmark(&mut patience, &row.id, &mark).await
            }
            Ok(Saved::Refused { .. }) => self.tell(&mut patience, &row.id, Some(&mark)).await,
            // The mark of a write of unknown outcome stays: it may still take place.
            Err(_) => self.tell(&mut patience, &row.id, None).await,
        };
        if let Err(error) = told {
            warn!(job = %row.id, %error, "what was written is told later");
        }
        saved.map(|saved| match saved {
            Saved::Kept(_) => Written::Done,
            Saved::Refused { by, .. } => Written::Overtaken { by },
        })
    }

    async fn forget(&self, job: &JobId) -> Result<bool, StoreError> {
        let mut patience = Patience::of("forget a job");
        let mut is_unknown = false;
        loop {
            let seen = self.see(&mut patience, job).await?;
            if seen.is_gone {
                // By this call, if it said so before; what another one left is removed either way.
                self.go_on_forgetting(&mut patience, job, &seen).await?;
                return Ok(is_unknown);
            }
            let Some((_, version)) = seen.row.as_ref().filter(|(row, _)| row.state.is_final())
            else {
                return Ok(false);
            };
            // Whoever finds the mark of a node that died goes on with the removal.
            let mark = self.mark(&mut patience, job).await?;
            self.tell(&mut patience, job, None).await?;
            let values = (job.as_str(), *version);
            let say = &self.database().say.begin_forgetting;
            match self.database().decide(&mut patience, say, values).await? {
                Decided::Refused => {}
                Decided::Unknown => is_unknown = true,
                Decided::Applied => {
                    self.tell(&mut patience, job, Some(&mark)).await?;
                    return Ok(true);
                }
            }
        }
    }
}

impl Scylla {
    /// The partition of a job, after everything that was decided before this call.
    pub(super) async fn see(
        &self,
        patience: &mut Patience,
        job: &JobId,
    ) -> Result<Seen, StoreError> {
        let say = &self.database().say.see_job;
        let rows: Vec<Columns> = self.database().rows(patience, say, (job.as_str(),)).await?;
        rows.into_iter().next().map_or_else(|| Ok(Seen::nothing()), |it| Seen::of(it, job))
    }

    /// Removes everything of a job that is gone but has its row: the row goes last.
    pub(super) async fn go_on_forgetting(
        &self,
        patience: &mut Patience,
        job: &JobId,
        seen: &Seen,
    ) -> Result<(), StoreError> {
        let Some((row, version)) = &seen.row else { return Ok(()) };
        let (database, say) = (self.database(), &self.database().say);
        if let Some(sent) = &row.submission {
            let values = (sent.key.as_str(), job.as_str());
            database.decide_surely(patience, &say.free_key, values).await?;
        }
        self.drop_events(patience, job).await?;
        self.drop_place(patience, row, version + 1).await?;
        database.write(patience, &say.forget_items, (job.as_str(),)).await?;
        let values = (job.as_str(),);
        database.write(patience, &say.drop_end_order, values).await?;
        database.decide_surely(patience, &say.end_forgetting, values).await?;
        Ok(())
    }

    /// Takes the key of an order for its row; what became of it, if another row has it.
    async fn take_key(
        &self,
        patience: &mut Patience,
        (row, sent): (&JobRow, &Submission),
        (stamp, body): (&str, &[u8]),
    ) -> Result<Option<Inserted>, StoreError> {
        let key = sent.key.as_str();
        loop {
            let values = (key, row.id.as_str(), stamp, body);
            let say = &self.database().say.take_key;
            if self.database().decide(patience, say, values).await? == Decided::Applied {
                return Ok(None);
            }
            let say = &self.database().say.see_key;
            let found: Vec<(String, String, Vec<u8>)> =
                self.database().rows(patience, say, (key,)).await?;
            let Some((job, by, known)) = found.into_iter().next() else {
                patience.after_another().await?;
                continue;
            };
            if by == stamp {
                return Ok(None);
            }
            // Whoever took the key may have died before it inserted its row.
            let other = decode_row(&known, &JobId::new(&job))?;
            let _ = self.insert_row(patience, &other, (&by, &known)).await?;
            if self.see(patience, &other.id).await?.is_gone {
                // It came after its job was forgotten.
                let values = (key, other.id.as_str());
                let say = &self.database().say.free_key;
                let _ = self.database().decide(patience, say, values).await?;
                continue;
            }
            return Ok(Some(Inserted::again(&other.id, other.submission.as_ref(), sent)));
        }
    }

    /// Whether this insertion made the row.
    async fn insert_row(
        &self,
        patience: &mut Patience,
        row: &JobRow,
        (stamp, body): (&str, &[u8]),
    ) -> Result<bool, StoreError> {
        let pending = untold(None, row, 0)?;
        let newest = *pending.keys().last().unwrap_or(&0);
        let mark = self.mark(patience, &row.id).await?;
        let is_ours = loop {
            let values = (body, stamp, newest, &pending, row.id.as_str());
            let say = &self.database().say.insert_job;
            if self.database().decide(patience, say, values).await? == Decided::Applied {
                break true;
            }
            let seen = self.see(patience, &row.id).await?;
            if seen.stamp.is_some() || seen.is_gone {
                break seen.stamp.as_deref() == Some(stamp);
            }
            patience.after_another().await?;
        };
        if let Err(error) = self.tell(patience, &row.id, Some(&mark)).await {
            warn!(job = %row.id, %error, "what was written is told later");
        }
        Ok(is_ours)
    }

    async fn save_row(
        &self,
        patience: &mut Patience,
        lease: &Lease,
        (row, body): (&JobRow, &[u8]),
    ) -> Result<Saved, StoreError> {
        let mut was_unknown = false;
        loop {
            let seen = self.see(patience, &row.id).await?;
            if let Fenced::Overtaken(by) = fence::admit(&seen.cell, lease) {
                return Ok(Saved::Refused { by, was_unknown });
            }
            let stands = seen.row.filter(|_| !seen.is_gone);
            let (before, version) = stands.ok_or_else(|| fence::no_such_job(&row.id))?;
            if !row.may_replace(&before) {
                return Ok(Saved::Refused { by: lease.epoch, was_unknown });
            }
            // Also what a write of unknown outcome left when it did take place.
            if before == *row {
                let has_events = !seen.pending.is_empty();
                return Ok(Saved::Kept(News { version, has_moved: true, has_events }));
            }
            let told = untold(Some(&before), row, seen.newest)?;
            let newest = *told.keys().last().unwrap_or(&seen.newest);
            let (owner, epoch) = (lease.owner.as_str(), whole(lease.epoch.get()));
            let job = row.id.as_str();
            let values = (body, version + 1, newest, &told, job, owner, epoch, version);
            let say = &self.database().say.save_job;
            let decided = self.database().decide(patience, say, values).await?;
            was_unknown |= decided == Decided::Unknown;
            if decided == Decided::Applied {
                let stood = (Place::of(&before), rank_of(&before));
                let is_elsewhere = stood != (Place::of(row), rank_of(row));
                if is_elsewhere {
                    self.drop_place(patience, &before, version + 1).await?;
                }
                let is_of_another = StateClass::of(&before.state) != StateClass::of(&row.state);
                return Ok(Saved::Kept(News {
                    version: version + 1,
                    has_moved: is_elsewhere || is_of_another,
                    has_events: !(seen.pending.is_empty() && told.is_empty()),
                }));
            }
        }
    }
}

impl Seen {
    fn nothing() -> Self {
        Self {
            cell: fence::unclaimed(),
            row: None,
            stamp: None,
            newest: 0,
            pending: BTreeMap::new(),
            is_gone: false,
        }
    }

    fn of(columns: Columns, job: &JobId) -> Result<Self, StoreError> {
        let body = columns.body.zip(columns.version);
        let row = body.map(|(body, version)| decode_row(&body, job).map(|row| (row, version)));
        Ok(Self {
            cell: cell_of(columns.owner, columns.epoch, columns.renewals),
            row: row.transpose()?,
            stamp: columns.stamp,
            newest: columns.newest.unwrap_or(0),
            pending: columns.pending.unwrap_or_default(),
            is_gone: columns.gone.unwrap_or(false),
        })
    }
}

/// A row as the database holds it.
pub(super) fn decode_row(body: &[u8], job: &JobId) -> Result<JobRow, StoreError> {
    JobRow::read(body).map_err(|unread| not_read(&fence::row_of(job), unread))
}

/// The events that a write makes, by their numbers within the job. The log gives them others.
fn untold(
    before: Option<&JobRow>,
    row: &JobRow,
    newest: i64,
) -> Result<BTreeMap<i64, Vec<u8>>, StoreError> {
    let made = events(before, row, EventNo(natural(newest)));
    let encode = |event: &tgs_protocol::event::Event| {
        Ok((whole(event.no.get()), encode(event, &format!("an event of job {}", row.id))?))
    };
    made.iter().map(encode).collect()
}
