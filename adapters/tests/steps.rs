//! No step of the store is the one that must not fail: one life of a job, broken at every change of
//! a file, by a dead process, a failing disk, a full disk and a power cut.
//!
//! The memory store tells what each act must come to. After a break in the middle of an act the
//! store must show what it showed before that act or after it: nothing acknowledged is lost,
//! nothing is torn.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tgs_adapters::{
    Embedded, Memory,
    conformance::sample::{all_rows, chunk, job, row},
    disk::{
        Disk, Readers, RealDisk,
        power_cut::PowerCut,
        stepped::{Failure, Stepped},
    },
    ports::Ports,
};
use tgs_protocol::{
    checkpoint::CheckpointFacts,
    code::Code,
    digest::Digest,
    event::Event,
    id::Incarnation,
    job::{JobRow, JobState, Outcome},
    lease::{Lease, LeaseCell},
    store::{ArtifactName, Delivered, Sealed, StoreError, Written},
    unit::{ByteCount, Epoch, EventNo, Steps},
};

/// One act of a job's life; the number is the lease epoch that it carries.
#[derive(Debug, Clone, Copy)]
enum Act {
    Insert,
    Claim(u64),
    Renew(u64),
    Release(u64),
    Save(u64, u32),
    End(u64),
    Artifact(u64, ArtifactName, u8),
    Chunk(u64, u32),
    Checkpoint(u64, u64),
    Prune(u64, u64),
    Deliver(u64, ArtifactName),
    TakeBack(u64),
    Unstage(u64, ArtifactName),
    Sweep,
}

const LIFE: &[Act] = &[
    Act::Insert,
    Act::Claim(1),
    Act::Artifact(1, ArtifactName::Dataset, 1),
    Act::Save(1, 1),
    Act::Checkpoint(1, 10),
    Act::Checkpoint(1, 20),
    Act::Claim(2),
    Act::Artifact(2, ArtifactName::Dataset, 2),
    Act::Checkpoint(2, 30),
    Act::Save(2, 2),
    Act::Prune(2, 30),
    Act::Artifact(2, ArtifactName::Model, 3),
    Act::Chunk(2, 0),
    Act::Renew(2),
    Act::Chunk(2, 1),
    Act::Chunk(2, 0),
    Act::Artifact(2, ArtifactName::Report, 4),
    Act::Unstage(2, ArtifactName::Output),
    Act::Artifact(2, ArtifactName::Output, 5),
    Act::Deliver(2, ArtifactName::Model),
    Act::TakeBack(2),
    Act::TakeBack(2),
    Act::Deliver(2, ArtifactName::Report),
    Act::End(2),
    Act::Sweep,
    Act::Release(2),
];

fn lease(epoch: u64) -> Lease {
    let owner = Incarnation::new(format!("owner-{epoch}"));
    Lease { job: job("a"), owner, epoch: Epoch(epoch) }
}

fn saved(tries: u32) -> JobRow {
    JobRow { failed_tries: tries, ..row("a", 1) }
}

fn ended() -> JobRow {
    let reasons = vec!["a gate".to_owned()];
    JobRow { state: JobState::Ended(Outcome::Withheld { reasons }), ..row("a", 1) }
}

fn weights(step: u64) -> Vec<u8> {
    vec![u8::try_from(step).expect("small"); 3_000]
}

fn facts(epoch: u64, step: u64) -> CheckpointFacts {
    let (digest, size) = (Digest::of(&weights(step)), ByteCount(3_000));
    CheckpointFacts { epoch: Epoch(epoch), step: Steps(step), digest, size }
}

