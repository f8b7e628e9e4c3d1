//! Page tokens: opaque to whoever gets one, so that what is in them may change.

use tgs_protocol::{code::Code, id::JobId, job::listing::Place, unit::Timestamp};

use crate::problem::Problem;

/// A place in the list of jobs as a token.
pub fn write(place: &Place) -> String {
    format!("{:x}.{}", place.accepted_at.get(), place.job)
}

/// The place that a token was made of.
pub fn read(token: &str) -> Result<Place, Problem> {
    let place = token.split_once('.').and_then(|(at, job)| {
        let accepted_at = Timestamp(u64::from_str_radix(at, 16).ok()?);
        Some(Place { accepted_at, job: JobId::new(job) })
    });
    place.ok_or_else(|| {
        let message = "cannot go on with the list: its page_token was not made by this server";
        Problem::new(Code::BadRequest, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_nothing_else_does() {
        let place = Place { accepted_at: Timestamp(1_763_000_000_123), job: JobId::new("01JZ") };
        assert_eq!(read(&write(&place)), Ok(place));
        for other in ["", ".", "x.01", "01JZ"] {
            assert!(read(other).is_err(), "{other:?}");
        }
    }
}
