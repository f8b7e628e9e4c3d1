//! A training run: steps, moving average, held-out loss at fixed steps, the best so far, snapshots.
//!
//! Whatever happens between two steps (a new segment, a snapshot, a restore on another machine of the
//! same numerics class) leaves no trace in the result: every number a step needs is either in the
//! snapshot or a function of (seed, step).

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;
use tgs_protocol::{
    code::Code,
    engine::{EngineError, SegmentFacts, Trainer},
    model::TrainPlan,
    progress::{Progress, ProgressUnit, Watch},
    report::Curve,
    stage::Stage,
    unit::Steps,
};

use super::{
    adamw::{Moments, Rule, copied},
    container::{self, Blob, Container, corrupt},
    flat::{Layout, Leaves},
    torch::{Torch, failed, use_threads, values},
};

/// A model as seen by its training run.
pub(crate) trait Learner: Send {
    /// Its name in messages and files.
    fn name(&self) -> &'static str;
    /// All parameters.
    fn layout(&self) -> &Layout;
    /// Constants of the optimiser at a step.
    fn rule(&self, step: u64) -> Rule;
    /// Passes over the data before this step.
    fn epoch(&self, step: u64) -> f64;
    /// Called before the first step, after a restore and wherever [`Rule::active`] changes, with the
    /// average of all parameters: what a phase needs from the one before is computed here.
    fn enter(&mut self, step: u64, average: &Tensor) -> Torch<()>;
    /// The loss of a step, a scalar that depends on the leaves.
    fn loss(&mut self, leaves: &Leaves, step: u64) -> Torch<Tensor>;
    /// Mean loss over held-out rows, with the same noise each time; none where it says nothing.
    fn held_out(&mut self, leaves: &Leaves, step: u64) -> Torch<Option<f64>>;
    /// State of its own that must survive an interruption.
    fn memory(&self) -> Value {
        Value::Null
    }
    /// Takes [`Self::memory`] back.
    fn recall(&mut self, _memory: Value) -> Result<(), EngineError> {
        Ok(())
    }
    /// The model file, from the best parameters.
    fn model(&mut self, best: &[f32], curves: Vec<Curve>) -> Result<Vec<u8>, EngineError>;
}

/// When to look at the held-out loss and when to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopping {
    /// Steps between two looks.
    pub every: u64,
    /// Looks without improvement before the run ends; none: never.
    pub patience: Option<u32>,
}

/// See the module.
pub(crate) struct Run<L> {
    learner: L,
    moments: Moments,
    best: Tensor,
    state: State,
    steps: u64,
    stopping: Stopping,
    identity: Identity,
    threads: u32,
    entered: Option<Range<usize>>,
}

/// What a snapshot must agree with to be continued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    model: String,
    plan: TrainPlan,
    seed: u64,
    threads: u32,
    numbers: usize,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    step: u64,
    finished: bool,
    window_sum: f64,
    window_steps: u64,
    best_loss: Option<f64>,
    best_step: u64,
    looks_since: u32,
    training: Vec<(u64, f64)>,
    held_out: Vec<(u64, f64)>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    identity: Identity,
    state: State,
    memory: Value,
}

const SNAPSHOT: &str = "training snapshot";

impl<L: Learner> Run<L> {
    /// Begins a run, or goes on from `resume`.
    ///
    /// # Errors
    /// `CheckpointCorrupt` when the snapshot is damaged or belongs to another run.
    pub(crate) fn new(
        learner: L,
        plan: &TrainPlan,
        stopping: Stopping,
        (seed, threads): (u64, u32),
        resume: Option<&[u8]>,
    ) -> Result<Self, EngineError> {
        use_threads(threads);
        let begin = failed("begin training");
        let moments = Moments::new(&learner.layout().first_values(seed)).map_err(&begin)?;
        let best = copied(&moments.params).map_err(&begin)?;
        let identity = Identity {
            model: learner.name().to_owned(),
            plan: plan.clone(),
            seed,
            threads,
            numbers: learner.layout().len(),
        };
        let steps = plan.steps.get();
        let mut run = Self {
            learner,
            moments,
            best,
            state: State { finished: steps == 0, ..State::default() },
            steps,
            stopping,
            identity,
            threads,
            entered: None,
        };
        if let Some(bytes) = resume {
            run.restore(bytes)?;
        }
        Ok(run)
    }

    /// Wall-clock free: one step, used also to measure speed.
    pub(crate) fn step(&mut self) -> Result<f64, EngineError> {
        let loss = self.step_torch().map_err(failed("a training step"))?;
        if !loss.is_finite() {
            let message = format!(
                "training of {} diverged at step {}: lower `learning_rate` or raise `batch`",
                self.learner.name(),
                self.state.step
            );
            return Err(EngineError::new(Code::UnknownConstant, message));
        }
        Ok(loss)
    }

    fn step_torch(&mut self) -> Torch<f64> {
        let step = self.state.step;
        let rule = self.learner.rule(step);
        self.enter(&rule.active, step)?;
        let leaf = self.moments.leaf(&rule.active)?;
        let leaves = self.learner.layout().split(&leaf, &rule.active)?;
        let loss = self.learner.loss(&leaves, step)?;
        let gradient = Tensor::f_run_backward(&[&loss], &[&leaf], false, false)?;
        let value = loss.f_double_value(&[])?;
        if value.is_finite()
            && let Some(gradient) = gradient.first()
        {
            self.moments.step(gradient, &rule)?;
        }
        self.state.step += 1;
        self.state.window_sum += value;
        self.state.window_steps += 1;
        self.look(&rule)?;
        Ok(value)
    }

