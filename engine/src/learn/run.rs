//! A training run: steps, moving average, validation loss at fixed steps, the best, snapshots.
//!
//! Whatever happens between two steps (a new segment, a snapshot, a restore on another machine of
//! the same numerics class) leaves no trace in the result: every number a step needs is either in
//! the snapshot or a function of (seed, step).

use std::{
    ops::Range,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use serde::{Deserialize, Serialize};
use tch::Tensor;
use tgs_protocol::{
    code::Code,
    engine::{EngineError, SegmentFacts, Trainer},
    model::{ModelName, TrainPlan},
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::{Rows, Steps},
};

use super::{
    adamw::{Gradient, Moments, Rule, copied},
    crew::Crew,
    learner::Learner,
    stopping::{Looks, Losses, Stopping},
    torch::{Torch, failed, use_threads, values},
};
use crate::container::{self, Array, Container, FileKind};

/// Gradients that are held at once, where the threads together do not hold more.
const GRADIENTS_BYTES: usize = 128 << 20;

/// See the module.
pub(crate) struct Run<L> {
    learner: Arc<RwLock<L>>,
    crew: Crew,
    moments: Moments,
    best: Tensor,
    state: State,
    steps: u64,
    stopping: Stopping,
    identity: Identity,
    entered: Option<Range<usize>>,
}

/// What a snapshot must agree with to be continued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    model: ModelName,
    plan: TrainPlan,
    seed: u64,
    numbers: usize,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    step: u64,
    finished: bool,
    window_sum: f64,
    window_steps: u64,
    looks: Looks,
}

