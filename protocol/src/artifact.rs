//! Artifacts: sealed output with a manifest that names every file by digest.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    engine::{NumericsClass, OutputFormat},
    model::{ModelName, TrainPlan},
    report::Verdict,
    unit::Rows,
};

/// `manifest.json` beside the output. Like the report it says nothing of clocks, machines or paths,
/// so an interrupted job and an undisturbed one write the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Shape of this document.
    pub version: u32,
    /// Seed of the job.
    pub seed: u64,
    /// The trained model.
    pub model_digest: Digest,
    /// How the model came about and what was found; nothing where it was brought along.
    #[serde(flatten)]
    pub training: Option<TrainingFacts>,
    /// Every released file.
    pub files: Vec<SealedFile>,
}

/// What a job that trains knows of its model and its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// Which generator.
    pub model: ModelName,
    /// The committed plan.
    pub plan: TrainPlan,
    /// Compute threads of the job.
    pub threads: u32,
    /// Which bits the device computed with.
    pub numerics_class: NumericsClass,
    /// The classes that the job went on in where it could not in that one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub went_on_in: Vec<NumericsClass>,
    /// Content of the source.
    pub dataset: Digest,
    /// The verdict.
    pub verdict: Verdict,
}

/// One released file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SealedFile {
    /// What it is: `table`, `report.json`, `report.html`.
    pub role: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Rows, if it is a table.
    pub rows: Option<Rows>,
    /// Format, if it is a table.
    pub format: Option<OutputFormat>,
}
