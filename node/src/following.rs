//! Follows one job from submission to its end, and through Ctrl-C.

use tgs_actors::Node;
use tgs_protocol::{
    code::Code,
    desk::News,
    id::JobId,
    job::{JobState, Outcome, action::Tidings},
};

use crate::{
    failure::Failure,
    screen::Screen,
    signals::{self, Stop},
    terminal::Interrupted,
};

/// Shows the job until it ends. Ctrl-C checkpoints it, says how to resume, and is status 130.
pub async fn to_its_end(
    node: &Node,
    job: &JobId,
    begin: Begin,
    screen: &Screen,
    stop: &mut Stop,
) -> Result<Outcome, Failure> {
    let desk = node.desk();
    if begin == Begin::Again {
        desk.resume(job).await?;
    }
    let mut watching = desk.watch(job).await?;
    let mut is_stopping = false;
    let mut suspended = None;
    loop {
        tokio::select! {
            () = stop.asked(), if !is_stopping => {
                is_stopping = true;
                screen.stopping();
                let desk = node.desk();
                tokio::spawn(async move {
                    desk.drain().await;
                    signals::leave_unless_heard().await;
                });
            }
            news = watching.next() => match news {
                Some(News::Progress(progress)) => screen.progress(progress),
                Some(News::Tidings(Tidings::Ended(outcome))) => {
                    screen.ended(&outcome);
                    return Ok(outcome);
                }
                Some(News::Tidings(Tidings::Suspended(failure))) => suspended = Some(failure),
                Some(News::Tidings(tidings)) => screen.tidings(tidings),
                None => break,
            },
        }
    }
    // A job may have ended before anybody watched; then its row knows how.
    if let JobState::Ended(outcome) = desk.show(job).await?.state {
        screen.ended(&outcome);
        return Ok(outcome);
    }
    screen.interrupted();
    Err(match suspended {
        Some(failure) => {
            let remedy = match failure.code {
                Code::StoreCorrupt => format!(
                    "`tgs resume {job}` goes on then, `tgs resume --cancel {job}` ends the job"
                ),
                _ => format!("then go on with `tgs resume {job}`"),
            };
            Failure::new(failure.code, format!("{}; {remedy}", failure.message))
        }
        None => after_a_stop(node, job).await,
    })
}

/// Whether the job was just handed in or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Fresh,
    Again,
}

async fn after_a_stop(node: &Node, job: &JobId) -> Failure {
    let step = match node.desk().show(job).await {
        Ok(row) => row.done.checkpoint.map(|facts| facts.step),
        Err(_) => None,
    };
    Failure::new(Code::Interrupted, Interrupted { job, step }.to_string())
}
