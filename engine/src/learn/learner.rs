//! What a model owes to its training run: losses by shards, constants by step, a file at the end.

use tch::Tensor;
use tgs_protocol::{engine::EngineError, model::ModelName, report::Curve};

use super::{
    adamw::Rule,
    batches::Batches,
    crew::Crew,
    flat::{Layout, Leaves},
    torch::Torch,
};

/// A model as seen by its training run.
///
/// A step is computed in shards: parts of its rows whose losses are added. Their number does not
/// depend on the machine, so neither does the result.
pub(crate) trait Learner: Send + Sync + 'static {
    /// Its name in messages and files.
    fn name(&self) -> ModelName;
    /// All parameters.
    fn layout(&self) -> &Layout;
    /// Constants of the optimiser at a step.
    fn rule(&self, step: u64) -> Rule;
    /// The rows of every step.
    fn batches(&self) -> &Batches;
    /// The same, to cut them anew.
    fn batches_mut(&mut self) -> &mut Batches;
    /// Called before the first step, after a restore and wherever [`Rule::active`] changes, with
    /// the average of all parameters: what a phase needs from the one before is computed here.
    ///
    /// # Errors
    /// `Stopped` when `pause` says so; the learner stands as before.
    fn enter(
        &mut self,
        _step: u64,
        _average: &Tensor,
        _pause: Pause<'_>,
    ) -> Result<(), EngineError> {
        Ok(())
    }
    /// Shards of a step; none where there is nothing to learn.
    fn shards(&self, step: u64) -> usize;
    /// What a shard adds to the loss of a step, a scalar that depends on the leaves: all of them,
    /// of which those that learn have gradients.
    fn loss(&self, leaves: &Leaves, step: u64, shard: usize) -> Torch<Tensor>;
    /// Shards of the validation rows; none where they say nothing.
    fn validation_shards(&self, step: u64) -> usize;
    /// What a shard adds to the mean loss over validation rows, with the same noise each time.
    fn validation(&self, leaves: &Leaves, step: u64, shard: usize) -> Torch<f64>;
    /// How many of the validation shards, the last ones, hold training rows instead: what is lost
    /// less on them than on validation rows is copied.
    fn seen_shards(&self, _step: u64) -> usize {
        0
    }
    /// The model file, from the best parameters; what is left to compute is shared by the crew.
    ///
    /// # Errors
    /// `Stopped` when `pause` says so; the learner stands as before.
    fn model(
        &mut self,
        best: &[f32],
        curves: Vec<Curve>,
        crew: &Crew,
        pause: Pause<'_>,
    ) -> Result<Vec<u8>, EngineError>;
}

/// Called between small units of work with what is being done: tells it, and gives `Stopped` once
/// the work must end.
pub(crate) type Pause<'a> = &'a dyn Fn(&str) -> Result<(), EngineError>;
