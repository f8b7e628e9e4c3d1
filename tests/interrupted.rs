//! Interrupted = undisturbed: killed anywhere, however often, a job ends with the same bytes.
//!
//! Real processes, real SIGKILL. `./dev test` kills a handful of times; `./dev soak` the full
//! number (TGS_SOAK_KILLS per model, and further tables by TGS_SOAK_TABLES). A failure prints the
//! kill points that repeat it.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tempfile::TempDir;
use tgs_protocol::digest::Digest;
use tgs_tests::{
    killing::{Fate, KillPoint, run_and_ask, run_and_ask_to_stop, run_and_kill, run_and_time},
    outputs::{digests, names_at_home},
    program::{in_repository, run, tgs},
};

/// When tables that will be spoilt were written.
const WRITTEN: SystemTime = SystemTime::UNIX_EPOCH;

/// One job that is killed again and again.
struct Case {
    table: PathBuf,
    words: Vec<String>,
}

impl Case {
    fn new(table: &Path, words: &[&str]) -> Self {
        Self { table: table.to_owned(), words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    fn synth(&self, out: &Path) -> Vec<String> {
        let mut words = vec!["synth".to_owned(), self.table.display().to_string()];
        words.extend(["-o".to_owned(), out.join("synthetic.csv").display().to_string()]);
        words.extend(self.words.iter().cloned());
        words
    }

    fn undisturbed(&self) -> Wanted {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let (finished, lengths) = run_and_time(&home, &self.synth(&out));
        let _ = finished.expect_status(0);
        Wanted { released: digests(&out), kept: names_at_home(&home), lengths }
    }

    /// Kills at each moment in turn, resumes after each; gives what was released and kept, and in
    /// which stages the kills came before the end.
    fn disturbed(&self, moments: &[KillPoint]) -> (Wanted, Vec<String>) {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let mut words = self.synth(&out);
        let mut stages = Vec::new();
        let found = || Wanted {
            released: digests(&out),
            kept: names_at_home(&home),
            lengths: BTreeMap::new(),
        };
        for moment in moments {
            match run_and_kill(&home, &words, moment) {
                Fate::Killed { stage } => stages.extend(stage),
                Fate::Ended(finished) => {
                    let _ = finished.expect_status(0);
                    return (found(), stages);
                }
            }
            words = self.after_a_kill(&home, &out);
        }
        let _ = run(&home, &words).expect_status(0);
        (found(), stages)
    }

    /// `resume`, or `synth` again when the kill came before the job was accepted or after its end.
    fn after_a_kill(&self, home: &Path, out: &Path) -> Vec<String> {
        let dry = run(home, &["resume", "--list", "--json"]).expect_status(0);
        if !dry.stdout.contains("\"job\"") {
            return self.synth(out);
        }
        let samplers = self.words.iter().position(|word| word == "--samplers");
        let samplers = samplers.map_or(&[][..], |at| &self.words[at..at + 2]);
        [&["resume".to_owned()], samplers].concat()
    }
}

/// What an undisturbed run leaves.
struct Wanted {
    /// Digests of everything that was asked for.
    released: BTreeMap<PathBuf, Digest>,
    /// Names of everything in the data folder: nothing private may outlive a job.
    kept: BTreeSet<String>,
    /// How long each stage takes.
    lengths: BTreeMap<String, Duration>,
}

fn rooms(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (home, out) = (folder.path().join("home"), folder.path().join("out"));
    fs::create_dir(&out).expect("a fresh folder");
    (home, out)
}

fn moment(stage: &str, reports: usize, delay_ms: u64) -> KillPoint {
    KillPoint { stage: stage.to_owned(), reports, delay: Duration::from_millis(delay_ms) }
}

/// Gives how many kills landed in each stage.
fn check(case: &Case, wanted: &Wanted, histories: &[Vec<KillPoint>]) -> BTreeMap<String, usize> {
    let released = &wanted.released;
    assert!(released.len() >= 4, "table, report (2) and manifest: {released:?}");
    let mut landed: BTreeMap<String, usize> = BTreeMap::new();
    for moments in histories {
        let (found, stages) = case.disturbed(moments);
        println!("{stages:?} landed of {moments:?}");
        assert_eq!(&found.released, released, "killed at {moments:#?}\nwith {:?}", case.words);
        assert_eq!(found.kept, wanted.kept, "killed at {moments:#?}\nwith {:?}", case.words);
        for stage in stages {
            *landed.entry(stage).or_default() += 1;
        }
    }
    // A kill may come after the end; a test in which most do would compare a run with itself.
    let asked: usize = histories.iter().map(Vec::len).sum();
    let kills: usize = landed.values().sum();
    assert!(2 * kills > asked, "only {kills} of {asked} kills landed: choose earlier moments");
    landed
}

#[test]
fn seqtree_on_the_example() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--model", "seqtree", "-n", "25000", "--gates", "warn"]);
    check(
        &case,
        &case.undisturbed(),
        &[
            vec![moment("ingest", 0, 5)],
            vec![moment("train", 0, 30)],
            vec![moment("sample", 0, 15), moment("evaluate", 1, 100)],
            vec![moment("publish", 0, 10)],
        ],
    );
}

#[test]
fn nets_on_the_example() {
    let table = in_repository("examples/actg175.csv");
    for (model, steps) in [("tabgraph", "150"), ("autoregressive", "80"), ("auto", "40")] {
        let words = ["--model", model, "--steps", steps, "-n", "21000", "--gates", "warn"];
        let case = Case::new(&table, &words);
        check(
            &case,
            &case.undisturbed(),
            &[
                vec![moment("train", 3, 40), moment("train", 6, 700)],
                vec![moment("sample", 1, 200), moment("evaluate", 0, 50)],
            ],
        );
    }
}

#[test]
fn a_polite_stop_saves_and_goes_on_later() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--steps", "150", "-n", "21000", "--gates", "warn"]);
    let wanted = case.undisturbed().released;
    for (signal, moment) in [("TERM", moment("train", 3, 40)), ("INT", moment("sample", 1, 50))] {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let stopped = run_and_ask_to_stop(&home, &case.synth(&out), &moment, signal);
        let said = stopped.expect_status(130).stdout;
        assert!(said.contains("JOB-0004") && said.contains("tgs resume"), "{said}");
        assert_eq!(digests(&out), BTreeMap::new(), "nothing stands there before the end");
        let _ = run(&home, &["resume"]).expect_status(0);
        assert_eq!(digests(&out), wanted, "stopped by {signal}");
    }
}

