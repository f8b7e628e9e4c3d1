//! Rows, leases and bytes to check stores with.

use serde_json::Map;
use tgs_protocol::{
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    gate::Gates,
    id::{Incarnation, JobId},
    job::{JobRow, listing::Listing},
    lease::Lease,
    model::{ModelName, TrainingLength},
    request::{Goal, JobRequest, Source},
    store::StoreError,
    submission::Inserted,
    unit::{Rows, Timestamp},
};

use crate::ports::Ports;

/// A job's name.
pub fn job(name: &str) -> JobId {
    JobId::new(name)
}

/// A row as it is when a job was accepted.
pub fn row(name: &str, accepted_at: u64) -> JobRow {
    let source = Source {
        table: "a table, named ä\n\"quoted\".csv".into(),
        holdout: None,
        metadata: None,
        target: Some("outcome".to_owned()),
    };
    let request = JobRequest {
        goal: Goal::Train { source, model_file: "model.safetensors".into() },
        model: ModelName::Seqtree,
        length: TrainingLength::Steps(7),
        overrides: Map::from_iter([("share".to_owned(), 0.1.into())]),
        seed: u64::MAX,
        threads: 2,
        devices: 1,
        gates: Gates::default(),
        inputs: Vec::new(),
    };
    JobRow::accepted(job(name), request, Timestamp(accepted_at))
}

/// Claims a job for `owner`, whoever had it.
pub async fn claim(ports: &Ports, job: &JobId, owner: &str) -> Lease {
    let seen = ports.leases.look(job).await.expect("look");
    let claimed = ports.leases.claim(job, &Incarnation::new(owner), &seen).await.expect("claim");
    claimed.expect("nobody claimed between look and claim")
}

/// Adds a row that is new.
pub async fn insert(ports: &Ports, row: &JobRow) {
    assert_eq!(ports.jobs.insert(row).await.expect("insert"), Inserted::New);
}

/// Every row, newest first.
pub async fn all_rows(ports: &Ports) -> Result<Vec<JobRow>, StoreError> {
    ports.jobs.list(&Listing::all(None)).await.map(|page| page.rows)
}

/// A stale lease and the one that overtook it.
pub async fn overtaken(ports: &Ports, job: &JobId) -> (Lease, Lease) {
    let stale = claim(ports, job, "first").await;
    (stale, claim(ports, job, "second").await)
}

/// A chunk of these bytes.
pub fn chunk(no: u32, bytes: &[u8]) -> SealedChunk {
    SealedChunk { chunk: ChunkNo(no), rows: Rows(10), digest: Digest::of(bytes) }
}

/// The code of an error that must be there.
pub fn code<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Code {
    result.expect_err("must be refused").code
}
