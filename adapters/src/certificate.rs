//! Certificates for the links between nodes: an authority of the cluster's own, and what it issues
//! to each node. Files of one folder, never overwritten unless a certificate is to be renewed.

mod folder;

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use ring::rand::{SecureRandom, SystemRandom};
use tgs_protocol::{code::Code, digest::Digest, store::StoreError};

pub use self::folder::Folder;
use crate::disk::{self, Disk, Readers, RealDisk};

/// The certificate of the authority.
pub const AUTHORITY: &str = "ca.pem";
/// Its key: whoever has it can issue certificates.
pub const AUTHORITY_KEY: &str = "ca.key";
/// The certificate of a node.
pub const NODE: &str = "node.pem";
/// Its key.
pub const NODE_KEY: &str = "node.key";
/// What all nodes of a cluster know and nobody else.
pub const SECRET: &str = "secret";

/// How long an authority is good for, and what it issued.
const AUTHORITY_DAYS: u64 = 3_650;
const NODE_DAYS: u64 = 825;
/// A clock may be behind that of whoever issued a certificate.
const EARLIER: Duration = Duration::from_hours(24);

/// Makes an authority in a folder.
///
/// # Errors
/// `CannotWrite` when its files cannot be made; `BadRequest` when they are there already.
pub fn make_authority(folder: &Path) -> Result<(), StoreError> {
    let act = "make an authority";
    let key = KeyPair::generate().map_err(|error| fault(act, &error))?;
    let certificate = authority()?.self_signed(&key);
    let certificate = certificate.map_err(|error| fault(act, &error))?;
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).map_err(|error| fault(act, &error))?;
    let secret = Digest::of(&secret).to_string();
    put(
        folder,
        &[
            (AUTHORITY, &certificate.pem()),
            (AUTHORITY_KEY, &key.serialize_pem()),
            (SECRET, &secret),
        ],
    )
}

/// Issues a certificate to a node: a folder with all that the node needs.
///
/// # Errors
/// `BadRequest` when the authority's files are none or those of the node are there already;
/// `CannotWrite` when they cannot be made.
pub fn issue(
    node: &str,
    dns_name: &str,
    authority_folder: &Path,
    folder: &Path,
) -> Result<(), StoreError> {
    put(folder, &as_files(&issued(node, dns_name, authority_folder)?))
}

/// The same in the place of what the node has: a node that runs takes it.
///
/// # Errors
/// As [`issue`], but for files that are there; `BadRequest` when these are of another cluster.
pub fn renew(
    node: &str,
    dns_name: &str,
    authority_folder: &Path,
    folder: &Path,
) -> Result<(), StoreError> {
    let set = issued(node, dns_name, authority_folder)?;
    let [.., secret] = &set;
    let has = fs::read_to_string(folder.join(SECRET));
    if has.is_ok_and(|has| has.lines().next() != secret.lines().next()) {
        let message = format!(
            "renew the certificate in {}: it has another secret than {}, and nodes of one cluster \
             have one; copy the secret of the earlier authority there, or name another folder",
            folder.display(),
            authority_folder.display()
        );
        return Err(StoreError::new(Code::BadRequest, message));
    }
    put_in_place(folder, &as_files(&set))
}

/// What was issued under its names, in the order in which they are taken.
fn as_files(set: &[String; 4]) -> [(&'static str, &str); 4] {
    let [root, key, certificate, secret] = set;
    [(AUTHORITY, root), (NODE_KEY, key), (NODE, certificate), (SECRET, secret)]
}

/// Certificates of the authority, key and certificate of the node, the secret.
fn issued(node: &str, dns_name: &str, authority_folder: &Path) -> Result<[String; 4], StoreError> {
    let act = "issue a certificate";
    let [root, root_key, secret] = [AUTHORITY, AUTHORITY_KEY, SECRET].map(|name| {
        let path = authority_folder.join(name);
        fs::read_to_string(&path).map_err(|error| {
            let message = format!(
                "{act}: read {}: {error}; name the folder of an authority, which `tgs cert \
                 authority` makes",
                path.display()
            );
            StoreError::new(Code::BadRequest, message)
        })
    });
    let root_key = KeyPair::from_pem(&root_key?).map_err(|error| fault(act, &error))?;
    let issuer = Issuer::new(authority()?, root_key);
    let key = KeyPair::generate().map_err(|error| fault(act, &error))?;
    let mut params =
        CertificateParams::new([dns_name.to_owned()]).map_err(|error| fault(act, &error))?;
    params.distinguished_name.push(DnType::CommonName, node);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    valid_for(&mut params, NODE_DAYS);
    let certificate = params.signed_by(&key, &issuer).map_err(|error| fault(act, &error))?;
    Ok([root?, key.serialize_pem(), certificate.pem(), secret?])
}

/// The same each time but for its dates: who issues is known by its name and its key.
fn authority() -> Result<CertificateParams, StoreError> {
    let params = CertificateParams::new([]).map_err(|error| fault("make an authority", &error));
    let mut params = params?;
    params.distinguished_name.push(DnType::CommonName, "TabGraphSyn cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, AUTHORITY_DAYS);
    Ok(params)
}

fn valid_for(params: &mut CertificateParams, days: u64) {
    let now = SystemTime::now();
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + Duration::from_hours(24 * days)).into();
}

/// Makes files that only their owner reads; all, or none that was there before.
fn put(folder: &Path, files: &[(&str, &str)]) -> Result<(), StoreError> {
    let mut paths = files.iter().map(|(name, _)| folder.join(name));
    if let Some(path) = paths.find(|path| path.exists()) {
        return Err(unwritten(&path, &io::ErrorKind::AlreadyExists.into()));
    }
    put_in_place(folder, files)
}

/// Writes files as one, as far as there is such a thing: all lie whole beside their names before
/// the first takes its own. The last one's being there says that all are, to scripts.
fn put_in_place(folder: &Path, files: &[(&str, &str)]) -> Result<(), StoreError> {
    let disk = RealDisk;
    let made = disk::make_folders(&disk, folder, Readers::AsUsual);
    made.map_err(|error| unwritten(folder, &error))?;
    let beside = |name: &str| folder.join(format!(".{name}.new"));
    let written = files.iter().try_for_each(|(name, text)| {
        let (path, part) = (folder.join(name), beside(name));
        write_like(&path, &part, text).map_err(|error| unwritten(&part, &error))
    });
    let named = written.and_then(|()| {
        files.iter().try_for_each(|(name, _)| {
            let path = folder.join(name);
            disk.rename(&beside(name), &path).map_err(|error| unwritten(&path, &error))
        })
    });
    if named.is_err() {
        for (name, _) in files {
            // A key that nobody uses is not left about; what is left after all is overwritten.
            let _ = disk.remove_file(&beside(name));
        }
    }
    named?;
    disk.sync_folder(folder).map_err(|error| unwritten(folder, &error))
}

/// Writes a file beside the one that it replaces, for those who could read that.
fn write_like(path: &Path, part: &Path, text: &str) -> io::Result<()> {
    let disk = RealDisk;
    // One that somebody else has left there keeps its owner.
    disk::gone_is_fine(disk.remove_file(part))?;
    disk::write_file(&disk, part, text.as_bytes())?;
    let Ok(before) = fs::metadata(path) else { return Ok(()) };
    let own = fs::metadata(part)?;
    if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
        chown(part, Some(before.uid()), Some(before.gid()))?;
    }
    fs::set_permissions(part, before.permissions())
}

