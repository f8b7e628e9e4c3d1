//! Made-up work: how stages go on, what they leave in the store, and how they fail.

use std::rc::Rc;

use tgs_protocol::{
    checkpoint::{
        CheckpointFacts,
        keep::kept,
        resolve::{Resume, resume},
    },
    code::Code,
    job::{JobEvent, JobRow, Work},
    lease::Lease,
    unit::{ByteCount, Epoch, Steps},
};

use super::{
    World, bytes,
    event::{Asker, Event, Labour, Letter},
    fault::{Kind, Site},
    flaw::Flaw,
    shell::{Shell, Writing},
    store::{Artifact, Bytes, Op, Reply},
};

/// Steps of a segment.
const SEGMENT: u64 = 5;

impl World<'_> {
    pub(super) fn begin(&mut self, shell: &mut Shell, work: Work) {
        if let Some((stage, at, after)) = shell.failed_at.take()
            && shell.saved.as_ref().is_some_and(|row| row.stage() == stage)
        {
            let waited_ms = self.nodes[shell.node as usize].own_ms(self.now_ms - at);
            self.watchman.retries(shell.job, waited_ms, after);
        }
        self.watchman.begins(shell.job, shell.claimed_ms);
        shell.works += 1;
        let at = self.start_of(shell, &work);
        let (no, is_stopping, is_to_keep) = (shell.works, false, false);
        shell.labour = Some(Labour { no, work, is_stopping, is_to_keep, at, is_waiting: false });
        self.toil_later(shell);
    }

    /// Where training begins: as `actors` choose it, among what is whole.
    fn start_of(&mut self, shell: &Shell, work: &Work) -> u64 {
        let Work::Train { from, .. } = work else { return 0 };
        let standing = &self.store.jobs[shell.job.at()];
        let epoch = shell.lease.as_ref().map_or(Epoch(0), |lease| lease.epoch);
        let trusts = self.flaw == Some(Flaw::TrustsTorn);
        let kept = standing.checkpoints.iter();
        let whole = kept.filter(|(_, bytes)| *bytes == Bytes::Whole || trusts);
        let whole: Vec<_> = whole.map(|(facts, _)| *facts).collect();
        let (Resume::From(facts) | Resume::Behind(facts)) = resume(*from, &whole) else {
            self.watchman.resumed(None, epoch, standing);
            return 0;
        };
        self.watchman.resumed(Some(&facts), epoch, standing);
        self.say(true, |_| format!("training goes on from step {}", facts.step));
        facts.step.get()
    }

    fn toil_later(&mut self, shell: &Shell) {
        let Some(labour) = &shell.labour else { return };
        let after_ms = self.paces.of(shell.order).within(20, 2_000);
        self.plan(after_ms, Event::Toil(shell.no, labour.no));
    }

    /// One unit of work.
    pub(super) fn toil(&mut self, shell: &mut Shell, work_no: u32) {
        let Some(labour) = shell.labour.as_ref().filter(|it| it.no == work_no) else { return };
        if labour.is_waiting {
            return;
        }
        if labour.is_stopping {
            return self.stop(shell, work_no);
        }
        let moment = self.faults.moment(shell.order, Kind::work(shell.phase()));
        if self.faults.strikes(Site::SupervisorDies, moment).is_some() {
            self.say(true, |_| "its supervisor dies".to_owned());
            shell.is_dead = true;
            return;
        }
        if self.device_fails(shell) {
            let failure = shell.failure(Code::DeviceFailed);
            return self.tell(shell, work_no, JobEvent::StageFailed(failure));
        }
        for (site, code) in
            [(Site::WorkFails, Code::DeviceFailed), (Site::WorkBreaks, Code::RaggedRow)]
        {
            if self.faults.strikes(site, moment).is_some() {
                self.say(true, |_| site.what().to_owned());
                let failure = shell.failure(code);
                return self.tell(shell, work_no, JobEvent::StageFailed(failure));
            }
        }
        let (Some(lease), Some(row)) = (shell.lease.clone(), shell.saved.clone()) else { return };
        self.toil_on(shell, work_no, lease, &row);
    }

    /// Work stops. What training has reached is written first where it is to be kept.
    fn stop(&mut self, shell: &mut Shell, work_no: u32) {
        let Some(Labour { work, at, is_to_keep: true, .. }) = &shell.labour else {
            return self.tell(shell, work_no, JobEvent::WorkStopped);
        };
        let (Work::Train { .. }, Some(lease), Some(row)) = (work, &shell.lease, &shell.saved)
        else {
            return self.tell(shell, work_no, JobEvent::WorkStopped);
        };
        let (step, committed) = (Steps(*at), row.done.checkpoint.map(|facts| facts.step));
        if committed.unwrap_or(Steps(0)) >= step {
            return self.tell(shell, work_no, JobEvent::WorkStopped);
        }
        let put = self.put(shell.order, lease.clone(), row, step);
        shell.writing.waiting = Some((work_no, put));
        (shell.last_snapshot, shell.labour) = (Some((work_no, step)), None);
        if self.flaw == Some(Flaw::HandsOverFirst) {
            shell.events.push_back(JobEvent::WorkStopped);
        }
        self.write_next(shell);
    }

    fn toil_on(&mut self, shell: &mut Shell, work_no: u32, lease: Rc<Lease>, row: &Rc<JobRow>) {
        let Some(labour) = &mut shell.labour else { return };
        let request = &row.request;
        let op = match &labour.work {
            // It cannot be held and gone on with: whoever begins it begins at its start.
            Work::Run if labour.at < bytes::program_pieces(request) => {
                labour.at += 1;
                return self.toil_later(shell);
            }
            Work::Run => Op::Seal(lease, Artifact::Files, bytes::files(request, labour.at)),
            Work::Ingest => Op::Seal(lease, Artifact::Dataset, bytes::dataset(request).digest),
            Work::Profile => Op::Seal(lease, Artifact::Profile, bytes::mixed(&[request.seed, 9])),
            Work::Plan => {
                let (plan, class) = bytes::plan(request);
                return self.tell(shell, work_no, JobEvent::Planned(plan, class));
            }
            Work::Train { plan, .. } if labour.at < plan.steps.get() => {
                let steps = plan.steps.get();
                labour.at = (labour.at + SEGMENT).min(steps);
                let at = labour.at;
                return self.train(shell, work_no, lease, row, (at, steps));
            }
            Work::Train { .. } | Work::AdoptModel => {
                let state = bytes::state(request, Steps(labour.at));
                Op::Seal(lease, Artifact::Model, bytes::model(&state))
            }
            Work::Sample { .. } => return self.sample(shell, work_no, lease, row),
            Work::Evaluate => Op::Seal(lease, Artifact::Report, bytes::mixed(&[request.seed, 8])),
            Work::Publish { withhold: true } if self.flaw != Some(Flaw::ReleasesBlocked) => {
                return self.tell(shell, work_no, JobEvent::Delivered);
            }
            // The table stands there, and so do the files beside it.
            Work::Publish { .. } if labour.at > 0 => {
                return self.tell(shell, work_no, JobEvent::Delivered);
            }
            Work::Publish { .. } => {
                Op::Deliver(lease, self.store.jobs[shell.job.at()].to_deliver())
            }
        };
        labour.is_waiting = true;
        self.ask_store(shell, op, Asker::Work { shell: shell.no, work_no });
    }

    /// One segment was trained.
    fn train(
        &mut self,
        shell: &mut Shell,
        work_no: u32,
        lease: Rc<Lease>,
        row: &JobRow,
        (at, steps): (u64, u64),
    ) {
        let is_due = self.paces.of(shell.order).happens(400_000);
        if at < steps && is_due {
            let put = self.put(shell.order, lease, row, Steps(at));
            shell.writing.waiting = Some((work_no, put));
            self.write_next(shell);
        }
        self.toil_later(shell);
    }

    /// A checkpoint at this step.
    fn put(&mut self, order: u32, lease: Rc<Lease>, row: &JobRow, step: Steps) -> Op {
        let digest = bytes::state(&row.request, step);
        let facts = CheckpointFacts { epoch: lease.epoch, step, digest, size: ByteCount(1_000) };
        let moment = self.faults.moment(order, Kind::CHECKPOINT);
        let torn = self.faults.strikes(Site::CheckpointTorn, moment);
        Op::Put(lease, facts, if torn.is_some() { Bytes::Torn } else { Bytes::Whole })
    }

    /// One chunk is drawn.
    fn sample(&mut self, shell: &mut Shell, work_no: u32, lease: Rc<Lease>, row: &JobRow) {
        let Some(Labour { work: Work::Sample { chunks }, at, .. }) = &mut shell.labour else {
            return;
        };
        let Some((no, rows)) = chunks.get(*at as usize).copied() else {
            return; // The machine has them all, or its facts are on their way.
        };
        let Some(mut model) = row.done.model else { return };
        *at += 1;
        if self.flaw == Some(Flaw::SamplesByNode) {
            model = bytes::mixed(&[u64::from(shell.node), u64::from(no.0)]);
        }
        let sealed = bytes::chunk(&model, no, rows);
        if self.flaw == Some(Flaw::SkipsChunks) && no.0 == 1 {
            self.tell(shell, work_no, JobEvent::ChunkSealed(sealed));
        } else {
            let op = Op::SealChunk(lease, sealed);
            self.ask_store(shell, op, Asker::Work { shell: shell.no, work_no });
        }
        self.toil_later(shell);
    }

    /// A checkpoint whose pointer is durable makes all but the one before it useless.
    pub(super) fn prune_behind(&mut self, shell: &mut Shell, row: &JobRow) {
        let earlier = shell.saved.as_ref().and_then(|saved| saved.done.checkpoint);
        let (Some(lease), Some(facts)) = (&shell.lease, row.done.checkpoint) else { return };
        if earlier != Some(facts) {
            shell.writing.to_prune = Some((lease.clone(), facts, earlier));
            self.write_next(shell);
        }
    }

    /// The writer of checkpoints goes on.
    pub(super) fn write_next(&mut self, shell: &mut Shell) {
        let flaw = self.flaw;
        let Writing { is_busy, waiting, to_prune, written } = &mut shell.writing;
        if *is_busy {
            return;
        }
        let next = waiting.take().or_else(|| {
            let (lease, committed, before) = to_prune.take()?;
            if flaw == Some(Flaw::PrunesBeyond) {
                written.drain(..written.len().saturating_sub(1));
            }
            let keep = kept(committed, before, written);
            written.retain(|it| keep.contains(it));
            Some((0, Op::Prune(lease, keep)))
        });
        if let Some((work_no, op)) = next {
            *is_busy = true;
            self.ask_store(shell, op, Asker::Writer { shell: shell.no, work_no });
        }
    }

    /// The answer to a call of the work.
    pub(super) fn work_answered(&mut self, shell: &mut Shell, work_no: u32, op: &Op, reply: Reply) {
        let event = match (op, reply) {
            (Op::Prune(..), _) => return,
            (_, Reply::Overtaken) => JobEvent::Overtaken,
            // A checkpoint less; training goes on.
            (Op::Put(_, facts, _), Reply::Failed(_))
                if shell.last_snapshot != Some((work_no, facts.step)) =>
            {
                return;
            }
            (_, Reply::Failed(code)) => JobEvent::StageFailed(shell.failure(code)),
            (Op::Put(_, facts, _), _) => JobEvent::CheckpointWritten(*facts),
            (Op::SealChunk(_, chunk), _) => JobEvent::ChunkSealed(*chunk),
            (Op::Deliver(..), _) => {
                if let Some(labour) = shell.labour.as_mut().filter(|it| it.no == work_no) {
                    (labour.at, labour.is_waiting) = (1, false);
                    self.toil_later(shell);
                }
                return;
            }
            (Op::Seal(_, artifact, digest), _) => {
                let Some(row) = &shell.saved else { return };
                match artifact {
                    Artifact::Files => JobEvent::Ran(bytes::ran(&row.request)),
                    Artifact::Dataset => JobEvent::Ingested(bytes::dataset(&row.request)),
                    Artifact::Profile => JobEvent::Profiled(*digest),
                    Artifact::Model => match row.done.plan.as_ref() {
                        Some(plan) => JobEvent::Trained(*digest, Some(plan.steps)),
                        None => JobEvent::Adopted(*digest, None),
                    },
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
    fn tell(&mut self, shell: &Shell, work_no: u32, event: JobEvent) {
        self.device_reports(shell, &event);
        let letter = Letter::Fact { work_no, event };
        let moment = self.faults.moment(shell.order, Kind::fact(shell.phase()));
        let mut after_ms = self.paces.of(shell.order).within(0, 3);
        if let Some(mut dice) = self.faults.strikes(Site::FactLate, moment) {
            after_ms += dice.within(1, 60_000);
        }
        if let Some(mut dice) = self.faults.strikes(Site::FactTwice, moment) {
            self.post(after_ms + dice.within(1, 900_000), shell.no, letter.clone());
        }
        self.post(after_ms, shell.no, letter);
    }
}
