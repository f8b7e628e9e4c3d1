//! Input files: the ones that a job was asked for with, or others?

use std::{fs, io, path::Path, time::UNIX_EPOCH};

use tgs_protocol::{
    code::Code,
    request::{InputFile, JobRequest},
    unit::ByteCount,
};

use crate::failure::Fault;

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

/// Refuses to go on with a file that is another one than the job was asked for with, or that is not
/// there any more: a drive that is not mounted yet must not cost the job.
pub(crate) fn check_same(request: &JobRequest) -> Result<(), Fault> {
    for asked in &request.inputs {
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
