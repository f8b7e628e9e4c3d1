//! Bad input through the real program: one clear error with its code, the documented exit status,
//! nothing half done left behind, no panic.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tgs_protocol::code::Code;
use tgs_tests::{
    outputs::names_at_home,
    program::{Finished, in_repository, run, tgs},
    small_disk::SmallDisk,
    tables::numbers,
};

/// Runs `synth` over a file of this name and content and expects this code and these words.
fn check(name: &str, content: &[u8], more: &[&str], code: Code, says: &[&str]) {
    let folder = TempDir::new().expect("a temporary folder");
    let table = folder.path().join(name);
    fs::write(&table, content).expect("a fresh folder");
    check_table(&folder, &table, more, code, says);
}

fn check_table(folder: &TempDir, table: &Path, more: &[&str], code: Code, says: &[&str]) {
    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a fresh folder");
    let (table, target) = (table.display().to_string(), out.join("s.csv").display().to_string());
    let mut words = vec!["synth", &table, "-o", &target, "--model", "seqtree"];
    words.extend(more);
    let found = run(&folder.path().join("home"), &words);
    let found = found.expect_status(i32::from(code.exit_status()));
    assert!(found.stderr.contains(code.as_str()), "{code} in\n{}", found.stderr);
    for word in says {
        assert!(found.stderr.contains(word), "`{word}` in\n{}", found.stderr);
    }
    let left: Vec<_> = fs::read_dir(&out).expect("our folder").collect();
    assert!(left.is_empty(), "half done: {left:?}");
}

const GOOD: &[u8] =
    b"a,b\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n7,x\n8,y\n9,x\n10,y\n11,x\n12,y\n13,x\n14,y\n";

#[test]
fn sources_that_cannot_be_read() {
    for (name, content, code, says) in [
        ("empty.csv", &b""[..], Code::EmptySource, &["empty.csv"][..]),
        ("header.csv", b"a,b\n", Code::EmptySource, &["header.csv"]),
        ("ragged.csv", b"a,b\n1,2\n3,4,5\n", Code::RaggedRow, &["line 3"]),
        ("twice.csv", b"a,a\n1,2\n", Code::BadHeader, &["\"a\""]),
        ("unnamed.csv", b"a,,c\n1,2,3\n", Code::BadHeader, &["column 2"]),
        (
            "archive.csv",
            b"PK\x03\x04\x14\x00\x00\x00\x08\x00abc",
            Code::CorruptSource,
            &["archive.csv"],
        ),
    ] {
        check(name, content, &[], code, says);
    }
}

/// A real file, cut in the midst of its columns.
#[test]
fn a_parquet_file_cut_in_half() {
    let folder = TempDir::new().expect("a temporary folder");
    let (table, whole) = (folder.path().join("good.csv"), folder.path().join("whole.parquet"));
    fs::write(&table, GOOD.repeat(3)).expect("a fresh folder");
    let (table, whole) = (table.display().to_string(), whole.display().to_string());
    let words = ["synth", &table, "-o", &whole, "-n", "500", "--model", "seqtree"];
    let words = [&words[..], &["--gates", "warn"]].concat();
    let _ = run(&folder.path().join("home"), &words).expect_status(0);
    let bytes = fs::read(&whole).expect("it was published");
    let half = &bytes[..bytes.len() / 2];
    check("half.parquet", half, &[], Code::CorruptSource, &["half.parquet"]);
}

#[test]
fn requests_that_ask_for_the_impossible() {
    for (more, code, says) in [
        (&["-n", "0"][..], Code::RowsOutOfRange, &["cannot make 0 rows"][..]),
        (&["-n", "1000000000"], Code::RowsOutOfRange, &["100000000"]),
        (&["--budget", "soon"], Code::BadRequest, &["soon"]),
        (&["--threads", "0"], Code::BadRequest, &["threads"]),
        (&["--set", "min_leaf=-1"], Code::UnknownConstant, &["min_leaf"]),
        (&["--set", "leaves=7"], Code::UnknownConstant, &["leaves"]),
        (&["--metadata", "/nowhere.json"], Code::BadMetadata, &["/nowhere.json", "the name"]),
        (&["--holdout", "/nowhere.csv"], Code::SourceUnreadable, &["/nowhere.csv"]),
    ] {
        check("good.csv", GOOD, more, code, says);
    }
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let folder = TempDir::new().expect("a temporary folder");
    let (file, out) = (folder.path().join("names.csv"), folder.path().join("x.csv"));
    fs::write(&file, GOOD).expect("a fresh folder");
    let (file, out) = (file.display().to_string(), out.display().to_string());
    let found = run(&folder.path().join("home"), &["generate", &file, "-n", "5", "-o", &out]);
    let found = found.expect_status(i32::from(Code::ModelUnreadable.exit_status()));
    for said in [Code::ModelUnreadable.as_str(), file.as_str()] {
        assert!(found.stderr.contains(said), "{said} in\n{}", found.stderr);
    }
}

