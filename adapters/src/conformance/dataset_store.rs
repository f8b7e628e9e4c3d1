//! What a [`tgs_protocol::dataset::DatasetStore`] owes.

use std::fs;

use tgs_protocol::{
    code::Code,
    dataset::{Appended, DatasetName, DatasetVersion, Finished, TableEnding, Upload},
    digest::Digest,
    id::UploadId,
    residency::Residency,
    unit::{ByteCount, Timestamp},
};

use crate::{conformance::sample::code, ports::Ports};

/// Piece by piece, from where it stands, and never further than was said.
pub async fn an_upload_grows_where_it_stands(ports: &Ports) {
    let id = begun(ports, "u", "trial", "csv", 6).await;
    let append = async |at, bytes: &[u8]| {
        ports.datasets.append(&id, ByteCount(at), bytes).await.expect("append")
    };
    assert_eq!(append(0, b"a,b").await, Appended::To(ByteCount(3)));
    assert_eq!(append(0, b"a,b").await, Appended::NotThere(ByteCount(3)), "it was sent twice");
    assert_eq!(append(4, b"1").await, Appended::NotThere(ByteCount(3)), "a gap");
    assert_eq!(append(3, b"\n1,2").await, Appended::TooLong);
    assert_eq!(append(3, b"").await, Appended::To(ByteCount(3)));
    let finish = ports.datasets.finish(&id, Timestamp(5)).await.expect("finish");
    assert_eq!(finish, Finished::NotWhole(ByteCount(3)));
    assert_eq!(append(3, b"\n1\n").await, Appended::To(ByteCount(6)));
    let (upload, received) = ports.datasets.look(&id).await.expect("look").expect("it is there");
    assert_eq!((upload.id, received), (id.clone(), ByteCount(6)));
    let nobody = UploadId::new("nobody");
    let unknown = ports.datasets.append(&nobody, ByteCount(0), b"x").await.expect("append");
    assert_eq!(unknown, Appended::Unknown);
    assert_eq!(ports.datasets.look(&nobody).await.expect("look"), None);
}

/// The same bytes are the same version, asked for as often as one likes.
pub async fn the_same_bytes_are_the_same_version(ports: &Ports) {
    let first = handed_in(ports, "u1", "trial", "csv", b"a\n1\n").await;
    assert_eq!((first.version, first.size), (1, ByteCount(4)));
    assert_eq!(first.digest, Digest::of(b"a\n1\n"));
    let asked = ports.datasets.finish(&UploadId::new("u1"), Timestamp(99)).await.expect("again");
    assert_eq!(asked, Finished::As(first.clone()), "asked again");
    let again = handed_in(ports, "u2", "trial", "csv", b"a\n1\n").await;
    assert_eq!(again, first, "handed in again");
    let other = handed_in(ports, "u3", "trial", "csv", b"a\n2\n").await;
    assert_eq!(other.version, 2);
    let read = handed_in(ports, "u4", "trial", "tsv", b"a\n1\n").await;
    assert_eq!(read.version, 3, "other readers, other rows");
    let known = ports.datasets.regions().and_then(|it| it.into_iter().next());
    let regions: Residency = known.as_deref().unwrap_or("eu").parse().expect("a region");
    let upload = Upload { regions: regions.clone(), ..upload("u5", "trial", "csv", 4) };
    assert!(ports.datasets.begin(&upload).await.expect("begin"));
    assert_eq!(ports.datasets.look(&upload.id).await.expect("look").map(|it| it.0), Some(upload));
    let pinned = append_all(ports, &UploadId::new("u5"), b"a\n1\n").await;
    assert_eq!((pinned.version, &pinned.regions), (4, &regions), "they may be elsewhere");
    let versions = ports.datasets.versions(&name("trial")).await.expect("versions");
    assert_eq!(versions, [pinned, read, other.clone(), first.clone()]);
    for (version, bytes) in [(&first, b"a\n1\n"), (&other, b"a\n2\n")] {
        let file = ports.datasets.file(version).await.expect("file");
        assert_eq!(fs::read(file).expect("it can be read"), bytes);
    }
}

/// In order of names, page by page, the newest version of each.
pub async fn datasets_are_listed_by_name(ports: &Ports) {
    for (no, dataset) in ["b", "a", "c", "a-1"].into_iter().enumerate() {
        handed_in(ports, &format!("u{no}"), dataset, "csv", dataset.as_bytes()).await;
    }
    let newest = handed_in(ports, "again", "b", "csv", b"more").await;
    let all = ports.datasets.datasets(None, 99).await.expect("list");
    let names: Vec<_> = all.iter().map(|it| (it.dataset.as_str(), it.version)).collect();
    assert_eq!(names, [("a", 1), ("a-1", 1), ("b", 2), ("c", 1)]);
    assert_eq!(all[2], newest);
    let after = name("a");
    let page = ports.datasets.datasets(Some(&after), 2).await.expect("list");
    assert_eq!(page, all[1..3]);
    assert_eq!(ports.datasets.versions(&name("nobody")).await.expect("versions"), []);
}

