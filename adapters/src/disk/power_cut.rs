//! A disk that remembers what it was told, and can show what a power cut would have left.
//!
//! What was synced stays. Of what was not, each write may be there, be torn or be lost, and each
//! name may be there or not: chance decides, by seed. This is harsher than common file systems,
//! which keep the order of names. After Pillai et al., "All file systems are not created equal"
//! (OSDI 2014).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::disk::{Disk, Readers, RealDisk};

/// One remembered act; paths are relative to the root.
#[derive(Debug, Clone)]
enum Act {
    MakeFolder(PathBuf),
    Create(PathBuf),
    Write { path: PathBuf, offset: u64, bytes: Vec<u8> },
    SetLen { path: PathBuf, len: u64 },
    Sync(PathBuf),
    SyncFolder(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
    Remove(PathBuf),
}

/// The real disk below one root folder, without its syncing, with a memory.
#[derive(Debug)]
pub struct PowerCut {
    root: PathBuf,
    acts: Mutex<Vec<Act>>,
}

impl PowerCut {
    /// Below this folder; it is empty.
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), acts: Mutex::default() }
    }

    /// How many acts took place so far.
    pub fn acts(&self) -> usize {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Writes what a power cut after `count` acts might leave into an empty folder.
    ///
    /// # Errors
    /// Of writing there.
    pub fn image(&self, count: usize, seed: u64, into: &Path) -> io::Result<()> {
        let acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        let acts = acts.get(..count).unwrap_or(&acts);
        let mut chance = Chance(seed);
        let lives_on = names_that_stay(acts, &mut chance);
        let mut all = Names::default();
        let mut left = Names::default();
        let mut files: BTreeMap<usize, Content> = BTreeMap::new();
        for (no, act) in acts.iter().enumerate() {
            let inode = match act {
                Act::Write { path, .. } | Act::SetLen { path, .. } | Act::Sync(path) => {
                    all.files.get(path).copied()
                }
                _ => None,
            };
            if let Some(content) = inode.and_then(|inode| files.get_mut(&inode)) {
                content.take(act);
            }
            all.take(no, act);
            if let Act::Create(path) = act {
                files.insert(all.files[path], Content::default());
            }
            if lives_on.contains(&no) {
                left.take(no, act);
            }
        }
        left.write(into, |inode| files.get(&inode).map(|file| file.after_the_cut(&mut chance)))
    }

    fn remember(&self, act: Act) {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).push(act);
    }

    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}

/// Numbers of the name-changing acts that survive: all whose folder was synced later, and by chance
/// some of the others.
fn names_that_stay(acts: &[Act], chance: &mut Chance) -> BTreeSet<usize> {
    let mut synced_later = BTreeSet::new();
    let mut stay = BTreeSet::new();
    // A harsh cut loses nearly all, a mild one nearly nothing.
    let of_four = chance.next() % 5;
    for (no, act) in acts.iter().enumerate().rev() {
        let touched: Vec<&Path> = match act {
            Act::SyncFolder(folder) => {
                synced_later.insert(folder.as_path());
                continue;
            }
            Act::MakeFolder(path) | Act::Create(path) | Act::Remove(path) => vec![path],
            Act::Rename { from, to } => vec![from, to],
            _ => continue,
        };
        let is_synced = touched
            .iter()
            .any(|path| path.parent().is_some_and(|above| synced_later.contains(above)));
        if is_synced || chance.next() % 4 < of_four {
            stay.insert(no);
        }
    }
    stay
}

/// Which names there are, and which content they lead to.
#[derive(Debug, Default)]
struct Names {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, usize>,
}