/// Flips one bit in the middle of every file below a folder whose name ends so; gives their bytes
/// as they were.
fn damage(folder: &Path, ending: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = digests(folder).into_keys().map(|name| folder.join(name));
    let ours = files.filter(|path| path.to_string_lossy().ends_with(ending));
    let flip = |path: PathBuf| {
        let whole = fs::read(&path).expect("it is there");
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&path, damaged).expect("it is ours");
        (path, whole)
    };
    ours.map(flip).collect()
}

#[test]
fn a_damaged_checkpoint_costs_time_and_no_byte() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--steps", "150", "--gates", "warn"]);
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = rooms(&folder);
    let moment = moment("train", 3, 40);
    let _ = run_and_ask_to_stop(&home, &case.synth(&out), &moment, "TERM").expect_status(130);
    assert_eq!(damage(&home.join("jobs"), ".ckpt").len(), 1);
    let said = run(&home, &["resume"]).expect_status(0).stderr;
    assert!(said.contains("is damaged; training goes on from step 0"), "{said}");
    assert_eq!(digests(&out), case.undisturbed().released);
}

/// A model with one other bit would still open, and make other rows.
#[test]
fn a_damaged_model_is_told_and_once_restored_gone_on_from() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--model", "seqtree", "-n", "25000", "--gates", "warn"]);
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = rooms(&folder);
    let fate = run_and_kill(&home, &case.synth(&out), &moment("sample", 0, 0));
    assert!(matches!(fate, Fate::Killed { .. }), "choose an earlier moment: {fate:?}");
    let damaged = damage(&home.join("jobs"), "model/model.safetensors");
    assert_eq!(damaged.len(), 1);
    let said = run(&home, &["resume"]).expect_status(5).stderr;
    assert!(said.contains("STORE-0002") && said.contains("model.safetensors"), "{said}");
    assert_eq!(digests(&out), BTreeMap::new());
    for (path, whole) in damaged {
        fs::write(path, whole).expect("it is ours");
    }
    let _ = run(&home, &["resume"]).expect_status(0);
    assert_eq!(digests(&out), case.undisturbed().released);
}

