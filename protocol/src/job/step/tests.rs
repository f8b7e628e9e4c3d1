//! Whole runs and single moments as scripts: one event a line, the actions after it.

use super::{samples, *};
use crate::{
    checkpoint::CheckpointFacts,
    digest::Digest,
    engine::{NumericsClass, ReportFacts},
    invariant::caught,
    limits::ROWS_PER_REQUEST_MAX,
    model::TrainPlan,
    request::JobRequest,
    unit::{ByteCount, Epoch, Millis, Rows, Steps},
};

/// Plays a script and writes the actions under each event. Nothing may be broken on the way.
fn play(request: JobRequest, script: &str) -> String {
    let mut job = Job::new(samples::row(request));
    let mut transcript = String::new();
    let broken = caught(|| transcript = play_on(&mut job, script));
    assert_eq!(broken, [], "{transcript}");
    transcript
}

fn play_on(job: &mut Job, script: &str) -> String {
    let mut transcript = String::new();
    for (at, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let actions = job.step(Timestamp(at as u64), event(line));
        transcript.push_str(&format!("{line}\n"));
        let actions: Vec<_> = actions.iter().map(name).collect();
        let actions = if actions.is_empty() { "-".to_owned() } else { actions.join(", ") };
        transcript.push_str(&format!("    {actions}\n"));
    }
    transcript
}

fn event(line: &str) -> JobEvent {
    let words: Vec<_> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    match words[0] {
        "claimed" => JobEvent::Claimed {
            epoch: Epoch(1),
            sealed: (1..words.len()).map(|at| chunk(number(at))).collect(),
        },
        "ingested" => {
            let mut facts = samples::dataset(number(1));
            facts.notices = words[2..].iter().map(|notice| (*notice).to_owned()).collect();
            JobEvent::Ingested(facts)
        }
        "profiled" => JobEvent::Profiled(Digest::of(b"profile")),
        "planned" => JobEvent::Planned(plan(number(1)), NumericsClass("n1".to_owned())),
        "checkpoint" => JobEvent::CheckpointWritten(CheckpointFacts {
            step: Steps(number(1)),
            epoch: Epoch(number(2)),
            digest: Digest::of(b"checkpoint"),
            size: ByteCount(1),
        }),
        "trained" => {
            let steps = words.get(1).map(|_| Steps(number(1)));
            JobEvent::Trained(Digest::of(b"model"), steps)
        }
        "adopted" => {
            let rows = words.get(1).map(|_| Rows(number(1)));
            JobEvent::Adopted(Digest::of(b"model"), rows)
        }
        "sealed" => JobEvent::ChunkSealed(chunk(number(1))),
        "judged" => {
            let (verdict, reasons) = match words[1] {
                "pass" => (Verdict::Pass, Vec::new()),
                "warn" => (Verdict::Warn, vec!["a".to_owned()]),
                _ => (Verdict::Block, vec!["a".to_owned(), "b".to_owned()]),
            };
            JobEvent::Judged(ReportFacts { verdict, reasons })
        }
        "ran" => JobEvent::Ran(samples::ran(i32::try_from(number(1)).expect("a status"))),
        "delivered" => JobEvent::Delivered,
        "failed" => JobEvent::StageFailed(failure(words[1], words[2])),
        "save" => JobEvent::SaveFailed(failure("train", "mended")),
        "retry" => JobEvent::RetryDue,
        "cancel" => JobEvent::CancelAsked,
        "drain" => JobEvent::DrainAsked,
        "stopped" => JobEvent::WorkStopped,
        "overtaken" => JobEvent::Overtaken,
        "computes" => JobEvent::ComputesIn(NumericsClass(words[1].to_owned())),
        "noticed" => JobEvent::Noticed(words[1..].join(" ")),
        other => panic!("no such event: {other}"),
    }
}

/// Chunks 0 and 1 are full, chunk 2 holds the rest of 25,000 rows.
fn chunk(no: u64) -> SealedChunk {
    let rows = Rows(if no == 2 { 5_000 } else { 10_000 });
    let digest = Digest::of(&no.to_le_bytes());
    SealedChunk { chunk: ChunkNo(u32::try_from(no).expect("few chunks")), rows, digest }
}

