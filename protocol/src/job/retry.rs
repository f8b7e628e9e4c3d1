//! The same job once more: what a job that failed or was cancelled asked for, delivered elsewhere.

use std::path::Path;

use crate::{
    code::Code,
    job::{JobRow, JobState, Outcome},
    refusal::Refusal,
    request::JobRequest,
};

/// The request of a job that ended without what it was asked for, with a folder of its own for what
/// it delivers. The files that it reads are taken as they are when it is submitted.
///
/// # Errors
/// `BadRequest` if it has not ended, or was published or withheld: the same again would say the
/// same.
pub fn retried(row: &JobRow, folder: &Path) -> Result<JobRequest, Refusal> {
    let job = &row.id;
    let why = match &row.state {
        JobState::Ended(Outcome::Failed(_) | Outcome::Cancelled) => {
            let mut request = row.request.clone();
            request.goal.deliver_into(folder);
            request.inputs.clear();
            return Ok(request);
        }
        JobState::Ended(_) => "it did what was asked; submit another order instead",
        _ => "it has not ended; cancel it first, or wait",
    };
    Err(Refusal::new(Code::BadRequest, format!("cannot retry job {job}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{
            outcome::Failure,
            state::examples,
            step::samples::{generate, row, synthesize, train},
        },
        stage::Stage,
    };

    #[test]
    fn only_what_ended_without_its_result_is_done_again() {
        for state in examples() {
            let mut row = row(synthesize(10));
            row.state = state.clone();
            let may = matches!(state, JobState::Ended(Outcome::Failed(_) | Outcome::Cancelled));
            assert_eq!(retried(&row, Path::new("/new")).is_ok(), may, "{state}");
        }
    }

    #[test]
    fn the_request_is_the_same_but_for_where_it_delivers() {
        for request in [synthesize(10), train(), generate(Some(10))] {
            let mut row = row(request.clone());
            let failure = Failure::new(Stage::Train, Code::DeviceFailed, "x");
            row.state = JobState::Ended(Outcome::Failed(failure));
            let mut again = retried(&row, Path::new("/new")).expect("it failed");
            assert_ne!(again.goal, request.goal);
            let delivered = serde_json::to_string(&again.goal).expect("JSON");
            assert!(delivered.contains("/new/"), "{delivered}");
            again.goal.deliver_into(Path::new("/old"));
            let mut before = request;
            before.goal.deliver_into(Path::new("/old"));
            before.inputs.clear();
            assert_eq!(again, before);
        }
    }
}