/// One act, as a holder performs it who reads back what it does not know.
async fn perform(act: Act, ports: &Ports, disk: &dyn Disk, root: &Path) -> Result<(), StoreError> {
    let done = match act {
        Act::Insert => ports.jobs.insert(&row("a", 1)).await.map(|_| Written::Done)?,
        Act::Claim(epoch) => {
            let seen = ports.leases.look(&job("a")).await?;
            if seen.epoch < Epoch(epoch) {
                let claimed = ports.leases.claim(&job("a"), &lease(epoch).owner, &seen).await?;
                assert_eq!(claimed, Some(lease(epoch)));
            }
            Written::Done
        }
        Act::Renew(epoch) => ports.leases.renew(&lease(epoch)).await?,
        Act::Release(epoch) => ports.leases.release(&lease(epoch)).await?,
        Act::Save(epoch, tries) => ports.jobs.save(&lease(epoch), &saved(tries)).await?,
        Act::End(epoch) => ports.jobs.save(&lease(epoch), &ended()).await?,
        Act::Artifact(epoch, name, version) => {
            let staged = ports.artifacts.stage(&lease(epoch), name).await?;
            for (file, len) in [("one", 700), ("two", 9_000 + usize::from(version))] {
                let path = staged.join(file);
                let written = disk
                    .create(&path, Readers::Owner)
                    .and_then(|opened| disk.write(&opened, &path, 0, &vec![version; len]));
                written.map_err(|error| StoreError::because(Code::DiskFull, "stage", error))?;
            }
            match ports.artifacts.seal(&lease(epoch), name).await? {
                Sealed::Done(_) => Written::Done,
                Sealed::Overtaken { by } => Written::Overtaken { by },
            }
        }
        Act::Chunk(epoch, no) => {
            let bytes = vec![7; 5_000];
            ports.chunks.seal(&lease(epoch), &chunk(no, &bytes), &bytes).await?
        }
        Act::Checkpoint(epoch, step) => {
            let put = ports.checkpoints.put(&lease(epoch), Steps(step), &weights(step)).await?;
            assert_eq!(put, facts(epoch, step));
            Written::Done
        }
        Act::Prune(epoch, step) => {
            ports.checkpoints.prune(&lease(epoch), &[facts(epoch, step)]).await?;
            Written::Done
        }
        Act::Deliver(epoch, name) => {
            let from = ports.artifacts.open(&job("a"), name).await?.expect("sealed before");
            let (from, to) = (from.join("one"), root.join("out/table.csv"));
            match ports.artifacts.deliver(&lease(epoch), &from, &to).await? {
                Delivered::Done(_) => Written::Done,
                Delivered::Overtaken { by } => Written::Overtaken { by },
            }
        }
        Act::TakeBack(epoch) => {
            ports.artifacts.take_back(&lease(epoch), &root.join("out/table.csv")).await?
        }
        Act::Unstage(epoch, name) => {
            let staged = ports.artifacts.stage(&lease(epoch), name).await?;
            let path = staged.join("half");
            let half = disk.create(&path, Readers::Owner);
            half.map_err(|error| StoreError::because(Code::DiskFull, "stage", error))?;
            ports.artifacts.unstage(&lease(epoch), name).await?;
            assert!(!staged.exists(), "an attempt stays");
            Written::Done
        }
        Act::Sweep => {
            ports.artifacts.sweep(&job("a"), ArtifactName::KEPT_AFTER_END).await?;
            Written::Done
        }
    };
    assert_eq!(done, Written::Done, "{act:?}");
    Ok(())
}

/// A file: name, size, and the byte it consists of.
type Content = (String, usize, u8);

/// Everything that can be seen through the ports.
#[derive(Debug, Clone, PartialEq)]
struct View {
    row: Option<JobRow>,
    listed: usize,
    events: Vec<Event>,
    cell: LeaseCell,
    chunks: Vec<u32>,
    checkpoints: Vec<CheckpointFacts>,
    /// Name, size and bytes of every file; a sound file is one byte over and over.
    artifacts: BTreeMap<&'static str, Vec<Content>>,
    delivered: Option<(usize, u8)>,
}

async fn view(ports: &Ports, root: &Path) -> View {
    let job = job("a");
    let mut chunks = Vec::new();
    for sealed in ports.chunks.sealed(&job).await.expect("sealed") {
        let path = ports.chunks.open(&job, sealed.chunk).await.expect("a sealed chunk is whole");
        assert_eq!(Digest::of(&fs::read(path).expect("read")), sealed.digest);
        chunks.push(sealed.chunk.0);
    }
    let checkpoints = ports.checkpoints.whole(&job).await.expect("whole");
    for facts in &checkpoints {
        ports.checkpoints.get(&job, facts).await.expect("a whole checkpoint can be read");
    }
    let mut artifacts = BTreeMap::new();
    use ArtifactName::{Dataset, Model, Output, Report};
    for name in [Dataset, Model, Output, Report] {
        if let Some(folder) = ports.artifacts.open(&job, name).await.expect("open") {
            artifacts.insert(name.as_str(), contents(&folder));
        }
    }
    View {
        row: ports.jobs.read(&job).await.expect("read"),
        listed: all_rows(ports).await.expect("list").len(),
        events: ports.events.events(EventNo(0), None, usize::MAX).await.expect("events"),
        cell: ports.leases.look(&job).await.expect("look"),
        chunks,
        checkpoints,
        artifacts,
        delivered: fs::read(root.join("out/table.csv")).ok().map(|bytes| sound(&bytes)),
    }
}

