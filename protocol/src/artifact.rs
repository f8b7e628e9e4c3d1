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
    /// Which generator.
    pub model: ModelName,
    /// The committed plan.
    pub plan: TrainPlan,
    /// Seed of the job.
    pub seed: u64,
    /// Compute threads of the job.
    pub threads: u32,
    /// Which bits the device computed with.
    pub numerics_class: NumericsClass,
    /// Content of the source.
    pub dataset: Digest,
    /// The trained model.
    pub model_digest: Digest,
    /// The verdict.
    pub verdict: Verdict,
    /// Every released file.
    pub files: Vec<SealedFile>,
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
