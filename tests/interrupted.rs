//! Interrupted = undisturbed: killed anywhere, however often, a job ends with the same bytes.
//!
//! Real processes, real SIGKILL. `./dev test` kills a handful of times; `./dev soak` the full
//! number (TGS_SOAK_KILLS per model, and further tables by TGS_SOAK_TABLES). A failure prints the
//! kill points that repeat it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tgs_protocol::digest::Digest;
use tgs_tests::{
    killing::{Fate, KillPoint, run_and_ask_to_stop, run_and_kill},
    outputs::digests,
    program::{in_repository, run},
};

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

    fn undisturbed(&self) -> BTreeMap<PathBuf, Digest> {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let _ = run(&home, &self.synth(&out)).expect_status(0);
        digests(&out)
    }

    /// Kills at each moment in turn, resumes after each; gives what was released and how many
    /// kills came before the end.
    fn disturbed(&self, moments: &[KillPoint]) -> (BTreeMap<PathBuf, Digest>, usize) {
        let folder = TempDir::new().expect("a temporary folder");
        let (home, out) = rooms(&folder);
        let mut words = self.synth(&out);
        for (kills, moment) in moments.iter().enumerate() {
            match run_and_kill(&home, &words, moment) {
                Fate::Killed => {}
                Fate::Ended(finished) => {
                    let _ = finished.expect_status(0);
                    return (digests(&out), kills);
                }
            }
            words = self.after_a_kill(&home, &out);
        }
        let _ = run(&home, &words).expect_status(0);
        (digests(&out), moments.len())
    }

    /// `resume`, or `synth` again when the kill came before the job was accepted or after its end.
    fn after_a_kill(&self, home: &Path, out: &Path) -> Vec<String> {
        let dry = run(home, &["resume", "--list", "--json"]).expect_status(0);
        if dry.stdout.contains("\"job\"") { vec!["resume".to_owned()] } else { self.synth(out) }
    }
}

fn rooms(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (home, out) = (folder.path().join("home"), folder.path().join("out"));
    fs::create_dir(&out).expect("a fresh folder");
    (home, out)
}

fn moment(stage: &str, reports: usize, delay_ms: u64) -> KillPoint {
    KillPoint { stage: stage.to_owned(), reports, delay: Duration::from_millis(delay_ms) }
}

fn check(case: &Case, histories: &[Vec<KillPoint>]) {
    let wanted = case.undisturbed();
    assert!(wanted.len() >= 4, "table, report (2) and manifest: {wanted:?}");
    let mut landed = 0;
    for moments in histories {
        let (found, kills) = case.disturbed(moments);
        println!("{kills} of {} kills landed: {moments:?}", moments.len());
        assert_eq!(found, wanted, "killed at {moments:#?}\nwith {:?}", case.words);
        landed += kills;
    }
    // A kill may come after the end; a test in which most do would compare a run with itself.
    let asked: usize = histories.iter().map(Vec::len).sum();
    assert!(2 * landed > asked, "only {landed} of {asked} kills landed: choose earlier moments");
}

#[test]
fn seqtree_on_the_example() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--model", "seqtree", "-n", "25000", "--gates", "warn"]);
    check(
        &case,
        &[
            vec![moment("ingest", 0, 5)],
            vec![moment("train", 0, 30)],
            vec![moment("sample", 0, 15), moment("evaluate", 1, 100)],
            vec![moment("publish", 0, 10)],
        ],
    );
}

#[test]
fn tabgraph_on_the_example() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--steps", "150", "-n", "21000", "--gates", "warn"]);
    check(
        &case,
        &[
            vec![moment("train", 3, 40), moment("train", 6, 700)],
            vec![moment("sample", 1, 200), moment("evaluate", 0, 50)],
        ],
    );
}