/// A job that is suspended while it delivers: its report stands there already, and the table finds
/// a folder in its place.
fn suspended_while_delivering(case: &Case, folder: &TempDir) -> (PathBuf, PathBuf) {
    let (home, out) = rooms(folder);
    let fate = run_and_kill(&home, &case.synth(&out), &moment("sample", 0, 0));
    assert!(matches!(fate, Fate::Killed { .. }), "choose an earlier moment: {fate:?}");
    fs::create_dir(out.join("synthetic.csv")).expect("a fresh folder");
    let said = run(&home, &["resume"]).expect_status(5).stderr;
    assert!(said.contains("STORE-0004"), "{said}");
    (home, out)
}

/// A table that cannot be put where it was asked for: cancelled, nothing of it stays.
#[test]
fn a_cancel_takes_back_what_was_delivered() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--model", "seqtree", "--gates", "warn"]);
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = suspended_while_delivering(&case, &folder);
    assert_eq!(digests(&out).len(), 3, "report (2) and manifest");
    let _ = run(&home, &["resume", "--cancel"]).expect_status(0);
    assert_eq!(digests(&out), BTreeMap::new());
    let left = fs::read_dir(&out).expect("it was there before").count();
    assert_eq!(left, 1, "only the folder in the table's place");
}

/// The same command again, because the first run waits: tidying up the first must not remove what
/// the second has released, though the bytes are the same.
#[test]
fn a_cancel_leaves_what_another_run_released() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--model", "seqtree", "--gates", "warn"]);
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = suspended_while_delivering(&case, &folder);
    fs::remove_dir(out.join("synthetic.csv")).expect("it is empty");
    let words = case.synth(&out);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _ = run(&home, &words).expect_status(0);
    let released = digests(&out);
    assert_eq!(released, case.undisturbed().released);
    let _ = run(&home, &["resume", "--cancel"]).expect_status(0);
    assert_eq!(digests(&out), released);
}

/// A drive that is not mounted yet must not cost the job.
#[test]
fn a_source_that_is_gone_is_waited_for() {
    let aside = |table: &Path| table.with_file_name("aside.csv");
    let spoil = |table: &Path| fs::rename(table, aside(table)).expect("it is ours");
    let (_folder, [home, out], case) = killed_while_it_reads(spoil);
    fs::rename(aside(&case.table), &case.table).expect("it is ours");
    let _ = run(&home, &["resume"]).expect_status(0);
    assert_eq!(digests(&out), case.undisturbed().released);
}

/// Going on with another table than the one that was asked for would be a lie.
#[test]
fn a_source_that_changed_is_not_gone_on_with() {
    let example = fs::read(in_repository("examples/actg175.csv")).expect("it is there");
    let half = |table: &Path| fs::write(table, &example[..example.len() / 2]).expect("it is ours");
    let (_folder, [home, out], case) = killed_while_it_reads(half);
    fs::write(&case.table, &example).expect("it is ours");
    let file = fs::File::options().write(true).open(&case.table).expect("it is ours");
    file.set_modified(WRITTEN).expect("it is ours");
    let _ = run(&home, &["resume"]).expect_status(0);
    assert_eq!(digests(&out), case.undisturbed().released);
}

