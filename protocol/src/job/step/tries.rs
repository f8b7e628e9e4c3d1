//! When a stage that failed is tried again. Invariant kept here: RETRY-1.

use super::{Hold, Job};
use crate::{
    code::Retry,
    job::{
        action::{JobAction, Tidings},
        outcome::{Failure, Outcome},
        state::JobState,
    },
    limits::RETRY_BACK_OFF_MS,
    unit::{Millis, Timestamp},
};

impl Job {
    pub(super) fn failed(&mut self, now: Timestamp, failure: Failure) -> Vec<JobAction> {
        if self.row.state != (JobState::Running { stage: failure.stage }) {
            return Vec::new();
        }
        self.hold = Hold::Waiting;
        self.row.log(now, format!("failed: {}", failure.without_cell()));
        if self.leaving.is_some() {
            return self.work_ended(now);
        }
        if self.narrows(&failure) {
            return self.narrow(now);
        }
        if self.goes_off_gpu(&failure) {
            return self.go_off_gpu(now);
        }
        let tries = usize::try_from(self.row.failed_tries).unwrap_or(usize::MAX);
        match (failure.code.retry(), RETRY_BACK_OFF_MS.get(tries)) {
            (Retry::Later, Some(back_off)) => {
                self.row.failed_tries += 1;
                self.back_offs += 1;
                let after = Millis(*back_off);
                let tidings = Tidings::TryingAgain { message: failure.message, after };
                vec![self.save(), JobAction::Tell(tidings), JobAction::RetryAfter(after)]
            }
            (Retry::Mended, _) => {
                // Told first: what must be mended (a full disk) may make the save fail as well.
                let mut actions = vec![JobAction::Tell(Tidings::Suspended(failure))];
                self.row.suspended = true;
                actions.extend(self.hand_over(now, "suspended; resume goes on"));
                actions
            }
            (Retry::Later | Retry::Never, _) => self.end(now, Outcome::Failed(failure)),
        }
    }

    /// The next try waits until every back-off that was begun is over: one of an earlier stage,
    /// which went on by a late fact, must not cut this one short.
    pub(super) fn retry_due(&mut self, now: Timestamp) -> Vec<JobAction> {
        self.back_offs = self.back_offs.saturating_sub(1);
        let is_due = self.hold == Hold::Waiting && self.back_offs == 0;
        if is_due { self.go_on(now) } else { Vec::new() }
    }
}
