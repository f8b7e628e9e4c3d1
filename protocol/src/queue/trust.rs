//! Which device is to be used no more, and when a job was at fault instead.
//!
//! A device whose work failed [`DEVICE_FAILURES_MAX`] times in a row is set aside, its jobs move.
//! A job that has a device set aside and then does the same to the next one is what both have in
//! common: the first device is taken back, the job ends by its own retries, and no other device is
//! set aside for it. The last device is never set aside for failing: there would be nothing left to
//! try.
//!
//! Invariant kept here: QUEUE-3 (a job that fails everywhere costs no device).

use std::collections::{BTreeMap, BTreeSet};

use super::Seat;
use crate::{id::JobId, limits::DEVICE_FAILURES_MAX};

/// How the devices of a node have done.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Failures since the device last did its work.
    streaks: BTreeMap<Seat, u32>,
    /// Devices that were set aside when this job failed on them.
    blamed: BTreeMap<JobId, Seat>,
    /// Jobs that fail on every device.
    at_fault: BTreeSet<JobId>,
    /// Jobs whose work hung.
    hung: BTreeSet<JobId>,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It may happen.
    GoOn,
    /// The device is used no more.
    SetAside,
    /// The job is at fault: this device, set aside because of it, is as good as any.
    TakeBack(Seat),
}

impl Trust {
    /// A device did a piece of work.
    pub fn worked(&mut self, seat: Seat) {
        self.streaks.remove(&seat);
    }

    /// A device failed at a job's work; `others`: whether another device could do it.
    pub fn failed(&mut self, seat: Seat, job: &JobId, others: bool) -> Judgement {
        let streak = self.streaks.entry(seat).or_default();
        *streak += 1;
        if *streak < DEVICE_FAILURES_MAX {
            return Judgement::GoOn;
        }
        self.streaks.remove(&seat);
        if let Some(first) = self.blamed.get(job).copied().filter(|first| *first != seat) {
            self.blamed.remove(job);
            self.at_fault.insert(job.clone());
            return Judgement::TakeBack(first);
        }
        if !others || self.at_fault.contains(job) {
            return Judgement::GoOn;
        }
        self.blamed.insert(job.clone(), seat);
        Judgement::SetAside
    }

    /// A job's work hangs; true if it did before: it would take one device after the other.
    pub fn hangs(&mut self, job: &JobId) -> bool {
        !self.hung.insert(job.clone())
    }

    /// A job has left for good: what it did elsewhere clears the device of nothing.
    pub fn left(&mut self, job: &JobId) {
        self.blamed.remove(job);
        self.at_fault.remove(job);
        self.hung.remove(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `seat:job` for a failure and `seat` for work that was done; two devices, unless one is
    /// said to be alone.
    fn judged(others: bool, script: &str) -> Vec<Judgement> {
        let mut trust = Trust::default();
        let mut judged = Vec::new();
        for word in script.split_whitespace() {
            let seat = |text: &str| Seat(text.parse().expect("a number"));
            match word.split_once(':') {
                Some((at, job)) => judged.push(trust.failed(seat(at), &JobId::new(job), others)),
                None => trust.worked(seat(word)),
            }
        }
        judged
    }

    #[test]
    fn three_failures_in_a_row_set_a_device_aside() {
        use Judgement::{GoOn, SetAside};
        assert_eq!(judged(true, "0:a 0:b 0:a"), [GoOn, GoOn, SetAside]);
        assert_eq!(judged(true, "0:a 0:a 0 0:a 0:a"), [GoOn; 4], "it works in between");
        assert_eq!(judged(true, "0:a 1:b 0:a 1:b"), [GoOn; 4], "each has its own row");
        assert_eq!(judged(false, "0:a 0:a 0:a 0:a"), [GoOn; 4], "the last one is kept");
    }

    #[test]
    fn a_job_that_fails_everywhere_is_at_fault_itself() {
        use Judgement::{GoOn, SetAside, TakeBack};
        let told = judged(true, "0:bad 0:bad 0:bad 1:bad 1:bad 1:bad 1:bad");
        assert_eq!(told, [GoOn, GoOn, SetAside, GoOn, GoOn, TakeBack(Seat(0)), GoOn]);
        let told = judged(true, "0:a 0:a 0:a 1:b 1:b 1:b");
        assert_eq!(told[5], SetAside, "another job's failures say nothing of the first");
        let told = judged(true, "1:b 1:b 0:bad 0:bad 0:bad 1:bad 1:bad 1:bad 1:bad");
        assert_eq!((told[4], told[5]), (SetAside, TakeBack(Seat(0))));
        assert_eq!(told[6..], [GoOn; 3], "it is known to fail everywhere");
        let (mut trust, job) = (Trust::default(), JobId::new("a"));
        assert_eq!((trust.hangs(&job), trust.hangs(&job)), (false, true));
        trust.left(&job);
        assert!(!trust.hangs(&job), "it is another attempt");
    }
}
