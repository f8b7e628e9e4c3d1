//! Keys as `tgs cert` makes them, in real handshakes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tempfile::TempDir;
use tgs_adapters::{
    certificate::{self, AUTHORITY, Folder, NODE, NODE_KEY, SECRET},
    system::SystemClock,
};
use tgs_protocol::{
    clock::Clock as _,
    peer::keys::{KeyAction, KeyFolder as _, Standing},
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::*;
use crate::key_watch::KeyWatch;

const DAY: u64 = 86_400_000;

/// Authorities and what they issued, in one folder.
struct Office(TempDir);

impl Office {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn authority(&self, name: &str) -> PathBuf {
        certificate::make_authority(&self.at(name)).expect("an authority");
        self.at(name)
    }

    /// The next authority of a cluster, as the guide makes it: nodes are to trust both. Also gives
    /// its own certificate alone.
    fn authority_after(&self, before: &Path, name: &str) -> (PathBuf, Vec<u8>) {
        let next = self.authority(name);
        fs::copy(before.join(SECRET), next.join(SECRET)).expect("a copy");
        let [alone, earlier] =
            [&*next, before].map(|at| fs::read(at.join(AUTHORITY)).expect("PEM"));
        fs::write(next.join(AUTHORITY), [&*alone, &earlier].concat()).expect("our own");
        (next, alone)
    }

    fn issue(&self, authority: &Path, dns_name: &str) -> KeySet {
        let node = tempfile::tempdir_in(self.0.path()).expect("a folder");
        certificate::issue("a", dns_name, authority, node.path()).expect("a certificate");
        Folder::at(node.path()).read().expect("a set")
    }
}

fn now() -> Timestamp {
    SystemClock::new().now()
}

fn of(set: &KeySet) -> LinkKeys {
    LinkKeys::of(set, now()).expect("a whole set")
}

/// Clocks of file systems stand still for a moment, in which nothing tells one write from another.
fn write(path: &Path, text: &[u8]) {
    thread::sleep(Duration::from_millis(20));
    fs::write(path, text).expect("our own");
}

/// Whether there is a link when one dials the other.
async fn are_linked(dials: &LinkKeys, accepts: &LinkKeys) -> bool {
    let (near, far) = tokio::io::duplex(64 << 10);
    let name = ServerName::try_from(CERTIFIED_NAME).expect("a name");
    let (connector, acceptor) = (dials.connector(), accepts.acceptor());
    let (dialled, accepted) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    // Whoever dials has done so before it hears whether its certificate is accepted.
    dialled.is_ok() && accepted.is_ok()
}

#[test]
fn a_certificate_tells_its_dates() {
    let office = Office::new();
    let dates = of(&office.issue(&office.authority("authority"), CERTIFIED_NAME)).dates();
    assert_eq!(dates.until.get() - dates.from.get(), 826 * DAY, "a day before, 825 after");
    assert_eq!(dates.standing(now()), Standing::Good);
    let at = |days: u64| dates.standing(Timestamp(now().get() + days * DAY));
    assert_eq!([at(810), at(812), at(826)], [Standing::Good, Standing::EndsSoon, Standing::Ended]);
}

/// At a start as well: a node works without links, too.
#[test]
fn what_has_run_out_is_whole_all_the_same() {
    let office = Office::new();
    let set = office.issue(&office.authority("authority"), CERTIFIED_NAME);
    for at in [0, 4_000_000_000_000] {
        let keys = LinkKeys::of(&set, Timestamp(at)).expect("it is whole");
        assert_ne!(keys.dates().standing(Timestamp(at)), Standing::Good);
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_the_reason() {
    let office = Office::new();
    let authority = office.authority("authority");
    let good = office.issue(&authority, CERTIFIED_NAME);
    let again = office.issue(&authority, CERTIFIED_NAME);
    let other = office.issue(&office.authority("other"), CERTIFIED_NAME);
    let misnamed = office.issue(&authority, "gpu-1.example.org");
    let none = b"-----BEGIN".to_vec();
    for (set, why) in [
        (KeySet { key: again.key, ..good.clone() }, "do not go together"),
        (KeySet { authority: other.authority.clone(), ..good.clone() }, "vouches for no such node"),
        (misnamed, "not valid for name"),
        (KeySet { key: none.clone(), ..good.clone() }, "the key"),
        (KeySet { certificate: none.clone(), ..good.clone() }, "certificate"),
        (KeySet { authority: none, ..good.clone() }, "certificate"),
    ] {
        let error = LinkKeys::of(&set, now()).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
    let keys = of(&good);
    assert!(keys.judge(&good, now()).expect("a whole set").is_none(), "it is in use");
    let secret = KeySet { secret: other.secret.clone(), ..good };
    for set in [secret, other] {
        let Err(error) = keys.judge(&set, now()) else { panic!("of another cluster") };
        assert!(error.to_string().contains("the secret is another one"), "{error}");
    }
}

/// The steps of the guide: both are trusted, then new certificates are shown, then the old
/// authority is trusted no more. Between any two steps all nodes reach each other.
#[tokio::test]
async fn an_authority_is_changed_without_a_moment_in_which_nodes_do_not_link() {
    let office = Office::new();
    let old = office.authority("old");
    let (next, alone) = office.authority_after(&old, "next");
    let both = fs::read(next.join(AUTHORITY)).expect("PEM");
    let before = office.issue(&old, CERTIFIED_NAME);
    let trusting = KeySet { authority: both, ..before.clone() };
    let renewed = office.issue(&next, CERTIFIED_NAME);
    let after = KeySet { authority: alone, ..renewed.clone() };
    let steps = [before, trusting, renewed, after];
    for (no, pair) in steps.windows(2).enumerate() {
        let (changed, stays) = (of(&pair[0]), of(&pair[0]));
        assert!(are_linked(&changed, &stays).await, "step {no}");
        let judged = changed.judge(&pair[1], now()).expect("a whole set").expect("another one");
        changed.change_to(judged);
        assert!(are_linked(&changed, &stays).await, "step {no}: whoever is changed dials");
        assert!(are_linked(&stays, &changed).await, "step {no}: whoever is not changed dials");
    }
    let [first, .., last] = &steps;
    assert!(!are_linked(&of(first), &of(last)).await, "the old one is trusted no more");
    assert!(!are_linked(&of(last), &of(first)).await, "nor the new one where nobody was told");
}

/// What is broken in the folder changes nothing; the watch takes what is whole.
#[tokio::test(flavor = "multi_thread")]
async fn the_watch_takes_what_is_whole_and_nothing_else() {
    let office = Office::new();
    let (old, node) = (office.authority("old"), office.at("node"));
    certificate::issue("a", CERTIFIED_NAME, &old, &node).expect("a certificate");
    let folder = Arc::new(Folder::at(&node));
    let keys = of(&folder.read().expect("a set"));
    let clock = Arc::new(SystemClock::new());
    let mut watch = KeyWatch::new(keys.clone(), folder.clone(), clock, "a");
    assert!(watch.find().is_empty(), "nothing is new");

    let (next, _) = office.authority_after(&old, "next");
    let stranger = of(&office.issue(&next, CERTIFIED_NAME));
    assert!(!are_linked(&stranger, &keys).await, "nobody was told of its authority");
    fs::copy(next.join(AUTHORITY), node.join(AUTHORITY)).expect("a copy");
    assert_eq!(watch.find(), [KeyAction::Use]);
    assert!(watch.find().is_empty());
    assert!(are_linked(&stranger, &keys).await);

    // A key without its certificate: half of a set, and then no more than that.
    let before = folder.read().expect("a set");
    let another = office.issue(&next, CERTIFIED_NAME);
    write(&node.join(NODE_KEY), &another.key);
    assert!(watch.find().is_empty());
    let told = watch.find();
    let is_told = matches!(&*told, [KeyAction::TellUnfit(why)] if why.contains("go together"));
    assert!(is_told, "{told:?}");
    assert!(watch.find().is_empty(), "it is not repeated");
    assert!(are_linked(&keys, &stranger).await, "what was in use is in use");
    write(&node.join(NODE), &another.certificate);
    assert_eq!(watch.find(), [KeyAction::Use]);
    assert!(keys.judge(&before, now()).expect("a whole set").is_some(), "another one is in use");
    assert!(are_linked(&keys, &stranger).await);

    // Touched, and nothing changed.
    write(&node.join(NODE), &another.certificate);
    assert!(watch.find().is_empty());
    fs::remove_dir_all(&node).expect("our own");
    assert!(watch.find().is_empty());
    let told = watch.find();
    let is_told = matches!(&*told, [KeyAction::TellUnfit(why)] if why.contains(SECRET));
    assert!(is_told, "{told:?}");
}
