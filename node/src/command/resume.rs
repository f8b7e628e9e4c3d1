//! `tgs resume`: goes on with what was interrupted, and writes to where it was asked to; or, with
//! `--cancel`, ends it.

use std::path::Path;

use serde_json::json;
use tgs_actors::Node;
use tgs_protocol::{
    code::Code,
    desk::News,
    id::JobId,
    job::{
        JobRow, JobState,
        action::Tidings,
        listing::{Listing, Place, StateClass},
    },
    request::Goal,
    store::ArtifactName,
};

use super::job;
use crate::{
    command_line::{ResumeArguments, Voice},
    configuration::Settings,
    failure::Failure,
    following::Begin,
    home,
    leaving::ExitCode,
    signals,
    voice::{say, say_aside},
    wiring,
};

pub async fn run(
    asked: ResumeArguments,
    home: Option<&Path>,
    settings: &Settings,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let home = home::folder(home, settings)?;
    // A mistyped folder must not become a data folder: what is looked for would not be there.
    if !wiring::is_home(&home) {
        if asked.list {
            say_count(0, &home, voice);
            return Ok(ExitCode::SUCCESS);
        }
        let what = if home.is_dir() { "it is no data folder" } else { "there is no such folder" };
        let message = format!("resume in {}: {what}; check --home", home.display());
        return Err(Failure::new(Code::NothingToResume, message));
    }
    let node = wiring::node(&home, settings, asked.samplers).await?;
    if asked.list {
        list(&node, &home, voice).await?;
        node.stop().await;
        return Ok(ExitCode::SUCCESS);
    }
    let gone_on = go_on(&node, asked, &home, voice).await;
    node.stop().await;
    gone_on
}

async fn go_on(
    node: &Node,
    asked: ResumeArguments,
    home: &Path,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut stop = signals::listen()?;
    let mut status = ExitCode::SUCCESS;
    for name in unfinished_of(node, asked.job, asked.cancel, home).await? {
        let ended = match asked.cancel {
            true => cancel(node, &name, voice).await,
            false => job::follow(node, &name, Begin::Again, voice, &mut stop).await,
        };
        // One job that cannot go on must not keep the others from going on.
        let was_stopped = ended.as_ref().is_err_and(|failure| failure.code == Code::Interrupted);
        let ended = ended.unwrap_or_else(|failure| failure.tell(voice));
        if ended != ExitCode::SUCCESS {
            status = ended;
        }
        if was_stopped {
            break;
        }
    }
    Ok(status)
}

async fn cancel(node: &Node, name: &JobId, voice: Voice) -> Result<ExitCode, Failure> {
    node.desk().cancel(name).await?;
    let left = what_was_left(node, name).await?;
    if !left.is_empty() {
        let message = format!("cancel job {name}: it has ended, but {}", left.join("; "));
        return Err(Failure::new(Code::CannotWrite, message));
    }
    match voice {
        Voice::Json => say!("{}", json!({"event": "cancelled", "job": name})),
        Voice::Words | Voice::Quiet => {
            say!("job {name} is cancelled; its copy of the table and its results are removed");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the end of a job could not remove, as it was told.
async fn what_was_left(node: &Node, name: &JobId) -> Result<Vec<String>, Failure> {
    let mut watching = node.desk().watch(name).await?;
    let mut left = Vec::new();
    while let Some(news) = watching.next().await {
        if let News::Tidings(Tidings::Notice(notice)) = news {
            left.push(notice);
        }
    }
    Ok(left)
}

/// The named job, or every interrupted one, oldest first.
async fn unfinished_of(
    node: &Node,
    named: Option<String>,
    to_cancel: bool,
    home: &Path,
) -> Result<Vec<JobId>, Failure> {
    let desk = node.desk();
    if let Some(name) = named {
        let job = JobId::new(name);
        let row = desk.show(&job).await?;
        if let JobState::Ended(outcome) = &row.state {
            let (act, thing) = match to_cancel {
                true => ("cancel", "to cancel"),
                false => ("resume", "to go on with"),
            };
            let mut message =
                format!("{act} job {job}: it has ended ({outcome}), so there is nothing {thing}");
            // Unless it was cancelled, its model and its report stay.
            let folder = wiring::job_folder(home, &job)?;
            let mut kept = ArtifactName::kept_after(StateClass::of(&row.state)).iter();
            if kept.any(|name| folder.join(name.as_str()).exists()) {
                let at = folder.display();
                message += &format!("; what it keeps stands in {at} and may be removed by hand");
            }
            return Err(Failure::new(Code::NothingToResume, message));
        }
        return Ok(vec![job]);
    }
    let rows = unfinished(node).await?;
    if rows.is_empty() {
        let message = format!("resume in {}: no interrupted job is there", home.display());
        return Err(Failure::new(Code::NothingToResume, message));
    }
    Ok(rows.into_iter().map(|row| row.id).collect())
}

async fn list(node: &Node, home: &Path, voice: Voice) -> Result<(), Failure> {
    let rows = unfinished(node).await?;
    for row in &rows {
        let (from, to) = paths(&row.request.goal);
        let last = row.timeline.last().map_or("", |entry| entry.what.as_str());
        match voice {
            Voice::Json => say!(
                "{}",
                json!({
                    "event": "job", "job": row.id, "state": row.state, "last": last,
                    "from": from, "to": to,
                })
            ),
            Voice::Words | Voice::Quiet => {
                let (from, to) = (from.display(), to.display());
                say!("{}  {:<8}  {from} → {to}  ({last})", row.id, row.state.to_string());
            }
        }
    }
    say_count(rows.len(), home, voice);
    Ok(())
}

/// What a job reads first, and what it is to write.
fn paths(goal: &Goal) -> (&Path, &Path) {
    match goal {
        Goal::Synthesize { source, output } => (&source.table, &output.table),
        Goal::Train { source, model_file } => (&source.table, model_file),
        Goal::Generate { model_file, output, .. } => (model_file, &output.table),
        Goal::Evaluate { synthetic, report, .. } => (synthetic, report),
        Goal::External { command, folder } => (&command.program, folder),
    }
}

/// The end of the list: a program sees that it is whole, a person why it is empty.
fn say_count(jobs: usize, home: &Path, voice: Voice) {
    match voice {
        Voice::Json => say!("{}", json!({"event": "listed", "jobs": jobs})),
        Voice::Words | Voice::Quiet if jobs == 0 => {
            say_aside!("no interrupted job in {}", home.display());
        }
        Voice::Words | Voice::Quiet => {}
    }
}

async fn unfinished(node: &Node) -> Result<Vec<JobRow>, Failure> {
    let mut rows = Vec::new();
    for class in StateClass::ALL.into_iter().filter(|class| !class.is_final()) {
        rows.extend(node.desk().list(&Listing::all(Some(class))).await?.rows);
    }
    rows.sort_by_key(Place::of);
    Ok(rows)
}
