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
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let is_name = (1..=64).contains(&job.len()) && job.bytes().all(is_of_name);
        let accepted_at = Timestamp(number(at)?);
        is_name.then(|| Place { accepted_at, job: JobId::new(job) })
    });
    place.ok_or_else(anothers)
}

/// A place in a list of what events brought about as a token.
pub fn of_event(before: EventNo) -> String {
    format!("e{:x}", before.get())
}

/// The place that [`of_event`] made a token of.
pub fn event(token: &str) -> Result<EventNo, Problem> {
    token.strip_prefix('e').and_then(number).map(EventNo).ok_or_else(anothers)
}

/// A number as it is written here, and in no other way: no sign, no capitals.
fn number(digits: &str) -> Option<u64> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_number = (1..=16).contains(&digits.len()) && digits.bytes().all(is_digit);
    is_number.then(|| u64::from_str_radix(digits, 16).ok())?
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
        let long = format!("5.{}", "0".repeat(65));
        let others = ["", ".", "x.01", "01JZ", "+5.01", "A.01", "5.", "5.a b", "5.[x]", &long];
        for other in others.into_iter().chain(["00000000000000005.01"]) {
            assert!(job(other).is_err(), "{other:?}");
        }
        for no in [0, 42, u64::MAX] {
            assert_eq!(event(&of_event(EventNo(no))), Ok(EventNo(no)));
        }
        for other in ["", "e", "42", "e-1", "exyz", "e+1", "eA", "e00000000000000001"] {
            assert!(event(other).is_err(), "{other:?}");
        }
    }
}
