//! What is shown of jobs: nothing of the data folder's paths, nothing of the private table.

use serde::{Deserialize, Serialize};

use super::order::{is_yes, yes};
use crate::{
    digest::Digest,
    id::{JobId, TenantId},
    job::{
        JobRow, JobState, Outcome, TimelineEntry, listing::StateClass, origin::Origin,
        outcome::Failure, row,
    },
    model::ModelName,
    progress::Progress,
    queue::{Priority, Waiting},
    report::Verdict,
    residency::Residency,
    stage::Stage,
    unit::{ByteCount, Millis, Rows, Steps, Timestamp},
};

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JobView {
    /// Its name.
    pub id: JobId,
    /// `synthesize`, `train`, `generate`, `evaluate`, `external`.
    pub kind: String,
    /// Where it is.
    pub state: StateClass,
    /// In which stage, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// How urgent it is.
    pub priority: Priority,
    /// Regions that it may not leave; none if it may run anywhere.
    #[serde(default, skip_serializing_if = "Residency::is_anywhere")]
    pub regions: Residency,
    /// Whose it is, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// It may run on machines that may be taken away.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub spot: bool,
    /// Generator, where one is trained or drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Seed of everything random.
    pub seed: u64,
    /// What it was made from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Milliseconds since 1970.
    pub accepted_at: Timestamp,
    /// Milliseconds since 1970.
    pub changed_at: Timestamp,
    /// Rows it releases, once they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// Steps that will be made, once they are planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_steps: Option<Steps>,
    /// Steps that were made, once training has ended; fewer than planned where more gained nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_steps: Option<Steps>,
    /// Steps that a checkpoint holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_step: Option<Steps>,
    /// What the report says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why the table was withheld or the verdict is not better.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// When it is expected to begin, while it waits: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_start: Option<Timestamp>,
    /// Seconds that it was thought to take when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_s: Option<f64>,
    /// What that was guessed from; left out of lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_because: Option<String>,
    /// Seconds that it was in the hands of a node, as of its last change.
    #[serde(default)]
    pub ran_s: f64,
    /// How often a node that held it was lost.
    #[serde(default, skip_serializing_if = "row::is_none_yet")]
    pub losses: u32,
    /// Seconds that these took: from its last change to when another node went on, summed up.
    #[serde(default, skip_serializing_if = "is_no_time")]
    pub lost_s: f64,
    /// How far its stage is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What happened, oldest first; left out of lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<TimelineEntry>,
    /// What it delivered; left out of lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileView>,
}

/// A file that a job delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileView {
    /// Its name, under the job's `files`.
    pub name: String,
    /// How large it is.
    pub size: ByteCount,
    /// SHA-256 of its bytes, where the manifest names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "PageOf{T}"))]
pub struct PageView<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Gives the next page; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

impl JobView {
    /// A job as it stands in a list.
    pub fn of(row: &JobRow) -> Self {
        let stage = match &row.state {
            JobState::Running { stage } => Some(*stage),
            _ => None,
        };
        let failure = match &row.state {
            JobState::Ended(Outcome::Failed(failure)) => Some(failure.clone()),
            _ => None,
        };
        let report = row.done.report.as_ref();
        Self {
            id: row.id.clone(),
            kind: row.request.goal.kind().to_owned(),
            state: StateClass::of(&row.state),
            stage,
            priority: row.priority,
            regions: row.regions.clone(),
            tenant: row.tenant.clone(),
            spot: !row.stays_off_spot,
            model: row.request.has_model().then_some(row.request.model),
            seed: row.request.seed,
            origin: row.origin.clone(),
            accepted_at: row.accepted_at,
            changed_at: row.changed_at.max(row.accepted_at),
            rows: row.rows(),
            planned_steps: row.done.plan.as_ref().map(|plan| plan.steps),
            trained_steps: row.done.trained_steps,
            checkpoint_step: row.done.checkpoint.map(|facts| facts.step),
            verdict: report.map(|report| report.verdict),
            reasons: report.map_or_else(Vec::new, |report| report.reasons.clone()),
            failure,
            waiting: None,
            expected_start: None,
            estimate_s: row.estimate.as_ref().map(|estimate| seconds(estimate.takes)),
            estimate_because: None,
            ran_s: seconds(row.ran),
            losses: row.losses.times,
            lost_s: seconds(row.losses.time),
            progress: None,
            timeline: Vec::new(),
            files: Vec::new(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_no_time(seconds: &f64) -> bool {
    *seconds == 0.0
}

fn seconds(time: Millis) -> f64 {
    time.get() as f64 / 1_000.0
}