impl Names {
    /// An act on a name that is not there (its making was lost) changes nothing.
    fn take(&mut self, no: usize, act: &Act) {
        match act {
            Act::MakeFolder(path) => {
                self.folders.insert(path.clone());
            }
            // Opening a file anew keeps its content's identity; the store never does so.
            Act::Create(path) => {
                self.files.insert(path.clone(), no);
            }
            Act::Remove(path) => {
                self.files.remove(path);
                self.folders.remove(path);
            }
            Act::Rename { from, to } => self.rename(from, to),
            _ => {}
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| {
            let rest = path.strip_prefix(from).ok()?;
            Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
        };
        let renamed = |path: PathBuf| moved(&path).unwrap_or(path);
        self.folders = std::mem::take(&mut self.folders).into_iter().map(renamed).collect();
        let (going, mut staying): (Vec<_>, BTreeMap<_, _>) = {
            let all = std::mem::take(&mut self.files).into_iter();
            let (going, staying): (Vec<_>, Vec<_>) =
                all.partition(|(path, _)| moved(path).is_some());
            (going, staying.into_iter().collect())
        };
        staying.extend(going.into_iter().map(|(path, inode)| (renamed(path), inode)));
        self.files = staying;
    }

    /// What lies in a folder that is not there is not there either.
    fn write(
        &self,
        into: &Path,
        mut content: impl FnMut(usize) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        fs::create_dir_all(into)?;
        for folder in &self.folders {
            let at = into.join(folder);
            if at.parent().is_some_and(Path::is_dir) && !at.exists() {
                fs::create_dir(at)?;
            }
        }
        for (path, inode) in &self.files {
            let at = into.join(path);
            if at.parent().is_some_and(Path::is_dir) && !at.exists() {
                fs::write(at, content(*inode).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

/// Bytes of one file: what is synced, and the acts since.
#[derive(Debug, Default)]
struct Content {
    synced: Vec<u8>,
    since: Vec<Act>,
}

impl Content {
    fn take(&mut self, act: &Act) {
        if matches!(act, Act::Sync(_)) {
            for act in std::mem::take(&mut self.since) {
                apply(&mut self.synced, &act, usize::MAX);
            }
        } else {
            self.since.push(act.clone());
        }
    }

    fn after_the_cut(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for act in &self.since {
            match chance.next() % 3 {
                0 => {}
                1 => apply(&mut bytes, act, usize::MAX),
                _ => apply(&mut bytes, act, usize::try_from(chance.next() % 5_000).unwrap_or(0)),
            }
        }
        bytes
    }
}

/// Carries an act out on bytes; of a write, at most so many bytes.
fn apply(content: &mut Vec<u8>, act: &Act, bytes_max: usize) {
    match act {
        Act::SetLen { len, .. } => content.resize(usize::try_from(*len).unwrap_or(0), 0),
        Act::Write { offset, bytes, .. } => {
            let begin = usize::try_from(*offset).unwrap_or(0);
            let bytes = &bytes[..bytes.len().min(bytes_max)];
            let end = begin + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[begin..end].copy_from_slice(bytes);
        }
        _ => {}
    }
}

/// SplitMix64: chance by seed.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Disk for PowerCut {
    fn make_folder(&self, folder: &Path, readers: Readers) -> io::Result<()> {
        RealDisk.make_folder(folder, readers)?;
        self.remember(Act::MakeFolder(self.inside(folder)));
        Ok(())
    }
    fn create(&self, file: &Path, readers: Readers) -> io::Result<File> {
        let made = RealDisk.create(file, readers)?;
        self.remember(Act::Create(self.inside(file)));
        Ok(made)
    }
    fn write(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        RealDisk.write(file, path, offset, bytes)?;
        self.remember(Act::Write { path: self.inside(path), offset, bytes: bytes.to_vec() });
        Ok(())
    }
    fn set_len(&self, file: &File, path: &Path, len: u64) -> io::Result<()> {
        RealDisk.set_len(file, path, len)?;
        self.remember(Act::SetLen { path: self.inside(path), len });
        Ok(())
    }
    fn sync(&self, _: &File, path: &Path) -> io::Result<()> {
        self.remember(Act::Sync(self.inside(path)));
        Ok(())
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.remember(Act::SyncFolder(self.inside(folder)));
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)?;
        self.remember(Act::Rename { from: self.inside(from), to: self.inside(to) });
        Ok(())
    }
    fn remove_file(&self, file: &Path) -> io::Result<()> {
        RealDisk.remove_file(file)?;
        self.remember(Act::Remove(self.inside(file)));
        Ok(())
    }
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.remove_folder(folder)?;
        self.remember(Act::Remove(self.inside(folder)));
        Ok(())
    }
}
