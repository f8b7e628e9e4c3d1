//! Where the data folder is, and paths that mean the same after a change of folder.

use std::{
    env, fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf, absolute},
};

use tgs_protocol::code::Code;

use crate::{configuration::Settings, failure::Failure};

/// The data folder: the flag or TGS_HOME, the configuration, or the user's own.
pub fn folder(flag: Option<&Path>, settings: &Settings) -> Result<PathBuf, Failure> {
    let named = flag.or(Some(Path::new(&settings.home)).filter(|_| !settings.home.is_empty()));
    if let Some(named) = named {
        let folder = whole(named)?;
        if folder.is_file() {
            let message = format!("work in the data folder {}: it is a file", named.display());
            return Err(Failure::new(Code::BadRequest, message + "; name a folder with --home"));
        }
        return Ok(folder);
    }
    let of_user = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    match of_user {
        Some(folder) => Ok(folder.join("tgs")),
        None => Err(Failure::new(
            Code::BadRequest,
            "find the data folder: neither HOME nor XDG_DATA_HOME is set; name one with --home",
        )),
    }
}

/// The same path from everywhere, since a job may be resumed from another folder, and without
/// links, so that what is read and what is written can be told apart. What is not there yet keeps
/// its name.
pub fn whole(path: &Path) -> Result<PathBuf, Failure> {
    let cannot = |error: io::Error| {
        let act = format!("make {} absolute: {error}; name it otherwise", path.display());
        Failure::new(Code::BadRequest, act)
    };
    let absolute = absolute(path).map_err(cannot)?;
    if absolute.to_str().is_none() {
        return Err(cannot(io::Error::other("it is not Unicode")));
    }
    for there in absolute.ancestors() {
        match fs::canonicalize(there) {
            Ok(real) => {
                let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
                let is_whole = rest.as_os_str().is_empty();
                return Ok(if is_whole { real } else { real.join(rest) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(cannot(error)),
        }
    }
    Ok(absolute)
}

/// Refuses an output that cannot be written before hours of work, not after.
pub fn must_be_writable(file: &Path) -> Result<(), Failure> {
    let refuse = |error: &std::io::Error| {
        let remedy = "name another output or give the right to write there";
        let message = format!("write {}: {error}; {remedy}", file.display());
        Failure::new(Code::CannotWrite, message)
    };
    if file.is_dir() {
        return Err(refuse(&std::io::Error::other("it is a folder")));
    }
    // A folder that does not exist yet is made at delivery; the nearest one above must be writable.
    let above = file.ancestors().skip(1).find(|folder| folder.exists());
    let folder = above.unwrap_or(Path::new("/"));
    probe(folder).map_err(|error| refuse(&error))
}

/// Whether a file can be made there, without leaving one even if the process is killed meanwhile.
fn probe(folder: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    // A file without a name, gone with its handle.
    match options.write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(folder) {
        Err(error) if is_unknown(&error) => named_probe(folder),
        probed => probed.map(drop),
    }
}

/// File systems that know no files without names say so in one of these ways.
fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT))
}

fn named_probe(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".tgs-probe-{}", std::process::id()));
    fs::File::create(&probe)?;
    fs::remove_file(&probe)
}