#[test]
fn metadata_that_does_not_fit() {
    for (metadata, code, says) in [
        (r#"{"columns": {"c": "integer"}}"#, Code::BadMetadata, &["\"c\""][..]),
        (r#"{"columns": {"b": "integer"}}"#, Code::BadCell, &["line 2", "x"]),
        (r#"{"columns": {"a": "colour"}}"#, Code::BadMetadata, &[]),
        ("{", Code::BadMetadata, &[]),
    ] {
        let folder = TempDir::new().expect("a temporary folder");
        let (file, table) = (folder.path().join("m.json"), folder.path().join("good.csv"));
        fs::write(&file, metadata).expect("a fresh folder");
        fs::write(&table, GOOD).expect("a fresh folder");
        let file = file.display().to_string();
        check_table(&folder, &table, &["--metadata", &file], code, says);
    }
}

#[test]
fn tables_that_look_hopeless_but_work_or_say_why() {
    let column = |cell: &dyn Fn(usize) -> String| -> String {
        (0..200).map(|row| format!("{}\n", cell(row))).collect()
    };
    let constant = format!("a,b\n{}", column(&|row| format!("{},k", row * row)));
    let missing = format!("a,b\n{}", column(&|row| format!("{},", row * row)));
    let categories = format!("a,b\n{}", column(&|row| format!("x{},y{}", row % 3, row % 5)));
    let numbers = format!("a,b\n{}", column(&|row| format!("{},{}", row % 37, row * 7 % 101)));
    let mixed = format!(
        "a,b\n{}",
        column(&|row| match row % 3 {
            0 => format!("about {},{}", row % 7, row % 5),
            _ => format!("{},{}", row * 13 % 97, row % 5),
        })
    );
    let many: String = (0..12_000).map(|row| format!("c{},{}\n", row % 10_000, row % 41)).collect();
    let many = format!("a,b\n{many}");
    for (name, content) in [
        ("constant.csv", constant),
        ("missing.csv", missing),
        ("categories.csv", categories),
        ("numbers.csv", numbers),
        ("mixed.csv", mixed),
        ("many.csv", many),
    ] {
        let folder = TempDir::new().expect("a temporary folder");
        let (table, out) = (folder.path().join(name), folder.path().join("s.csv"));
        fs::write(&table, content).expect("a fresh folder");
        for model in [&["--model", "seqtree"][..], &["--steps", "5"]] {
            let (table, out) = (table.display().to_string(), out.display().to_string());
            let mut words = vec!["synth", &table, "-o", &out, "-n", "150", "--gates", "warn"];
            words.extend(model);
            let _ = run(&folder.path().join("home"), &words).expect_status(0);
            let text = fs::read_to_string(&out).expect("it was published");
            assert_eq!(text.lines().count(), 151, "{name} {model:?}: header and 150 rows");
        }
    }
}

#[test]
fn one_row_is_too_few_to_learn_from() {
    check("one.csv", b"a,b\n1,x\n", &[], Code::TooFewRows, &["1"]);
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_the_work() {
    let folder = TempDir::new().expect("a temporary folder");
    let table = in_repository("examples/actg175.csv").display().to_string();
    let words = ["synth", &table, "-o", "/proc/nowhere/s.csv", "--model", "seqtree"];
    let found = run(&folder.path().join("home"), &words);
    let status = i32::from(Code::CannotWrite.exit_status());
    assert!(found.expect_status(status).stderr.contains("/proc/nowhere/s.csv"));
}

/// Full where the data folder is: the job waits, nothing half done lies about, and once there is
/// room it goes on.
#[test]
fn a_full_disk_suspends_and_is_gone_on_from() {
    let Some(disk) = SmallDisk::of_kibibytes(1_700) else { return };
    let (home, out) = (disk.path().join("home"), TempDir::new().expect("a temporary folder"));
    let table = in_repository("examples/actg175.csv").display().to_string();
    let target = out.path().join("s.csv").display().to_string();
    let words = ["synth", &table, "-o", &target, "--model", "seqtree", "--gates", "warn"];
    let found = run(&home, &words).expect_status(i32::from(Code::DiskFull.exit_status()));
    assert!(found.stderr.contains("STORE-0003"), "{}", found.stderr);
    let kept = names_at_home(&home);
    assert!(!kept.iter().any(|name| name.contains("staging/")), "half done: {kept:?}");
    disk.grow_to_kibibytes(100_000);
    let words = if found.stderr.contains("tgs resume") { vec!["resume"] } else { words.to_vec() };
    let _ = run(&home, &words).expect_status(0);
    assert!(Path::new(&target).is_file());
}

/// Memory that really is too small for six threads and not for three: training goes on with three,
/// and the model has the bytes that it has anyway.
#[test]
fn training_that_runs_out_of_memory_goes_on_with_fewer_threads_to_the_same_bytes() {
    let folder = TempDir::new().expect("a temporary folder");
    let table = folder.path().join("t.csv");
    fs::write(&table, numbers(3_000)).expect("our own folder");
    let large = ["width=1024", "blocks=4", "expansion=2", "batch=1536", "evaluations=2"];
    let train = |limit: Option<u64>| {
        let model = folder.path().join("model.safetensors");
        let (table, out) = (table.display().to_string(), model.display().to_string());
        let mut words = vec!["train", &table, "-o", &out, "--model", "tabgraph", "--steps", "2"];
        words.extend(["--threads", "6", "--set", "calibration_rounds=1"]);
        words.extend(large.iter().flat_map(|constant| ["--set", constant]));
        let home = TempDir::new().expect("a temporary folder");
        let mut command = tgs(home.path(), &words);
        if let Some(limit) = limit {
            command = with_address_space(&command, limit);
        }
        let mut child = command.spawn().expect("the binary was built");
        let mut peak = 0;
        while child.try_wait().expect("our own child").is_none() {
            peak = address_space(child.id()).map_or(peak, |now| peak.max(now));
            thread::sleep(Duration::from_millis(5));
        }
        let found = Finished::from(child.wait_with_output().expect("our own child"));
        (found, peak, fs::read(&model).unwrap_or_default())
    };
    let (found, mut peak, undisturbed) = train(None);
    let _ = found.expect_status(0);
    assert!(peak > 1 << 30, "{peak} bytes of addresses were seen");
    // Each thread holds a gradient of 64 MiB, beside what it computes it from. They need not all do
    // so at the same moment, so a run may get by with less than the one before; then less it is.
    for _ in 0..5 {
        let (found, needed, bytes) = train(Some(peak - (64 << 20)));
        let found = found.expect_status(0);
        assert!(bytes == undisturbed, "less memory than {peak} changed the model");
        if found.stderr.contains("out of memory: training goes on with") {
            return;
        }
        peak = needed.min(peak - (64 << 20));
    }
    panic!("six threads got by with {peak} bytes as well");
}

/// The same command with at most so many bytes of addresses.
fn with_address_space(command: &Command, bytes: u64) -> Command {
    let mut limited = Command::new("sh");
    let script = "ulimit -v $0 && exec \"$@\"";
    limited.args(["-c", script, &(bytes >> 10).to_string()]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    limited
}

/// The most that a process has had, in bytes.
fn address_space(process: u32) -> Option<u64> {
    let facts = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = facts.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[test]
fn a_damaged_store_says_so() {
    let folder = TempDir::new().expect("a temporary folder");
    let home = folder.path().join("home");
    let out = folder.path().join("s.csv").display().to_string();
    let table = in_repository("examples/actg175.csv").display().to_string();
    let words = ["synth", &table, "-o", &out, "--model", "seqtree", "--gates", "warn"];
    let _ = run(&home, &words).expect_status(0);
    let store = home.join("store.redb");
    let mut bytes = fs::read(&store).expect("the store is there");
    bytes.iter_mut().skip(100).step_by(37).for_each(|byte| *byte ^= 0x5a);
    fs::write(&store, bytes).expect("our own folder");
    let found = run(&home, &["resume"]);
    let found = found.expect_status(i32::from(Code::StoreCorrupt.exit_status()));
    assert!(found.stderr.contains(Code::StoreCorrupt.as_str()), "{}", found.stderr);
}

#[test]
fn two_processes_on_one_data_folder() {
    use std::io::{BufRead, BufReader};
    let folder = TempDir::new().expect("a temporary folder");
    let (home, out) = (folder.path().join("home"), folder.path().join("s.csv"));
    let table = in_repository("examples/actg175.csv").display().to_string();
    let out = out.display().to_string();
    let words = ["synth", &table, "-o", &out, "--steps", "100000", "--json"];
    let mut first = tgs_tests::program::tgs(&home, &words).spawn().expect("the binary was built");
    let mut line = String::new();
    let mut stdout = BufReader::new(first.stdout.take().expect("stdout is piped"));
    stdout.read_line(&mut line).expect("it says that the job was accepted");
    let second = run(&home, &["resume"]);
    first.kill().expect("our own child");
    first.wait().expect("our own child");
    let status = i32::from(Code::DataFolderInUse.exit_status());
    let second = second.expect_status(status);
    assert!(second.stderr.contains(&first.id().to_string()), "the pid in\n{}", second.stderr);
}
