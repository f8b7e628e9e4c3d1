//! A training run: one step grows one tree; trees do not depend on each other, so several grow at
//! once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::{Deserialize, Serialize};
use tgs_protocol::{
    engine::{EngineError, SegmentFacts, Trainer},
    model::ModelName,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    unit::{Rows, Steps},
};

use super::{
    chain::{Chain, put_tree, take_trees},
    config::Config,
    encoded::Encoded,
    grow::{Grown, grow},
};
use crate::container::{self, Container, FileKind};

const KIND: FileKind = FileKind::Snapshot(ModelName::Seqtree);

/// A run over rows held in memory.
pub(super) struct Training {
    encoded: Encoded,
    config: Config,
    threads: usize,
    grown: Vec<Grown>,
}

/// The record of a snapshot.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    config: Config,
    order: Vec<usize>,
    unexplained: Vec<f64>,
}

impl Training {
    pub(super) fn new(encoded: Encoded, config: Config, threads: u32) -> Self {
        Self { encoded, config, threads: threads.max(1) as usize, grown: Vec::new() }
    }

    /// Puts in the trees of a snapshot of the same run.
    ///
    /// # Errors
    /// `CheckpointCorrupt` when it is damaged or of another run.
    pub(super) fn restore(&mut self, snapshot: &[u8]) -> Result<(), EngineError> {
        let mut file: Container<Record> = container::read(KIND, snapshot)?;
        let record = &file.record;
        let fits = record.config == self.config
            && record.order == self.encoded.order
            && record.unexplained.len() <= self.encoded.order.len();
        if !fits {
            return Err(file.refuse("it belongs to another run"));
        }
        let count = record.unexplained.len();
        let trees = take_trees(&mut file, count)?;
        let columns = self.encoded.coded.iter().enumerate();
        if !trees.iter().zip(columns).all(|(tree, (at, coded))| tree.is_whole(at, coded.missing)) {
            return Err(file.refuse("a tree is not whole"));
        }
        let grown = trees.into_iter().zip(file.record.unexplained);
        self.grown = grown.map(|(tree, unexplained)| Grown { tree, unexplained }).collect();
        Ok(())
    }

    /// The model of all trees grown.
    pub(super) fn chain(&self) -> Chain {
        Chain {
            config: self.config.clone(),
            columns: self.encoded.parts(),
            order: self.encoded.order.clone(),
            trees: self.grown.iter().map(|grown| grown.tree.clone()).collect(),
        }
    }

    fn steps(&self) -> usize {
        self.encoded.order.len()
    }

    /// Grows the trees `from .. to`; those before the first that was not grown any more are kept.
    fn grow(&mut self, from: usize, to: usize, watch: &dyn Watch) {
        let workers = self.threads.min(to - from).max(1);
        // Threads left over share the columns of one tree.
        let inner = (self.threads / workers).max(1);
        let slots: Vec<Mutex<Option<Grown>>> = (from..to).map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while !watch.stopped() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = slots.get(at) else { break };
                let (before, rest) = self.encoded.coded.split_at(from + at);
                let Some(target) = rest.first() else { break };
                let grown = grow(target, before, &self.config, inner, watch);
                *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = grown;
                watch.tell(progress(from + at + 1, self.steps()));
            }
        };
        thread::scope(|scope| {
            (1..workers).for_each(|_| {
                scope.spawn(work);
            });
            work();
        });
        let grown = slots
            .into_iter()
            .map_while(|slot| slot.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.grown.extend(grown);
    }
}

impl Trainer for Training {
    fn at(&self) -> Steps {
        Steps(self.grown.len() as u64)
    }

    fn rows_per_step(&self) -> Rows {
        Rows(self.encoded.coded.first().map_or(0, |coded| coded.codes.len()) as u64)
    }

    fn is_done(&self) -> bool {
        self.grown.len() == self.steps()
    }

    fn segment(&mut self, steps: Steps, watch: &dyn Watch) -> Result<SegmentFacts, EngineError> {
        let from = self.grown.len();
        let wanted = usize::try_from(steps.get()).unwrap_or(usize::MAX);
        let to = from.saturating_add(wanted).min(self.steps());
        if from < to {
            self.grow(from, to, watch);
        }
        let new = &self.grown[from..];
        let sum: f64 = new.iter().map(|grown| grown.unexplained).sum();
        Ok(SegmentFacts {
            at: self.at(),
            loss: if new.is_empty() { 0.0 } else { sum / new.len() as f64 },
            epoch: self.grown.len() as f64 / self.steps().max(1) as f64,
            done: self.is_done(),
            stopped: self.grown.len() < to,
        })
    }

    fn snapshot(&self) -> Result<Vec<u8>, EngineError> {
        let mut arrays = Vec::new();
        for (at, grown) in self.grown.iter().enumerate() {
            put_tree(at, &grown.tree, &mut arrays);
        }
        let record = Record {
            config: self.config.clone(),
            order: self.encoded.order.clone(),
            unexplained: self.grown.iter().map(|grown| grown.unexplained).collect(),
        };
        container::write(KIND, &record, arrays)
    }

    fn finish(&mut self, watch: &dyn Watch) -> Result<Vec<u8>, EngineError> {
        watch.go_on()?;
        if !self.is_done() {
            let message = format!("finish after {} of {} trees", self.grown.len(), self.steps());
            return Err(EngineError::new(tgs_protocol::code::Code::Internal, message));
        }
        self.chain().write()
    }
}

fn progress(done: usize, total: usize) -> Progress {
    Progress::of(Stage::Train, done as u64, Some(total as u64), ProgressUnit::Steps)
}