#[derive(Serialize, Deserialize)]
struct Record {
    identity: Identity,
    state: State,
}

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
        let crew = Crew::new(threads)?;
        let begin = failed("begin training");
        let moments = Moments::new(&learner.layout().first_values(seed)).map_err(&begin)?;
        let best = copied(&moments.params).map_err(&begin)?;
        let identity = Identity {
            model: learner.name(),
            plan: plan.clone(),
            seed,
            numbers: learner.layout().len(),
        };
        let steps = plan.steps.get();
        let finished = steps == 0 || learner.shards(0) == 0;
        let mut run = Self {
            learner: Arc::new(RwLock::new(learner)),
            crew,
            moments,
            best,
            state: State { finished, ..State::default() },
            steps,
            stopping,
            identity,
            entered: None,
        };
        if let Some(bytes) = resume {
            run.restore(bytes)?;
        }
        Ok(run)
    }

    /// Makes one step; gives its loss.
    ///
    /// # Errors
    /// `UnknownConstant` when the loss is no number any more: a constant asks too much. `Stopped`
    /// when `watch` says so before a phase has begun: then no step was made.
    pub(crate) fn step(&mut self, watch: &dyn Watch) -> Result<f64, EngineError> {
        let step = self.state.step;
        let mut rule = self.read().rule(step);
        rule.rate *= self.state.looks.rate_left(step);
        self.enter(&rule.active, watch)?;
        self.write().batches_mut().prepare(step);
        let (loss, gradient) = self.gradient(&rule.active)?;
        let norm = self.moments.step(gradient, &rule, &self.crew)?;
        if !(loss.is_finite() && norm.is_finite()) {
            let message = format!(
                "training of {} diverged at step {step}: lower `learning_rate` or raise `batch`",
                self.identity.model,
            );
            return Err(EngineError::new(Code::UnknownConstant, message));
        }
        self.state.step += 1;
        self.state.window_sum += loss;
        self.state.window_steps += 1;
        self.look(&rule)?;
        Ok(loss)
    }

    /// Loss and gradient of a step. Gradients of large nets are added in waves: that of a shard is
    /// as large as the net, and many at once would fill the memory.
    fn gradient(&self, active: &Range<usize>) -> Result<(f64, Gradient), EngineError> {
        let count = self.read().shards(self.state.step);
        let fits = GRADIENTS_BYTES / (size_of::<f32>() * active.len().max(1));
        let (mut loss, mut gradient) = (0.0, Gradient::of(active.len()));
        let mut begins = 0;
        while begins < count {
            let wave = begins..count.min(begins + fits.max(self.crew.threads()));
            begins = wave.end;
            let shards = self.shards(wave, &self.moments.params, active, true)?;
            let (losses, gradients): (Vec<f64>, Vec<Option<Tensor>>) = shards.into_iter().unzip();
            // One after the other: the sum must not depend on where a wave ends.
            losses.iter().for_each(|of_shard| loss += of_shard);
            let gradients: Vec<Tensor> = gradients.into_iter().flatten().collect();
            gradient.add(&gradients, &self.crew)?;
        }
        Ok((loss, gradient))
    }

    fn read(&self) -> RwLockReadGuard<'_, L> {
        self.learner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, L> {
        self.learner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn kind(&self) -> FileKind {
        FileKind::Snapshot(self.identity.model)
    }

    fn enter(&mut self, active: &Range<usize>, watch: &dyn Watch) -> Result<(), EngineError> {
        if self.entered.as_ref() != Some(active) {
            let pause = self.pause(watch);
            self.write().enter(self.state.step, &self.moments.average, &pause)?;
            self.entered = Some(active.clone());
        }
        Ok(())
    }

    /// Tells what is done between two steps, and hears whether to go on.
    fn pause<'w>(
        &self,
        watch: &'w dyn Watch,
    ) -> impl Fn(&str) -> Result<(), EngineError> + use<'w, L> {
        let loss = self.state.looks.training_loss();
        let between = self.progress(loss);
        move |note: &str| {
            watch.go_on()?;
            watch.tell(Progress { note: Some(note.to_owned()), ..between.clone() });
            Ok(())
        }
    }

    /// Losses of these shards, with gradients (training) or without (validation rows).
    fn shards(
        &self,
        which: Range<usize>,
        flat: &Tensor,
        active: &Range<usize>,
        training: bool,
    ) -> Result<Vec<(f64, Option<Tensor>)>, EngineError> {
        let step = self.state.step;
        let jobs = which.map(|shard| {
            let (learner, active) = (Arc::clone(&self.learner), active.clone());
            let flat = flat.shallow_clone();
            move || {
                let learner = learner.read().unwrap_or_else(PoisonError::into_inner);
                if training {
                    trained_shard(&*learner, &flat, &active, step, shard)
                } else {
                    let _guard = tch::no_grad_guard();
                    let part = flat.f_narrow(0, active.start as i64, active.len() as i64)?;
                    let leaves = learner.layout().split(&part, &active)?;
                    Ok((learner.validation(&leaves, step, shard)?, None))
                }
            }
        });
        let results = self.crew.run(jobs)?.into_iter().collect::<Torch<_>>();
        results.map_err(failed("a training step"))
    }

    /// At fixed steps: notes the curves, keeps the best parameters, decides whether to stop.
    fn look(&mut self, rule: &Rule) -> Result<(), EngineError> {
        let step = self.state.step;
        let last = step >= self.last_step();
        if !last && !step.is_multiple_of(self.stopping.every.max(1)) {
            return Ok(());
        }
        let training = self.state.window_sum / self.state.window_steps as f64;
        (self.state.window_sum, self.state.window_steps) = (0.0, 0);
        let count = self.read().validation_shards(step);
        let parts = self.shards(0..count, &self.moments.average, &rule.active, false)?;
        let unseen = parts.len() - self.read().seen_shards(step);
        let sum = |part: &[(f64, Option<Tensor>)]| part.iter().map(|(loss, _)| loss).sum::<f64>();
        let validation = (unseen > 0).then(|| sum(&parts[..unseen]));
        let seen = (unseen < parts.len()).then(|| sum(&parts[unseen..]));
        let losses = Losses { training, validation, seen };
        if self.state.looks.note(step, losses, &self.stopping) {
            self.keep()?;
        }
        self.state.finished = last || self.state.looks.out_of_patience(&self.stopping);
        Ok(())
    }

    /// Steps of the whole run, as far as is known by now.
    fn last_step(&self) -> u64 {
        self.state.looks.last_step(self.steps)
    }

    fn keep(&mut self) -> Result<(), EngineError> {
        self.best.f_copy_(&self.moments.average).map_err(failed("keep the best parameters"))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let mut file: Container<Record> = container::read(self.kind(), bytes)?;
        if file.record.identity != self.identity {
            return Err(file.refuse("it belongs to another run"));
        }
        let count = self.identity.numbers;
        let mut take = |name: &str| {
            let values: Vec<f32> = file.take_exactly(name, count)?;
            Tensor::f_from_slice(&values).map_err(failed("restore training"))
        };
        self.moments.params = take("params")?;
        self.moments.first = take("first")?;
        self.moments.second = take("second")?;
        self.moments.average = take("average")?;
        self.best = take("best")?;
        self.state = file.record.state;
        Ok(())
    }

    fn progress(&self, loss: Option<f64>) -> Progress {
        let (done, total) = (self.state.step, Some(self.last_step()));
        let epoch = Some(self.read().batches().epoch(done));
        Progress { epoch, loss, ..Progress::of(Stage::Train, done, total, ProgressUnit::Steps) }
    }
}

