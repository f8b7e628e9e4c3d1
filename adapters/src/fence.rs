//! What every store refuses, with the same words: names, rows and bytes that are not what they must
//! be. Who may write at all is a rule: `protocol/src/lease/fence.rs`.

use tgs_protocol::{
    checkpoint::CheckpointFacts,
    chunk::{ChunkNo, SealedChunk},
    code::Code,
    digest::Digest,
    id::JobId,
    job::JobRow,
    lease::Lease,
    notification::Delivery,
    store::{ArtifactName, StoreError},
};

use crate::fault;

pub use tgs_protocol::lease::fence::{Fenced, admit, claim, release, renew, unclaimed};

/// A job's name is a folder's name, so it is short and plain: 128 bytes fit every file system.
const JOB_NAME_BYTES_MAX: usize = 128;

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

/// NOTE-1: an event has one delivery to each subscription.
pub fn made_twice(delivery: &Delivery) -> StoreError {
    let message = format!("make delivery {}: it was made before", delivery.key());
    StoreError::new(Code::Internal, message)
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

/// Refuses a row of a format that only a newer version knows: such a row is left alone.
pub fn check_known(row: &JobRow) -> Result<(), StoreError> {
    match row.unknown() {
        None => Ok(()),
        Some(unknown) => Err(fault::too_new(&row_of(&row.id), &unknown)),
    }
}

/// What messages call the row of a job.
pub fn row_of(job: &JobId) -> String {
    format!("the row of job {job}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folder_names_are_refused() {
        let long = "x".repeat(JOB_NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", "a/b", "../a", "a\0", "ä", "a b", long.as_str()] {
            assert!(check_name(&JobId::new(name)).is_err(), "{name:?}");
        }
        assert!(check_name(&JobId::new("01JZ0000000000000000000000")).is_ok());
    }
}
