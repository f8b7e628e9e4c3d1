//! Which work a stage is, and whether there is any sense in it.

use super::Job;
use crate::{
    chunk::{self, ChunkNo},
    code::Code,
    job::{
        action::{JobAction, Tidings, Work},
        outcome::Failure,
    },
    limits::ROWS_PER_REQUEST_MAX,
    queue::{Demand, DeviceClass},
    report::Verdict,
    request::{Goal, JobRequest},
    stage::Stage,
    unit::{Rows, Timestamp},
};

impl Job {
    /// Whether fewer threads may get a training through that ran out of memory.
    pub(super) fn narrows(&self, failure: &Failure) -> bool {
        let (stage, code) = (failure.stage, failure.code);
        stage == Stage::Train
            && matches!(code, Code::OutOfMemory | Code::DeviceMemory)
            && self.row.request.trains()
            && self.row.train_threads(self.row.request.devices) > 1
    }

    /// Begins training again with half the threads, from the last checkpoint.
    pub(super) fn narrow(&mut self, now: Timestamp) -> Vec<JobAction> {
        self.row.narrowed += 1;
        let JobRequest { threads, devices, .. } = self.row.request;
        let (left, asked) = (self.row.train_threads(devices), threads.saturating_mul(devices));
        let said = format!(
            "out of memory: training goes on with {left} of {asked} threads, which hold less at \
             once; the bytes stay"
        );
        self.row.log(now, said.clone());
        let mut actions = self.go_on(now);
        // What is told is true only once the row is written, and that is the first action.
        actions.insert(1, JobAction::Tell(Tidings::Notice(said)));
        actions
    }

    /// Whether the processor, which has more memory, may get a training through that one thread of
    /// a graphics processor did not.
    pub(super) fn goes_off_gpu(&self, failure: &Failure) -> bool {
        (failure.stage, failure.code) == (Stage::Train, Code::DeviceMemory)
            && Demand::of(&self.row).class == DeviceClass::Gpu
    }

    /// Gives the graphics processor back and waits for another device, with all its threads.
    pub(super) fn go_off_gpu(&mut self, now: Timestamp) -> Vec<JobAction> {
        (self.row.off_gpu, self.row.narrowed) = (true, 0);
        let said = "the memory of the graphics processor is too small: training goes on on the \
                    processor, from the last checkpoint";
        let mut actions = self.hand_over(now, said);
        actions.insert(1, JobAction::Tell(Tidings::Notice(said.to_owned())));
        actions
    }

    /// Refuses a table that validation could not see: as many rows as the source has, if not said.
    pub(super) fn impossible_rows(&self) -> Option<Failure> {
        self.row.request.output()?;
        let stage = self.row.next_stage()?;
        let rows = match self.row.rows() {
            Some(rows) => rows,
            None if stage == Stage::Sample => Rows(0),
            None => return None,
        };
        if (1..=ROWS_PER_REQUEST_MAX).contains(&rows.get()) {
            return None;
        }
        let message = format!("cannot make {rows} rows: ask for 1 to {ROWS_PER_REQUEST_MAX}");
        Some(Failure::new(stage, Code::RowsOutOfRange, message))
    }

    pub(super) fn work_of(&self, stage: Stage) -> Work {
        match stage {
            Stage::Run => Work::Run,
            Stage::Ingest => Work::Ingest,
            Stage::Profile => Work::Profile,
            Stage::Train if matches!(self.row.request.goal, Goal::Generate { .. }) => {
                Work::AdoptModel
            }
            Stage::Train => match &self.row.done.plan {
                None => Work::Plan,
                Some(plan) => Work::Train { plan: plan.clone(), from: self.row.done.checkpoint },
            },
            Stage::Sample => Work::Sample { chunks: self.missing_chunks() },
            Stage::Evaluate => Work::Evaluate,
            Stage::Publish => {
                let report = self.row.done.report.as_ref();
                let withhold = report.is_some_and(|facts| facts.verdict == Verdict::Block);
                Work::Publish { withhold }
            }
        }
    }

    pub(super) fn missing_chunks(&self) -> Vec<(ChunkNo, Rows)> {
        let rows = self.row.rows().unwrap_or_default();
        chunk::partition(rows).filter(|(chunk, _)| !self.sealed.contains_key(chunk)).collect()
    }

    /// Only chunks of the partition are taken in, so their number tells.
    pub(super) fn has_all_chunks(&self) -> bool {
        let asked = self.row.rows().map(chunk::count);
        asked.is_some_and(|count| usize::try_from(count) == Ok(self.sealed.len()))
    }
}