#[test]
fn a_polite_stop_saves_and_goes_on_later() {
    let table = in_repository("examples/actg175.csv");
    let case = Case::new(&table, &["--steps", "150", "-n", "21000", "--gates", "warn"]);
    let wanted = case.undisturbed();
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

/// Going on with another table than the one that was asked for would be a lie.
#[test]
fn a_source_that_changed_is_not_gone_on_with() {
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = rooms(&folder);
    let table = folder.path().join("table.csv");
    fs::copy(in_repository("examples/actg175.csv"), &table).expect("a fresh folder");
    let case = Case::new(&table, &["--model", "seqtree", "--gates", "warn"]);
    let written = fs::metadata(&table).and_then(|facts| facts.modified()).expect("it is there");
    let fate = run_and_kill(&home, &case.synth(&out), &moment("ingest", 0, 0));
    assert!(matches!(fate, Fate::Killed), "choose an earlier moment: {fate:?}");
    let whole = fs::read(&table).expect("it is there");
    fs::write(&table, &whole[..whole.len() / 2]).expect("it is ours");
    let refused = run(&home, &["resume"]).expect_status(4).stderr;
    assert!(refused.contains("DATA-0011") && refused.contains("table.csv"), "{refused}");
    fs::write(&table, &whole).expect("it is ours");
    let file = fs::File::options().write(true).open(&table).expect("it is ours");
    file.set_modified(written).expect("it is ours");
    let _ = run(&home, &["resume"]).expect_status(0);
    assert_eq!(digests(&out), case.undisturbed());
}

#[test]
fn the_number_of_samplers_changes_nothing() {
    let table = in_repository("examples/actg175.csv");
    let with = |samplers| {
        let words =
            ["--model", "seqtree", "-n", "45000", "--gates", "warn", "--samplers", samplers];
        Case::new(&table, &words).undisturbed()
    };
    assert_eq!(with("1"), with("4"));
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
        assert!(matches!(fate, Fate::Killed), "choose an earlier moment: {fate:?}");
        // As if the kill had come in the midst of writing the table.
        fs::write(out.join(".synthetic.csv.tgs-part"), "age,wt").expect("a fresh folder");
        let said = run(&home, &["resume", "--cancel"]).expect_status(0).stdout;
        assert!(said.contains("cancelled"), "{said}");
        let jobs = fs::read_dir(home.join("jobs")).expect("the folder of jobs stays");
        assert_eq!(jobs.count(), 0, "killed in {stage}");
        assert_eq!(digests(&out), BTreeMap::new(), "killed in {stage}");
        let _ = run(&home, &["resume"]).expect_status(2);
    }
}

/// The full number of kills, at random moments: `./dev soak`.
#[test]
#[ignore = "takes an hour; ./dev soak runs it"]
fn soak() {
    let kills: u64 = env::var("TGS_SOAK_KILLS").map_or(20, |text| text.parse().expect("a number"));
    let seed: u64 = env::var("TGS_SOAK_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut tables = vec![in_repository("examples/actg175.csv")];
    tables.extend(env::var("TGS_SOAK_TABLES").iter().flat_map(|all| env::split_paths(all)));
    for table in &tables {
        for words in
            [&["--model", "seqtree", "--gates", "warn"][..], &["--steps", "300", "--gates", "warn"]]
        {
            let case = Case::new(table, words);
            let histories: Vec<_> = (0..kills).map(|kill| at_random(seed, kill)).collect();
            check(&case, &histories);
            println!("{} {words:?}: {kills} histories, the same bytes", table.display());
        }
    }
}

/// One or two kills in random stages after random times; a function of (seed, number).
fn at_random(seed: u64, number: u64) -> Vec<KillPoint> {
    let draw = |what: &str, below: u64| {
        let digest = Digest::of(format!("{seed}/{number}/{what}").as_bytes());
        let bytes: [u8; 8] = digest.as_bytes()[..8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes) % below
    };
    const STAGES: [&str; 6] = ["ingest", "profile", "train", "sample", "evaluate", "publish"];
    let kills = 1 + draw("kills", 2);
    let mut moments: Vec<(u64, KillPoint)> = (0..kills)
        .map(|kill| {
            let stage = draw(&format!("stage {kill}"), STAGES.len() as u64);
            let reports = usize::try_from(draw(&format!("reports {kill}"), 8)).unwrap_or(0);
            let delay = draw(&format!("delay {kill}"), 1200);
            (stage, moment(STAGES[usize::try_from(stage).unwrap_or(0)], reports, delay))
        })
        .collect();
    moments.sort_by_key(|(stage, _)| *stage);
    moments.into_iter().map(|(_, moment)| moment).collect()
}