    fn enter(&mut self, active: &Range<usize>, step: u64) -> Torch<()> {
        if self.entered.as_ref() != Some(active) {
            self.learner.enter(step, &self.moments.average)?;
            self.entered = Some(active.clone());
        }
        Ok(())
    }

    /// At fixed steps: notes the curves, keeps the best parameters, decides whether to stop.
    fn look(&mut self, rule: &Rule) -> Torch<()> {
        let step = self.state.step;
        let last = step >= self.steps;
        if !last && !step.is_multiple_of(self.stopping.every.max(1)) {
            return Ok(());
        }
        self.state.training.push((step, self.state.window_sum / self.state.window_steps as f64));
        (self.state.window_sum, self.state.window_steps) = (0.0, 0);
        self.state.finished = last;
        let _guard = tch::no_grad_guard();
        let (from, count) = (rule.active.start as i64, rule.active.len() as i64);
        let average = self.moments.average.f_narrow(0, from, count)?;
        let leaves = self.learner.layout().split(&average, &rule.active)?;
        let Some(loss) = self.learner.held_out(&leaves, step)? else {
            // Nothing is held out: the last average is what there is.
            return self.best.f_copy_(&self.moments.average);
        };
        self.state.held_out.push((step, loss));
        if self.state.best_loss.is_none_or(|best| loss < best) {
            (self.state.best_loss, self.state.best_step) = (Some(loss), step);
            self.state.looks_since = 0;
            self.best.f_copy_(&self.moments.average)?;
        } else {
            self.state.looks_since += 1;
            let out_of_patience = |patience| self.state.looks_since >= patience;
            self.state.finished |= self.stopping.patience.is_some_and(out_of_patience);
        }
        Ok(())
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let mut file: Container<Header> = container::read(SNAPSHOT, bytes)?;
        if file.header.identity != self.identity {
            let why = "it belongs to a run with other data, constants, seed or threads";
            return Err(corrupt(SNAPSHOT, &why));
        }
        let count = self.identity.numbers;
        let mut take = |name: &str| {
            let values = file.single(name, count)?;
            Tensor::f_from_slice(&values).map_err(failed("restore training"))
        };
        self.moments.params = take("params")?;
        self.moments.first = take("first")?;
        self.moments.second = take("second")?;
        self.moments.average = take("average")?;
        self.best = take("best")?;
        self.learner.recall(file.header.memory)?;
        self.state = file.header.state;
        Ok(())
    }

    fn progress(&self, loss: f64) -> Progress {
        Progress {
            stage: Stage::Train,
            done: self.state.step,
            total: Some(self.steps),
            unit: ProgressUnit::Steps,
            epoch: Some(self.learner.epoch(self.state.step)),
            loss: Some(loss),
            rows_per_second: None,
            note: None,
        }
    }
}

impl<L: Learner> Trainer for Run<L> {
    fn at(&self) -> Steps {
        Steps(self.state.step)
    }

    fn is_done(&self) -> bool {
        self.state.finished
    }

    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError> {
        use_threads(self.threads);
        let until = self.state.step.saturating_add(steps.get());
        let (mut sum, mut count, mut smooth, mut stopped) = (0.0, 0_u64, None, false);
        while !self.state.finished && self.state.step < until {
            if watch.stopped() {
                stopped = true;
                break;
            }
            let loss = self.step()?;
            (sum, count) = (sum + loss, count + 1);
            let shown = smooth.map_or(loss, |old: f64| 0.95 * old + 0.05 * loss);
            smooth = Some(shown);
            watch.tell(self.progress(shown));
        }
        Ok(SegmentFacts {
            at: Steps(self.state.step),
            loss: sum / count.max(1) as f64,
            epoch: self.learner.epoch(self.state.step),
            done: self.state.finished,
            stopped,
        })
    }

    fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        let header = Header {
            identity: self.identity.clone(),
            state: self.state.clone(),
            memory: self.learner.memory(),
        };
        let tensors = [
            ("params", &self.moments.params),
            ("first", &self.moments.first),
            ("second", &self.moments.second),
            ("average", &self.moments.average),
            ("best", &self.best),
        ];
        let blob = |(name, tensor): (&str, &Tensor)| {
            let numbers = values(tensor).map_err(failed("read the training state"))?;
            let count = numbers.len();
            Ok((name.to_owned(), Blob::Single(numbers, vec![count])))
        };
        container::write(
            SNAPSHOT,
            &header,
            tensors.map(blob).into_iter().collect::<Result<_, EngineError>>()?,
        )
    }

    fn finish(&mut self) -> Result<Vec<u8>, EngineError> {
        use_threads(self.threads);
        let best = values(&self.best).map_err(failed("read the trained parameters"))?;
        let curve = |name: &str, points: &[(u64, f64)]| Curve {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        let mut curves = vec![curve("training loss", &self.state.training)];
        if !self.state.held_out.is_empty() {
            curves.push(curve("held-out loss", &self.state.held_out));
        }
        let average = Tensor::f_from_slice(&best).map_err(failed("finish training"))?;
        self.learner.enter(self.state.step, &average).map_err(failed("finish training"))?;
        self.learner.model(&best, curves)
    }
}