/// What is given up is gone; what became of it stays.
pub async fn uploads_can_be_given_up(ports: &Ports) {
    let id = begun(ports, "u", "trial", "csv", 9).await;
    let upload = ports.datasets.look(&id).await.expect("look").expect("it is there").0;
    assert!(!ports.datasets.begin(&upload).await.expect("begin"), "its name is taken");
    let _ = ports.datasets.append(&id, ByteCount(0), b"a").await.expect("append");
    assert!(ports.datasets.abandon(&id).await.expect("abandon"));
    assert!(!ports.datasets.abandon(&id).await.expect("abandon"), "it is gone");
    let finish = ports.datasets.finish(&id, Timestamp(5)).await.expect("finish");
    assert_eq!(finish, Finished::Unknown);
    let version = handed_in(ports, "v", "trial", "csv", b"a\n").await;
    assert!(ports.datasets.abandon(&UploadId::new("v")).await.expect("abandon"));
    let file = ports.datasets.file(&version).await.expect("the dataset stays");
    assert_eq!(fs::read(file).expect("it can be read"), b"a\n");
}

/// Bytes go with the last version that has them.
pub async fn bytes_go_with_their_last_version(ports: &Ports) {
    let one = handed_in(ports, "u1", "one", "csv", b"a\n1\n").await;
    let two = handed_in(ports, "u2", "two", "csv", b"a\n1\n").await;
    let file = ports.datasets.file(&two).await.expect("file");
    assert!(ports.datasets.remove(&name("one"), 1).await.expect("remove"));
    assert!(!ports.datasets.remove(&name("one"), 1).await.expect("remove"), "it is gone");
    assert_eq!(code(ports.datasets.file(&one).await), Code::NoSuchThing);
    assert!(file.exists(), "another has them");
    assert!(ports.datasets.remove(&name("two"), 1).await.expect("remove"));
    assert!(!file.exists(), "nobody has them");
    // The number of a version that is gone may come again, its upload does not.
    assert_eq!(ports.datasets.look(&UploadId::new("u1")).await.expect("look"), None);
}

/// However many send the same piece, it is there once.
pub async fn pieces_that_are_sent_at_once_are_there_once(ports: &Ports) {
    let id = begun(ports, "u", "trial", "csv", 4_000).await;
    let send = || {
        let (datasets, id) = (ports.datasets.clone(), id.clone());
        tokio::spawn(async move {
            for at in (0..4_000).step_by(40) {
                let piece = vec![u8::try_from(at / 40).expect("small"); 40];
                let _ = datasets.append(&id, ByteCount(at), &piece).await.expect("append");
            }
        })
    };
    for sender in (0..4).map(|_| send()).collect::<Vec<_>>() {
        sender.await.expect("no panic");
    }
    let (_, received) = ports.datasets.look(&id).await.expect("look").expect("it is there");
    // A sender that found another at work went on without its piece; whole pieces stand.
    assert_eq!(received.get() % 40, 0);
    let mut at = received.get();
    while at < 4_000 {
        let piece = vec![u8::try_from(at / 40).expect("small"); 40];
        let appended = ports.datasets.append(&id, ByteCount(at), &piece).await.expect("append");
        assert_eq!(appended, Appended::To(ByteCount(at + 40)));
        at += 40;
    }
    let finished = ports.datasets.finish(&id, Timestamp(5)).await.expect("finish");
    let Finished::As(version) = finished else { panic!("{finished:?}") };
    let whole: Vec<u8> = (0..100).flat_map(|no: u8| vec![no; 40]).collect();
    assert_eq!(version.digest, Digest::of(&whole));
}

/// Names of uploads become names of files.
pub async fn uploads_that_leave_the_folder_are_refused(ports: &Ports) {
    for id in ["..", "a/b", ""] {
        assert!(ports.datasets.begin(&upload(id, "trial", "csv", 1)).await.is_err(), "{id:?}");
    }
}

fn name(name: &str) -> DatasetName {
    name.parse().expect("a plain name")
}

fn upload(id: &str, dataset: &str, ending: &str, size: u64) -> Upload {
    Upload {
        id: UploadId::new(id),
        dataset: name(dataset),
        ending: TableEnding::of_name(&format!("x.{ending}")).expect("a known ending"),
        size: ByteCount(size),
        began_at: Timestamp(1),
        regions: Residency::default(),
    }
}

async fn begun(ports: &Ports, id: &str, dataset: &str, ending: &str, size: u64) -> UploadId {
    let upload = upload(id, dataset, ending, size);
    assert!(ports.datasets.begin(&upload).await.expect("begin"));
    upload.id
}

async fn handed_in(
    ports: &Ports,
    id: &str,
    dataset: &str,
    ending: &str,
    bytes: &[u8],
) -> DatasetVersion {
    let id = begun(ports, id, dataset, ending, bytes.len() as u64).await;
    append_all(ports, &id, bytes).await
}

async fn append_all(ports: &Ports, id: &UploadId, bytes: &[u8]) -> DatasetVersion {
    let appended = ports.datasets.append(id, ByteCount(0), bytes).await.expect("append");
    assert_eq!(appended, Appended::To(ByteCount(bytes.len() as u64)));
    match ports.datasets.finish(id, Timestamp(5)).await.expect("finish") {
        Finished::As(version) => version,
        other => panic!("{other:?}"),
    }
}
