//! What a user may ask for, and what is refused before any work begins.

mod budget;
mod validate;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    engine::OutputFormat,
    gate::Gates,
    given::Given,
    metadata::Metadata,
    model::{ModelName, TrainingLength},
    program::Command,
    store::ArtifactName,
    unit::{ByteCount, Rows},
};

pub use self::{
    budget::parse_budget,
    validate::{check_threads, validate},
};

/// One job, as asked for. Everything that decides the bytes of the result is in here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// Which stages.
    pub goal: Goal,
    /// Generator.
    pub model: ModelName,
    /// How long to train.
    pub length: TrainingLength,
    /// Model constants set by the user.
    #[serde(default)]
    pub overrides: serde_json::Map<String, serde_json::Value>,
    /// Seed of everything random.
    pub seed: u64,
    /// Compute threads of training; part of the job, because bits depend on it.
    pub threads: u32,
    /// Devices of one node that share a training, each with so many threads; fewer where a node has
    /// no more. No bit depends on it.
    #[serde(default = "one_device", skip_serializing_if = "is_one_device")]
    pub devices: u32,
    /// Thresholds of the report.
    #[serde(default)]
    pub gates: Gates,
    /// The files that are read, as they were when the job was asked for.
    #[serde(default)]
    pub inputs: Vec<InputFile>,
}

const fn one_device() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_one_device(devices: &u32) -> bool {
    *devices == 1
}

/// A file as it was at one time. What differs in size or time is taken for another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size.
    pub size: ByteCount,
    /// When it was written, in nanoseconds since 1970.
    pub written_ns: u64,
}

/// Which stages a job runs, with what they need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Goal {
    /// All stages: a table in, a synthetic table and its report out.
    Synthesize {
        /// What to learn from.
        source: Source,
        /// What to release.
        output: Output,
    },
    /// Up to the model.
    Train {
        /// What to learn from.
        source: Source,
        /// Where the model file goes.
        model_file: PathBuf,
    },
    /// From a model file to a table, without a report.
    Generate {
        /// A model file of an earlier job.
        model_file: PathBuf,
        /// What to release.
        output: Output,
        /// What its rows must be like.
        #[serde(default, skip_serializing_if = "Given::is_nothing")]
        given: Given,
        /// A table whose rows are completed, in place of rows that are all drawn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        complete: Option<PathBuf>,
    },
    /// A program of the user's. Generator, length and constants are of no effect.
    External {
        /// What is run.
        command: Command,
        /// Folder of what it leaves.
        folder: PathBuf,
    },
    /// Two tables in, a report out. Nothing is learned and no table is released, so generator,
    /// length and constants of the request are of no effect.
    Evaluate {
        /// The real table, with the rows that were kept from whoever made the other one.
        source: Source,
        /// The table to judge.
        synthetic: PathBuf,
        /// Folder of `report.html` and `report.json`.
        report: PathBuf,
    },
}

/// What a job learns from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The table.
    pub table: PathBuf,
    /// Rows kept aside, as a file; else a share of the table is kept aside.
    #[serde(default)]
    pub holdout: Option<PathBuf>,
    /// Corrections of inferred kinds.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// Column to predict in the utility measure.
    #[serde(default)]
    pub target: Option<String>,
}

/// What a job releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Rows; as many as the source table has, if not said.
    #[serde(default)]
    pub rows: Option<Rows>,
    /// The table's file.
    pub table: PathBuf,
    /// Its format, from its name.
    pub format: OutputFormat,
    /// Folder of `report.html`, `report.json` and `manifest.json`.
    pub report: PathBuf,
}

impl Goal {
    /// One word: `synthesize`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Synthesize { .. } => "synthesize",
            Self::Train { .. } => "train",
            Self::Generate { .. } => "generate",
            Self::Evaluate { .. } => "evaluate",
            Self::External { .. } => "external",
        }
    }

    /// Where a model that is adopted lies. One that completes rows holds them as they stand, so it
    /// goes where tables lie, which do not outlive the job.
    pub const fn adopts_into(&self) -> ArtifactName {
        match self {
            Self::Generate { complete: Some(_), .. } => ArtifactName::Dataset,
            _ => ArtifactName::Model,
        }
    }

    /// Takes what is delivered into this folder, under the names that it has in folders of results.
    pub fn deliver_into(&mut self, folder: &Path) {
        match self {
            Self::Train { model_file, .. } => *model_file = folder.join("model.safetensors"),
            Self::Synthesize { output, .. } | Self::Generate { output, .. } => {
                *output = Output::in_folder(folder, output.rows, output.format);
            }
            Self::Evaluate { report, .. } => *report = folder.join("report"),
            Self::External { folder: out, .. } => *out = folder.to_owned(),
        }
    }
}

impl Output {
    /// A table with what belongs to it, in a folder of its own.
    pub fn in_folder(folder: &Path, rows: Option<Rows>, format: OutputFormat) -> Self {
        let (table, report) = (folder.join(format!("table{format}")), folder.join("report"));
        Self { rows, table, format, report }
    }
}

impl JobRequest {
    /// The table to learn from or to judge by, unless a model is given.
    pub fn source(&self) -> Option<&Source> {
        match &self.goal {
            Goal::Synthesize { source, .. }
            | Goal::Train { source, .. }
            | Goal::Evaluate { source, .. } => Some(source),
            Goal::Generate { .. } | Goal::External { .. } => None,
        }
    }
    /// Every file that is read, and what it is called in messages.
    pub fn files_read(&self) -> Vec<(&Path, &'static str)> {
        let mut files: Vec<(&Path, &'static str)> = Vec::new();
        if let Goal::Generate { model_file, complete, .. } = &self.goal {
            files.push((model_file, "the model file"));
            files.extend(complete.as_deref().map(|file| (file, "the table to complete")));
        }
        if let Some(source) = self.source() {
            files.push((source.table.as_path(), "the source table"));
            files.extend(source.holdout.as_deref().map(|file| (file, "the holdout table")));
        }
        if let Goal::Evaluate { synthetic, .. } = &self.goal {
            files.push((synthetic, "the synthetic table"));
        }
        if let Goal::External { command, .. } = &self.goal {
            files.extend(command.datasets.values().map(|file| (file.as_path(), "the dataset")));
        }
        files
    }
    /// The table to release, unless only a model is wanted.
    pub fn output(&self) -> Option<&Output> {
        match &self.goal {
            Goal::Synthesize { output, .. } | Goal::Generate { output, .. } => Some(output),
            Goal::Train { .. } | Goal::Evaluate { .. } | Goal::External { .. } => None,
        }
    }
    /// The folder that its report goes to, if it makes one.
    pub fn report_folder(&self) -> Option<&Path> {
        match &self.goal {
            Goal::Synthesize { output, .. } => Some(&output.report),
            Goal::Evaluate { report, .. } => Some(report),
            Goal::Train { .. } | Goal::Generate { .. } | Goal::External { .. } => None,
        }
    }
    /// Whether a model has a part in it.
    pub fn has_model(&self) -> bool {
        self.trains() || matches!(self.goal, Goal::Generate { .. })
    }
    /// Whether a model is trained for it.
    pub fn trains(&self) -> bool {
        matches!(self.goal, Goal::Synthesize { .. } | Goal::Train { .. })
    }
}
