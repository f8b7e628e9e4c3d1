//! Certificates for the links between nodes: an authority of the cluster's own, and what it issues
//! to each node. Files of one folder, made once and never overwritten.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use ring::rand::{SecureRandom, SystemRandom};
use tgs_protocol::{code::Code, digest::Digest, store::StoreError};

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
    put(
        folder,
        &[
            (AUTHORITY, &root?),
            (NODE, &certificate.pem()),
            (NODE_KEY, &key.serialize_pem()),
            (SECRET, &secret?),
        ],
    )
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
    let failed = |path: &Path, error: &io::Error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        let code = if is_there { Code::BadRequest } else { Code::CannotWrite };
        let remedy = match is_there {
            true => "it is never overwritten; name another folder",
            false => "name a folder that may be written",
        };
        StoreError::new(code, format!("make {}: {error}; {remedy}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| path.exists()) {
        return Err(failed(path, &io::ErrorKind::AlreadyExists.into()));
    }
    for (path, (_, text)) in paths.iter().zip(files) {
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(path);
        let written = made.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| failed(path, &error))?;
    }
    Ok(())
}

fn fault(act: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(Code::BadRequest, format!("{act}: {error}; make the authority anew"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
        assert!(issue("a", "node.tgs", &root, &node).is_err());
        for name in [AUTHORITY, NODE, NODE_KEY, SECRET] {
            let mode = fs::metadata(node.join(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let same = |name: &str| fs::read(root.join(name)).ok() == fs::read(node.join(name)).ok();
        assert!(same(AUTHORITY) && same(SECRET));
        assert!(!node.join(AUTHORITY_KEY).exists(), "a node cannot issue");
    }
}