fn unwritten(path: &Path, error: &io::Error) -> StoreError {
    let is_there = error.kind() == io::ErrorKind::AlreadyExists;
    let code = if is_there { Code::BadRequest } else { Code::CannotWrite };
    let remedy = match is_there {
        true => {
            "nothing is overwritten; name another folder, or renew what a node has (`tgs cert node \
             NAME --renew …`)"
        }
        false => "name a folder that may be written",
    };
    StoreError::new(code, format!("make {}: {error}; {remedy}", path.display()))
}

fn fault(act: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(Code::BadRequest, format!("{act}: {error}; make the authority anew"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn modes(folder: &Path) -> Vec<(String, u32)> {
        let all = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file"));
        let mode = |entry: &fs::DirEntry| entry.metadata().expect("it is there").mode() & 0o777;
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().expect("our name");
        let mut modes: Vec<_> = all.map(|entry| (name(&entry), mode(&entry))).collect();
        modes.sort();
        modes
    }

    #[test]
    fn an_authority_issues_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, node) = (folder.path().join("authority"), folder.path().join("a"));
        let absent = issue("a", "node.tgs", &root, &node).expect_err("there is no authority");
        assert!(absent.message.contains("tgs cert authority"), "{absent}");
        make_authority(&root).expect("an authority");
        let again = make_authority(&root).expect_err("it is there");
        assert_eq!(again.code, Code::BadRequest, "{again}");
        issue("a", "node.tgs", &root, &node).expect("a certificate");
        let again = issue("a", "node.tgs", &root, &node).expect_err("it is there");
        assert!(again.message.contains("--renew"), "{again}");
        let all = [AUTHORITY, NODE_KEY, NODE, SECRET].map(|name| (name.to_owned(), 0o600));
        assert_eq!(modes(&node), all, "and nothing else; a node cannot issue");
        let same = |name: &str| fs::read(root.join(name)).ok() == fs::read(node.join(name)).ok();
        assert!(same(AUTHORITY) && same(SECRET));
    }

    #[test]
    fn what_a_node_has_is_renewed_whole_and_never_by_another_cluster() {
        let folder = tempfile::tempdir().expect("a folder");
        let [root, other, node] = ["authority", "other", "a"].map(|name| folder.path().join(name));
        make_authority(&root).expect("an authority");
        make_authority(&other).expect("an authority");
        let read = || [NODE, NODE_KEY].map(|name| fs::read(node.join(name)).expect("a file"));
        // A folder that is not there, or was left half made, is made whole.
        renew("a", "node.tgs", &root, &node).expect("a certificate");
        let first = read();
        // The node runs as another user, say, who reads it by its group.
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(node.join(NODE_KEY), mode).expect("our own");
        fs::write(node.join(".node.key.new"), "left by somebody").expect("our own");
        renew("a", "node.tgs", &root, &node).expect("a certificate");
        let second = read();
        assert!(first[0] != second[0] && first[1] != second[1], "both are new");
        let all = [(AUTHORITY, 0o600), (NODE_KEY, 0o640), (NODE, 0o600), (SECRET, 0o600)];
        assert_eq!(modes(&node), all.map(|(name, mode)| (name.to_owned(), mode)));
        let refused = renew("a", "node.tgs", &other, &node).expect_err("another secret");
        assert!(refused.message.contains("another secret"), "{refused}");
        assert_eq!(read(), second, "nothing was touched");
        fs::copy(root.join(SECRET), other.join(SECRET)).expect("a copy");
        renew("a", "node.tgs", &other, &node).expect("the next authority of the same cluster");
        let authority = |at: &Path| fs::read(at.join(AUTHORITY)).expect("a file");
        assert_eq!(authority(&node), authority(&other));
    }
}
