//! What nodes of a cluster say to each other directly.
//!
//! Such a message makes something happen sooner. What happens stands in the stores: one that is
//! lost, late, repeated or made up changes no outcome.

pub mod keys;
pub mod table;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chunk::{ChunkNo, SealedChunk},
    digest::Digest,
    engine::NumericsClass,
    id::Incarnation,
    lease::Lease,
    limits::LEASE_TTL_MS,
    residency::Residency,
    unit::{Millis, Rows},
};

/// The version of what is said. Another one may say more, and is understood where it says this.
const VERSION: u16 = 1;

/// What one node asks of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum PeerRequest {
    /// Are you there?
    Ping,
    /// Look in the stores now: a job waits or was handed over, or one is to end.
    Look,
    /// Sample a chunk of a job of mine, and seal it.
    Sample(ChunkTask),
}

/// A chunk that another node samples for whoever holds the job: under the holder's lease, so that
/// nothing is sealed once that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTask {
    /// The holder's.
    pub lease: Lease,
    /// The model that lies sealed in the store.
    pub model: Digest,
    /// Threads of the job.
    pub threads: u32,
    /// The class of bits of the holder: who computes others must not help.
    pub class: NumericsClass,
    /// Seed of the job.
    pub seed: u64,
    /// Which chunk.
    pub chunk: ChunkNo,
    /// Its rows.
    pub rows: Rows,
    /// Version of the holder's program: another one may sample other bytes.
    pub version: String,
    /// Regions that the job may not leave: who stands elsewhere must not help.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// The job runs on no machine that may be taken away: nor is it helped by one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays_off_spot: bool,
}

/// What it hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum PeerAnswer {
    /// It was heard.
    Heard,
    /// It was not understood: the other one is of an earlier version.
    Unknown,
    /// The chunk is durable and stands in the manifest.
    Sealed(SealedChunk),
    /// It is not done, and why: by whoever asked, then.
    NotDone {
        /// In words, for logs.
        why: String,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// There is no way to that node just now.
    #[error("there is no way to it")]
    NoLink,
    /// It did not answer in time, or its answer was lost.
    #[error("it does not answer")]
    Silent,
}

/// Ways to other nodes.
#[async_trait]
pub trait PeerLink: Send + Sync {
    /// Asks one node, and waits at most so long.
    async fn ask(
        &self,
        peer: &Incarnation,
        request: PeerRequest,
        within: Millis,
    ) -> Result<PeerAnswer, PeerError>;
    /// Says something to every node that is reached, and waits for nobody.
    fn tell_all(&self, request: PeerRequest);
    /// The nodes that can be asked.
    fn reached(&self) -> Vec<Incarnation>;
}

/// As it goes over the wire: JSON with the version beside what is said.
pub fn encode(said: &impl Serialize) -> Vec<u8> {
    let mut said = serde_json::to_value(said).unwrap_or_default();
    if let Value::Object(fields) = &mut said {
        fields.insert("v".to_owned(), VERSION.into());
    }
    said.to_string().into_bytes()
}

/// Reads what came over the wire; none if this version does not know it.
pub fn decode<'said, T: Deserialize<'said>>(said: &'said [u8]) -> Option<T> {
    serde_json::from_slice(said).ok()
}

/// What is known of the end of other nodes' runs: their processes are gone, and hold nothing. It is
/// known for as long as a lease lasts: then the lease says so as well, and should it have been an
/// error after all, nobody is robbed for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obituaries {
    gone: BTreeMap<Incarnation, Millis>,
}

impl Obituaries {
    /// Takes one in.
    pub fn add(&mut self, gone: &Incarnation, now: Millis) {
        self.gone.retain(|_, since| is_fresh(*since, now));
        self.gone.insert(gone.clone(), now);
    }

    /// It was an error: that node lives.
    pub fn take_back(&mut self, lives: &Incarnation) {
        self.gone.remove(lives);
    }

    /// Whether a run is known to have ended.
    pub fn has(&self, incarnation: &Incarnation, now: Millis) -> bool {
        self.gone.get(incarnation).is_some_and(|since| is_fresh(*since, now))
    }
}

fn is_fresh(since: Millis, now: Millis) -> bool {
    now.get().saturating_sub(since.get()) < LEASE_TTL_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::JobId, unit::Epoch};

    #[test]
    fn what_is_said_reads_back_and_what_is_not_known_is_none() {
        let job = JobId::new("a");
        let lease = Lease { job, owner: Incarnation::new("b"), epoch: Epoch(u64::MAX) };
        let task = ChunkTask {
            lease,
            model: Digest::of(b"model"),
            threads: 2,
            class: NumericsClass("cpu".to_owned()),
            seed: u64::MAX,
            chunk: ChunkNo(7),
            rows: Rows(10_000),
            version: "1.0.0".to_owned(),
            regions: "eu".parse().expect("a region"),
            stays_off_spot: true,
        };
        for said in [PeerRequest::Ping, PeerRequest::Look, PeerRequest::Sample(task)] {
            assert_eq!(decode(&encode(&said)), Some(said));
        }
        let sealed = SealedChunk { chunk: ChunkNo(7), rows: Rows(3), digest: Digest::of(b"") };
        let sealed = PeerAnswer::Sealed(sealed);
        assert_eq!(decode(&encode(&sealed)), Some(sealed));
        assert_eq!(encode(&PeerAnswer::Heard), br#"{"answer":"heard","v":1}"#);
        let later = br#"{"ask":"ping","v":2,"of":"more"}"#;
        assert_eq!(decode(later), Some(PeerRequest::Ping));
        for unknown in [&b"{\"ask\":\"fly\"}"[..], b"", b"\xff", b"[]", b"null"] {
            assert_eq!(decode::<PeerRequest>(unknown), None);
        }
    }

    #[test]
    fn who_is_gone_is_known_as_long_as_a_lease_lasts_and_errors_are_taken_back() {
        let (mut gone, a, b) =
            (Obituaries::default(), Incarnation::new("a"), Incarnation::new("b"));
        gone.add(&a, Millis(1_000));
        assert!(gone.has(&a, Millis(LEASE_TTL_MS)) && !gone.has(&b, Millis(1_000)));
        assert!(!gone.has(&a, Millis(1_000 + LEASE_TTL_MS)));
        gone.add(&b, Millis(1_000 + LEASE_TTL_MS));
        assert_eq!(gone.gone.len(), 1, "what is old is forgotten");
        gone.take_back(&b);
        assert!(!gone.has(&b, Millis(1_000 + LEASE_TTL_MS)));
    }
}
