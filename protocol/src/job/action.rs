//! What must be done, as data. Only `actors/src/perform.rs` and the simulator carry it out.

use crate::{
    checkpoint::CheckpointFacts,
    chunk::ChunkNo,
    job::{
        outcome::{Failure, Outcome},
        row::JobRow,
    },
    model::TrainPlan,
    stage::Stage,
    unit::{Millis, Rows},
};

/// One thing to do. The actions of a step are performed in order.
#[derive(Debug, Clone, PartialEq)]
pub enum JobAction {
    /// Write the row, guarded by the lease; nothing after it happens unless it was written.
    Save(Box<JobRow>),
    /// Begin this work; its end comes back as an event.
    Begin(Work),
    /// Tell the running work to stop within one step.
    StopWork,
    /// Send [`crate::job::JobEvent::RetryDue`] after this long.
    RetryAfter(Millis),
    /// Tell whoever watches.
    Tell(Tidings),
    /// Remove everything private and everything half done of this job.
    Sweep,
    /// Give the lease back.
    Release,
    /// The supervisor's work is done.
    Leave,
}

/// Work of one stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
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

/// What watchers of a job hear, beside progress.
#[derive(Debug, Clone, PartialEq)]
pub enum Tidings {
    /// A stage begins; `again`: it was begun before, by an earlier claim.
    StageBegan {
        /// Which.
        stage: Stage,
        /// Part of it was done before.
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
