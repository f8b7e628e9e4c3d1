//! The folder of a node's certificate and keys, as it lies on a disk of this machine.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tgs_protocol::peer::keys::{KeyFolder, KeySet, Mark};

use super::{AUTHORITY, NODE, NODE_KEY, SECRET};
use crate::blocking::blocking;

/// One node's.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// It may not be there, or hold something else.
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn file(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.0.join(name);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl KeyFolder for Folder {
    fn place(&self) -> String {
        self.0.display().to_string()
    }

    /// By what a file system says of each file: another one has another number, one that was
    /// written into has another time. Links are followed: some swap whole folders by one.
    fn mark(&self) -> Mark {
        blocking(|| {
            let marks = [AUTHORITY, NODE, NODE_KEY, SECRET].map(|name| {
                let Ok(it) = fs::metadata(self.0.join(name)) else { return "none".to_owned() };
                let (modified, changed) =
                    ((it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec()));
                format!("{:?}", (it.dev(), it.ino(), it.len(), modified, changed))
            });
            Mark(marks.join(" "))
        })
    }

    fn read(&self) -> Result<KeySet, String> {
        blocking(|| {
            let secret = String::from_utf8(self.file(SECRET)?);
            let secret = secret.map_err(|error| format!("{SECRET}: {error}"))?;
            Ok(KeySet {
                authority: self.file(AUTHORITY)?,
                certificate: self.file(NODE)?,
                key: self.file(NODE_KEY)?,
                secret: secret.lines().next().unwrap_or_default().to_owned(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::{
        super::{issue, make_authority, renew},
        *,
    };

    #[test]
    fn every_write_is_seen_and_nothing_else() {
        let place = tempfile::tempdir().expect("a folder");
        let (root, node) = (place.path().join("authority"), place.path().join("a"));
        let folder = Folder::at(&node);
        let absent = folder.read().expect_err("nothing is there");
        assert!(absent.contains(&node.display().to_string()), "{absent}");
        let mut marks = vec![folder.mark()];
        let mut is_new = |folder: &Folder| {
            let mark = folder.mark();
            assert_eq!(mark, folder.mark());
            let is_new = !marks.contains(&mark);
            marks.push(mark);
            is_new
        };
        make_authority(&root).expect("an authority");
        issue("a", "node.tgs", &root, &node).expect("a certificate");
        assert!(is_new(&folder));
        let first = folder.read().expect("a set");
        assert_eq!(first, folder.read().expect("a set"));
        assert!(!is_new(&folder), "reading is no write");
        renew("a", "node.tgs", &root, &node).expect("a certificate");
        assert!(is_new(&folder));
        let second = folder.read().expect("a set");
        assert!(first.key != second.key && first.certificate != second.certificate);
        assert_eq!((first.authority, first.secret), (second.authority, second.secret));
        // As long as before, in the very file; clocks of file systems stand still for a moment.
        thread::sleep(Duration::from_millis(20));
        fs::write(node.join(NODE), &first.certificate).expect("our own");
        assert!(is_new(&folder));
        fs::remove_file(node.join(NODE_KEY)).expect("our own");
        assert!(is_new(&folder));
        assert!(folder.read().expect_err("it is gone").contains(NODE_KEY));
    }
}
