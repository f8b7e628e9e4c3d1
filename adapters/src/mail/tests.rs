//! What mails say and what settings are refused. Against a real server of mail:
//! `adapters/tests/mail.rs`.

use serde_json::json;
use tgs_protocol::{
    code::Code,
    event::{Event, Happening},
    id::{JobId, SubscriptionId},
    job::{Outcome, outcome::Failure},
    notification::Delivery,
    report::Verdict,
    stage::Stage,
    unit::{EventNo, Timestamp},
};

use super::*;

fn notice(outcome: Outcome) -> Notice {
    let target = Target::Mail { to: "ada@example.org".parse().expect("a mailbox") };
    let what = Happening::Ended(outcome);
    let at = Timestamp(1_796_000_000_123);
    let event = Event { no: EventNo(7), at, job: JobId::new("01k"), what };
    let delivery = Delivery::new(SubscriptionId::new("s"), event, at);
    let mut notice = Notice::of(&target, &delivery, at);
    notice.job_kind = Some("synthesize".to_owned());
    notice
}

fn letter(outcome: Outcome, url: Option<&str>) -> String {
    let from = "TabGraphSyn <jobs@example.org>".parse().expect("a mailbox");
    let mail = letter::of(&notice(outcome), "ada@example.org", &from, url).expect("a mail");
    String::from_utf8(mail.formatted()).expect("text")
}

#[test]
fn a_mail_has_the_name_of_its_delivery_and_two_forms() {
    let mail = letter(Outcome::Published { verdict: Some(Verdict::Pass) }, None);
    for line in [
        "Message-ID: <msg_s_7@example.org>",
        "From: TabGraphSyn <jobs@example.org>",
        "To: ada@example.org",
        "Subject: TabGraphSyn: job published: 01k",
        "Date: Mon, 30 Nov 2026 00:53:20 +0000",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(mail.contains(line), "{line} in\n{mail}");
    }
    assert!(mail.contains("multipart/alternative"), "{mail}");
    assert!(mail.contains("text/plain") && mail.contains("text/html"), "{mail}");
}

#[test]
fn what_comes_from_the_table_stays_in_the_house() {
    let message = "line 4, column \"n\" holds \"777-secret\": mend /home/ada/trial.csv";
    let failure = Failure::new(Stage::Ingest, Code::BadCell, message);
    let reasons = vec!["nearest: 777-secret".to_owned()];
    for (outcome, says) in [
        (Outcome::Failed(failure), "DATA-0008: A cell cannot be read"),
        (Outcome::Withheld { reasons }, "a blocking gate failed"),
        (Outcome::Published { verdict: Some(Verdict::Warn) }, "a warning gate failed"),
        (Outcome::Cancelled, "Job cancelled"),
    ] {
        let words = letter::Words::of(&notice(outcome.clone()), Some("https://tgs.example.org"));
        for said in [words.text(), words.html()] {
            assert!(said.contains(says), "{said}");
            assert!(said.contains("01k") && said.contains("synthesize"), "{said}");
            assert!(said.contains("https://tgs.example.org/"), "{said}");
            assert!(said.contains("/v1/mail-subscriptions/s."), "{said}");
            assert!(!said.contains("777") && !said.contains("/home/ada"), "{said}");
            assert!(!said.contains("{{"), "{said}");
        }
    }
}

#[test]
fn html_is_escaped_and_templates_fill_once() {
    let mut notice = notice(Outcome::Cancelled);
    notice.envelope.subject = "jobs/<b>{{link}}&\"".to_owned();
    let words = letter::Words::of(&notice, Some("https://a/?x=\"><script>"));
    let html = words.html();
    assert!(html.contains("&lt;b&gt;{{link}}&amp;&quot;"), "{html}");
    assert!(!html.contains("<script>"), "{html}");
}

#[test]
fn settings_that_would_tell_a_password_are_refused() {
    let made = |url: &str, password: Option<&str>, from: &str| {
        let (url, password) = (url.to_owned(), password.map(str::to_owned));
        let settings = MailSettings {
            url,
            password,
            from: from.to_owned(),
            public_url: None,
            more_roots: None,
        };
        Mail::new(&settings).map(|_| ())
    };
    let from = "jobs@example.org";
    for (url, password) in [
        ("smtps://jobs%40example.org@mail.example.org", Some("p")),
        ("smtp://jobs@mail.example.org:2525", Some("p")),
        ("smtp://mail.example.org?tls=none", None),
        ("smtp://jobs@localhost?tls=none", Some("p")),
    ] {
        assert_eq!(made(url, password, from), Ok(()), "{url}");
    }
    for (url, password, says) in [
        ("smtps://jobs:p@mail.example.org", None, "TGS_SMTP_PASSWORD"),
        ("smtps://jobs@mail.example.org", None, "TGS_SMTP_PASSWORD"),
        ("smtps://mail.example.org", Some("p"), "no user"),
        ("smtp://jobs@mail.example.org?tls=none", Some("p"), "in clear"),
        ("smtps://mail.example.org?tls=none", None, "write smtp"),
        ("smtp://mail.example.org?tls=maybe", None, "tls=maybe"),
        ("https://mail.example.org", None, "smtps://"),
        ("mail.example.org", None, "smtp_url"),
    ] {
        let refused = made(url, password, from).expect_err(url);
        assert!(refused.contains(says) && !refused.contains(":p@"), "{url}: {refused}");
    }
    let refused = made("smtps://mail.example.org", None, "nobody").expect_err("no mailbox");
    assert!(refused.contains("mail_from"), "{refused}");
}

#[test]
fn a_notice_of_a_trial_or_another_event_is_a_mail_too() {
    let target = Target::Mail { to: "ada@example.org".parse().expect("a mailbox") };
    let trial = Notice::trial(&SubscriptionId::new("s"), &target, "x", Timestamp(0));
    assert!(letter::Words::of(&trial, None).text().contains("Trial of this subscription"));
    let mut other = notice(Outcome::Cancelled);
    other.outcome = None;
    other.envelope.kind = "job.noted".to_owned();
    other.envelope.data = json!({"what": "777-secret"});
    let text = letter::Words::of(&other, None).text();
    assert!(text.contains("Event job.noted") && !text.contains("777"), "{text}");
}
