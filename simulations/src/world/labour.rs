//! Made-up work: how stages go on, what they leave in the store, and how they fail.

use tgs_protocol::{
    checkpoint::{
        CheckpointFacts,
        resolve::{Resume, resume},
    },
    code::Code,
    job::{JobEvent, Work},
    unit::{ByteCount, Steps},
};

use super::{
    World, bytes,
    event::{Asker, Event, Labour, Letter},
    shell::Shell,
    store::{Artifact, Op, Reply},
};

/// Steps of a segment.
const SEGMENT: u64 = 5;

impl World {
    pub(super) fn begin(&mut self, shell: &mut Shell, work: Work) {
        shell.works += 1;
        let at = self.start_of(shell, &work);
        let labour = Labour { no: shell.works, work, is_stopping: false, at, is_waiting: false };
        shell.labour = Some(labour);
        self.toil_later(shell);
    }

    /// Where training begins: as `actors` choose it, among what is whole.
    fn start_of(&mut self, shell: &Shell, work: &Work) -> Steps {
        let Work::Train { from, .. } = work else { return Steps(0) };
        let Some(standing) = self.store.jobs.get(&shell.job) else { return Steps(0) };
        let torn = self.weather.checkpoint_torn;
        let whole = standing.checkpoints.clone();
        let whole: Vec<_> = whole.into_iter().filter(|_| !self.dice.happens(torn)).collect();
        match resume(*from, &whole) {
            Resume::From(facts) | Resume::Behind(facts) => {
                let row = &standing.row;
                self.watchman.resumed(self.now_ms, row, &facts);
                facts.step
            }
            Resume::Afresh => Steps(0),
        }
    }

    fn toil_later(&mut self, shell: &Shell) {
        let Some(labour) = &shell.labour else { return };
        let (no, after) = (labour.no, self.dice.within(20, 2_000));
        self.plan(after, Event::Toil(shell.no, no));
    }

    /// One unit of work.
    pub(super) fn toil(&mut self, shell: &mut Shell, work_no: u64) {
        let (fails, breaks) = (self.weather.work_fails, self.weather.work_breaks);
        let Some(labour) = shell.labour.as_mut().filter(|it| it.no == work_no) else { return };
        if labour.is_waiting {
            return;
        }
        if labour.is_stopping {
            return self.tell(shell, work_no, JobEvent::WorkStopped);
        }
        if !self.is_calm() && self.dice.happens(fails) {
            let failure = shell.failure(Code::DeviceFailed);
            return self.tell(shell, work_no, JobEvent::StageFailed(failure));
        }
        if !self.is_calm() && self.dice.happens(breaks) {
            let failure = shell.failure(Code::RaggedRow);
            return self.tell(shell, work_no, JobEvent::StageFailed(failure));
        }
        let (Some(lease), Some(row)) = (shell.lease.clone(), shell.saved.clone()) else { return };
        let request = &row.request;
        let op = match &labour.work {
            Work::Ingest => Op::Seal(lease, Artifact::Dataset, bytes::dataset(request).digest),
            Work::Profile => Op::Seal(lease, Artifact::Profile, bytes::mixed(&[request.seed, 9])),
            Work::Plan => {
                let (plan, class) = bytes::plan(request);
                return self.tell(shell, work_no, JobEvent::Planned(plan, class));
            }
            Work::Train { plan, .. } if labour.at < plan.steps => {
                labour.at = Steps((labour.at.get() + SEGMENT).min(plan.steps.get()));
                let step = labour.at;
                if step < plan.steps && self.dice.happens(400_000) {
                    let digest = bytes::state(request, step);
                    let size = ByteCount(1_000);
                    let facts = CheckpointFacts { epoch: lease.epoch, step, digest, size };
                    self.call(shell, Op::Put(lease, facts), Asker::Work { work_no });
                }
                return self.toil_later(shell);
            }
            Work::Train { .. } | Work::AdoptModel => {
                let state = bytes::state(request, labour.at);
                Op::Seal(lease, Artifact::Model, bytes::model(&state))
            }
            Work::Sample { chunks } => {
                let Some((no, rows)) = chunks.get(labour.at.get() as usize).copied() else {
                    return; // The machine has them all, or its facts are on their way.
                };
                let Some(model) = row.done.model else { return };
                labour.at = labour.at.next();
                let sealed = bytes::chunk(&model, no, rows);
                self.call(shell, Op::SealChunk(lease, sealed), Asker::Work { work_no });
                return self.toil_later(shell);
            }
            Work::Evaluate => Op::Seal(lease, Artifact::Report, bytes::mixed(&[request.seed, 8])),
            Work::Publish { withhold: true } => {
                return self.tell(shell, work_no, JobEvent::Delivered);
            }
            Work::Publish { .. } => {
                let chunks = self.store.jobs.get(&shell.job).map(|it| it.chunks.values().copied());
                let table = bytes::table(chunks.into_iter().flatten());
                Op::Deliver(lease, table)
            }
        };
        labour.is_waiting = true;
        self.call(shell, op, Asker::Work { work_no });
    }

    /// The answer to a call of the work.
    pub(super) fn work_answered(&mut self, shell: &mut Shell, work_no: u64, op: &Op, reply: Reply) {
        let event = match (op, reply) {
            (_, Reply::Overtaken) => JobEvent::Overtaken,
            (Op::Put(..), Reply::Failed(_)) => return, // A checkpoint less; training goes on.
            (_, Reply::Failed(code)) => JobEvent::StageFailed(shell.failure(code)),
            (Op::Put(_, facts), _) => JobEvent::CheckpointWritten(*facts),
            (Op::SealChunk(_, chunk), _) => JobEvent::ChunkSealed(*chunk),
            (Op::Deliver(..), _) => JobEvent::Delivered,
            (Op::Seal(_, artifact, digest), _) => {
                let Some(row) = &shell.saved else { return };
                match artifact {
                    Artifact::Dataset => JobEvent::Ingested(bytes::dataset(&row.request)),
                    Artifact::Profile => JobEvent::Profiled(*digest),
                    Artifact::Model => {
                        let steps = row.done.plan.as_ref().map(|plan| plan.steps);
                        JobEvent::Trained(*digest, steps)
                    }
                    Artifact::Report => {
                        let Some(model) = row.done.model else { return };
                        JobEvent::Judged(bytes::report(&model))
                    }
                }
            }
            _ => return,
        };
        self.tell(shell, work_no, event);
    }

    /// A fact on its way to the supervisor: soon, late, or twice.
    fn tell(&mut self, shell: &Shell, work_no: u64, event: JobEvent) {
        let letter = Letter::Fact { work_no, event };
        let is_calm = self.is_calm();
        let is_late = !is_calm && self.dice.happens(self.weather.fact_late);
        let after = if is_late { self.dice.within(1, 60_000) } else { self.dice.within(0, 3) };
        if !is_calm && self.dice.happens(self.weather.fact_twice) {
            let again = after + self.dice.within(1, 900_000);
            self.plan(again, Event::Letter(shell.no, letter.clone()));
        }
        self.plan(after, Event::Letter(shell.no, letter));
    }
}
