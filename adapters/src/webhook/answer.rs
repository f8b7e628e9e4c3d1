//! What an answer means: its status decides; of its body a line is kept for whoever looks for the
//! reason.

use std::time::SystemTime;

use http_body_util::BodyExt;
use hyper::{Response, body::Incoming, header::RETRY_AFTER};
use tgs_protocol::{
    limits::NOTICE_ANSWER_BYTES_MAX,
    notification::{Receipt, Undelivered, channel::Again},
    unit::Millis,
};

/// Letters of a body that are kept.
const SAID_LETTERS_MAX: usize = 120;

pub(super) async fn of(answer: Response<Incoming>) -> Result<Receipt, Undelivered> {
    let status = answer.status();
    if status.is_success() {
        return Ok(Receipt { status: Some(status.as_u16()) });
    }
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|text| pause(text, SystemTime::now()));
    let again = if status.as_u16() == 410 { Again::Gone } else { Again::Later(asked) };
    let why = if status.is_redirection() {
        format!("it answered {status}; redirects are not followed: subscribe where it leads")
    } else {
        let said = beginning(answer.into_body()).await;
        format!("it answered {status}{}", said.map(|it| format!(": {it}")).unwrap_or_default())
    };
    Err(Undelivered { status: Some(status.as_u16()), why, again })
}

/// The pause that `Retry-After` asks for: seconds, or until a date (RFC 9110, 10.2.3).
fn pause(text: &str, now: SystemTime) -> Option<Millis> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Millis(seconds.saturating_mul(1_000)));
    }
    let until = httpdate::parse_http_date(text.trim()).ok()?;
    let pause = until.duration_since(now).unwrap_or_default();
    Some(Millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)))
}

/// What its body begins with, as one line.
async fn beginning(mut body: Incoming) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < NOTICE_ANSWER_BYTES_MAX {
        let Some(Ok(frame)) = body.frame().await else { break };
        let Ok(data) = frame.into_data() else { break };
        bytes.extend_from_slice(&data[..data.len().min(NOTICE_ANSWER_BYTES_MAX - bytes.len())]);
    }
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<_> = text.split(|it: char| it.is_whitespace() || it.is_control()).collect();
    let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let line: String = words.chars().take(SAID_LETTERS_MAX).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, millis) in [
            ("0", Some(0)),
            (" 120 ", Some(120_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(pause(text, now), millis.map(Millis), "{text:?}");
        }
    }
}
