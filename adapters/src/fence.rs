//! Who may write: the decisions on a lease cell that every store shares, as pure functions.
//!
//! A store calls them inside whatever makes its reads and writes one act (a transaction, a mutex).
//! Invariants kept here: LEASE-1 (epochs only grow), LEASE-2 (no write of an earlier epoch).

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    id::{Incarnation, JobId},
    job::JobRow,
    lease::{Lease, LeaseCell},
    store::{ArtifactName, StoreError, Written},
    unit::Epoch,
};

/// A job's name is a folder's name, so it is short and plain: 128 bytes fit every file system.
const JOB_NAME_BYTES_MAX: usize = 128;

/// What a guarded act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced<T> {
    /// The lease was the newest; the act took place.
    Held(T),
    /// A later epoch exists; nothing took place.
    Overtaken(Epoch),
}

impl<T> Fenced<T> {
    /// The same, for acts whose only answer is that they took place.
    pub fn written(self) -> Written {
        match self {
            Self::Held(_) => Written::Done,
            Self::Overtaken(by) => Written::Overtaken { by },
        }
    }

    /// The same, for acts that have no other way to say that they were refused.
    pub fn or_refused(self, job: &JobId) -> Result<T, StoreError> {
        match self {
            Self::Held(done) => Ok(done),
            Self::Overtaken(by) => Err(StoreError::new(
                Code::Overtaken,
                format!("write for job {job}: epoch {by} holds it now; leave it to its new owner"),
            )),
        }
    }
}

/// The cell of a job that nobody claimed yet.
pub fn unclaimed() -> LeaseCell {
    LeaseCell { owner: None, epoch: Epoch(0), renewals: 0 }
}

/// Whether a write under this lease is let through.
pub fn admit(cell: &LeaseCell, lease: &Lease) -> Fenced<()> {
    if cell.epoch == lease.epoch && cell.owner.as_ref() == Some(&lease.owner) {
        Fenced::Held(())
    } else {
        Fenced::Overtaken(cell.epoch)
    }
}

/// The cell after a claim; none if the cell is not what the claimant saw.
pub fn claim(cell: &LeaseCell, seen: &LeaseCell, owner: &Incarnation) -> Option<LeaseCell> {
    (cell == seen).then(|| LeaseCell {
        owner: Some(owner.clone()),
        epoch: cell.epoch.next(),
        renewals: 0,
    })
}

/// The cell after a renewal.
pub fn renew(cell: LeaseCell) -> LeaseCell {
    LeaseCell { renewals: cell.renewals + 1, ..cell }
}

/// The cell after a release. Releasing what is released already changes nothing, so that a release
/// whose outcome is unknown may be sent again.
pub fn release(cell: &LeaseCell, lease: &Lease) -> Fenced<LeaseCell> {
    let is_free = cell.owner.is_none() && cell.epoch == lease.epoch && cell.epoch > Epoch(0);
    match admit(cell, lease) {
        Fenced::Held(()) => Fenced::Held(LeaseCell { owner: None, ..cell.clone() }),
        Fenced::Overtaken(_) if is_free => Fenced::Held(cell.clone()),
        Fenced::Overtaken(by) => Fenced::Overtaken(by),
    }
}

/// Refuses a name that could not be a folder's name, before it becomes part of a path.
pub fn check_name(job: &JobId) -> Result<(), StoreError> {
    let name = job.as_str();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = !name.is_empty() && name.len() <= JOB_NAME_BYTES_MAX;
    if fits && name.bytes().all(is_plain) {
        return Ok(());
    }
    let message = format!("look up job {name:?}: a job's name has only letters, digits, - and _");
    Err(StoreError::new(Code::JobNotFound, message))
}

/// Refuses to write one job's row under another job's lease.
pub fn check_owns(lease: &Lease, row: &JobRow) -> Result<(), StoreError> {
    if lease.job == row.id {
        return Ok(());
    }
    let message = format!("save job {}: the lease is for job {}", row.id, lease.job);
    Err(StoreError::new(Code::Internal, message))
}

