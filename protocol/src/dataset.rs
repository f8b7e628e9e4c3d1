//! Tables that were handed in: uploaded piece by piece, then kept under a name in versions that
//! never change. The same bytes handed in again under the same name are the same version.

use std::{collections::BTreeSet, fmt, path::PathBuf, str::FromStr};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    code::Code,
    digest::Digest,
    id::{UploadId, is_plain},
    limits::DATASET_NAME_BYTES_MAX,
    refusal::Refusal,
    residency::Residency,
    store::StoreError,
    unit::{ByteCount, Timestamp},
};

/// A table on its way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// What it will be called.
    pub dataset: DatasetName,
    /// How its file's name ends, which says what it holds.
    pub ending: TableEnding,
    /// How many bytes it will have.
    pub size: ByteCount,
    /// When it was begun.
    pub began_at: Timestamp,
    /// Regions that it may not leave.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
}

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatasetVersion {
    /// Which dataset.
    pub dataset: DatasetName,
    /// Counted from 1.
    pub version: u32,
    /// Of its bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: ByteCount,
    /// How its file's name ends.
    pub ending: TableEnding,
    /// When it was handed in.
    pub added_at: Timestamp,
    /// Regions that it may not leave, with all that is made of it.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
}

impl DatasetVersion {
    /// Whether it is what these bytes would be, handed in under its name: the same, read alike, and
    /// where it may be.
    pub fn is_of(&self, digest: Digest, ending: &TableEnding, regions: &Residency) -> bool {
        (self.digest, &self.ending, &self.regions) == (digest, ending, regions)
    }
}

/// What a dataset is called: letters, digits, `.`, `-` and `_`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatasetName(String);

impl DatasetName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatasetName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && is_plain(text, DATASET_NAME_BYTES_MAX) {
            return Ok(Self(text.to_owned()));
        }
        let message = format!(
            "cannot call a dataset {text:?}: use 1 to {DATASET_NAME_BYTES_MAX} letters, digits, \
             '.', '-' and '_', beginning with a letter or digit"
        );
        Err(Refusal::new(Code::BadRequest, message))
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DatasetName {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<DatasetName> for String {
    fn from(name: DatasetName) -> Self {
        name.0
    }
}

/// How the name of a table's file ends. Nothing else of a file's name is ever used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableEnding(String);

pub(crate) const ENDINGS: [&str; 7] = ["csv", "tsv", "txt", "jsonl", "ndjson", "parquet", "xlsx"];
pub(crate) const PACKINGS: [&str; 2] = ["gz", "zst"];

impl TableEnding {
    /// Of a file of this name.
    pub fn of_name(name: &str) -> Result<Self, Refusal> {
        let name = name.to_ascii_lowercase();
        let mut parts = name.rsplit('.');
        let last = parts.next().unwrap_or_default();
        let ending = match PACKINGS.iter().find(|packing| **packing == last) {
            Some(packing) => {
                let inner = parts.next().filter(|inner| is_packed_text(inner));
                inner.map(|inner| format!("{inner}.{packing}"))
            }
            None => ENDINGS.contains(&last).then(|| last.to_owned()),
        };
        ending.map(Self).ok_or_else(|| {
            let known = ENDINGS.join(", .");
            let message = format!(
                "cannot tell from the name {name:?} what the table's file holds: end it in \
                 .{known}; text files may also end in .gz or .zst"
            );
            Refusal::new(Code::BadRequest, message)
        })
    }

    /// The ending, without a dot before it: `csv.gz`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) fn is_packed_text(ending: &str) -> bool {
    ENDINGS.contains(&ending) && !["parquet", "xlsx"].contains(&ending)
}

impl TryFrom<String> for TableEnding {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::of_name(&format!("table.{text}"))
    }
}

impl From<TableEnding> for String {
    fn from(ending: TableEnding) -> Self {
        ending.0
    }
}

