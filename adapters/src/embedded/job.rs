//! Job rows: JSON in one table, each change one durable transaction, with its events and its place
//! in the list.

use std::collections::BTreeMap;

use async_trait::async_trait;
use redb::{ReadableTable, WriteTransaction};
use tgs_protocol::{
    code::Code,
    id::JobId,
    job::{
        JobRow,
        listing::{Listing, Page, Place, StateClass},
    },
    lease::Lease,
    store::{JobStore, StoreError, Written},
    submission::{IdempotencyKey, Inserted},
    unit::{EventNo, Timestamp},
};

use crate::{
    blocking::blocking,
    embedded::{
        Embedded, event,
        ledger::{Commit, JOBS, KEYS, LEASES, PLACES, not_read},
        trouble::Trouble,
    },
    fence,
};

#[async_trait]
impl JobStore for Embedded {
    async fn insert(&self, row: &JobRow) -> Result<Inserted, StoreError> {
        blocking(|| {
            fence::check_name(&row.id)?;
            let (row, bytes) = (row.clone(), fence::encode_row(row)?);
            let (inserted, newest) = self.ledger().write_grouped(move |transaction| {
                if let Some(inserted) = find_taken(transaction, &row)? {
                    return Ok(Commit::Leave((inserted, EventNo(0))));
                }
                if let Some(sent) = &row.submission {
                    let mut keys = transaction.open_table(KEYS)?;
                    keys.insert(sent.key.as_str(), row.id.as_str())?;
                }
                Ok(Commit::Keep((Inserted::New, put(transaction, None, &row, &bytes)?)))
            })?;
            self.tell(newest);
            Ok(inserted)
        })
    }

    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        blocking(|| self.ledger().read(|view| row_in(&view.open_table(JOBS)?, job)))
    }

    async fn ordered(&self, key: &IdempotencyKey) -> Result<Option<JobRow>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let known = view.open_table(KEYS)?.get(key.as_str())?;
                match known.map(|job| JobId::new(job.value())) {
                    Some(job) => row_in(&view.open_table(JOBS)?, &job),
                    None => Ok(None),
                }
            })
        })
    }

    async fn list(&self, listing: &Listing) -> Result<Page, StoreError> {
        blocking(|| self.page(listing))
    }

    async fn count(&self) -> Result<BTreeMap<StateClass, u64>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let mut counts = BTreeMap::new();
                for entry in view.open_table(PLACES)?.iter()? {
                    *counts.entry(class_of(entry?.1.value())).or_default() += 1;
                }
                Ok(counts)
            })
        })
    }

    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        blocking(|| {
            fence::check_owns(lease, row)?;
            let bytes = fence::encode_row(row)?;
            let fenced = self.ledger().write_fenced(lease, |transaction| {
                let before = row_in(&transaction.open_table(JOBS)?, &row.id)?;
                let before = before.ok_or_else(|| fence::no_such_job(&row.id))?;
                if !row.may_replace(&before) {
                    return Ok(Commit::Leave(None));
                }
                Ok(Commit::Keep(Some(put(transaction, Some(&before), row, &bytes)?)))
            })?;
            match fenced {
                fence::Fenced::Held(None) => Ok(Written::Overtaken { by: lease.epoch }),
                fence::Fenced::Held(Some(newest)) => {
                    self.tell(newest);
                    Ok(Written::Done)
                }
                fence::Fenced::Overtaken(_) => Ok(fenced.written()),
            }
        })
    }

    async fn forget(&self, job: &JobId) -> Result<bool, StoreError> {
        blocking(|| {
            self.ledger().write(|transaction| {
                let mut jobs = transaction.open_table(JOBS)?;
                let row = row_in(&jobs, job)?.filter(|row| row.state.is_final());
                let Some(row) = row else { return Ok(Commit::Leave(false)) };
                jobs.remove(job.as_str())?;
                transaction.open_table(PLACES)?.remove(place_key(&Place::of(&row)))?;
                transaction.open_table(LEASES)?.remove(job.as_str())?;
                if let Some(sent) = &row.submission {
                    transaction.open_table(KEYS)?.remove(sent.key.as_str())?;
                }
                event::forget(transaction, job)?;
                Ok(Commit::Keep(true))
            })
        })
    }
}

