//! Mail against a server that is not ours (Python's `aiosmtpd`): what arrives, and what refusals
//! come to.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use rcgen::CertifiedKey;
use serde_json::Value;
use tgs_adapters::mail::{Mail, MailSettings};
use tgs_protocol::{
    event::{Event, Happening},
    id::{JobId, SubscriptionId},
    job::Outcome,
    notification::{Channel, Delivery, Notice, Receipt, Target, Undelivered, channel::Again},
    report::Verdict,
    unit::{EventNo, Timestamp},
};
use tgs_tests::{peers, program::in_repository};

/// A server of mail; ended when it is dropped.
struct Sink {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u64,
}

impl Sink {
    fn start(certificate: Option<(&Path, &Path)>) -> Option<Self> {
        let python = peers::python("mail to another's server")?;
        let mut command = Command::new(python);
        command.arg(in_repository("tests/peers/smtp_sink.py"));
        command.args(certificate.into_iter().flat_map(|(file, key)| [file, key]));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped"));
        let port = line(&mut lines)["port"].as_u64().expect("a port");
        Some(Self { child, lines, port })
    }

    fn next(&mut self) -> Value {
        line(&mut self.lines)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(lines: &mut impl BufRead) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).expect("it says something");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn mail(url: String, password: Option<&str>, more_roots: Option<PathBuf>) -> Mail {
    Mail::new(&MailSettings {
        url,
        password: password.map(str::to_owned),
        from: "TabGraphSyn <jobs@example.org>".to_owned(),
        public_url: Some("https://tgs.example.org".to_owned()),
        more_roots,
    })
    .expect("settings")
}

fn notice(to: &str) -> Notice {
    let target = Target::Mail { to: to.parse().expect("a mailbox") };
    let what = Happening::Ended(Outcome::Published { verdict: Some(Verdict::Pass) });
    let at = Timestamp(1_796_000_000_123);
    let event = Event { no: EventNo(7), at, job: JobId::new("01kb"), what };
    let delivery = Delivery::new(SubscriptionId::new("s"), event, at);
    Notice { job_kind: Some("synthesize".to_owned()), ..Notice::of(&target, &delivery, at) }
}

#[tokio::test]
async fn a_mail_arrives_under_its_name_and_refusals_are_understood() {
    let Some(mut sink) = Sink::start(None) else { return };
    let mail = mail(format!("smtp://127.0.0.1:{}?tls=none", sink.port), None, None);
    for _ in 0..2 {
        let sent = mail.send(&notice("ada@example.org")).await;
        assert_eq!(sent, Ok(Receipt { status: Some(250) }));
        let got = sink.next();
        assert_eq!(got["to"], serde_json::json!(["ada@example.org"]));
        assert_eq!((&got["from"], &got["tls"]), (&"jobs@example.org".into(), &false.into()));
        let data = got["data"].as_str().expect("a mail");
        assert!(data.contains("Message-ID: <msg_s_7@example.org>"), "{data}");
        assert!(data.contains("https://tgs.example.org/"), "{data}");
    }
    for (to, status, again) in
        [("gone@example.org", 550, Again::Never), ("later@example.org", 451, Again::Later(None))]
    {
        let sent = mail.send(&notice(to)).await.expect_err("refused");
        assert_eq!((sent.status, sent.again), (Some(status), again), "{sent}");
    }
    drop(sink);
    let sent = mail.send(&notice("ada@example.org")).await.expect_err("nobody is there");
    assert!(
        matches!(sent, Undelivered { status: None, again: Again::Later(None), .. }),
        "{sent:?}"
    );
}

#[tokio::test]
async fn mail_is_sent_over_tls_to_whom_it_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let [file, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&file, cert.pem()).expect("a file");
    std::fs::write(&key, signing_key.serialize_pem()).expect("a file");
    let Some(mut sink) = Sink::start(Some((&file, &key))) else { return };
    let url = format!("smtp://jobs@localhost:{}", sink.port);
    let known = mail(url.clone(), Some("secret"), Some(file));
    let sent = known.send(&notice("ada@example.org")).await;
    assert_eq!(sent, Ok(Receipt { status: Some(250) }));
    let got = sink.next();
    assert_eq!((&got["tls"], &got["user"]), (&true.into(), &"jobs".into()));
    let unknown = mail(url.clone(), Some("secret"), None);
    let sent = unknown.send(&notice("ada@example.org")).await.expect_err("not trusted");
    assert_eq!((sent.status, sent.again), (None, Again::Later(None)), "{sent}");
    let clear = mail(format!("smtp://127.0.0.1:{}?tls=none", sink.port), None, None);
    let sent = clear.send(&notice("ada@example.org")).await.expect_err("STARTTLS is wanted");
    assert_eq!(sent.status, Some(530), "{sent}");
}
