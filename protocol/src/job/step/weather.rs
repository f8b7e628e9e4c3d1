//! The job machine in random weather: kills, drains, cancels, failures, refused and failed saves,
//! events twice and out of place. After every event the named promises hold and the actions are
//! possible; once the weather clears, the job ends with the results of an undisturbed run.

use proptest::prelude::*;

use super::{samples, *};
use crate::{
    checkpoint::CheckpointFacts,
    digest::Digest,
    engine::{NumericsClass, ReportFacts},
    invariant::caught,
    model::TrainPlan,
    request::JobRequest,
    unit::{ByteCount, Epoch, Rows, Steps},
};

/// One thing that the weather does.
#[derive(Debug, Clone)]
enum Gust {
    /// The running work goes on: a chunk, a checkpoint, or its result.
    Progress,
    /// The running work fails.
    Fail(Code),
    /// The back-off is over.
    RetryDue,
    /// The process is killed and another claims the job.
    Kill,
    /// A person or the node asks to leave.
    Drain,
    Cancel,
    /// A later epoch exists, and its owner is gone already.
    Overtaken,
    /// The next save fails, or is refused.
    NextSaveFails,
    NextSaveRefused,
    /// An event that nobody waits for.
    Stray(JobEvent),
}

/// A store, a worker and a supervisor, all made up.
struct World {
    stored: JobRow,
    manifest: Vec<SealedChunk>,
    verdict: Verdict,
    epoch: u64,
    job: Job,
    work: Option<Work>,
    is_stopping: bool,
    has_left: bool,
    next_save: Option<Gust>,
    ended_told: u32,
}

impl World {
    fn new(request: JobRequest, verdict: Verdict) -> Self {
        let stored = samples::row(request);
        let job = Job::new(stored.clone());
        let mut world = Self {
            stored,
            manifest: Vec::new(),
            verdict,
            epoch: 0,
            job,
            work: None,
            is_stopping: false,
            has_left: false,
            next_save: None,
            ended_told: 0,
        };
        world.claim();
        world
    }

    /// A fresh supervisor reads what is stored and claims it.
    fn claim(&mut self) {
        self.epoch += 1;
        (self.work, self.is_stopping, self.has_left) = (None, false, false);
        self.job = Job::new(self.stored.clone());
        let sealed = self.manifest.clone();
        self.feed(JobEvent::Claimed { epoch: Epoch(self.epoch), sealed });
    }

    fn feed(&mut self, event: JobEvent) {
        let shown = format!("{event:?}");
        let actions = self.job.step(Timestamp(0), event);
        assert!(!self.has_left || actions.is_empty(), "{shown} after leaving gave {actions:?}");
        let begin = actions.iter().position(|action| matches!(action, JobAction::Begin(_)));
        let save = actions.iter().position(|action| matches!(action, JobAction::Save(_)));
        assert!(begin.is_none() || save == Some(0), "{shown}: begun unsaved in {actions:?}");
        for action in actions {
            if let Some(answer) = self.perform(action) {
                self.feed(answer);
                break;
            }
        }
    }

    /// Carries out one action; an event if it could not be.
    fn perform(&mut self, action: JobAction) -> Option<JobEvent> {
        match action {
            JobAction::Save(row) => match self.next_save.take() {
                Some(Gust::NextSaveRefused) => return Some(JobEvent::Overtaken),
                Some(_) => return Some(JobEvent::SaveFailed(self.failure(Code::DiskFull))),
                None => self.stored = *row,
            },
            JobAction::Begin(work) => {
                assert_eq!(self.work, None, "two works at once");
                if let Work::Train { plan, from } = &work {
                    assert_eq!(self.stored.done.plan.as_ref(), Some(plan));
                    assert_eq!(self.stored.done.checkpoint, *from);
                }
                (self.work, self.is_stopping) = (Some(work), false);
            }
            JobAction::StopWork => self.is_stopping = true,
            JobAction::Leave => {
                let is_idle = self.work.is_none() || self.is_stopping;
                assert!(is_idle, "left while {:?} runs unasked to stop", self.work);
                self.has_left = true;
            }
            JobAction::Release => assert_eq!(self.work, None, "released while work runs"),
            JobAction::Tell(Tidings::Ended(outcome)) => {
                assert_eq!(self.stored.state, JobState::Ended(outcome), "told before it was so");
                self.ended_told += 1;
            }
            JobAction::TakeBack => {
                let is_at_the_end = self.stored.next_stage() == Some(Stage::Publish);
                assert!(is_at_the_end, "taken back from an end or before anything was delivered");
            }
            JobAction::Sweep => assert!(self.stored.state.is_final(), "swept before the end"),
            JobAction::RetryAfter(_) | JobAction::Tell(_) => {}
        }
        None
    }