/// What came of a piece of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Appended {
    /// So many bytes are durable now.
    To(ByteCount),
    /// Nothing was written: the next piece must begin here.
    NotThere(ByteCount),
    /// Nothing was written: it would be longer than was said.
    TooLong,
    /// There is no such upload.
    Unknown,
}

/// What came of the end of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Finished {
    /// It is this version now; the same answer whenever it is asked again.
    As(DatasetVersion),
    /// So many of its bytes are there, not all.
    NotWhole(ByteCount),
    /// There is no such upload.
    Unknown,
}

/// Durable uploads and datasets.
#[async_trait]
pub trait DatasetStore: Send + Sync {
    /// Regions in which data can be kept, as known now; none if they are not told apart.
    fn regions(&self) -> Option<BTreeSet<String>> {
        None
    }
    /// Begins an upload; false if one of this name is there (then nothing is changed).
    async fn begin(&self, upload: &Upload) -> Result<bool, StoreError>;
    /// An upload that was begun, and how many bytes of it are durable.
    async fn look(&self, upload: &UploadId) -> Result<Option<(Upload, ByteCount)>, StoreError>;
    /// Appends bytes that begin at `at`.
    async fn append(
        &self,
        upload: &UploadId,
        at: ByteCount,
        bytes: &[u8],
    ) -> Result<Appended, StoreError>;
    /// Makes a whole upload a version of its dataset.
    async fn finish(&self, upload: &UploadId, now: Timestamp) -> Result<Finished, StoreError>;
    /// Removes an upload with its bytes, whole or not; false if there is none. A dataset that was
    /// made of it stays.
    async fn abandon(&self, upload: &UploadId) -> Result<bool, StoreError>;
    /// The newest version of each dataset after this name, in order of names; at most `limit`.
    async fn datasets(
        &self,
        after: Option<&DatasetName>,
        limit: usize,
    ) -> Result<Vec<DatasetVersion>, StoreError>;
    /// Every version of a dataset, newest first; none if there is no such dataset.
    async fn versions(&self, dataset: &DatasetName) -> Result<Vec<DatasetVersion>, StoreError>;
    /// A local file with the bytes of a version.
    async fn file(&self, version: &DatasetVersion) -> Result<PathBuf, StoreError>;
    /// Removes a version; its bytes go with the last version that has them. False if there is none.
    async fn remove(&self, dataset: &DatasetName, version: u32) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        let long = "x".repeat(DATASET_NAME_BYTES_MAX);
        for name in ["a", "0", "trial-7.v2_final", &long] {
            assert_eq!(name.parse::<DatasetName>().expect(name).as_str(), name);
        }
        let longer = long.clone() + "x";
        for name in ["", ".", "..", "-a", "a/b", "a b", "ä", "a\n", &longer] {
            assert!(name.parse::<DatasetName>().is_err(), "{name:?}");
            assert!(serde_json::from_value::<DatasetName>(name.into()).is_err(), "{name:?}");
        }
    }

    #[test]
    fn of_a_files_name_only_a_known_ending_is_kept() {
        for (name, ending) in [
            ("trial.csv", Some("csv")),
            ("../../etc/TRIAL.CSV", Some("csv")),
            ("a.b.tsv.gz", Some("tsv.gz")),
            ("a.jsonl.zst", Some("jsonl.zst")),
            ("a.parquet", Some("parquet")),
            ("csv", Some("csv")),
            ("a.parquet.gz", None),
            ("a.gz", None),
            ("a.exe", None),
            ("", None),
        ] {
            let found = TableEnding::of_name(name).ok();
            assert_eq!(found.as_ref().map(TableEnding::as_str), ending, "{name:?}");
            if let Some(found) = found {
                let json = serde_json::to_string(&found).expect("is written");
                assert_eq!(serde_json::from_str::<TableEnding>(&json).expect(&json), found);
            }
        }
    }
}
