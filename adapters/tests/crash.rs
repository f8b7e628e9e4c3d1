//! Real processes, really killed: whatever the killed one said was done must be there, and whole.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tgs_adapters::{
    Embedded,
    conformance::sample::{chunk, claim, job, row},
    ports::Ports,
};
use tgs_protocol::{
    code::Code,
    store::{ArtifactName, Sealed, Written},
    unit::Steps,
};

/// Set for the process that is to be killed: its data folder.
const HOME: &str = "TGS_CRASH_TEST_HOME";
/// Set for it too: only hold the folder.
const HOLD: &str = "TGS_CRASH_TEST_HOLD";
const KILLS: u64 = 30;
const BYTES: usize = 40_000;

/// What the processes acknowledged: the last of each kind, and all chunks.
#[derive(Debug, Default)]
struct Heard {
    claim: u64,
    save: u64,
    chunks: Vec<u32>,
    checkpoint: u64,
    artifact: u64,
}

#[test]
fn the_process_that_is_killed() {
    let Some(home) = env::var_os(HOME) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let store = Embedded::open(Path::new(&home)).expect("open");
    if env::var_os(HOLD).is_some() {
        println!("\nack claim 0");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    runtime.block_on(work(&Ports::of(store)));
}

/// Writes until it is killed, and says so after each write.
async fn work(ports: &Ports) {
    let _ = ports.jobs.insert(&row("a", 1)).await.expect("insert");
    let lease = claim(ports, &job("a"), "child").await;
    println!("\nack claim {}", lease.epoch);
    let kept = ports.jobs.read(&job("a")).await.expect("read").expect("inserted");
    for no in u64::from(kept.failed_tries) + 1.. {
        let small = u32::try_from(no).expect("small");
        let mut next = kept.clone();
        next.failed_tries = small;
        assert_eq!(ports.jobs.save(&lease, &next).await.expect("save"), Written::Done);
        println!("ack save {no}");
        let bytes = bytes_of(no);
        let sealed = chunk(small, &bytes);
        assert_eq!(ports.chunks.seal(&lease, &sealed, &bytes).await.expect("seal"), Written::Done);
        println!("ack chunk {no}");
        let put = ports.checkpoints.put(&lease, Steps(no), &bytes).await.expect("put");
        println!("ack checkpoint {no}");
        ports.checkpoints.prune(&lease, &[put]).await.expect("prune");
        let staged = ports.artifacts.stage(&lease, ArtifactName::Model).await.expect("stage");
        for file in ["one", "two"] {
            fs::write(staged.join(file), &bytes).expect("write");
        }
        let sealed = ports.artifacts.seal(&lease, ArtifactName::Model).await.expect("seal");
        assert!(matches!(sealed, Sealed::Done(_)));
        println!("ack artifact {no}");
    }
}

fn bytes_of(no: u64) -> Vec<u8> {
    no.to_le_bytes().into_iter().cycle().take(BYTES).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills() {
    let home = tempfile::tempdir().expect("folder");
    let mut heard = Heard::default();
    for kill in 0..KILLS {
        let began = Instant::now();
        let mut child = spawn(home.path(), false);
        let out = BufReader::new(child.stdout.take().expect("piped"));
        // Moments spread over the loop of writes by an odd stride; the first are while it opens.
        let moment = Duration::from_millis(40 + (kill * 137) % 350);
        let listener = std::thread::spawn(move || listen(out));
        std::thread::sleep(moment.saturating_sub(began.elapsed()));
        child.kill().expect("kill");
        child.wait().expect("wait");
        for (kind, no) in listener.join().expect("listener") {
            let place = match kind.as_str() {
                "claim" => &mut heard.claim,
                "save" => &mut heard.save,
                "chunk" => {
                    heard.chunks.push(u32::try_from(no).expect("small"));
                    continue;
                }
                "checkpoint" => &mut heard.checkpoint,
                "artifact" => &mut heard.artifact,
                other => panic!("heard {other}"),
            };
            *place = no.max(*place);
        }
        check(&Ports::of(Embedded::open(home.path()).expect("open")), &heard).await;
    }
    assert!(heard.artifact >= KILLS / 3, "too little was written to mean anything: {heard:?}");
}

async fn check(ports: &Ports, heard: &Heard) {
    let or_one_more = |found: u64, heard: u64| found == heard || found == heard + 1;
    let cell = ports.leases.look(&job("a")).await.expect("look");
    // Several killed processes in a row may each have claimed unheard.
    assert!(cell.epoch.get() >= heard.claim, "{cell:?} {heard:?}");
    let Some(kept) = ports.jobs.read(&job("a")).await.expect("read") else {
        assert_eq!(heard.claim, 0, "the row is lost");
        return;
    };
    assert!(or_one_more(u64::from(kept.failed_tries), heard.save), "{kept:?} {heard:?}");
    let sealed = ports.chunks.sealed(&job("a")).await.expect("sealed");
    for no in &heard.chunks {
        assert!(sealed.iter().any(|sealed| sealed.chunk.0 == *no), "chunk {no} is lost");
    }
    for chunk in sealed.iter().rev().take(5) {
        let path = ports.chunks.open(&job("a"), chunk.chunk).await.expect("whole");
        assert_eq!(fs::read(path).expect("read"), bytes_of(u64::from(chunk.chunk.0)));
    }
    let whole = ports.checkpoints.whole(&job("a")).await.expect("whole");
    let newest = whole.first().map_or(0, |facts| facts.step.get());
    assert!(newest >= heard.checkpoint, "{whole:?} {heard:?}");
    for facts in &whole {
        let bytes = ports.checkpoints.get(&job("a"), facts).await.expect("whole");
        assert_eq!(bytes, bytes_of(facts.step.get()));
    }
    let model = ports.artifacts.open(&job("a"), ArtifactName::Model).await.expect("open");
    assert!(model.is_some() || heard.artifact == 0, "the artifact is lost");
    if let Some(model) = model {
        let one = fs::read(model.join("one")).expect("read");
        assert_eq!(one, fs::read(model.join("two")).expect("read"), "torn");
        let no = one.first_chunk().map(|first| u64::from_le_bytes(*first)).expect("eight bytes");
        assert!(no >= heard.artifact, "{no} {heard:?}");
        assert_eq!(one, bytes_of(no));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_do_not_work_in_one_folder() {
    let home = tempfile::tempdir().expect("folder");
    let mut child = spawn(home.path(), true);
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while !line.starts_with("ack") {
        line.clear();
        assert!(out.read_line(&mut line).expect("read") > 0, "the child died");
    }
    let refused = Embedded::open(home.path()).expect_err("another process holds it");
    assert_eq!(refused.code, Code::DataFolderInUse);
    let message = refused.to_string();
    assert!(message.contains(&format!("process {}", child.id())), "{message}");
    assert!(message.contains(&home.path().display().to_string()), "{message}");
    child.kill().expect("kill");
    child.wait().expect("wait");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("read");
    Embedded::open(home.path()).expect("a killed process holds nothing");
}

fn spawn(home: &Path, hold: bool) -> Child {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "the_process_that_is_killed", "--nocapture"]).env(HOME, home);
    if hold {
        command.env(HOLD, "1");
    }
    command.stdout(Stdio::piped()).spawn().expect("spawn")
}

/// Acknowledgements until the pipe closes; a line that was cut off was not heard.
fn listen(mut out: impl BufRead) -> Vec<(String, u64)> {
    let mut heard = Vec::new();
    let mut line = String::new();
    while out.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        let mut words = line.split_whitespace();
        if words.next() == Some("ack") {
            let kind = words.next().expect("a kind").to_owned();
            heard.push((kind, words.next().expect("a number").parse().expect("a number")));
        }
        line.clear();
    }
    heard
}
