//! When a waiting job will begin, if every job takes as long as it is thought to.
//!
//! The queue itself is played forwards: the job that should end first leaves, whoever moves up
//! begins, until it is this one's turn. So the forecast knows priorities, classes and memory as the
//! queue does, and cannot come to disagree with it.

use std::collections::BTreeMap;

use super::Queue;
use crate::{id::JobId, limits::FORECAST_JOBS_MAX, unit::Millis};

impl Queue {
    /// How long this job will still wait, given how long each running one has been at work; none if
    /// it does not wait here, or if nobody knows how long those before it will take.
    pub fn wait_of(&self, job: &JobId, worked: impl Fn(&JobId) -> Millis) -> Option<Millis> {
        let waiting = self.entries.get(job).filter(|entry| entry.seats.is_empty())?;
        if self.line.range(..waiting.place).count() > FORECAST_JOBS_MAX {
            return None;
        }
        if self.is_closed {
            return None;
        }
        let mut played = self.clone();
        let running = self.entries.iter().filter(|(_, entry)| !entry.seats.is_empty());
        let ends = running.map(|(name, entry)| {
            let end = still(entry.left?, worked(name));
            Some(((end, entry.place), name.clone()))
        });
        let mut ends = ends.collect::<Option<BTreeMap<_, _>>>()?;
        loop {
            let ((now, _), next) = ends.pop_first()?;
            for start in played.leave(&next) {
                if start.job == *job {
                    return Some(now);
                }
                let entry = played.entries.get(&start.job)?;
                let end = Millis(now.get().saturating_add(entry.left?.get()));
                ends.insert((end, entry.place), start.job);
            }
        }
    }
}

/// What is left of a job. One that takes longer than it was thought to is taken to be nearly done:
/// a tenth of what it has worked.
fn still(left: Millis, worked: Millis) -> Millis {
    Millis(left.get().saturating_sub(worked.get()).max(worked.get() / 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        queue::{Demand, DeviceClass, Priority, Seats, Turn},
        unit::{ByteCount, Timestamp},
    };

    fn turn(accepted_at: u64, memory: u64, left_s: Option<u64>) -> Turn {
        let demand = Demand { class: DeviceClass::Cpu, devices: 1, memory: ByteCount(memory) };
        let left = left_s.map(|seconds| Millis(seconds * 1_000));
        let accepted_at = Timestamp(accepted_at);
        Turn { priority: Priority::default(), accepted_at, demand, left }
    }

    fn queue(devices: usize, jobs: &[(&str, u64, Option<u64>)]) -> Queue {
        let classes = std::iter::repeat_n(DeviceClass::Cpu, devices);
        let mut queue = Queue::new(Seats::new(classes, ByteCount(100)));
        for (at, (name, memory, left)) in (0..).zip(jobs) {
            queue.join(JobId::new(*name), turn(at, *memory, *left));
        }
        queue
    }

    /// Seconds until this job begins, when those that run have worked for so long.
    fn wait(queue: &Queue, job: &str, worked_s: u64) -> Option<u64> {
        let wait = queue.wait_of(&JobId::new(job), |_| Millis(worked_s * 1_000))?;
        Some(wait.get() / 1_000)
    }

    #[test]
    fn one_device_takes_one_after_the_other() {
        let jobs = [("a", 1, Some(60)), ("b", 1, Some(30)), ("c", 1, Some(5))];
        let queue = queue(1, &jobs);
        assert_eq!(wait(&queue, "a", 0), None, "it runs");
        assert_eq!(wait(&queue, "nobody", 0), None);
        assert_eq!((wait(&queue, "b", 0), wait(&queue, "c", 0)), (Some(60), Some(90)));
        assert_eq!((wait(&queue, "b", 50), wait(&queue, "c", 50)), (Some(10), Some(40)));
        assert_eq!(wait(&queue, "b", 600), Some(60), "late: a tenth of what it has worked");
    }

    #[test]
    fn devices_and_memory_count_as_they_do_in_the_queue() {
        let jobs = [
            ("a", 60, Some(60)),
            ("b", 30, Some(20)),
            ("large", 90, Some(10)),
            ("small", 1, Some(1)),
        ];
        let queue = queue(2, &jobs);
        assert_eq!(wait(&queue, "large", 0), Some(60), "it needs the memory of both");
        assert_eq!(wait(&queue, "small", 0), Some(60), "nobody passes who waits for memory");
    }

    #[test]
    fn what_nobody_knows_is_not_said() {
        let known = queue(1, &[("a", 1, Some(60)), ("b", 1, None), ("c", 1, Some(5))]);
        assert_eq!((wait(&known, "b", 0), wait(&known, "c", 0)), (Some(60), None));
        assert_eq!(wait(&queue(1, &[("a", 1, None), ("b", 1, Some(1))]), "b", 0), None);
    }
}
