//! A fixed number of threads that compute shards of a step.
//!
//! Each thread calls libtorch with one thread of its own, so no two of them wait for each other
//! inside an operation. Which shard runs where is fixed and results come back in shard order: what
//! is computed does not depend on how many threads there are.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use tgs_protocol::{code::Code, engine::EngineError};

use super::torch::use_threads;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, beside the one that asks.
#[derive(Debug)]
pub(crate) struct Crew {
    others: Vec<Sender<Job>>,
}

impl Crew {
    /// A crew of so many threads, the caller among them.
    pub(crate) fn new(threads: u32) -> Result<Self, EngineError> {
        use_threads(1);
        let others = (1..threads).map(|number| {
            let (sender, jobs): (Sender<Job>, Receiver<Job>) = channel();
            let name = format!("compute-{number}");
            let started = thread::Builder::new().name(name).spawn(move || {
                use_threads(1);
                jobs.into_iter().for_each(|job| job());
            });
            started.map(|_| sender).map_err(|error| {
                let message = "start a compute thread: free processes or lower the thread count";
                EngineError::because(Code::DeviceFailed, message, error)
            })
        });
        Ok(Self { others: others.collect::<Result<_, _>>()? })
    }

    /// How many they are.
    pub(crate) fn threads(&self) -> usize {
        self.others.len() + 1
    }

    /// Runs the jobs, number `i` on thread `i` modulo their count; gives results in job order.
    ///
    /// # Errors
    /// `DeviceFailed` when a thread died.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        jobs: impl IntoIterator<Item = impl FnOnce() -> R + Send + 'static>,
    ) -> Result<Vec<R>, EngineError> {
        let died = || EngineError::new(Code::DeviceFailed, "a compute thread died: try again");
        let (results, inbox) = channel();
        let mut own = Vec::new();
        let mut count = 0;
        for (at, job) in jobs.into_iter().enumerate() {
            count += 1;
            match at % self.threads() {
                0 => own.push((at, job)),
                other => {
                    let results = results.clone();
                    let job: Job = Box::new(move || {
                        // Nobody listens any more only when the asking thread gave up.
                        let _ = results.send((at, job()));
                    });
                    self.others[other - 1].send(job).map_err(|_| died())?;
                }
            }
        }
        drop(results);
        let mut done: Vec<Option<R>> = (0..count).map(|_| None).collect();
        for (at, job) in own {
            done[at] = Some(job());
        }
        for (at, result) in inbox {
            done[at] = Some(result);
        }
        done.into_iter().map(|result| result.ok_or_else(died)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_job_order() {
        for threads in [1, 2, 5] {
            let crew = Crew::new(threads).expect("starts");
            for jobs in [0, 1, 7] {
                let squares = crew.run((0..jobs).map(|number| move || number * number));
                let expected: Vec<i32> = (0..jobs).map(|number| number * number).collect();
                assert_eq!(squares.expect("all alive"), expected);
            }
        }
    }
}