impl Embedded {
    /// Reads places first, so that a page costs its own rows and no others.
    fn page(&self, listing: &Listing) -> Result<Page, StoreError> {
        let limit = listing.limit.max(1);
        self.ledger().read(|view| {
            let (jobs, places) = (view.open_table(JOBS)?, view.open_table(PLACES)?);
            let end = listing.after.as_ref();
            let before = end.map_or((u64::MAX, "\u{10ffff}"), place_key);
            let mut rows = Vec::new();
            for entry in places.range(..before)?.rev() {
                let (key, class) = entry?;
                let class = class_of(class.value());
                if listing.class.is_some_and(|asked| asked != class) {
                    continue;
                }
                if rows.len() == limit {
                    let next = rows.last().map(Place::of);
                    return Ok(Page { rows, next });
                }
                let job = JobId::new(key.value().1);
                match row_in(&jobs, &job) {
                    Err(Trouble::Store(error)) if error.code == Code::StoreTooNew => {
                        self.inner.passed_over.say(job.as_str(), &error);
                    }
                    read => rows.extend(read?),
                }
            }
            Ok(Page { rows, next: None })
        })
    }

    /// Jobs that are listed, with their class, without reading their rows.
    pub(super) fn all_places(&self) -> Result<Vec<(JobId, StateClass)>, StoreError> {
        self.ledger().read(|view| {
            let mut places = Vec::new();
            for entry in view.open_table(PLACES)?.iter()? {
                let (key, class) = entry?;
                places.push((JobId::new(key.value().1), class_of(class.value())));
            }
            Ok(places)
        })
    }
}

/// Whether the order or the name of a row is there already.
fn find_taken(transaction: &WriteTransaction, row: &JobRow) -> Result<Option<Inserted>, Trouble> {
    let jobs = transaction.open_table(JOBS)?;
    if let Some(sent) = &row.submission {
        let keys = transaction.open_table(KEYS)?;
        let known = keys.get(sent.key.as_str())?.map(|job| JobId::new(job.value()));
        if let Some(job) = known {
            let known = row_in(&jobs, &job)?.and_then(|row| row.submission);
            return Ok(Some(Inserted::again(&job, known.as_ref(), sent)));
        }
    }
    let is_taken = jobs.get(row.id.as_str())?.is_some();
    Ok(is_taken.then_some(Inserted::NameTaken))
}

/// A row, its place and its events; gives the newest event.
fn put(
    transaction: &WriteTransaction,
    before: Option<&JobRow>,
    row: &JobRow,
    bytes: &[u8],
) -> Result<EventNo, Trouble> {
    transaction.open_table(JOBS)?.insert(row.id.as_str(), bytes)?;
    place(transaction, before, row)?;
    event::append(transaction, before, row)
}

/// Enters a row in the list.
pub(super) fn place(
    transaction: &WriteTransaction,
    before: Option<&JobRow>,
    row: &JobRow,
) -> Result<(), Trouble> {
    let mut places = transaction.open_table(PLACES)?;
    let (was, is) = (before.map(Place::of), Place::of(row));
    if let Some(was) = was.filter(|was| *was != is) {
        places.remove(place_key(&was))?;
    }
    places.insert(place_key(&is), code_of(StateClass::of(&row.state)))?;
    Ok(())
}

/// One row of the open table.
pub(super) fn row_in(
    jobs: &impl ReadableTable<&'static str, &'static [u8]>,
    job: &JobId,
) -> Result<Option<JobRow>, Trouble> {
    let found = jobs.get(job.as_str())?;
    found.map(|bytes| decode_row(bytes.value(), job)).transpose()
}

/// A row as its table holds it, back.
pub(super) fn decode_row(bytes: &[u8], job: &JobId) -> Result<JobRow, Trouble> {
    JobRow::read(bytes).map_err(|unread| not_read(&fence::row_of(job), unread))
}

fn place_key(place: &Place) -> (u64, &str) {
    let Place { accepted_at: Timestamp(at), job } = place;
    (*at, job.as_str())
}

/// The class as it stands in the store: its place in [`StateClass::ALL`].
fn code_of(class: StateClass) -> u8 {
    let at = StateClass::ALL.iter().position(|it| *it == class).unwrap_or_default();
    u8::try_from(at).unwrap_or_default()
}

fn class_of(code: u8) -> StateClass {
    let at = usize::from(code).min(StateClass::ALL.len() - 1);
    StateClass::ALL[at]
}
