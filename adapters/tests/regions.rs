//! Bytes that may not leave their regions, in a database with three data centres: where they lie,
//! who gets them, and what becomes of them when a data centre is gone.

use std::{fs, path::PathBuf, time::Instant};

use tempfile::TempDir;
use tgs_adapters::{
    Ports, Scylla,
    conformance::sample::{chunk, claim, code, insert, job, row},
    scylla::Contact,
};
use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    dataset::{Appended, DatasetVersion, Finished, TableEnding, Upload},
    id::UploadId,
    job::JobRow,
    kept::Kept,
    lease::Lease,
    residency::Residency,
    store::{ArtifactName, Delivered, Sealed, Written},
    unit::{ByteCount, Steps, Timestamp},
};
use tgs_tests::services::{
    CassandraRing,
    cql::{Consistency, Row},
};

const CENTRES: [&str; 3] = ["eu", "us", "ap"];
/// Larger than a piece.
const BYTES: usize = 700 << 10;

struct Sites {
    ring: CassandraRing,
    contact: Contact,
}

impl Sites {
    fn of(keyspace: &str) -> Self {
        let ring = CassandraRing::start(&CENTRES.map(|name| (name, 1)));
        let contact = Contact::of(ring.contact_points(), ring.data_centres(), keyspace.to_owned());
        Self { ring, contact }
    }

    /// The stores as a node that stands there opens them.
    async fn open(&self, region: &str) -> (Ports, TempDir) {
        let (region, near) = (region.to_owned(), Some(region.to_owned()));
        let contact = Contact { region, near, ..self.contact.clone() };
        let folder = tempfile::tempdir().expect("folder");
        (Scylla::open(&contact, folder.path()).await.expect("opens").ports(), folder)
    }

    /// What one node of the database answers for itself.
    fn ask(&self, centre: &str, text: &str) -> std::io::Result<Vec<Row>> {
        let at = CENTRES.iter().position(|it| *it == centre).expect("a centre");
        self.ring.nodes()[at].connect()?.query(text, Consistency::One)
    }
}

fn regions(text: &str) -> Residency {
    text.parse().expect("regions")
}

async fn pinned(ports: &Ports, name: &str, home: &str) -> Lease {
    insert(ports, &JobRow { regions: regions(home), ..row(name, 1) }).await;
    claim(ports, &job(name), "me").await
}

async fn sealed(ports: &Ports, lease: &Lease, bytes: &[u8]) -> PathBuf {
    let staged = ports.artifacts.stage(lease, ArtifactName::Model).await.expect("stage");
    fs::write(staged.join("file"), bytes).expect("write");
    let sealed = ports.artifacts.seal(lease, ArtifactName::Model).await;
    assert!(matches!(sealed, Ok(Sealed::Done(_))), "{sealed:?}");
    let opened = ports.artifacts.open(&lease.job, ArtifactName::Model).await.expect("open");
    opened.expect("it is sealed").join("file")
}

async fn handed_in(ports: &Ports, home: &str, bytes: &[u8]) -> DatasetVersion {
    let upload = Upload {
        id: UploadId::new("upload"),
        dataset: "trial".parse().expect("a name"),
        ending: TableEnding::of_name("trial.csv").expect("an ending"),
        size: ByteCount(bytes.len() as u64),
        began_at: Timestamp(1),
        regions: regions(home),
    };
    assert!(ports.datasets.begin(&upload).await.expect("begin"));
    let appended = ports.datasets.append(&upload.id, ByteCount(0), bytes).await;
    assert!(matches!(appended, Ok(Appended::To(_))), "{appended:?}");
    match ports.datasets.finish(&upload.id, Timestamp(2)).await.expect("finish") {
        Finished::As(version) => version,
        other => panic!("{other:?}"),
    }
}

