//! What a mail says: the same in plain text and in HTML, from templates in the binary.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
};
use tgs_protocol::{job::Outcome, notification::Notice, report::Verdict};

const TEXT: &str = include_str!("notice.txt");
const HTML: &str = include_str!("notice.html");

/// The mail of a notice.
pub fn of(
    notice: &Notice,
    to: &str,
    from: &Mailbox,
    public_url: Option<&str>,
) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let words = Words::of(notice, public_url);
    let sent_at = UNIX_EPOCH + Duration::from_secs(notice.at.get() / 1_000);
    let message = Message::builder()
        .from(from.clone())
        .to(to.parse()?)
        .subject(words.subject())
        .date(sent_at)
        .message_id(Some(format!("<{}@{}>", notice.id, from.email.domain())))
        .header(MadeByAMachine)
        .multipart(MultiPart::alternative_plain_html(words.text(), words.html()))?;
    Ok(message)
}

/// What the templates are filled with.
pub(super) struct Words {
    title: String,
    tone: &'static str,
    /// What is said of it, by name.
    facts: Vec<(&'static str, String)>,
    link: Option<String>,
    subscription: String,
}

impl Words {
    pub(super) fn of(notice: &Notice, public_url: Option<&str>) -> Self {
        let envelope = &notice.envelope;
        let job = envelope.subject.strip_prefix("jobs/");
        let mut facts = Vec::new();
        facts.extend(job.map(|job| ("Job", job.to_owned())));
        facts.extend(notice.job_kind.clone().map(|kind| ("Kind", kind)));
        let (title, tone) = match (&notice.outcome, job) {
            (Some(outcome), _) => {
                facts.extend(told_of(outcome));
                (format!("Job {}", outcome.word()), tone_of(outcome))
            }
            (None, Some(_)) => (format!("Event {}", envelope.kind), "calm"),
            (None, None) => ("Trial of this subscription".to_owned(), "calm"),
        };
        facts.push(("When", envelope.time.clone()));
        let link = public_url.map(|url| format!("{}/", url.trim_end_matches('/')));
        Self { title, tone, facts, link, subscription: notice.subscription.to_string() }
    }

    fn subject(&self) -> String {
        let job = self.facts.iter().find(|(name, _)| *name == "Job");
        let job = job.map(|(_, job)| format!(": {job}")).unwrap_or_default();
        format!("TabGraphSyn: {}{job}", self.title.to_lowercase())
    }

    pub(super) fn text(&self) -> String {
        let width = self.facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, value): &(&str, String)| format!("{name:<width$}  {value}\n");
        let facts: String = self.facts.iter().map(line).collect();
        let link = self.link.as_ref().map(|link| format!("\n{link}\n")).unwrap_or_default();
        let id = &self.subscription;
        fill(TEXT, &[("title", &self.title), ("facts", &facts), ("link", &link), ("id", id)])
    }

    pub(super) fn html(&self) -> String {
        let row = |(name, value): &(&str, String)| {
            format!(
                "<tr><td style=\"padding:6px 20px 6px 0;color:#5f6b7a;vertical-align:top\">{}</td>\
                 <td style=\"padding:6px 0;color:#1d2530\">{}</td></tr>",
                escaped(name),
                escaped(value)
            )
        };
        let facts: String = self.facts.iter().map(row).collect();
        let button = |link: &String| {
            format!(
                "<p style=\"margin:24px 0 0\"><a href=\"{}\" style=\"background:#2563eb;\
                 color:#ffffff;text-decoration:none;padding:10px 18px;border-radius:6px;\
                 display:inline-block\">Open TabGraphSyn</a></p>",
                escaped(link)
            )
        };
        let link = self.link.as_ref().map(button).unwrap_or_default();
        let colour = match self.tone {
            "good" => "#15803d",
            "warn" => "#b45309",
            "bad" => "#b91c1c",
            _ => "#2563eb",
        };
        let (title, id) = (escaped(&self.title), escaped(&self.subscription));
        let words = [("title", &*title), ("colour", colour), ("facts", &facts)];
        fill(HTML, &[&words[..], &[("link", &*link), ("id", &*id)]].concat())
    }
}

/// How it ended, without what might come from the table.
fn told_of(outcome: &Outcome) -> Vec<(&'static str, String)> {
    match outcome {
        Outcome::Published { verdict } => {
            let said = match verdict {
                Some(Verdict::Pass) => "every gate passes",
                Some(Verdict::Warn) => "a warning gate failed; see the report",
                Some(Verdict::Block) => "a blocking gate failed",
                None => return Vec::new(),
            };
            vec![("Verdict", said.to_owned())]
        }
        Outcome::Withheld { .. } => {
            vec![("Verdict", "a blocking gate failed: the table was not released".to_owned())]
        }
        Outcome::Failed(failure) => {
            let said = format!("{}: {}", failure.code, failure.code.meaning());
            vec![("Stage", failure.stage.to_string()), ("Error", said)]
        }
        Outcome::Cancelled => Vec::new(),
    }
}

const fn tone_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Published { verdict: None | Some(Verdict::Pass) } => "good",
        Outcome::Published { .. } | Outcome::Withheld { .. } | Outcome::Cancelled => "warn",
        Outcome::Failed(_) => "bad",
    }
}

/// Puts words in the places of a template; words are not looked through for places.
fn fill(template: &str, words: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, behind) = after.split_once("}}").unwrap_or((after, ""));
        let word = words.iter().find(|(known, _)| *known == name);
        filled.push_str(word.map_or("", |(_, word)| word));
        rest = behind;
    }
    filled + rest
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

/// Nobody's absence note answers it (RFC 3834).
#[derive(Clone)]
struct MadeByAMachine;

impl Header for MadeByAMachine {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