/// A row as JSON. Refuses one that would not be read back as it is (JSON knows no NaN): such a row
/// would make every later look at the table fail.
pub fn encode_row(row: &JobRow) -> Result<Vec<u8>, StoreError> {
    let encoded = serde_json::to_vec(row).ok().filter(|bytes| {
        serde_json::from_slice::<JobRow>(bytes).is_ok_and(|read_back| read_back == *row)
    });
    encoded.ok_or_else(|| {
        let message = format!(
            "write the row of job {}: it holds a number that is not finite; correct the request",
            row.id
        );
        StoreError::new(Code::BadRequest, message)
    })
}

/// Refuses bytes that are not what the caller says of them.
pub fn check_chunk(lease: &Lease, chunk: &SealedChunk, bytes: &[u8]) -> Result<(), StoreError> {
    let digest = Digest::of(bytes);
    if digest == chunk.digest {
        return Ok(());
    }
    let message = format!(
        "seal chunk {} of job {}: its bytes have digest {} where {} was said",
        chunk.chunk,
        lease.job,
        digest.short(),
        chunk.digest.short()
    );
    Err(StoreError::new(Code::Internal, message))
}

/// Refuses to seal a chunk again as another one (CHUNK-1).
pub fn check_same_chunk(
    job: &JobId,
    known: Option<&SealedChunk>,
    chunk: &SealedChunk,
) -> Result<(), StoreError> {
    match known {
        Some(known) if known != chunk => {
            let message = format!(
                "seal chunk {} of job {job}: it is sealed with digest {} and now has {}",
                chunk.chunk,
                known.digest.short(),
                chunk.digest.short()
            );
            Err(StoreError::new(Code::Internal, message))
        }
        _ => Ok(()),
    }
}

/// There is no such chunk to open.
pub fn no_such_chunk(job: &JobId, chunk: ChunkNo) -> StoreError {
    StoreError::new(Code::Internal, format!("open chunk {chunk} of job {job}: it is not sealed"))
}

/// There is nothing to seal.
pub fn not_staged(job: &JobId, name: ArtifactName) -> StoreError {
    let message = format!("seal {} of job {job}: it is not staged", name.as_str());
    StoreError::new(Code::Internal, message)
}

/// The order in which checkpoints are listed.
pub fn newest_step_first(found: &mut [CheckpointFacts]) {
    found.sort_by_key(|facts| std::cmp::Reverse((facts.step, facts.epoch, facts.digest)));
}

/// There is no row to replace.
pub fn no_such_job(job: &JobId) -> StoreError {
    let message = format!("save job {job}: it is not in this data folder; submit it first");
    StoreError::new(Code::JobNotFound, message)
}

/// The order of lists: by acceptance, the name decides among equals.
pub fn newest_first(rows: &mut [JobRow]) {
    rows.sort_by(|a, b| (b.accepted_at, &b.id).cmp(&(a.accepted_at, &a.id)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(owner: &str, epoch: u64) -> LeaseCell {
        let owner = (!owner.is_empty()).then(|| Incarnation::new(owner));
        LeaseCell { owner, epoch: Epoch(epoch), renewals: 0 }
    }

    #[test]
    fn only_the_newest_holder_is_admitted() {
        let lease = |owner: &str, epoch| Lease {
            job: JobId::new("j"),
            owner: Incarnation::new(owner),
            epoch: Epoch(epoch),
        };
        for (now, by, is_admitted, may_release) in [
            (cell("a", 3), lease("a", 3), true, true),
            (cell("a", 3), lease("b", 3), false, false),
            (cell("b", 4), lease("a", 3), false, false),
            (cell("a", 4), lease("a", 3), false, false),
            (cell("", 3), lease("a", 3), false, true),
            (cell("", 0), lease("a", 0), false, false),
            (cell("a", 3), lease("a", 9), false, false),
        ] {
            assert_eq!(admit(&now, &by) == Fenced::Held(()), is_admitted, "{now:?} {by:?}");
            let is_released = matches!(release(&now, &by), Fenced::Held(_));
            assert_eq!(is_released, may_release, "{now:?} {by:?}");
        }
    }

    #[test]
    fn names_that_are_no_folder_names_are_refused() {
        let long = "x".repeat(JOB_NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", "a/b", "../a", "a\0", "ä", "a b", long.as_str()] {
            assert!(check_name(&JobId::new(name)).is_err(), "{name:?}");
        }
        assert!(check_name(&JobId::new("01JZ0000000000000000000000")).is_ok());
    }
}
