//! Job rows: JSON in one table, each change one durable transaction.

use async_trait::async_trait;
use redb::ReadableTable;
use tgs_protocol::{
    id::JobId,
    job::JobRow,
    lease::Lease,
    store::{JobStore, StoreError, Written},
};

use crate::{
    blocking::blocking,
    embedded::{
        Embedded,
        ledger::{Commit, JOBS, decode},
    },
    fence,
};

#[async_trait]
impl JobStore for Embedded {
    async fn insert(&self, row: &JobRow) -> Result<bool, StoreError> {
        blocking(|| {
            fence::check_name(&row.id)?;
            let bytes = fence::encode_row(row)?;
            self.ledger().write(|transaction| {
                let mut jobs = transaction.open_table(JOBS)?;
                if jobs.get(row.id.as_str())?.is_some() {
                    return Ok(Commit::Leave(false));
                }
                jobs.insert(row.id.as_str(), bytes.as_slice())?;
                Ok(Commit::Keep(true))
            })
        })
    }

    async fn read(&self, job: &JobId) -> Result<Option<JobRow>, StoreError> {
        blocking(|| {
            self.ledger().read(|view| {
                let found = view.open_table(JOBS)?.get(job.as_str())?;
                found.map(|bytes| decode(bytes.value(), "row", job)).transpose()
            })
        })
    }

    async fn list(&self) -> Result<Vec<JobRow>, StoreError> {
        blocking(|| self.all_rows())
    }

    async fn save(&self, lease: &Lease, row: &JobRow) -> Result<Written, StoreError> {
        blocking(|| {
            fence::check_owns(lease, row)?;
            let bytes = fence::encode_row(row)?;
            let fenced = self.ledger().write_fenced(lease, |transaction| {
                let mut jobs = transaction.open_table(JOBS)?;
                if jobs.insert(row.id.as_str(), bytes.as_slice())?.is_none() {
                    return Err(fence::no_such_job(&row.id).into());
                }
                Ok(Commit::Keep(()))
            })?;
            Ok(fenced.written())
        })
    }
}

impl Embedded {
    /// All rows, newest first.
    pub(super) fn all_rows(&self) -> Result<Vec<JobRow>, StoreError> {
        let mut rows = self.ledger().read(|view| {
            let jobs = view.open_table(JOBS)?;
            let mut rows = Vec::new();
            for entry in jobs.iter()? {
                let (name, bytes) = entry?;
                rows.push(decode(bytes.value(), "row", &JobId::new(name.value()))?);
            }
            Ok(rows)
        })?;
        fence::newest_first(&mut rows);
        Ok(rows)
    }
}
