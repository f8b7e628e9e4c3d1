//! Page tokens: opaque to whoever gets one, so that what is in them may change.

use tgs_protocol::{
    code::Code,
    id::JobId,
    job::listing::Place,
    unit::{EventNo, Timestamp},
};

use crate::problem::Problem;

/// A place in the list of jobs as a token.
pub fn of_job(place: &Place) -> String {
    format!("{:x}.{}", place.accepted_at.get(), place.job)
}

/// The place that [`of_job`] made a token of.
pub fn job(token: &str) -> Result<Place, Problem> {
    let place = token.split_once('.').and_then(|(at, job)| {
        let accepted_at = Timestamp(u64::from_str_radix(at, 16).ok()?);
        Some(Place { accepted_at, job: JobId::new(job) })
    });
    place.ok_or_else(anothers)
}

/// A place in a list of what events brought about as a token.
pub fn of_event(before: EventNo) -> String {
    format!("e{:x}", before.get())
}

/// The place that [`of_event`] made a token of.
pub fn event(token: &str) -> Result<EventNo, Problem> {
    let number = token.strip_prefix('e').and_then(|it| u64::from_str_radix(it, 16).ok());
    number.map(EventNo).ok_or_else(anothers)
}

fn anothers() -> Problem {
    let message = "cannot go on with the list: its page_token was not made by this server";
    Problem::new(Code::BadRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_nothing_else_does() {
        let place = Place { accepted_at: Timestamp(1_763_000_000_123), job: JobId::new("01JZ") };
        assert_eq!(job(&of_job(&place)), Ok(place));
        for other in ["", ".", "x.01", "01JZ"] {
            assert!(job(other).is_err(), "{other:?}");
        }
        for no in [0, 42, u64::MAX] {
            assert_eq!(event(&of_event(EventNo(no))), Ok(EventNo(no)));
        }
        for other in ["", "e", "42", "e-1", "exyz"] {
            assert!(event(other).is_err(), "{other:?}");
        }
    }
}