    fn blow(&mut self, gust: Gust) {
        match gust {
            Gust::Kill => self.claim(),
            _ if self.has_left => self.claim(),
            Gust::Progress => self.progress(),
            Gust::Fail(code) if self.work.is_some() => {
                let failure = self.failure(code);
                self.work = None;
                self.feed(JobEvent::StageFailed(failure));
            }
            Gust::Fail(_) => {}
            Gust::RetryDue => self.feed(JobEvent::RetryDue),
            Gust::Drain => self.feed(JobEvent::DrainAsked),
            Gust::Cancel => self.feed(JobEvent::CancelAsked),
            Gust::Overtaken => self.feed(JobEvent::Overtaken),
            Gust::NextSaveFails | Gust::NextSaveRefused => self.next_save = Some(gust),
            Gust::Stray(event) => {
                let is_answer = self.work.as_ref().is_some_and(|work| work.is_answered_by(&event));
                let is_end = matches!(&event, JobEvent::StageFailed(failure)
                    if self.job.row().state == JobState::Running { stage: failure.stage });
                if !is_answer && !is_end {
                    self.feed(event);
                }
            }
        }
    }

    /// The work does one more thing. A stop is heard half of the time.
    fn progress(&mut self) {
        let Some(work) = self.work.clone() else { return self.feed(JobEvent::RetryDue) };
        if self.is_stopping && self.epoch.is_multiple_of(2) {
            self.work = None;
            return self.feed(JobEvent::WorkStopped);
        }
        let event = match work {
            Work::Ingest => JobEvent::Ingested(samples::dataset(25_000)),
            Work::Profile => JobEvent::Profiled(Digest::of(b"profile")),
            Work::Plan => JobEvent::Planned(self.plan(), NumericsClass("n1".to_owned())),
            Work::Train { from: None, .. } => {
                let facts = CheckpointFacts {
                    epoch: Epoch(self.epoch),
                    step: Steps(10),
                    digest: Digest::of(b"checkpoint"),
                    size: ByteCount(1),
                };
                let from = Some(facts);
                self.work = Some(Work::Train { plan: self.plan(), from });
                return self.feed(JobEvent::CheckpointWritten(facts));
            }
            Work::Train { .. } => JobEvent::Trained(Digest::of(b"model"), None),
            Work::AdoptModel => JobEvent::Adopted(Digest::of(b"model"), None),
            Work::Sample { chunks } => return self.seal_one(chunks),
            Work::Evaluate => {
                let reasons = vec!["a".to_owned()];
                JobEvent::Judged(ReportFacts { verdict: self.verdict, reasons })
            }
            Work::Publish { .. } => JobEvent::Delivered,
            Work::Run => JobEvent::Ran(samples::ran(0)),
        };
        self.work = None;
        self.feed(event);
    }

    fn seal_one(&mut self, mut chunks: Vec<(ChunkNo, Rows)>) {
        let (no, rows) = chunks.pop().expect("sampling is begun only with chunks that are missing");
        let digest = Digest::of(&no.0.to_le_bytes());
        let sealed = SealedChunk { chunk: no, rows, digest };
        if !self.manifest.contains(&sealed) {
            self.manifest.push(sealed);
        }
        self.work = (!chunks.is_empty()).then_some(Work::Sample { chunks });
        self.feed(JobEvent::ChunkSealed(sealed));
    }

    /// Measured anew at every try, so each try gives another number of steps.
    fn plan(&self) -> TrainPlan {
        let steps = Steps(100 + self.epoch);
        self.stored.done.plan.clone().unwrap_or(TrainPlan {
            config: serde_json::json!({}),
            steps,
            because: String::new(),
        })
    }

    fn failure(&self, code: Code) -> Failure {
        let stage = match self.job.row().state {
            JobState::Running { stage } => stage,
            _ => Stage::Ingest,
        };
        Failure::new(stage, code, "weather")
    }

