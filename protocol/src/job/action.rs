//! What must be done, as data. Only `actors/src/perform.rs` and the simulator carry it out.

use crate::{
    checkpoint::CheckpointFacts,
    chunk::ChunkNo,
    job::{
        event::JobEvent,
        outcome::{Failure, Outcome},
        row::JobRow,
    },
    model::TrainPlan,
    request::Goal,
    stage::Stage,
    store::ArtifactName,
    unit::{Millis, Rows},
};

/// One thing to do. The actions of a step are performed in order; when one cannot be performed,
/// those after it are left out.
#[derive(Debug, Clone, PartialEq)]
pub enum JobAction {
    /// Write the row, guarded by the lease. A refusal comes back as [`JobEvent::Overtaken`], a
    /// failure as [`JobEvent::SaveFailed`].
    Save(Box<JobRow>),
    /// Begin this work; its result, [`JobEvent::StageFailed`] or [`JobEvent::WorkStopped`] comes
    /// back.
    Begin(Work),
    /// Tell the running work to stop within one step.
    StopWork,
    /// Send [`JobEvent::RetryDue`] after this long.
    RetryAfter(Millis),
    /// Tell whoever watches.
    Tell(Tidings),
    /// Undo every delivery of this job, whole or half written; idempotent. Before the row ends: a
    /// job that was killed in between is interrupted, not ended, and can be cancelled again.
    TakeBack,
    /// Remove everything private and everything half done of this job; idempotent.
    Sweep,
    /// Give the lease back.
    Release,
    /// The supervisor's work is done; no event is sent after it.
    Leave,
}

/// Work of one stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Run the program.
    Run,
    /// Read the source.
    Ingest,
    /// Profile the dataset.
    Profile,
    /// Resolve constants and steps.
    Plan,
    /// Train from this checkpoint, or from the start.
    Train {
        /// The committed plan.
        plan: TrainPlan,
        /// Where to go on.
        from: Option<CheckpointFacts>,
    },
    /// Take the model from the file that the request names.
    AdoptModel,
    /// Sample these chunks.
    Sample {
        /// Number and size of each.
        chunks: Vec<(ChunkNo, Rows)>,
    },
    /// Judge the chunks.
    Evaluate,
    /// Write what was asked for where it was asked for; `withhold`: all but the table.
    Publish {
        /// A blocking gate failed.
        withhold: bool,
    },
}

impl Work {
    /// The folder that it fills for a job with this goal, if it fills one.
    pub fn artifact(&self, goal: &Goal) -> Option<ArtifactName> {
        Some(match self {
            Self::Run => ArtifactName::Files,
            Self::Ingest => ArtifactName::Dataset,
            Self::Profile => ArtifactName::Profile,
            Self::Train { .. } => ArtifactName::Model,
            Self::AdoptModel => goal.adopts_into(),
            Self::Evaluate => ArtifactName::Report,
            Self::Publish { .. } => ArtifactName::Output,
            Self::Plan | Self::Sample { .. } => return None,
        })
    }

    /// Whether this event is the result that this work was begun for.
    pub fn is_answered_by(&self, event: &JobEvent) -> bool {
        matches!(
            (self, event),
            (Self::Run, JobEvent::Ran(_))
                | (Self::Ingest, JobEvent::Ingested(_))
                | (Self::Profile, JobEvent::Profiled(_))
                | (Self::Plan, JobEvent::Planned(..))
                | (Self::Train { .. }, JobEvent::Trained(..))
                | (Self::AdoptModel, JobEvent::Adopted(..))
                | (Self::Evaluate, JobEvent::Judged(_))
                | (Self::Publish { .. }, JobEvent::Delivered)
        )
    }
}

/// What watchers of a job hear, beside progress.
#[derive(Debug, Clone, PartialEq)]
pub enum Tidings {
    /// A stage begins.
    StageBegan {
        /// Which.
        stage: Stage,
        /// It was begun before: by an earlier claim, or by a try that failed.
        again: bool,
    },
    /// The plan of training, for people.
    PlanMade(String),
    /// Something a user should know.
    Notice(String),
    /// A passing failure; it will be tried again.
    TryingAgain {
        /// What failed.
        message: String,
        /// When it is tried again.
        after: Millis,
    },
    /// The job is over.
    Ended(Outcome),
    /// Something a person must mend first; then resume goes on.
    Suspended(Failure),
    /// The job goes on elsewhere or later.
    Interrupted,
}
