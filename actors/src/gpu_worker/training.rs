//! The training loop: segments, between them progress, stops and snapshots.
//!
//! The length of a segment follows the clock and decides no bit of the result: the engine owes it.

use tgs_protocol::{
    checkpoint::{
        CheckpointFacts, cadence,
        resolve::{Resume, resume},
    },
    engine::{EngineError, SegmentFacts, TrainOrder, Trainer},
    job::JobEvent,
    limits::{SEGMENT_STEPS_MAX, SEGMENT_TARGET_MS},
    model::TrainPlan,
    progress::{Progress, ProgressUnit, Watch},
    stage::Stage,
    store::ArtifactName,
    unit::{Millis, Steps},
};

use super::{
    bench::Bench,
    message::{Snapshot, WorkOrder},
};
use crate::{
    failure::Halt, job_supervisor::message::JobSupervisorMessage, numerics::note_class,
    work_watch::Stop,
};

impl Bench {
    pub(super) fn train(
        &self,
        order: &WorkOrder,
        plan: &TrainPlan,
        from: Option<CheckpointFacts>,
    ) -> Result<JobEvent, Halt> {
        let request = &order.row.request;
        let (last, threads) = (order.row.done.class(), order.row.train_threads(order.devices));
        note_class(&*self.ports.engine, (self.device, threads), last, &order.report_to)?;
        let train = TrainOrder {
            dataset: self.folder(order, ArtifactName::Dataset)?,
            model: request.model,
            plan: plan.clone(),
            seed: request.seed,
            threads,
            device: self.device,
        };
        let start = self.restore(order, from)?;
        let watch = order.watch.as_ref();
        let mut trainer = self.ports.engine.trainer(&train, start.as_deref(), watch)?;
        order.watch.count_rows(trainer.rows_per_step());
        order.watch.has_steps(true);
        let trained = self.run_segments(order, plan, trainer.as_mut());
        order.watch.has_steps(false);
        trained?;
        match trainer.finish(watch) {
            Ok(model) => self.seal_model(order, &model, Some(trainer.at())),
            Err(EngineError::Stopped) => Err(self.stopped(order, trainer.as_ref())),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes all steps.
    fn run_segments(
        &self,
        order: &WorkOrder,
        plan: &TrainPlan,
        trainer: &mut dyn Trainer,
    ) -> Result<(), Halt> {
        let clock = &self.ports.clock;
        let mut steps = Steps(1);
        let mut saved_when = clock.monotonic();
        while !trainer.is_done() {
            let begun = clock.monotonic();
            match trainer.segment(steps, order.watch.as_ref()) {
                Ok(facts) => order.watch.tell(progress(&facts, plan)),
                Err(EngineError::Stopped) => {}
                Err(error) => return Err(error.into()),
            }
            if order.watch.asked().is_some() {
                return Err(self.stopped(order, trainer));
            }
            let now = clock.monotonic();
            steps = next_segment(steps, millis_between(begun, now));
            let is_due = cadence::is_due(
                millis_between(saved_when, now),
                order.saving.cost(),
                order.loss_every,
            );
            if is_due && !trainer.is_done() {
                saved_when = now;
                self.hand_out(order, self.snapshot(trainer)?);
            }
        }
        Ok(())
    }

    /// The end of training that was asked to stop: with what was reached since the last checkpoint
    /// that counts, if that is to be kept. One that was handed out may never be written.
    fn stopped(&self, order: &WorkOrder, trainer: &dyn Trainer) -> Halt {
        let is_new = trainer.at() > order.saving.step();
        let is_worth_it = order.watch.asked() == Some(Stop::Keep) && is_new;
        let last = is_worth_it.then(|| self.snapshot(trainer)).transpose();
        last.map_or_else(|halt| halt, Halt::Stopped)
    }

    fn snapshot(&self, trainer: &dyn Trainer) -> Result<Snapshot, Halt> {
        let clock = &self.ports.clock;
        let begun = clock.monotonic();
        let bytes = trainer.snapshot()?;
        let cost = millis_between(begun, clock.monotonic());
        Ok(Snapshot { step: trainer.at(), bytes, cost })
    }

    /// Training goes on while the snapshot is written.
    fn hand_out(&self, order: &WorkOrder, snapshot: Snapshot) {
        let work_no = order.work_no;
        let taken = JobSupervisorMessage::SnapshotTaken { work_no, snapshot };
        let _ = order.report_to.cast(taken);
    }

    /// The bytes to go on from; none to begin anew.
    fn restore(
        &self,
        order: &WorkOrder,
        committed: Option<CheckpointFacts>,
    ) -> Result<Option<Vec<u8>>, Halt> {
        let (job, store) = (&order.lease.job, &self.ports.checkpoints);
        let Some(newest) = committed else { return Ok(None) };
        let whole = self.carry("list checkpoints", store.whole(job))?;
        let (from, lost) = match resume(committed, &whole) {
            Resume::From(facts) => (Some(facts), None),
            Resume::Behind(facts) => (Some(facts), Some(facts.step)),
            Resume::Afresh => (None, Some(Steps(0))),
        };
        if let Some(step) = lost {
            let torn = newest.step;
            let said = format!("the checkpoint of step {torn} is damaged; training goes on");
            notice(order, format!("{said} from step {step}"));
        }
        let Some(from) = from else { return Ok(None) };
        Ok(Some(self.carry("read checkpoint", store.get(job, &from))?))
    }
}

/// Tells whoever watches the job.
pub(super) fn notice(order: &WorkOrder, said: String) {
    let noticed = JobEvent::Noticed(said);
    let _ = order.report_to.cast(JobSupervisorMessage::Occurred(noticed));
}

/// Longer or shorter, so that a segment lasts about [`SEGMENT_TARGET_MS`]; at most doubled at once.
fn next_segment(steps: Steps, took: Millis) -> Steps {
    let wanted = steps.get().saturating_mul(SEGMENT_TARGET_MS) / took.get().max(1);
    Steps(wanted.clamp(1, steps.get() * 2).min(SEGMENT_STEPS_MAX))
}

fn millis_between(earlier: Millis, later: Millis) -> Millis {
    Millis(later.get().saturating_sub(earlier.get()))
}

fn progress(facts: &SegmentFacts, plan: &TrainPlan) -> Progress {
    let (done, total) = (facts.at.get(), Some(plan.steps.get()));
    Progress {
        epoch: Some(facts.epoch),
        loss: Some(facts.loss),
        ..Progress::of(Stage::Train, done, total, ProgressUnit::Steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_grow_to_their_target_and_shrink_at_once() {
        let cases =
            [(1, 0, 2), (1, 10, 2), (64, 100, 128), (64, 300, 64), (64, 3_000, 6), (1, 9_000, 1)];
        for (steps, took, next) in cases {
            assert_eq!(
                next_segment(Steps(steps), Millis(took)),
                Steps(next),
                "{steps} in {took} ms"
            );
        }
    }
}
