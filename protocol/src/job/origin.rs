//! What a job was made from: lineage, for people and programs. It decides nothing.

use serde::{Deserialize, Serialize};

use crate::{
    dataset::{DatasetName, DatasetVersion},
    digest::Digest,
    id::JobId,
};

/// Where what a job reads comes from. Empty for a job that was ordered by paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Origin {
    /// The dataset that it learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetAt>,
    /// The dataset that is kept aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<DatasetAt>,
    /// The dataset that it judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<DatasetAt>,
    /// The job whose model it draws from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_of: Option<JobId>,
    /// The job that it does once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
}

/// A version of a dataset, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatasetAt {
    /// Which dataset.
    pub name: DatasetName,
    /// Which version.
    pub version: u32,
    /// Of the file's bytes.
    pub digest: Digest,
}

impl Origin {
    /// Nothing is known of it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&DatasetVersion> for DatasetAt {
    fn from(version: &DatasetVersion) -> Self {
        let DatasetVersion { dataset, version, digest, .. } = version;
        Self { name: dataset.clone(), version: *version, digest: *digest }
    }
}