fn plan(steps: u64) -> TrainPlan {
    let because = format!("{steps} steps");
    TrainPlan { config: serde_json::json!({}), steps: Steps(steps), because }
}

fn failure(stage: &str, how: &str) -> Failure {
    let stage = Stage::ALL.into_iter().find(|it| it.to_string() == stage).expect("a stage");
    let code = match how {
        "later" => Code::DeviceFailed,
        "mended" => Code::DiskFull,
        "memory" => Code::OutOfMemory,
        _ => Code::RaggedRow,
    };
    Failure::new(stage, code, how)
}

fn name(action: &JobAction) -> String {
    match action {
        JobAction::Save(row) => format!("save {}", row.state),
        JobAction::Begin(work) => format!("begin {}", work_name(work)),
        JobAction::StopWork => "stop work".to_owned(),
        JobAction::RetryAfter(Millis(after)) => format!("retry after {after}"),
        JobAction::Tell(tidings) => format!("tell {}", tidings_name(tidings)),
        JobAction::TakeBack => "take back".to_owned(),
        JobAction::Sweep => "sweep".to_owned(),
        JobAction::Release => "release".to_owned(),
        JobAction::Leave => "leave".to_owned(),
    }
}

fn work_name(work: &Work) -> String {
    match work {
        Work::Train { plan, from: None } => format!("train {}", plan.steps),
        Work::Train { plan, from: Some(facts) } => {
            format!("train {} from {}", plan.steps, facts.step)
        }
        Work::Sample { chunks } => {
            let chunks: Vec<_> = chunks.iter().map(|(no, rows)| format!("{no}:{rows}")).collect();
            format!("sample [{}]", chunks.join(" "))
        }
        Work::Publish { withhold: true } => "publish withheld".to_owned(),
        Work::Publish { withhold: false } => "publish".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn tidings_name(tidings: &Tidings) -> String {
    match tidings {
        Tidings::StageBegan { stage, again: false } => format!("{stage} began"),
        Tidings::StageBegan { stage, again: true } => format!("{stage} began again"),
        Tidings::PlanMade(because) => format!("plan: {because}"),
        Tidings::Notice(notice) => format!("notice: {notice}"),
        Tidings::TryingAgain { after: Millis(after), .. } => format!("trying again in {after}"),
        Tidings::Ended(Outcome::Failed(failure)) => {
            format!("failed {} in {}", failure.code, failure.stage)
        }
        Tidings::Ended(outcome) => outcome.to_string(),
        Tidings::Suspended(failure) => format!("suspended by {}", failure.code),
        Tidings::Interrupted => "interrupted".to_owned(),
    }
}

#[test]
fn synthesize_undisturbed() {
    let script = "
        claimed
        ingested 100 trimmed
        profiled
        planned 50
        checkpoint 20 1
        checkpoint 40 1
        trained
        sealed 2
        sealed 0
        sealed 1
        judged pass
        delivered
        cancel
        delivered
    ";
    insta::assert_snapshot!(play(samples::synthesize(25_000), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    ingested 100 trimmed
        save profile, tell notice: trimmed, tell profile began, begin profile
    profiled
        save train, tell train began, begin plan
    planned 50
        save train, tell plan: 50 steps, begin train 50
    checkpoint 20 1
        save train
    checkpoint 40 1
        save train
    trained
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    sealed 2
        -
    sealed 0
        -
    sealed 1
        save evaluate, tell evaluate began, begin evaluate
    judged pass
        save publish, tell publish began, begin publish
    delivered
        save published, release, sweep, tell published, leave
    cancel
        -
    delivered
        -
    ");
}

#[test]
fn train_only() {
    let script = "
        claimed
        ingested 100
        profiled
        planned 50
        trained
        delivered
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    ingested 100
        save profile, tell profile began, begin profile
    profiled
        save train, tell train began, begin plan
    planned 50
        save train, tell plan: 50 steps, begin train 50
    trained
        save publish, tell publish began, begin publish
    delivered
        save published, release, sweep, tell published, leave
    ");
}

#[test]
fn a_training_that_ends_early_says_so() {
    let told = |made| {
        let script = format!("claimed\ningested 9\nprofiled\nplanned 50\ntrained {made}");
        play(samples::train(), &script).contains("training ended after 30 of 50 steps")
    };
    assert!(told(30) && !told(50));
}

#[test]
fn a_table_that_is_completed_tells_how_many_rows_there_are() {
    let mut job = Job::new(samples::row(samples::generate(None)));
    let transcript = play_on(&mut job, "claimed\nadopted 25000\nsealed 0\nsealed 1\nsealed 2");
    assert_eq!(job.row().rows(), Some(Rows(25_000)), "{transcript}");
    assert_eq!(job.row().state, JobState::Running { stage: Stage::Publish }, "{transcript}");
}

#[test]
fn generate_from_a_model_file() {
    let script = "
        claimed
        adopted
        sealed 0
        sealed 1
        sealed 2
        delivered
    ";
    insta::assert_snapshot!(play(samples::generate(Some(25_000)), script), @r"
    claimed
        save train, tell train began, begin adoptmodel
    adopted
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    sealed 0
        -
    sealed 1
        -
    sealed 2
        save publish, tell publish began, begin publish
    delivered
        save published, release, sweep, tell published, leave
    ");
}

#[test]
fn a_blocking_report_withholds_the_table() {
    let script = "
        claimed
        ingested 25000
        profiled
        planned 50
        trained
        sealed 0
        sealed 1
        sealed 2
        judged block
        delivered
    ";
    insta::assert_snapshot!(play(samples::synthesize_as_many(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    ingested 25000
        save profile, tell profile began, begin profile
    profiled
        save train, tell train began, begin plan
    planned 50
        save train, tell plan: 50 steps, begin train 50
    trained
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    sealed 0
        -
    sealed 1
        -
    sealed 2
        save evaluate, tell evaluate began, begin evaluate
    judged block
        save publish, tell publish began, begin publish withheld
    delivered
        save withheld, release, sweep, tell withheld: a; b, leave
    ");
}

#[test]
fn a_warning_report_is_told_with_the_table() {
    let mut job = Job::new(samples::row(samples::synthesize(5)));
    job.row.state = JobState::Running { stage: Stage::Sample };
    job.row.done.dataset = Some(samples::dataset(9));
    job.row.done.profile = Some(Digest::of(b"profile"));
    job.row.done.model = Some(Digest::of(b"model"));
    job.row.done.sampled = true;
    play_on(&mut job, "claimed\njudged warn\ndelivered");
    let published = Outcome::Published { verdict: Some(Verdict::Warn) };
    assert_eq!(job.row().state, JobState::Ended(published));
}

/// A chunk that was on its way when its stage failed completes the stage during the back-off. What
/// is left of that back-off must not cut short the next one (simulations/replays/early-try.json).
#[test]
fn a_back_off_is_not_cut_short_by_the_end_of_an_earlier_one() {
    let script = "
        claimed
        ingested 100
        profiled
        planned 10
        trained 10
        sealed 0
        sealed 1
        failed sample later
        sealed 2
        failed evaluate later
        retry
        retry
    ";
    let transcript = play(samples::synthesize(25_000), script);
    let (_, last) = transcript.split_once("sealed 2\n").expect("it is in the script");
    insta::assert_snapshot!(last, @r"
        save evaluate, tell evaluate began, begin evaluate
    failed evaluate later
        save evaluate, tell trying again in 5000, retry after 5000
    retry
        -
    retry
        save evaluate, tell evaluate began again, begin evaluate
    ");
}

#[test]
fn a_passing_failure_is_tried_again_three_times() {
    let script = "
        claimed
        failed ingest later
        failed ingest later
        retry
        retry
        failed ingest later
        retry
        failed ingest later
        retry
        failed ingest later
        retry
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest later
        save ingest, tell trying again in 5000, retry after 5000
    failed ingest later
        -
    retry
        save ingest, tell ingest began again, begin ingest
    retry
        -
    failed ingest later
        save ingest, tell trying again in 10000, retry after 10000
    retry
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save ingest, tell trying again in 20000, retry after 20000
    retry
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save failed, release, sweep, tell failed DEV-0001 in ingest, leave
    retry
        -
    ");
}

#[test]
fn a_stage_that_went_on_has_all_its_tries_again() {
    let script = "
        claimed
        failed ingest later
        retry
        failed ingest later
        retry
        ingested 100
        failed profile later
        retry
        profiled
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest later
        save ingest, tell trying again in 5000, retry after 5000
    retry
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save ingest, tell trying again in 10000, retry after 10000
    retry
        save ingest, tell ingest began again, begin ingest
    ingested 100
        save profile, tell profile began, begin profile
    failed profile later
        save profile, tell trying again in 5000, retry after 5000
    retry
        save profile, tell profile began again, begin profile
    profiled
        save train, tell train began, begin plan
    ");
}

#[test]
fn a_failure_that_cannot_pass_ends_the_job() {
    let script = "
        claimed
        failed ingest never
        retry
        claimed
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest never
        save failed, release, sweep, tell failed DATA-0003 in ingest, leave
    retry
        -
    claimed
        -
    ");
}

#[test]
fn what_a_person_must_mend_suspends_the_job() {
    let script = "
        claimed
        failed ingest mended
        retry
        ingested 100
        cancel
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest mended
        tell suspended by STORE-0003, save ingest, tell interrupted, release, leave
    retry
        -
    ingested 100
        -
    cancel
        -
    ");
}

#[test]
fn a_cancel_ends_the_job_once_the_work_stands_still() {
    let script = "
        claimed
        cancel
        cancel
        drain
        stopped
        stopped
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    cancel
        stop work
    cancel
        stop work
    drain
        stop work
    stopped
        save cancelled, release, sweep, tell cancelled, leave
    stopped
        -
    ");
}

#[test]
fn a_cancel_during_the_back_off_ends_the_job_at_once() {
    let script = "
        claimed
        failed ingest later
        cancel
        retry
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest later
        save ingest, tell trying again in 5000, retry after 5000
    cancel
        save cancelled, release, sweep, tell cancelled, leave
    retry
        -
    ");
}

#[test]
fn a_notice_is_saved_and_told_while_the_job_is_held() {
    let script = "
        noticed too early
        claimed
        noticed another class
        overtaken
        noticed too late
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    noticed too early
        -
    claimed
        save ingest, tell ingest began, begin ingest
    noticed another class
        save ingest, tell notice: another class
    overtaken
        stop work, tell interrupted, leave
    noticed too late
        -
    ");
}

#[test]
fn another_class_of_bits_is_noted_once() {
    let script = "
        claimed
        computes n1
        ingested 100
        profiled
        planned 50
        computes n1
        computes n2
        computes n2
        computes n1
    ";
    let mut job = Job::new(samples::row(samples::train()));
    insta::assert_snapshot!(play_on(&mut job, script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    computes n1
        -
    ingested 100
        save profile, tell profile began, begin profile
    profiled
        save train, tell train began, begin plan
    planned 50
        save train, tell plan: 50 steps, begin train 50
    computes n1
        -
    computes n2
        save train, tell notice: numerics class n2 instead of n1: the bytes may be others now
    computes n2
        -
    computes n1
        save train, tell notice: numerics class n1 instead of n2: the bytes may be others now
    ");
    let later: Vec<_> = job.row().done.went_on_in.iter().map(ToString::to_string).collect();
    assert_eq!(later, ["n2", "n1"]);
}

#[test]
fn a_drain_while_planning_keeps_the_plan() {
    let script = "
        claimed
        ingested 100
        profiled
        drain
        planned 50
        stopped
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    ingested 100
        save profile, tell profile began, begin profile
    profiled
        save train, tell train began, begin plan
    drain
        stop work
    planned 50
        save train, tell plan: 50 steps, tell interrupted, release, leave
    stopped
        -
    ");
}

#[test]
fn a_drain_while_training_keeps_the_last_checkpoint() {
    let script = "
        claimed
        ingested 100
        profiled
        planned 50
        checkpoint 10 1
        drain
        checkpoint 17 1
        stopped
        checkpoint 20 1
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    ingested 100
        save profile, tell profile began, begin profile
    profiled
        save train, tell train began, begin plan
    planned 50
        save train, tell plan: 50 steps, begin train 50
    checkpoint 10 1
        save train
    drain
        stop work
    checkpoint 17 1
        save train
    stopped
        save train, tell interrupted, release, leave
    checkpoint 20 1
        -
    ");
}

#[test]
fn a_cancel_outranks_a_drain() {
    let script = "
        claimed
        drain
        cancel
        ingested 100
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    drain
        stop work
    cancel
        stop work
    ingested 100
        save cancelled, release, sweep, tell cancelled, leave
    ");
}

#[test]
fn a_failure_while_leaving_only_makes_it_leave() {
    let drained = "
        claimed
        drain
        failed ingest never
    ";
    let cancelled = "
        claimed
        cancel
        failed ingest later
    ";
    insta::assert_snapshot!(play(samples::train(), drained), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    drain
        stop work
    failed ingest never
        save ingest, tell interrupted, release, leave
    ");
    insta::assert_snapshot!(play(samples::train(), cancelled), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    cancel
        stop work
    failed ingest later
        save cancelled, release, sweep, tell cancelled, leave
    ");
}

#[test]
fn a_table_that_was_delivered_before_the_cancel_was_heard_is_published() {
    let script = "
        claimed
        adopted
        sealed 0
        sealed 1
        sealed 2
        cancel
        delivered
        stopped
    ";
    insta::assert_snapshot!(play(samples::generate(Some(25_000)), script), @r"
    claimed
        save train, tell train began, begin adoptmodel
    adopted
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    sealed 0
        -
    sealed 1
        -
    sealed 2
        save publish, tell publish began, begin publish
    cancel
        stop work
    delivered
        save published, release, sweep, tell published, leave
    stopped
        -
    ");
}

#[test]
fn what_comes_before_the_work_is_taken_up_ends_it() {
    let cancelled = "
        cancel
        claimed
    ";
    let drained = "
        ingested 100
        retry
        drain
        claimed
    ";
    let condemned = "
        failed ingest later
        claimed
    ";
    insta::assert_snapshot!(play(samples::train(), cancelled), @r"
    cancel
        save cancelled, release, sweep, tell cancelled, leave
    claimed
        -
    ");
    insta::assert_snapshot!(play(samples::train(), drained), @r"
    ingested 100
        -
    retry
        -
    drain
        save accepted, tell interrupted, release, leave
    claimed
        -
    ");
    insta::assert_snapshot!(play(samples::train(), condemned), @r"
    failed ingest later
        save failed, release, sweep, tell failed DEV-0001 in ingest, leave
    claimed
        -
    ");
}

#[test]
fn whoever_is_overtaken_writes_nothing_more() {
    let working = "
        claimed
        overtaken
        stopped
        ingested 100
        retry
        save failed
    ";
    let waiting = "
        claimed
        failed ingest later
        overtaken
        retry
    ";
    let unclaimed = "
        overtaken
        claimed
    ";
    let ending = "
        claimed
        failed ingest never
        overtaken
        overtaken
    ";
    insta::assert_snapshot!(play(samples::train(), working), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    overtaken
        stop work, tell interrupted, leave
    stopped
        -
    ingested 100
        -
    retry
        -
    save failed
        -
    ");
    insta::assert_snapshot!(play(samples::train(), waiting), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest later
        save ingest, tell trying again in 5000, retry after 5000
    overtaken
        tell interrupted, leave
    retry
        -
    ");
    insta::assert_snapshot!(play(samples::train(), unclaimed), @r"
    overtaken
        tell interrupted, leave
    claimed
        -
    ");
    insta::assert_snapshot!(play(samples::train(), ending), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest never
        save failed, release, sweep, tell failed DATA-0003 in ingest, leave
    overtaken
        tell interrupted, leave
    overtaken
        -
    ");
}

#[test]
fn a_save_that_fails_makes_the_supervisor_give_up() {
    let working = "
        claimed
        save failed
        ingested 100
        save failed
    ";
    let handing_over = "
        claimed
        failed ingest mended
        save failed
        save failed
    ";
    let ending = "
        claimed
        failed ingest never
        save failed
    ";
    insta::assert_snapshot!(play(samples::train(), working), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    save failed
        stop work, tell suspended by STORE-0003, tell interrupted, leave
    ingested 100
        -
    save failed
        -
    ");
    insta::assert_snapshot!(play(samples::train(), handing_over), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest mended
        tell suspended by STORE-0003, save ingest, tell interrupted, release, leave
    save failed
        tell suspended by STORE-0003, tell interrupted, release, leave
    save failed
        -
    ");
    insta::assert_snapshot!(play(samples::train(), ending), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    failed ingest never
        save failed, release, sweep, tell failed DATA-0003 in ingest, leave
    save failed
        tell suspended by STORE-0003, tell interrupted, release, leave
    ");
}

#[test]
fn events_that_come_twice_or_out_of_place_change_nothing() {
    let script = "
        ingested 100
        stopped
        retry
        claimed
        claimed
        retry
        profiled
        delivered
        sealed 0
        checkpoint 10 1
        failed train never
        ingested 100
        ingested 101
        failed ingest never
        profiled
        profiled
        planned 50
        planned 60
        checkpoint 20 1
        checkpoint 20 1
        checkpoint 10 1
        trained
        trained
        checkpoint 40 1
    ";
    insta::assert_snapshot!(play(samples::synthesize(25_000), script), @r"
    ingested 100
        -
    stopped
        -
    retry
        -
    claimed
        save ingest, tell ingest began, begin ingest
    claimed
        -
    retry
        -
    profiled
        -
    delivered
        -
    sealed 0
        -
    checkpoint 10 1
        -
    failed train never
        -
    ingested 100
        save profile, tell profile began, begin profile
    ingested 101
        -
    failed ingest never
        -
    profiled
        save train, tell train began, begin plan
    profiled
        -
    planned 50
        save train, tell plan: 50 steps, begin train 50
    planned 60
        -
    checkpoint 20 1
        save train
    checkpoint 20 1
        -
    checkpoint 10 1
        -
    trained
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    trained
        -
    checkpoint 40 1
        -
    ");
}

#[test]
fn chunks_that_come_during_a_back_off_count() {
    let script = "
        claimed
        adopted
        sealed 0
        sealed 0
        failed sample later
        sealed 1
        retry
        sealed 2
    ";
    let finished_while_waiting = "
        claimed
        adopted
        sealed 0
        failed sample later
        sealed 1
        sealed 2
        retry
    ";
    insta::assert_snapshot!(play(samples::generate(Some(25_000)), script), @r"
    claimed
        save train, tell train began, begin adoptmodel
    adopted
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    sealed 0
        -
    sealed 0
        -
    failed sample later
        save sample, tell trying again in 5000, retry after 5000
    sealed 1
        -
    retry
        save sample, tell sample began again, begin sample [2:5000]
    sealed 2
        save publish, tell publish began, begin publish
    ");
    let generate = samples::generate(Some(25_000));
    insta::assert_snapshot!(play(generate, finished_while_waiting), @r"
    claimed
        save train, tell train began, begin adoptmodel
    adopted
        save sample, tell sample began, begin sample [0:10000 1:10000 2:5000]
    sealed 0
        -
    failed sample later
        save sample, tell trying again in 5000, retry after 5000
    sealed 1
        -
    sealed 2
        save publish, tell publish began, begin publish
    retry
        -
    ");
}

#[test]
fn work_that_stopped_unasked_is_begun_again() {
    let script = "
        claimed
        stopped
        ingested 100
    ";
    insta::assert_snapshot!(play(samples::train(), script), @r"
    claimed
        save ingest, tell ingest began, begin ingest
    stopped
        save ingest, tell ingest began again, begin ingest
    ingested 100
        save profile, tell profile began, begin profile
    ");
}

/// Drives a job to the given stage, forgets the supervisor, and claims the saved row again.
fn resume(request: JobRequest, before: &str, after: &str) -> String {
    let mut first = Job::new(samples::row(request));
    play_on(&mut first, before);
    let mut second = Job::new(first.row().clone());
    play_on(&mut second, after)
}

#[test]
fn a_claim_goes_on_where_the_row_says() {
    let trained_half = "claimed\ningested 100\nprofiled\nplanned 50\ncheckpoint 20 1";
    insta::assert_snapshot!(resume(samples::train(), trained_half, "claimed"), @r"
    claimed
        save train, tell train began again, begin train 50 from 20
    ");
    let request = samples::generate(Some(25_000));
    let sampled_half = "claimed\nadopted\nsealed 1";
    insta::assert_snapshot!(resume(request.clone(), sampled_half, "claimed 1"), @r"
    claimed 1
        save sample, tell sample began again, begin sample [0:10000 2:5000]
    ");
    insta::assert_snapshot!(resume(request.clone(), sampled_half, "claimed 0 1 2"), @r"
    claimed 0 1 2
        save publish, tell publish began, begin publish
    ");
    insta::assert_snapshot!(resume(request, sampled_half, "claimed"), @r"
    claimed
        save sample, tell sample began again, begin sample [0:10000 1:10000 2:5000]
    ");
}

#[test]
fn tries_that_failed_are_remembered_across_claims_but_not_across_a_drain() {
    let failed_twice = "claimed\nfailed ingest later\nretry\nfailed ingest later";
    let again = "claimed\nfailed ingest later\nretry\nfailed ingest later";
    insta::assert_snapshot!(resume(samples::train(), failed_twice, again), @r"
    claimed
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save ingest, tell trying again in 20000, retry after 20000
    retry
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save failed, release, sweep, tell failed DEV-0001 in ingest, leave
    ");
    let drained = format!("{failed_twice}\ndrain");
    insta::assert_snapshot!(resume(samples::train(), &drained, again), @r"
    claimed
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save ingest, tell trying again in 5000, retry after 5000
    retry
        save ingest, tell ingest began again, begin ingest
    failed ingest later
        save ingest, tell trying again in 10000, retry after 10000
    ");
}

#[test]
fn a_job_that_ended_is_swept_again_by_whoever_claims_it() {
    let ended = "claimed\nfailed ingest never";
    insta::assert_snapshot!(resume(samples::train(), ended, "cancel\nclaimed\nclaimed"), @r"
    cancel
        -
    claimed
        release, sweep, leave
    claimed
        -
    ");
}

#[test]
fn rows_that_only_the_source_could_tell_are_checked() {
    let most = ROWS_PER_REQUEST_MAX;
    let as_many = samples::synthesize_as_many;
    let cases = [(1, "profile"), (most, "profile"), (most + 1, "failed"), (0, "failed")];
    for (rows, state) in cases {
        let mut job = Job::new(samples::row(as_many()));
        play_on(&mut job, &format!("claimed\ningested {rows}"));
        assert_eq!(job.row().state.to_string(), state, "{rows} rows");
    }
    let script = "
        claimed
        adopted
    ";
    insta::assert_snapshot!(play(samples::generate(None), script), @r"
    claimed
        save train, tell train began, begin adoptmodel
    adopted
        save failed, release, sweep, tell failed USE-0002 in sample, leave
    ");
}

#[test]
fn a_chunk_of_another_partition_breaks_job_1_and_stops_the_job() {
    let mut job = Job::new(samples::row(samples::generate(Some(15_000))));
    let mut transcript = String::new();
    let broken = caught(|| {
        transcript = play_on(&mut job, "claimed\nadopted\nsealed 0\nsealed 1\nsealed 2");
    });
    assert_eq!(broken, [Invariant::Job1]);
    assert!(!job.row().done.sampled);
    assert_eq!(job.missing_chunks(), [(ChunkNo(1), Rows(5_000))]);
    insta::assert_snapshot!(transcript, @r"
    claimed
        save train, tell train began, begin adoptmodel
    adopted
        save sample, tell sample began, begin sample [0:10000 1:5000]
    sealed 0
        -
    sealed 1
        stop work, tell suspended by TGS-0001, tell interrupted, leave
    sealed 2
        -
    ");
}

#[test]
fn another_digest_for_a_sealed_chunk_breaks_chunk_1_and_stops_the_job() {
    let mut job = Job::new(samples::row(samples::generate(Some(25_000))));
    play_on(&mut job, "claimed\nadopted\nsealed 0");
    let other = SealedChunk { digest: Digest::of(b"other"), ..chunk(0) };
    let mut actions = Vec::new();
    let broken = caught(|| actions = job.step(Timestamp(9), JobEvent::ChunkSealed(other)));
    assert_eq!(broken, [Invariant::Chunk1]);
    assert_eq!(job.sealed[&ChunkNo(0)], chunk(0));
    let told = actions.iter().find_map(|action| match action {
        JobAction::Tell(Tidings::Suspended(failure)) => Some(failure),
        _ => None,
    });
    let told = told.expect("it is told");
    assert_eq!(told.code, Code::Internal);
    assert!(told.message.starts_with("CHUNK-1 is broken (a chunk is sealed once"), "{told}");
    let saves = actions.iter().filter(|action| matches!(action, JobAction::Save(_)));
    assert_eq!(saves.count(), 0, "nothing is written: {actions:?}");
}

#[test]
fn the_timeline_keeps_its_beginning_and_its_newest_entries() {
    let mut row = samples::row(samples::train());
    for epoch in 0..2_000 {
        row.log(Timestamp(epoch), format!("claimed in epoch {epoch}"));
    }
    assert_eq!(row.timeline.len(), crate::limits::TIMELINE_ENTRIES_MAX);
    assert_eq!(row.timeline[0].what, "accepted");
    assert_eq!(row.timeline.last().map(|entry| entry.what.as_str()), Some("claimed in epoch 1999"));
}

#[test]
fn training_without_memory_goes_on_with_half_the_threads_until_one_is_left() {
    let request = JobRequest { threads: 4, ..samples::train() };
    let mut job = Job::new(samples::row(request));
    let until_training = "claimed\ningested 1000\nprofiled\nplanned 100\ncheckpoint 40 1";
    play_on(&mut job, until_training);
    for threads in [2, 1] {
        let told = play_on(&mut job, "failed train memory");
        let said = format!("tell notice: out of memory: training goes on with {threads} of 4");
        assert!(told.contains(&format!("save train, {said}")), "{told}");
        assert!(told.ends_with("tell train began again, begin train 100 from 40\n"), "{told}");
        assert_eq!(job.row().train_threads(1), threads);
    }
    let told = play_on(&mut job, "failed train memory");
    assert!(told.contains("retry after 5000"), "one thread: it is tried again as it is\n{told}");
    assert_eq!(job.row().failed_tries, 1);
}

#[test]
fn time_in_a_nodes_hands_is_counted_and_waiting_is_not() {
    let mut job = Job::new(samples::row(samples::train()));
    let claimed = |epoch| JobEvent::Claimed { epoch: Epoch(epoch), sealed: Vec::new() };
    job.step(Timestamp(100_000), claimed(1));
    job.step(Timestamp(103_000), event("ingested 1000"));
    assert_eq!(job.row().ran, Millis(3_000));
    let mut next = Job::new(job.row().clone());
    next.step(Timestamp(500_000), claimed(2));
    next.step(Timestamp(502_000), event("profiled"));
    assert_eq!(next.row().ran, Millis(5_000), "nobody had it in between");
    next.step(Timestamp(400_000), event("noticed x"));
    assert_eq!(next.row().ran, Millis(5_000), "a clock that is set back takes nothing away");
}

#[test]
fn a_program_is_run_and_what_it_left_is_delivered_also_where_it_failed() {
    insta::assert_snapshot!(play(samples::external(), "claimed\nran 0\ndelivered"), @r"
    claimed
        save run, tell run began, begin run
    ran 0
        save publish, tell publish began, begin publish
    delivered
        save published, release, sweep, tell published, leave
    ");
    insta::assert_snapshot!(play(samples::external(), "claimed\nran 3\ndelivered"), @r"
    claimed
        save run, tell run began, begin run
    ran 3
        save publish, tell publish began, begin publish
    delivered
        save failed, release, sweep, tell failed JOB-0006 in run, leave
    ");
}

#[test]
fn a_program_that_is_cancelled_leaves_nothing() {
    insta::assert_snapshot!(play(samples::external(), "claimed\nran 0\ncancel\nstopped"), @r"
    claimed
        save run, tell run began, begin run
    ran 0
        save publish, tell publish began, begin publish
    cancel
        stop work
    stopped
        save publish, take back, save cancelled, release, sweep, tell cancelled, leave
    ");
}