/// Whatever a job makes lies where it may be; nodes elsewhere get nothing of it, and may remove it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_lies_in_its_region_alone() {
    let sites = Sites::of("pinned");
    let ((eu, _eu), (us, _us)) = (sites.open("eu").await, sites.open("us").await);
    let known: Vec<_> = eu.datasets.regions().expect("told apart").into_iter().collect();
    assert_eq!(known, ["ap", "eu", "us"]);
    let bytes = vec![7; BYTES];
    let lease = pinned(&eu, "a", "eu").await;
    let model = sealed(&eu, &lease, &bytes).await;
    assert_eq!(fs::read(&model).expect("read"), bytes);
    let facts = eu.checkpoints.put(&lease, Steps(5), &bytes).await.expect("put");
    assert_eq!(eu.checkpoints.get(&lease.job, &facts).await.expect("get"), bytes);
    let done = eu.chunks.seal(&lease, &chunk(0, &bytes), &bytes).await.expect("seal");
    assert_eq!(done, Written::Done);
    let result = Kept::Result("r/table.csv".into()).path();
    let delivered = eu.artifacts.deliver(&lease, &model, &result).await;
    assert!(matches!(delivered, Ok(Delivered::Done(_))), "{delivered:?}");
    let version = handed_in(&eu, "eu", &bytes).await;
    assert_eq!(fs::read(eu.datasets.file(&version).await.expect("file")).expect("read"), bytes);

    // Of a node that stands elsewhere.
    let outside = Code::OutsideRegion;
    assert_eq!(code(us.artifacts.open(&lease.job, ArtifactName::Model).await), outside);
    assert_eq!(code(us.checkpoints.get(&lease.job, &facts).await), outside);
    assert_eq!(code(us.checkpoints.whole(&lease.job).await), outside);
    assert_eq!(code(us.checkpoints.put(&lease, Steps(6), &bytes).await), outside);
    assert_eq!(code(us.chunks.open(&lease.job, ChunkNo(0)).await), outside);
    assert_eq!(code(us.artifacts.fetch(&lease.job, &result).await), outside);
    assert_eq!(code(us.datasets.file(&version).await), outside);
    let sizes = us.artifacts.sizes(&lease.job, ArtifactName::Model).await.expect("sizes");
    assert_eq!(sizes.expect("sealed")["file"], ByteCount(BYTES as u64), "no secret");

    // Of the database.
    let none = sites.ask("eu", "SELECT name FROM pinned.piece").expect("a look");
    assert_eq!(none.len(), 0, "nothing lies where there are copies everywhere");
    let all = "SELECT name FROM pinned_in_eu.piece";
    let pieces = sites.ask("eu", all).expect("a look").len();
    assert!(pieces >= 8, "{pieces}");
    sites.ring.nodes()[0].kill();
    let refused = sites.ask("us", all).expect_err("nobody else has a copy");
    println!("without eu: {refused}");
    sites.ring.nodes()[0].restart();
    sites.ring.wait_until_whole();

    // Where it may not be read it may be removed.
    us.artifacts.sweep(&lease.job, &[]).await.expect("sweep");
    us.artifacts.drop_result(&lease.job, &result).await.expect("drop");
    assert!(us.datasets.remove(&version.dataset, version.version).await.expect("remove"));
    assert_eq!(sites.ask("eu", all).expect("a look").len(), 0);
}

/// Two regions: each has all of it as soon as it is written; without the other one, what is written
/// lies in this one first, and in both once that is back.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_in_two_regions_outlives_either() {
    let sites = Sites::of("spread");
    // All at one time, over an empty database.
    let open = |region| sites.open(region);
    let ((eu, _eu), (us, _us), _) = tokio::join!(open("eu"), open("us"), open("ap"));
    let (first, second) = (vec![1; BYTES], vec![2; BYTES]);
    let lease = pinned(&eu, "a", "eu,us").await;
    let early = eu.checkpoints.put(&lease, Steps(1), &first).await.expect("put");
    sites.ring.nodes()[1].kill();
    let late = eu.checkpoints.put(&lease, Steps(2), &second).await.expect("put without us");
    assert_eq!(eu.checkpoints.get(&lease.job, &late).await.expect("get"), second);
    sites.ring.nodes()[1].restart();
    sites.ring.wait_until_whole();
    assert_eq!(us.checkpoints.get(&lease.job, &late).await.expect("get"), second);
    sites.ring.nodes()[0].kill();
    assert_eq!(us.checkpoints.get(&lease.job, &early).await.expect("get"), first);
    let whole = us.checkpoints.whole(&lease.job).await.expect("whole");
    assert!(whole.contains(&early), "{whole:?}");
    let began = Instant::now();
    let last = us.checkpoints.put(&lease, Steps(3), &first).await.expect("put without eu");
    println!("a checkpoint without eu after {:?}", began.elapsed());
    assert_eq!(us.checkpoints.get(&lease.job, &last).await.expect("get"), first);
}