fn contents(folder: &Path) -> Vec<Content> {
    let entries = fs::read_dir(folder).expect("list").map(|entry| entry.expect("entry").path());
    let mut files = Vec::new();
    for path in entries {
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        if name != "sealed.json" {
            let (size, byte) = sound(&fs::read(path).expect("read"));
            files.push((name, size, byte));
        }
    }
    files.sort();
    files
}

fn sound(bytes: &[u8]) -> (usize, u8) {
    assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]), "a torn file");
    (bytes.len(), bytes.first().copied().unwrap_or_default())
}

/// What must be seen before the first act, and after each.
async fn expected() -> Vec<View> {
    let folder = scratch();
    let ports = Ports::of(Memory::at(folder.path()));
    let mut views = vec![view(&ports, folder.path()).await];
    for act in LIFE {
        perform(*act, &ports, &RealDisk, folder.path()).await.expect("memory does not fail");
        views.push(view(&ports, folder.path()).await);
    }
    views
}

/// What opening again makes of a view: a job that ended is swept.
fn settled(view: &View) -> View {
    let mut view = view.clone();
    if view.row.as_ref().is_some_and(|row| row.state.is_final()) {
        view.chunks.clear();
        view.checkpoints.clear();
        view.artifacts.retain(|name, _| !["dataset", "output"].contains(name));
    }
    view
}

/// After a break in act number `act`: as before it or as after it; only pruning may be half done.
fn must_be_one_of(seen: &View, expected: &[View], act: usize, told: &str) {
    let (before, after) = (settled(&expected[act]), settled(&expected[LIFE.len().min(act + 1)]));
    let mut seen = seen.clone();
    if matches!(LIFE.get(act), Some(Act::Prune(..))) {
        let is_kept = |facts| seen.checkpoints.contains(facts);
        assert!(after.checkpoints.iter().all(is_kept), "{told}: too much is pruned");
        seen.checkpoints.retain(|facts| after.checkpoints.contains(facts));
        assert_eq!(seen, after, "{told}");
        return;
    }
    if seen != before {
        assert_eq!(seen, after, "{told}: in {:?}, and not as before it either", LIFE.get(act));
    }
}

/// An empty folder, in memory where the machine has such: nothing here needs a disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("folder")
}

fn open(home: &Path, disk: Arc<dyn Disk>) -> Result<Ports, StoreError> {
    Embedded::open_on(home, disk).map(Ports::of)
}

/// Lives until something fails; the number of acts that were acknowledged.
async fn live(home: &Path, disk: &Arc<dyn Disk>, root: &Path) -> usize {
    let Ok(ports) = open(home, disk.clone()) else { return 0 };
    for (no, act) in LIFE.iter().enumerate() {
        if perform(*act, &ports, &**disk, root).await.is_err() {
            return no;
        }
    }
    LIFE.len()
}

#[tokio::test]
async fn death_at_every_step_loses_nothing_acknowledged() {
    let expected = expected().await;
    for step in 0.. {
        let root = scratch();
        let home = root.path().join("home");
        let dying = Arc::new(Stepped::new(step, Failure::Death).without_syncing());
        let disk: Arc<dyn Disk> = dying.clone();
        let acknowledged = live(&home, &disk, root.path()).await;
        // Dying again while recovering, at some step of it, must not hurt either.
        drop(open(&home, Arc::new(Stepped::new(step % 23, Failure::Death).without_syncing())));
        let ports = open(&home, Arc::new(Stepped::quick())).expect("open after death");
        let seen = view(&ports, root.path()).await;
        must_be_one_of(&seen, &expected, acknowledged, &format!("death at step {step}"));
        assert_no_leftovers(&home);
        if !dying.has_failed() {
            assert_eq!(acknowledged, LIFE.len());
            assert!(step > 200, "only {step} steps: the disk is not asked");
            return;
        }
    }
}