/// A run on a copy of the example that is killed while it reads, and the copy spoilt then: it is
/// refused to go on. On a busy machine the kill may come too late, and another run is killed.
fn killed_while_it_reads(spoil: impl Fn(&Path)) -> (TempDir, [PathBuf; 2], Case) {
    for _ in 0..10 {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let table = folder.path().join("table.csv");
        fs::copy(in_repository("examples/actg175.csv"), &table).expect("a fresh folder");
        let file = fs::File::options().write(true).open(&table).expect("it is ours");
        file.set_modified(WRITTEN).expect("it is ours");
        let case = Case::new(&table, &["--model", "seqtree", "--gates", "warn"]);
        let fate = run_and_kill(&home, &case.synth(&out), &moment("ingest", 0, 0));
        assert!(matches!(fate, Fate::Killed { .. }), "choose an earlier moment: {fate:?}");
        spoil(&table);
        let ended = run(&home, &["resume"]);
        if ended.status != Some(0) {
            let refused = ended.expect_status(4).stderr;
            assert!(refused.contains("DATA-0011") && refused.contains("table.csv"), "{refused}");
            return (folder, [home, out], case);
        }
    }
    panic!("it had read the table each time");
}

#[test]
fn the_number_of_samplers_changes_nothing() {
    let table = in_repository("examples/actg175.csv");
    let with = |samplers| {
        let words =
            ["--model", "seqtree", "-n", "45000", "--gates", "warn", "--samplers", samplers];
        Case::new(&table, &words)
    };
    let wanted = with("1").undisturbed();
    assert_eq!(with("4").undisturbed().released, wanted.released);
    check(&with("4"), &wanted, &[vec![moment("sample", 1, 0)], vec![moment("sample", 0, 5)]]);
}

/// A terminal that is held, or a pipe that nobody reads, must not keep a process from stopping.
#[test]
fn a_stop_is_heard_though_nobody_reads() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--steps", "100000", "--gates", "warn"]);
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = rooms(&folder);
    let mut child =
        tgs(&home, &case.synth(&out)).arg("--json").spawn().expect("the binary can be started");
    let stdout = child.stdout.take().expect("stdout is piped");
    rustix::pipe::fcntl_setpipe_size(&stdout, 4_096).expect("a smaller pipe");
    // Ten progress reports a second fill it.
    let is_full = || rustix::io::ioctl_fionread(&stdout).expect("a pipe") > 3_500;
    within(60, "the pipe is never full", is_full);
    kill(&child, "TERM");
    within(60, "SIGTERM is not heard", || child.try_wait().expect("our own child").is_some());
    assert_eq!(child.wait().expect("our own child").code(), Some(130));
    let said = run(&home, &["resume", "--list", "--json"]).expect_status(0).stdout;
    assert!(said.contains("\"job\""), "{said}");
}

/// Threads are inside libtorch then; the status is the documented one all the same.
#[test]
fn a_second_signal_ends_at_once_with_its_status() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--steps", "100000", "--gates", "warn"]);
    for delay_ms in [0, 5, 20, 60, 120, 250] {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let ask_twice = |child: &mut Child| {
            kill(child, "INT");
            thread::sleep(Duration::from_millis(delay_ms));
            kill(child, "INT");
            Ok(())
        };
        let moment = moment("train", 2, 30);
        let finished = run_and_ask(&home, &case.synth(&out), &moment, ask_twice);
        assert_eq!(finished.status, Some(130), "{delay_ms} ms apart: {}", finished.stderr);
    }
}

fn kill(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let asked = Command::new("kill").args(["-s", signal, &id]).status();
    // It may have ended by itself in the meantime.
    assert!(asked.is_ok());
}