fn trained_shard<L: Learner>(
    learner: &L,
    flat: &Tensor,
    active: &Range<usize>,
    step: u64,
    shard: usize,
) -> Torch<(f64, Option<Tensor>)> {
    let part = flat.f_narrow(0, active.start as i64, active.len() as i64)?;
    let leaf = part.f_detach()?.f_set_requires_grad(true)?;
    let leaves = learner.layout().split_around(flat, &leaf, active)?;
    let loss = learner.loss(&leaves, step, shard)?;
    let mut gradient = Tensor::f_run_backward(&[&loss], &[&leaf], false, false)?;
    Ok((loss.f_double_value(&[])?, gradient.pop()))
}

impl<L: Learner> Trainer for Run<L> {
    fn at(&self) -> Steps {
        Steps(self.state.step)
    }

    fn rows_per_step(&self) -> Rows {
        Rows(self.read().batches().rows() as u64)
    }

    fn is_done(&self) -> bool {
        self.state.finished
    }

    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError> {
        use_threads(1);
        let until = self.state.step.saturating_add(steps.get());
        let (mut sum, mut count, mut smooth, mut stopped) = (0.0, 0_u64, None, false);
        while !self.state.finished && self.state.step < until {
            if watch.stopped() {
                stopped = true;
                break;
            }
            let loss = match self.step(watch) {
                Err(EngineError::Stopped) => {
                    stopped = true;
                    break;
                }
                made => made?,
            };
            (sum, count) = (sum + loss, count + 1);
            let shown = smooth.map_or(loss, |old: f64| 0.95 * old + 0.05 * loss);
            smooth = Some(shown);
            watch.tell(self.progress(Some(shown)));
        }
        Ok(SegmentFacts {
            at: Steps(self.state.step),
            loss: sum / count.max(1) as f64,
            epoch: self.read().batches().epoch(self.state.step),
            done: self.state.finished,
            stopped,
        })
    }

    fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        let record = Record { identity: self.identity.clone(), state: self.state.clone() };
        let tensors = [
            ("params", &self.moments.params),
            ("first", &self.moments.first),
            ("second", &self.moments.second),
            ("average", &self.moments.average),
            ("best", &self.best),
        ];
        let array = |(name, tensor): (&str, &Tensor)| {
            let numbers = values(tensor).map_err(failed("read the training state"))?;
            Ok((name.to_owned(), Array::list(&numbers)))
        };
        let arrays = tensors.into_iter().map(array).collect::<Result<_, EngineError>>()?;
        container::write(self.kind(), &record, arrays)
    }

    fn finish(&mut self, watch: &dyn Watch) -> Result<Vec<u8>, EngineError> {
        use_threads(1);
        let pause = self.pause(watch);
        pause("writing the model")?;
        let best = values(&self.best).map_err(failed("read the trained parameters"))?;
        let curves = self.state.looks.curves();
        let average = Tensor::f_from_slice(&best).map_err(failed("finish training"))?;
        self.write().enter(self.state.step, &average, &pause)?;
        self.write().model(&best, curves, &self.crew, &pause)
    }
}
