//! How a job leaves a supervisor's hands: ended, handed over, overtaken, or given up.

use super::{Hold, Job};
use crate::{
    job::{
        action::{JobAction, Tidings},
        outcome::{Failure, Outcome},
        state::JobState,
    },
    stage::Stage,
    unit::Timestamp,
};

/// Why the work was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Cancelled,
    Drained,
}

impl Job {
    pub(super) fn leave(&mut self, now: Timestamp, why: Leaving) -> Vec<JobAction> {
        // A cancel outranks a drain; a drain never takes a cancel back.
        if self.leaving != Some(Leaving::Cancelled) {
            self.leaving = Some(why);
        }
        match self.hold {
            Hold::Working(_) => vec![JobAction::StopWork],
            Hold::New | Hold::Waiting => self.work_ended(now),
            Hold::Left | Hold::Gone => Vec::new(),
        }
    }

    /// The pen is another's: nothing may be written, not even the release.
    pub(super) fn overtaken(&mut self) -> Vec<JobAction> {
        let mut actions = self.stop_work();
        actions.extend([JobAction::Tell(Tidings::Interrupted), JobAction::Leave]);
        actions
    }

    /// The row in memory is ahead of the stored one, so this supervisor gives up; whoever claims
    /// next goes on from what was written. Work that still runs keeps the lease until it lapses.
    pub(super) fn save_failed(&mut self, failure: Failure) -> Vec<JobAction> {
        let mut actions = self.stop_work();
        let is_idle = actions.is_empty();
        actions.push(JobAction::Tell(Tidings::Suspended(failure)));
        actions.push(JobAction::Tell(Tidings::Interrupted));
        actions.extend(is_idle.then_some(JobAction::Release));
        actions.push(JobAction::Leave);
        actions
    }

    fn stop_work(&mut self) -> Vec<JobAction> {
        match std::mem::replace(&mut self.hold, Hold::Gone) {
            Hold::Working(_) => vec![JobAction::StopWork],
            _ => Vec::new(),
        }
    }

    pub(super) fn hand_over(&mut self, now: Timestamp, why: &str) -> Vec<JobAction> {
        self.hold = Hold::Left;
        self.row.failed_tries = 0;
        self.row.log(now, why);
        let tell = JobAction::Tell(Tidings::Interrupted);
        vec![self.save(), tell, JobAction::Release, JobAction::Leave]
    }

    pub(super) fn end(&mut self, now: Timestamp, outcome: Outcome) -> Vec<JobAction> {
        self.hold = Hold::Left;
        let mut actions = Vec::new();
        let is_broken_off = matches!(outcome, Outcome::Cancelled | Outcome::Failed(_));
        if is_broken_off && self.row.next_stage() == Some(Stage::Publish) {
            // The save before it is refused to whoever was overtaken: another may have published.
            self.row.log(now, "what was delivered is taken back");
            actions.extend([self.save(), JobAction::TakeBack]);
        }
        actions.extend(self.finish(now, outcome));
        actions
    }

    /// The end, with what was delivered standing as it stands.
    pub(super) fn finish(&mut self, now: Timestamp, outcome: Outcome) -> Vec<JobAction> {
        self.hold = Hold::Left;
        let kept = outcome.without_cell();
        self.row.log(now, format!("ended: {kept}"));
        self.row.state = JobState::Ended(kept);
        let tell = JobAction::Tell(Tidings::Ended(outcome));
        // Without the lease nothing that is still being written can come in after the sweep.
        vec![self.save(), JobAction::Release, JobAction::Sweep, tell, JobAction::Leave]
    }
}