    /// Fair weather from now on: how many moves until the job has ended.
    fn clear_up(&mut self) -> Option<u32> {
        self.next_save = None;
        for moves in 0..200 {
            if self.stored.state.is_final() && self.has_left {
                return Some(moves);
            }
            self.blow(Gust::Progress);
        }
        None
    }
}

fn stray() -> impl Strategy<Value = JobEvent> {
    let facts = |step, epoch| CheckpointFacts {
        step: Steps(step),
        epoch: Epoch(epoch),
        digest: Digest::of(b"checkpoint"),
        size: ByteCount(1),
    };
    let failure = |stage| Failure::new(stage, Code::RaggedRow, "stray");
    prop_oneof![
        Just(JobEvent::Ingested(samples::dataset(7))),
        Just(JobEvent::Profiled(Digest::of(b"stray"))),
        Just(JobEvent::Trained(Digest::of(b"stray"), None)),
        Just(JobEvent::Adopted(Digest::of(b"stray"), Some(Rows(3)))),
        Just(JobEvent::Delivered),
        Just(JobEvent::RetryDue),
        Just(JobEvent::Claimed { epoch: Epoch(0), sealed: Vec::new() }),
        (0..10_u64, 0..3_u64)
            .prop_map(move |(step, epoch)| { JobEvent::CheckpointWritten(facts(step, epoch)) }),
        Just(JobEvent::StageFailed(failure(Stage::Ingest))),
    ]
}

/// Gusts that delay a job but never end it.
fn mild_gust() -> impl Strategy<Value = Gust> {
    prop_oneof![
        12 => Just(Gust::Progress),
        2 => Just(Gust::RetryDue),
        2 => Just(Gust::Kill),
        1 => Just(Gust::Drain),
        1 => Just(Gust::Overtaken),
        1 => Just(Gust::NextSaveFails),
        1 => Just(Gust::NextSaveRefused),
        1 => Just(Gust::Fail(Code::DiskFull)),
    ]
}

fn any_gust() -> impl Strategy<Value = Gust> {
    prop_oneof![
        20 => mild_gust(),
        2 => Just(Gust::Fail(Code::DeviceFailed)),
        1 => Just(Gust::Fail(Code::RaggedRow)),
        1 => Just(Gust::Cancel),
        2 => stray().prop_map(Gust::Stray),
    ]
}

fn requests() -> impl Strategy<Value = JobRequest> {
    prop_oneof![
        (1..60_000_u64).prop_map(samples::synthesize),
        Just(samples::synthesize_as_many()),
        Just(samples::train()),
        (1..60_000_u64).prop_map(|rows| samples::generate(Some(rows))),
    ]
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Pass), Just(Verdict::Warn), Just(Verdict::Block)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_promise_holds_and_every_job_ends(
        request in requests(),
        verdict in verdicts(),
        gusts in prop::collection::vec(any_gust(), 0..60),
    ) {
        let mut moves = None;
        let broken = caught(|| {
            let mut world = World::new(request, verdict);
            for gust in gusts {
                world.blow(gust);
            }
            moves = world.clear_up();
        });
        prop_assert_eq!(broken, []);
        prop_assert!(moves.is_some(), "still running after 200 fair moves");
    }

    #[test]
    fn interrupted_ends_like_undisturbed(
        request in requests(),
        verdict in verdicts(),
        gusts in prop::collection::vec(mild_gust(), 0..60),
    ) {
        let broken = caught(|| {
            let mut calm = World::new(request.clone(), verdict);
            calm.clear_up().expect("a calm run ends");
            let mut rough = World::new(request.clone(), verdict);
            for gust in gusts {
                rough.blow(gust);
            }
            rough.clear_up().expect("a rough run ends");
            assert_eq!(rough.stored.state, calm.stored.state);
            assert_eq!(results(&rough), results(&calm));
            assert!(rough.ended_told <= 1);
        });
        prop_assert_eq!(broken, []);
    }
}

/// Everything but the numbers that depend on when a try was made: plan, epoch of a checkpoint.
fn results(world: &World) -> (Vec<SealedChunk>, [Option<Digest>; 3], bool, Option<Verdict>) {
    let done = &world.stored.done;
    let mut manifest = world.manifest.clone();
    manifest.sort_by_key(|sealed| sealed.chunk);
    let dataset = done.dataset.as_ref().map(|facts| facts.digest);
    let verdict = done.report.as_ref().map(|facts| facts.verdict);
    (manifest, [dataset, done.profile, done.model], done.sampled, verdict)
}
