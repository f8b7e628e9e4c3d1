//! One candidate after the other, as one training run.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tgs_protocol::{
    engine::{EngineError, SegmentFacts, Trainer},
    model::ModelName,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::{Rows, Steps},
};

use super::{
    Candidate, Plans,
    judged::{Judged, Judges, best, told},
    parts, seed_of,
};
use crate::{
    container::{self, Array, Container, FileKind},
    model,
    table::Table,
};

const KIND: FileKind = FileKind::Snapshot(ModelName::Auto);

/// A run: candidates that were trained, and the one that trains.
pub(super) struct Contest {
    plans: Plans,
    train: Table,
    seed: u64,
    threads: u32,
    /// Model files of those that were trained.
    trained: Vec<Vec<u8>>,
    /// The next one; none after the last.
    run: Option<Box<dyn Trainer>>,
    /// Of those that were trained, what was found.
    judged: Vec<Judged>,
}

/// The record of a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    plans: Plans,
    seed: u64,
    trained: usize,
    runs: bool,
}

/// Tells how far the whole is while one candidate trains.
struct Within<'a> {
    watch: &'a dyn Watch,
    before: u64,
    of: u64,
    model: ModelName,
}

impl Watch for Within<'_> {
    fn stopped(&self) -> bool {
        self.watch.stopped()
    }
    fn tell(&self, mut progress: Progress) {
        if progress.unit == ProgressUnit::Steps {
            progress.done += self.before;
            progress.total = Some(self.of);
        }
        let note = progress.note.map_or_else(|| self.model.to_string(), |it| self.noted(&it));
        self.watch.tell(Progress { note: Some(note), ..progress });
    }
}

impl Within<'_> {
    fn noted(&self, note: &str) -> String {
        format!("{}: {note}", self.model)
    }
}

impl Contest {
    /// Begins with the first candidate, or goes on from a snapshot.
    ///
    /// # Errors
    /// `CheckpointCorrupt` when the snapshot is damaged or belongs to another run; those of the
    /// models; `Stopped`.
    pub(super) fn new(
        train: &Table,
        plans: Plans,
        (seed, threads): (u64, u32),
        resume: Option<&[u8]>,
        watch: &dyn Watch,
    ) -> Result<Self, EngineError> {
        let mut contest = Self {
            train: train.clone(),
            plans,
            seed,
            threads,
            trained: vec![],
            run: None,
            judged: vec![],
        };
        let Some(snapshot) = resume else {
            contest.begin(None, watch)?;
            return Ok(contest);
        };
        let mut file: Container<Record> = container::read(KIND, snapshot)?;
        let record = &file.record;
        let fits = record.plans == contest.plans
            && record.seed == seed
            && record.trained <= contest.plans.candidates.len();
        if !fits {
            return Err(file.refuse("it belongs to another run"));
        }
        let (count, runs) = (record.trained, record.runs);
        for at in 0..count {
            contest.trained.push(file.take(&format!("model.{at}"))?);
        }
        let inner: Option<Vec<u8>> = runs.then(|| file.take("run")).transpose()?;
        if runs || count < contest.plans.candidates.len() {
            contest.begin(inner.as_deref(), watch)?;
        }
        Ok(contest)
    }

    /// Begins the next candidate, if one is left.
    fn begin(&mut self, resume: Option<&[u8]>, watch: &dyn Watch) -> Result<(), EngineError> {
        let Some(next) = self.plans.candidates.get(self.trained.len()) else {
            self.run = None;
            return Ok(());
        };
        let begin = model::of(next.model).trainer;
        let work = (self.seed, self.threads);
        self.run = Some(begin(&self.train, &next.plan, work, resume, watch)?);
        Ok(())
    }

    /// Planned steps of the candidates before the one that trains.
    fn before(&self) -> u64 {
        let trained = self.plans.candidates.iter().take(self.trained.len());
        trained.map(|candidate| candidate.plan.steps.get()).sum()
    }

    /// The model of a candidate of which the rows that judge have taught nothing: of nets the one
    /// that was trained; trees, which were grown on all rows, are grown once more, without those.
    fn untaught(
        &self,
        at: usize,
        learned: &Table,
        watch: &dyn Watch,
    ) -> Result<Cow<'_, [u8]>, EngineError> {
        let Candidate { model, plan } = &self.plans.candidates[at];
        if model.is_net() {
            return Ok(Cow::Borrowed(&self.trained[at]));
        }
        let work = (self.seed, self.threads);
        let mut run = (model::of(*model).trainer)(learned, plan, work, None, watch)?;
        if run.segment(Steps(u64::MAX), watch)?.stopped {
            return Err(EngineError::Stopped);
        }
        run.finish(watch).map(Cow::Owned)
    }

    fn steps(&self) -> u64 {
        self.plans.candidates.iter().map(|candidate| candidate.plan.steps.get()).sum()
    }

    fn within<'w>(&self, watch: &'w dyn Watch) -> Within<'w> {
        let last = self.plans.candidates.len().saturating_sub(1);
        let model = self.plans.candidates.get(self.trained.len().min(last));
        let model = model.map_or(ModelName::Auto, |candidate| candidate.model);
        Within { watch, before: self.before(), of: self.steps(), model }
    }
}

