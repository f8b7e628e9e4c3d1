//! ETags (RFC 9110, 8.8): of jobs and of files, and the conditions that name them.
//!
//! A job's tag has two parts: its row, and all that is shown of it. Who asks again is told of
//! anything new, progress too; who changes a job under a condition cares for the row alone, or no
//! cancel would come through while a job makes progress.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH},
};
use tgs_protocol::{code::Code, digest::Digest, job::JobRow};

use crate::problem::Problem;

/// The tag of a job that is shown as `body`.
pub fn of_job(row: &JobRow, body: &[u8]) -> String {
    format!("\"{}.{}\"", of_row(row), Digest::of(body).short())
}

/// The tag of a file.
pub fn of_file(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether whoever asks has what has this tag: `If-None-Match`.
pub fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let known = text(request, IF_NONE_MATCH);
    known.is_some_and(|known| {
        // Weak comparison: a mark of weakness does not count.
        tags(known).any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag)
    })
}

/// Refuses to change a job that is not what it was when its tag was given: `If-Match`.
pub fn check_unchanged(request: &HttpRequest, row: &JobRow) -> Result<(), Problem> {
    let Some(wanted) = text(request, IF_MATCH) else { return Ok(()) };
    let own = of_row(row);
    let is_own =
        |tag: &str| tag.strip_prefix('"').and_then(|tag| tag.split('.').next()) == Some(&own);
    if tags(wanted).any(|tag| tag == "*" || is_own(tag)) {
        return Ok(());
    }
    let job = &row.id;
    let message = format!("job {job} changed since its ETag was given; look at it again");
    Err(Problem::new(Code::Changed, message))
}

fn of_row(row: &JobRow) -> String {
    Digest::of(&serde_json::to_vec(row).unwrap_or_default()).short()
}

/// The tags of a list. None of ours holds a comma.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn text(request: &HttpRequest, name: HeaderName) -> Option<&str> {
    // What is no text matches nothing.
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use tgs_protocol::{id::JobId, request::JobRequest, unit::Timestamp};

    use super::*;

    fn row() -> JobRow {
        let request: JobRequest = serde_json::from_value(serde_json::json!({
            "goal": {"kind": "train", "source": {"table": "/t.csv"}, "model_file": "/m"},
            "model": "seqtree", "length": {"by": "default"}, "seed": 1, "threads": 1,
        }))
        .expect("a request");
        JobRow::accepted(JobId::new("j"), request, Timestamp(1))
    }

    #[test]
    fn a_condition_on_a_job_is_on_its_row() {
        let mut row = row();
        let (tag, later) = (of_job(&row, b"{}"), of_job(&row, b"{\"progress\": 1}"));
        assert_ne!(tag, later, "progress is something new to be told");
        let if_match =
            |tag: &str| TestRequest::get().insert_header((IF_MATCH, tag)).to_http_request();
        let several = format!("\"x\", {later}");
        for passes in [tag.as_str(), &later, "*", &several] {
            assert_eq!(check_unchanged(&if_match(passes), &row), Ok(()), "{passes}");
        }
        let weak = format!("W/{tag}");
        for fails in [weak.as_str(), "\"\"", "", "\"x\"", "x"] {
            assert!(check_unchanged(&if_match(fails), &row).is_err(), "{fails}");
        }
        row.log(Timestamp(2), "something happened");
        assert!(check_unchanged(&if_match(&tag), &row).is_err());
        assert_eq!(check_unchanged(&TestRequest::get().to_http_request(), &row), Ok(()));
    }

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let asked = |tag: &str| {
            let request = TestRequest::get().insert_header((IF_NONE_MATCH, tag)).to_http_request();
            is_known(&request, "\"a.b\"")
        };
        for known in ["\"a.b\"", "W/\"a.b\"", "\"x\" , \"a.b\"", "*"] {
            assert!(asked(known), "{known}");
        }
        for other in ["", "a.b", "\"a\"", "\"a.b"] {
            assert!(!asked(other), "{other}");
        }
    }
}