#[tokio::test]
async fn a_full_disk_at_every_step_is_gone_on_from_in_the_same_process() {
    let expected = expected().await;
    for step in 0.. {
        let root = scratch();
        let home = root.path().join("home");
        let full = Stepped::new(step, Failure::Once(io::ErrorKind::StorageFull));
        let full = Arc::new(full.without_syncing());
        let disk: Arc<dyn Disk> = full.clone();
        let ports = match open(&home, disk.clone()) {
            Err(error) => {
                assert_eq!(error.code, Code::DiskFull, "step {step}: {error}");
                open(&home, disk.clone()).expect("room was made")
            }
            Ok(ports) => ports,
        };
        for act in LIFE {
            let mut tries = 0;
            while let Err(error) = perform(*act, &ports, &*disk, root.path()).await {
                assert_eq!(error.code, Code::DiskFull, "step {step} in {act:?}: {error}");
                tries += 1;
                assert!(tries < 3, "step {step} in {act:?}: {error}");
                let beside = fs::read_dir(root.path().join("out")).into_iter().flatten();
                let is_part = |name: &str| name.ends_with(".tgs-part");
                let mut names = beside.flatten().map(|it| it.file_name().display().to_string());
                assert!(!names.any(|name| is_part(&name)), "step {step}: a part is left behind");
            }
        }
        let mut seen = view(&ports, root.path()).await;
        // A renewal whose outcome is unknown may count twice.
        seen.cell.renewals = seen.cell.renewals.min(1);
        assert_eq!(&seen, expected.last().expect("a last"), "full at step {step}");
        if !full.has_failed() {
            return;
        }
    }
}

#[tokio::test]
async fn a_failing_disk_at_every_step_is_told_and_opening_again_goes_on() {
    let expected = expected().await;
    for step in 0.. {
        let root = scratch();
        let home = root.path().join("home");
        let failing =
            Arc::new(Stepped::new(step, Failure::Once(io::ErrorKind::Other)).without_syncing());
        let disk: Arc<dyn Disk> = failing.clone();
        let acknowledged = live(&home, &disk, root.path()).await;
        let ports = open(&home, Arc::new(Stepped::quick())).expect("open after a failure");
        let seen = view(&ports, root.path()).await;
        must_be_one_of(&seen, &expected, acknowledged, &format!("failure at step {step}"));
        if !failing.has_failed() {
            return;
        }
    }
}

#[tokio::test]
async fn a_power_cut_at_every_step_loses_nothing_acknowledged() {
    let expected = expected().await;
    let root = scratch();
    let cut = Arc::new(PowerCut::below(root.path()));
    let disk: Arc<dyn Disk> = cut.clone();
    disk.make_folder(&root.path().join("out"), Readers::Owner).expect("make folder");
    disk.sync_folder(root.path()).expect("sync");
    let home = root.path().join("home");
    let ports = open(&home, disk.clone()).expect("open");
    let mut acknowledged_at = Vec::new();
    for act in LIFE {
        perform(*act, &ports, &*disk, root.path()).await.expect("no failure yet");
        acknowledged_at.push(cut.acts());
    }
    drop(ports);
    for acts in 0..=cut.acts() {
        for seed in [0, 1] {
            let image = scratch();
            let seed = 1_000 * seed + acts as u64;
            cut.image(acts, seed, image.path()).expect("image");
            let told = format!("power cut after act {acts}, seed {seed}");
            let opened = open(&image.path().join("home"), Arc::new(Stepped::quick()));
            let ports = opened.unwrap_or_else(|error| panic!("{told}: {error}"));
            let seen = view(&ports, image.path()).await;
            let acknowledged = acknowledged_at.iter().filter(|at| **at <= acts).count();
            must_be_one_of(&seen, &expected, acknowledged, &told);
            assert_no_leftovers(&image.path().join("home"));
        }
    }
}

/// Nothing half done outlives an opening.
fn assert_no_leftovers(home: &Path) {
    let mut folders: Vec<PathBuf> = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("list") {
            let path = entry.expect("entry").path();
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            assert!(name != "staging" && !name.ends_with(".part"), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}