impl Trainer for Contest {
    fn at(&self) -> Steps {
        let inner = self.run.as_ref().map_or(0, |run| run.at().get());
        Steps(self.before() + inner)
    }

    fn rows_per_step(&self) -> Rows {
        self.run.as_ref().map_or(Rows(0), |run| run.rows_per_step())
    }

    fn is_done(&self) -> bool {
        self.trained.len() == self.plans.candidates.len()
    }

    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError> {
        let mut left = steps.get();
        let mut facts = SegmentFacts {
            at: self.at(),
            loss: 0.0,
            epoch: 0.0,
            done: self.is_done(),
            stopped: false,
        };
        if self.run.is_none() && !self.is_done() {
            // It was stopped between two candidates.
            match self.begin(None, watch) {
                Err(EngineError::Stopped) => return Ok(SegmentFacts { stopped: true, ..facts }),
                begun => begun?,
            }
        }
        while let Some(run) = self.run.take() {
            let within = self.within(watch);
            let mut run = run;
            if !run.is_done() && left > 0 {
                let from = run.at().get();
                let made = run.segment(Steps(left), &within);
                let made = match made {
                    Ok(made) => made,
                    Err(error) => {
                        self.run = Some(run);
                        return Err(error);
                    }
                };
                left = left.saturating_sub(made.at.get() - from);
                facts = made;
            }
            if !run.is_done() || facts.stopped {
                self.run = Some(run);
                break;
            }
            let finished = match run.finish(&within) {
                Ok(model) => model,
                Err(error) => {
                    self.run = Some(run);
                    match error {
                        EngineError::Stopped => facts.stopped = true,
                        other => return Err(other),
                    }
                    break;
                }
            };
            self.trained.push(finished);
            match self.begin(None, &self.within(watch)) {
                Err(EngineError::Stopped) => {
                    // It begins when the run goes on.
                    facts.stopped = true;
                    break;
                }
                begun => begun?,
            }
        }
        Ok(SegmentFacts { at: self.at(), done: self.is_done(), ..facts })
    }

    fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        let named = |(at, model): (usize, &Vec<u8>)| (format!("model.{at}"), Array::list(model));
        let mut arrays: Vec<(String, Array)> = self.trained.iter().enumerate().map(named).collect();
        if let Some(run) = &self.run {
            arrays.push(("run".to_owned(), Array::list(&run.snapshot()?)));
        }
        let record = Record {
            plans: self.plans.clone(),
            seed: self.seed,
            trained: self.trained.len(),
            runs: self.run.is_some(),
        };
        container::write(KIND, &record, arrays)
    }

    fn finish(&mut self, watch: &dyn Watch) -> Result<Vec<u8>, EngineError> {
        let config = self.plans.constants.clone();
        let parts = parts(&self.train, &config, self.seed);
        let judges = Judges {
            learned: &self.train.picked(&parts.learned),
            aside: &self.train.picked(&parts.validation),
            config: &config,
            seed: seed_of(self.seed),
            threads: self.threads,
        };
        let (quiet, steps) = (Quiet(watch), self.steps());
        for at in self.judged.len()..self.trained.len() {
            let name = self.plans.candidates[at].model;
            watch.go_on()?;
            let so_far = Progress::of(Stage::Train, steps, Some(steps), ProgressUnit::Steps);
            watch.tell(Progress { note: Some(format!("judging {name}")), ..so_far });
            let judged = {
                let model = self.untaught(at, judges.learned, &quiet)?;
                judges.judge((name, &model), &quiet)?
            };
            self.judged.push(judged);
        }
        let best = best(&self.judged, &config);
        let kind = FileKind::Model(self.plans.candidates[best].model);
        container::with_chosen(kind, &self.trained[best], &told(&self.judged, best))
    }
}

/// Hears a stop and tells nothing: parts of a report are no steps of training.
struct Quiet<'a>(&'a dyn Watch);

impl Watch for Quiet<'_> {
    fn stopped(&self) -> bool {
        self.0.stopped()
    }
    fn tell(&self, _progress: Progress) {}
}
