//! Against real servers on this machine: what is sent, and what each answer comes to.

use std::{io::Write, net::TcpListener, thread};

use tgs_protocol::{
    event::{Event, Happening},
    id::{JobId, SubscriptionId},
    job::Outcome,
    notification::{Delivery, SigningSecret, target::SigningKey},
    unit::{EventNo, Millis, Timestamp},
};

use tgs_tests::receiver::Got;

use super::*;

/// Answers once with these bytes.
fn serve(answer: String) -> (String, thread::JoinHandle<Option<Got>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/hook?x=1", listener.local_addr().expect("an address"));
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        Got::read(&stream).inspect(|_| {
            let _ = { &stream }.write_all(answer.as_bytes());
        })
    });
    (address, serving)
}

fn notice(url: &str) -> Notice {
    let secret = SigningSecret::of_key(&[3; 32]).expect("a secret");
    let keys = vec![SigningKey { secret, until: None }];
    let target = Target::Webhook { url: url.parse().expect("an address"), keys };
    let what = Happening::Ended(Outcome::Cancelled);
    let event = Event { no: EventNo(7), at: Timestamp(1_000), job: JobId::new("j"), what };
    let delivery = Delivery::new(SubscriptionId::new("s"), event, Timestamp(0));
    Notice::of(&target, &delivery, Timestamp(1_614_265_330_999))
}

fn webhook(reach: Reach) -> Webhook {
    Webhook::new(reach, None).expect("TLS")
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_notice_is_a_signed_post() {
    let (url, serving) = serve(answer("204 No Content", "", ""));
    let notice = notice(&url);
    let sent = webhook(Reach::Private).send(&notice).await;
    assert_eq!(sent, Ok(Receipt { status: Some(204) }));
    let got = serving.join().expect("a server").expect("a request");
    assert_eq!(got.head[0], "POST /hook?x=1 HTTP/1.1");
    assert_eq!(got.header("webhook-id"), "msg_s_7");
    assert_eq!(got.header("webhook-timestamp"), "1614265330");
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("host"), url[7..].split('/').next().expect("a host"));
    let secrets = notice.secrets();
    let signed = sign::signatures(&secrets, "msg_s_7", 1_614_265_330, got.body.as_bytes());
    assert_eq!(got.header("webhook-signature"), signed);
    let body: serde_json::Value = serde_json::from_str(&got.body).expect("JSON");
    assert_eq!((&body["id"], &body["type"]), (&7.into(), &"job.ended".into()));
    assert_eq!(body["time"], "1970-01-01T00:00:01.000Z");
}

#[tokio::test]
async fn an_answer_says_whether_to_come_again() {
    let long = "x".repeat(100_000);
    for (answer, status, again, says) in [
        (
            answer("500 Internal Server Error", "", "it\r\nbroke\0"),
            500,
            Again::Later(None),
            "it broke",
        ),
        (answer("400 Bad Request", "", ""), 400, Again::Later(None), "400"),
        (
            answer("503 Service Unavailable", "Retry-After: 7\r\n", ""),
            503,
            Again::Later(Some(Millis(7_000))),
            "503",
        ),
        (answer("410 Gone", "", ""), 410, Again::Gone, "410"),
        (
            answer("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
            302,
            Again::Later(None),
            "redirects are not followed",
        ),
        (answer("500 Internal Server Error", "", &long), 500, Again::Later(None), "xxx"),
    ] {
        let (url, serving) = serve(answer);
        let sent = webhook(Reach::Private).send(&notice(&url)).await.expect_err("a failure");
        assert_eq!((sent.status, sent.again), (Some(status), again), "{sent}");
        assert!(sent.why.contains(says) && sent.why.len() < 300, "{sent}");
        assert!(!sent.why.contains(|it: char| it.is_control()), "{sent:?}");
        serving.join().expect("a server").expect("a request");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_tried_again() {
    for bytes in ["", "HTTP/1.1 2", "hello\r\n\r\n"] {
        let (url, serving) = serve(bytes.to_owned());
        let sent = webhook(Reach::Private).send(&notice(&url)).await.expect_err("no answer");
        assert_eq!((sent.status, sent.again), (None, Again::Later(None)), "{bytes:?}: {sent}");
        serving.join().expect("a server").expect("a request");
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let sent = webhook(Reach::Private).send(&notice(&url)).await.expect_err("nobody there");
    assert!(sent.why.contains("connect to 127.0.0.1"), "{sent}");
}

/// Nothing is connected to: the server would have counted it.
#[tokio::test]
async fn private_addresses_are_not_knocked_at_however_they_are_written() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    for host in
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:7f00:1]"]
    {
        let url = format!("http://{host}:{port}/");
        let sent = webhook(Reach::Public).send(&notice(&url)).await.expect_err("refused");
        assert!(sent.why.contains("not a public address"), "{host}: {sent}");
    }
    assert!(listener.accept().is_err(), "somebody knocked");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_so() {
    let (url, serving) = serve("HTTP/1.1 200 OK\r\n\r\n".to_owned());
    let url = url.replace("http:", "https:");
    let sent = webhook(Reach::Private).send(&notice(&url)).await;
    // The greeting of TLS is no request that the server could read, so it may wait for more.
    let sent = sent.expect_err("no TLS");
    assert!(sent.why.contains("no secure connection"), "{sent}");
    assert!(serving.join().expect("a server").is_none());
}

#[test]
fn certificates_are_read_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("roots.pem");
    for text in
        [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("a file");
        }
        let refused = Webhook::new(Reach::Public, Some(&file)).err().expect("refused");
        assert!(refused.contains("roots.pem"), "{refused}");
    }
}

/// TLS as a receiver has it: one certificate for `localhost`, which only whoever is told trusts.
#[tokio::test]
async fn only_a_server_that_proves_its_name_is_told() {
    use rcgen::CertifiedKey;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, crypto, pki_types::PrivateKeyDer},
    };
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("TLS");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let serving = tokio::spawn(async move {
        let mut greeted = Vec::new();
        for _ in 0..3 {
            let (stream, _) = listener.accept().await.expect("a client");
            let Ok(mut stream) = acceptor.accept(stream).await else {
                greeted.push(false);
                continue;
            };
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap_or_default();
            greeted.push(read > 0);
            let _ = stream.write_all(answer("200 OK", "", "").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        greeted
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("roots.pem");
    std::fs::write(&file, cert.pem()).expect("a file");
    let trusting = Webhook::new(Reach::Private, Some(&file)).expect("TLS");
    let url = |host: &str| format!("https://{host}:{port}/");
    let sent = trusting.send(&notice(&url("localhost"))).await;
    assert_eq!(sent, Ok(Receipt { status: Some(200) }));
    for (webhook, host) in [(&trusting, "127.0.0.1"), (&webhook(Reach::Private), "localhost")] {
        let sent = webhook.send(&notice(&url(host))).await.expect_err("not proved");
        assert!(sent.why.contains("no secure connection"), "{host}: {sent}");
    }
    assert_eq!(serving.await.expect("a server"), [true, false, false]);
}
