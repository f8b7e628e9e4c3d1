//! Input files: found on this machine, and seen to be the ones that a job was asked for with.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use tgs_protocol::{
    code::Code,
    dataset::DatasetVersion,
    kept::Kept,
    request::{InputFile, JobRequest},
    store::{ArtifactName, StoreError},
    unit::ByteCount,
};

use crate::{
    failure::Fault,
    gpu_worker::bench::MODEL_FILE,
    ports::Ports,
    store_call::{answer, transfer},
};

/// The file as it is now.
///
/// # Errors
/// What the system says when it cannot be looked at.
pub fn look(path: &Path) -> io::Result<InputFile> {
    let facts = fs::metadata(path)?;
    let written = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written_ns = u64::try_from(written.as_nanos()).unwrap_or(u64::MAX);
    Ok(InputFile { path: path.to_owned(), size: ByteCount(facts.len()), written_ns })
}

/// The file as it is now, on this machine or in the house. What the house keeps is never written
/// to, so it has no time.
pub(crate) async fn look_at(
    ports: &Ports,
    path: &Path,
    what: &str,
) -> Result<InputFile, StoreError> {
    let unread = |path: &Path, error: io::Error| {
        let said = format!("open {what} {}: {error}; check it", path.display());
        StoreError::new(Code::SourceUnreadable, said)
    };
    let size = match Kept::of(path) {
        None => return look(path).map_err(|error| unread(path, error)),
        Some(kept @ Kept::Dataset { .. }) => {
            kept_version(ports, &kept).await?.ok_or_else(|| gone(path))?.size
        }
        Some(Kept::Model(job)) => {
            let sizes = ports.artifacts.sizes(&job, ArtifactName::Model);
            let sizes = answer("look at a model", sizes).await?;
            let size = sizes.and_then(|sizes| sizes.get(MODEL_FILE).copied());
            size.ok_or_else(|| gone(path))?
        }
        Some(Kept::Result(_)) => return Err(gone(path)),
    };
    Ok(InputFile { path: path.to_owned(), size, written_ns: 0 })
}

/// A file of this machine with the bytes that a request names.
///
/// # Errors
/// `SourceChanged` if the house does not keep it any more, and what the store says.
pub(crate) async fn local(ports: &Ports, path: &Path) -> Result<PathBuf, StoreError> {
    match Kept::of(path) {
        None => Ok(path.to_owned()),
        Some(kept @ Kept::Dataset { .. }) => {
            let found = kept_version(ports, &kept).await?.ok_or_else(|| gone(path))?;
            let opened = transfer("open a dataset", ports.datasets.file(&found)).await;
            // It may have been removed just now.
            opened.map_err(|error| if error.code == Code::NoSuchThing { gone(path) } else { error })
        }
        Some(Kept::Model(job)) => {
            let opened = ports.artifacts.open(&job, ArtifactName::Model);
            let folder = transfer("open a model", opened).await?;
            folder.map(|folder| folder.join(MODEL_FILE)).ok_or_else(|| gone(path))
        }
        Some(Kept::Result(_)) => Err(gone(path)),
    }
}

/// The version that is meant, or another one of its dataset that holds the same: it may have been
/// removed and handed in again.
async fn kept_version(ports: &Ports, kept: &Kept) -> Result<Option<DatasetVersion>, StoreError> {
    let Kept::Dataset { dataset, version, digest, ending } = kept else { return Ok(None) };
    let versions = transfer("look for a dataset", ports.datasets.versions(dataset)).await?;
    let holds_it = |it: &DatasetVersion| it.digest.short() == *digest && it.ending == *ending;
    let (meant, others): (Vec<_>, Vec<_>) =
        versions.into_iter().filter(holds_it).partition(|it| it.version == *version);
    Ok(meant.into_iter().chain(others).next())
}

fn gone(path: &Path) -> StoreError {
    let said = format!(
        "open {}: it was removed since the job was asked for; cancel the job, hand it in again and \
         submit a new order",
        path.display()
    );
    StoreError::new(Code::SourceChanged, said)
}

/// Refuses to go on with a file that is another one than the job was asked for with, or that is not
/// there any more: a drive that is not mounted yet must not cost the job.
pub(crate) fn check_same(request: &JobRequest) -> Result<(), Fault> {
    let of_this_machine = request.inputs.iter().filter(|asked| Kept::of(&asked.path).is_none());
    for asked in of_this_machine {
        let what = match look(&asked.path) {
            Ok(now) if now == *asked => continue,
            Ok(_) => "it changed since the job was asked for".to_owned(),
            Err(error) => format!("it was there when the job was asked for, and now: {error}"),
        };
        let path = asked.path.display();
        let remedy = "put the former file back as it was, with its time, and resume, or cancel the \
                      job and ask again";
        let said = format!("go on with {path}: {what}; {remedy}");
        return Err(Fault::new(Code::SourceChanged, said));
    }
    Ok(())
}
