//! Each provider's documented answers, from a service of our own: the real ones are in their
//! clouds only.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use super::*;

/// Answers each request by what stands for its first line and headers, in lower case.
fn service(answer: fn(&str) -> (u16, &'static str)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
            let head: Vec<String> = lines
                .by_ref()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .map(|line| line.to_lowercase())
                .collect();
            let (status, body) = answer(&head.join("\n"));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} it\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
                 {body}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    place
}

async fn look(named: &str) -> Result<Option<String>, String> {
    let source = source(named).expect("a provider");
    Ok(source.look().await?.map(|Interruption(why)| why))
}

#[tokio::test]
async fn aws_is_asked_with_a_pass() {
    let staying = service(|head| match head {
        it if it.starts_with("put /latest/api/token") && it.contains("ttl-seconds: 21600") => {
            (200, "pass")
        }
        it if it.contains("metadata-token: pass") => (404, "not found"),
        _ => (401, "no pass"),
    });
    assert_eq!(look(&format!("aws={staying}")).await, Ok(None));
    let going = service(|head| match head {
        it if it.starts_with("put ") => (200, "pass"),
        it if it.starts_with("get /latest/meta-data/spot/instance-action ") => {
            (200, r#"{"action":"terminate","time":"2026-11-29T08:22:00Z"}"#)
        }
        _ => (500, ""),
    });
    let why = look(&format!("aws={going}")).await.expect("an answer").expect("a notice");
    assert!(why.contains("terminate") && why.contains("08:22:00"), "{why}");
    let broken = service(|_| (500, "out of order"));
    let said = look(&format!("aws={broken}")).await.expect_err("no answer");
    assert!(said.contains("answers 500 (out of order)"), "{said}");
}

#[tokio::test]
async fn google_cloud_says_true_or_false() {
    let going = service(|head| match head.contains("metadata-flavor: google") {
        true => (200, "TRUE\n"),
        false => (403, ""),
    });
    assert!(look(&format!("gcp={going}")).await.expect("an answer").is_some());
    let staying = service(|_| (200, "FALSE"));
    assert_eq!(look(&format!("gcp={staying}")).await, Ok(None));
}

#[tokio::test]
async fn azure_tells_of_all_machines_and_ours_counts() {
    fn answer(head: &str, mine: &'static str) -> (u16, &'static str) {
        match head {
            it if !it.contains("metadata: true") => (400, ""),
            it if it.starts_with("get /metadata/instance/compute/name") => (200, "vm-1"),
            _ => (200, mine),
        }
    }
    let other = service(|head| {
        answer(
            head,
            r#"{"Events": [{"EventType": "Preempt", "Resources": ["vm-2"]},
            {"EventType": "Reboot", "Resources": ["vm-1"]}]}"#,
        )
    });
    assert_eq!(look(&format!("azure={other}")).await, Ok(None));
    let ours = service(|head| {
        answer(
            head,
            r#"{"Events": [{"EventType": "Preempt", "Resources": ["vm-2", "vm-1"],
            "NotBefore": "Sun, 29 Nov 2026 08:22:00 GMT"}]}"#,
        )
    });
    let why = look(&format!("azure={ours}")).await.expect("an answer").expect("a notice");
    assert!(why.contains("Preempt at Sun, 29 Nov"), "{why}");
    let none = service(|head| answer(head, r#"{"DocumentIncarnation": 1, "Events": []}"#));
    assert_eq!(look(&format!("azure={none}")).await, Ok(None));
}

#[tokio::test]
async fn a_file_says_it_by_being_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notice");
    let named = format!("file:{}", file.display());
    assert_eq!(look(&named).await, Ok(None));
    fs::write(&file, "price\n").expect("written");
    let why = look(&named).await.expect("read").expect("a notice");
    assert!(why.contains("(price)"), "{why}");
}

#[tokio::test]
async fn what_is_no_provider_or_does_not_answer_is_said() {
    for named in ["", "ibm", "file:", "AWS"] {
        let Err(refused) = source(named) else { panic!("{named:?} is none") };
        assert!(refused.message.contains("write aws, gcp, azure or file:PATH"), "{named:?}");
    }
    let said = look("gcp=127.0.0.1:1").await.expect_err("nobody is there");
    assert!(said.contains("127.0.0.1:1"), "{said}");
}
