//! What strangers send, read or refused and never a panic: orders, page tokens, headers of uploads,
//! ranges, places in the log, ETags. `./dev fuzz 600` goes on for so many seconds.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use actix_web::{
    http::header::{HeaderName, HeaderValue, IF_NONE_MATCH},
    test::TestRequest,
};
use serde::{Serialize, de::DeserializeOwned};
use tgs_protocol::wire::{
    JobOrder, SampleOrder,
    notification::{MailOrder, WebhookOrder},
};

use crate::{
    cursor, etag, number,
    range::{Part, part},
};

/// Something that reads what was sent, and what it is given when all is well.
type Reader = (&'static str, &'static [&'static str], fn(&[u8]));

const READERS: &[Reader] = &[
    (
        "orders of jobs",
        &[
            r#"{"kind":"synthesize","dataset":"trial@3","holdout":"other","rows":7,
                "format":"csv.gz",
                "gates":{"ks_mean":{"threshold":0.1,"level":"block"}},"priority":10,
                "learn":{"model":"tabgraph","seed":18446744073709551615,"budget":"1h30m",
                "constants":{"width":3,"x":[1,null,{"y":-2.5e3}]},"target":"é",
                "metadata":{"columns":{"a":"date","b":{"kind":"date","format":"%Y"}},
                "missing":["-"]}}}"#,
            r#"{"kind":"train","dataset":"a","learn":{"epochs":1}}"#,
            r#"{"kind":"generate","model":"01K4","rows":100000000,"seed":0,"format":"parquet"}"#,
        ],
        order,
    ),
    (
        "orders of rows",
        &[r#"{"rows":1000,"seed":7,"format":"jsonl"}"#, r#"{"rows":1}"#],
        read_back::<SampleOrder>,
    ),
    (
        "orders of webhooks",
        &[r#"{"url":"https://example.org/a?b=1","kinds":["job.ended","job.judged"],
            "secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#],
        read_back::<WebhookOrder>,
    ),
    (
        "orders of mail",
        &[r#"{"to":"ada.b+jobs@example.org","kinds":["job.ended"]}"#],
        read_back::<MailOrder>,
    ),
    ("page tokens", &["19a7f1c2b00.01K4ABCDEF", "0.x"], token),
    ("numbers in headers", &["0", "4194304", "18446744073709551615", " 7"], number_of),
    ("conditions", &["*", "\"a.b\"", "W/\"a.b\", \"c\""], condition),
    ("ranges", &["bytes=0-0", "bytes=10-", "bytes=-5", "bytes=0-1,2-3"], range),
];

/// Bytes that often stand where a reader decides.
const TELLING: [&str; 18] = [
    "\"",
    "\\",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "-",
    "=",
    ".",
    "@",
    "\0",
    "é",
    "null",
    "1e999",
    "99999999999999999999",
    "\\ud800",
];
/// Nothing short takes longer to read, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn order(bytes: &[u8]) {
    if let Ok(order) = serde_json::from_slice::<JobOrder>(bytes) {
        if let JobOrder::Synthesize(order) = &order {
            let _ = order.learn.length();
        }
        read_back::<JobOrder>(bytes);
    }
}

/// What is read and written is read again as the same.
fn read_back<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_value(&read).expect("it is written");
        let again: T = serde_json::from_value(written.clone()).expect("it is read again");
        assert_eq!(serde_json::to_value(&again).expect("it is written"), written);
    }
}

fn token(bytes: &[u8]) {
    if let Ok(place) = cursor::job(&String::from_utf8_lossy(bytes)) {
        assert_eq!(cursor::job(&cursor::of_job(&place)), Ok(place));
    }
}

fn number_of(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(number) = number::read(&text) {
        assert_eq!(text.trim().trim_start_matches('0'), number.to_string().trim_start_matches('0'));
    }
}

fn range(bytes: &[u8]) {
    for size in [0, 1, 100, u64::MAX] {
        if let Part::Bytes { first, last } = part(Some(&String::from_utf8_lossy(bytes)), size) {
            assert!(first <= last && last < size, "{first} to {last} of {size}");
        }
    }
}

/// Headers are bytes that need be no text.
fn condition(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let asked = |name: HeaderName| TestRequest::get().insert_header((name, value.clone()));
    let known = etag::is_known(&asked(IF_NONE_MATCH).to_http_request(), "\"a.b\"");
    let says_so = bytes.contains(&b'*') || bytes.windows(5).any(|part| part == b"\"a.b\"");
    assert!(says_so || !known, "it names another");
}

/// Numbers that look like chance and repeat by their seed (SplitMix64, Steele et al., 2014).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound.max(1) as u64) as usize
    }
}

fn mutated(seed: &str, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let to = (at + 1 + dice.below(8)).min(bytes.len());
        match dice.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
            1 if !bytes.is_empty() => drop(bytes.drain(at..to)),
            2 if !bytes.is_empty() => {
                let copy = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            3 if dice.below(4) == 0 => bytes.truncate(at),
            _ => {
                let telling = TELLING[dice.below(TELLING.len())];
                drop(bytes.splice(at..at, telling.bytes()));
            }
        }
    }
    bytes
}

/// One round over all seeds of all readers.
fn round(seed: u64) {
    for (what, samples, read) in READERS {
        for (no, sample) in samples.iter().enumerate() {
            let bytes = mutated(sample, &mut Dice(seed.wrapping_mul(31) + no as u64));
            let begun = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
            let is_well = outcome.is_ok() && begun.elapsed() < PATIENCE;
            assert!(is_well, "{what}, round {seed}: {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn what_is_whole_is_read() {
    for (what, samples, read) in READERS {
        for sample in *samples {
            read(sample.as_bytes());
        }
        assert!(!samples.is_empty(), "{what}");
    }
    for order in READERS[0].1 {
        assert!(serde_json::from_str::<JobOrder>(order).is_ok(), "{order}");
    }
}

#[test]
fn mutated_requests_are_read_or_refused() {
    (0..2_000).for_each(round);
}

#[test]
#[ignore = "runs as long as TGS_FUZZ_SECONDS says"]
fn mutated_requests_for_long() {
    let seconds = std::env::var("TGS_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let (begun, length) = (Instant::now(), Duration::from_secs(seconds.unwrap_or(60)));
    let mut rounds = 2_000;
    while begun.elapsed() < length {
        round(rounds);
        rounds += 1;
    }
    println!("{rounds} rounds over {} readers", READERS.len());
}