fn within(seconds: u64, problem: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !is_so() {
        assert!(Instant::now() < end, "{problem}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Who does not want to go on can be rid of it: nothing private stays behind.
#[test]
fn what_was_interrupted_can_be_ended_instead() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--model", "seqtree", "-n", "25000", "--gates", "warn"]);
    for stage in ["train", "publish"] {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let fate = run_and_kill(&home, &case.synth(&out), &moment(stage, 0, 0));
        assert!(matches!(fate, Fate::Killed { .. }), "choose an earlier moment: {fate:?}");
        let said = run(&home, &["resume", "--cancel"]).expect_status(0).stdout;
        assert!(said.contains("cancelled"), "{said}");
        let jobs = fs::read_dir(home.join("jobs")).expect("the folder of jobs stays");
        assert_eq!(jobs.count(), 0, "killed in {stage}");
        assert_eq!(digests(&out), BTreeMap::new(), "killed in {stage}");
        let _ = run(&home, &["resume"]).expect_status(2);
    }
}

/// The full number of kills, at random moments of every stage: `./dev soak`.
#[test]
#[ignore = "takes an hour; ./dev soak runs it"]
fn soak() {
    let kills: u64 = env::var("TGS_SOAK_KILLS").map_or(20, |text| text.parse().expect("a number"));
    let seed: u64 = env::var("TGS_SOAK_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut tables = vec![in_repository("examples/actg175.csv")];
    tables.extend(env::var("TGS_SOAK_TABLES").iter().flat_map(|all| env::split_paths(all)));
    for table in &tables {
        for words in [
            &["--model", "seqtree"][..],
            &["--steps", "300"],
            &["--model", "autoregressive", "--steps", "150"],
            &["--model", "ctgan", "--steps", "600"],
            &["--model", "tvae", "--steps", "600"],
            &["--model", "auto", "--steps", "100"],
            // The published width and sampler take hours for as many rows.
            &[
                "--model",
                "original",
                "--steps",
                "60",
                "--set",
                "width=64",
                "--set",
                "solver_steps=3",
            ],
        ] {
            let with = |samplers| {
                let more = ["-n", "60000", "--gates", "warn", "--samplers", samplers];
                Case::new(table, &[words, &more].concat())
            };
            let (one, four) = (with("1"), with("4"));
            let wanted = one.undisturbed();
            println!("{} {words:?}: {:?}", table.display(), wanted.lengths);
            let drawn = (0..kills).map(|number| at_random(seed, number, &wanted.lengths));
            let (even, odd): (Vec<_>, Vec<_>) =
                drawn.enumerate().partition(|(number, _)| number % 2 == 0);
            let histories = |all: Vec<(usize, _)>| all.into_iter().map(|(_, it)| it).collect();
            let mut landed = check(&one, &wanted, &histories(even) as &Vec<_>);
            for (stage, kills) in check(&four, &wanted, &histories(odd) as &Vec<_>) {
                *landed.entry(stage).or_default() += kills;
            }
            println!("{} {words:?}: {kills} histories, same bytes: {landed:?}", table.display());
            let missed = STAGES.iter().filter(|stage| !landed.contains_key(**stage));
            let missed: Vec<_> = missed.collect();
            assert!(missed.is_empty() || kills < 12, "no kill landed in {missed:?}: {landed:?}");
        }
    }
}

const STAGES: [&str; 6] = ["ingest", "profile", "train", "sample", "evaluate", "publish"];

/// One or two kills: the stages take turns at the first, and each comes somewhere within the time
/// that its stage takes. A function of (seed, number, lengths).
fn at_random(seed: u64, number: u64, lengths: &BTreeMap<String, Duration>) -> Vec<KillPoint> {
    let draw = |what: &str, below: u64| {
        let digest = Digest::of(format!("{seed}/{number}/{what}").as_bytes());
        let bytes: [u8; 8] = digest.as_bytes()[..8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes) % below
    };
    let first = usize::try_from(number).unwrap_or(0) % STAGES.len();
    let mut stages = vec![first];
    if draw("kills", 2) == 1 {
        let after = u64::try_from(STAGES.len() - first).unwrap_or(1);
        stages.push(first + usize::try_from(draw("second", after)).unwrap_or(0));
    }
    let at = |(kill, stage): (usize, usize)| {
        let length = lengths.get(STAGES[stage]).copied().unwrap_or_default();
        let delay = length.mul_f64(draw(&format!("share {kill}"), 1_000) as f64 / 1_000.0);
        KillPoint { stage: STAGES[stage].to_owned(), reports: 0, delay }
    };
    stages.into_iter().enumerate().map(at).collect()
}
