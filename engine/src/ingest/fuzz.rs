//! Mutated files: whatever stands in a file, reading it ends in a table or an error, never in a
//! panic.
//!
//! `./dev fuzz 600` goes on for so many seconds, all readers at once. Inputs that once found
//! something live in `fixtures/fuzz` and are read by the ordinary test.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use tgs_protocol::{code::Code, digest::Digest, progress::Unwatched};

use crate::{
    ingest::{
        read_table,
        tests::{gzip, parquet_bytes, small_xlsx},
    },
    profile::profile,
    random::{Purpose, Stream},
};

const CSV: &str = "id,age,sex,born,note\n\
                   1,30,F,2001-02-03,\"a, \"\"b\"\"\nc\"\n2,,M,,?\n3,4.5,F,1999-12-31,é\n\
                   4,NA,M,2000-01-01,\r\n5,1e5,yes,1/2/2003,-\n";
const SEMICOLON: &str = "a;b\n1,5;x\n-2,25;\"y;\"\n\n007;z\n";
const JSON: &str =
    "{\"a\":1,\"b\":\"x\",\"c\":null}\n{\"b\":\"é\\n\",\"a\":-2.5e3}\n{\"d\":true}\n";
/// Bytes that often stand where a reader decides.
const TELLING: [&[u8]; 16] = [
    b"\"",
    b"\"\"",
    b",",
    b";",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"9999999999999999999999",
    b"-",
    b"\xff\xff\xff\x7f",
    b"1e999",
];
/// No small file takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(CSV.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    vec![
        ("csv", CSV.into()),
        ("csv", SEMICOLON.into()),
        ("csv", utf16),
        ("csv", gzip(CSV.as_bytes())),
        ("csv", zstd::encode_all(CSV.as_bytes(), 1).unwrap()),
        ("jsonl", JSON.into()),
        ("parquet", parquet_bytes()),
        ("xlsx", small_xlsx()),
    ]
}

fn mutated(seed: &[u8], dice: &mut Stream) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = dice.below(bytes.len() as u64) as usize;
        let to = (at + 1 + dice.below(8) as usize).min(bytes.len());
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.bits() as u8,
            2 => drop(bytes.drain(at..to)),
            3 => {
                let telling = TELLING[dice.below(TELLING.len() as u64) as usize];
                drop(bytes.splice(at..at, telling.iter().copied()));
            }
            4 => {
                let copy = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            _ => {
                if dice.below(4) == 0 {
                    bytes.truncate(at);
                }
            }
        }
    }
    bytes
}

/// Reads bytes as a file of such a name; what went wrong, if it was neither a table nor an error.
fn fault(folder: &Path, end: &str, bytes: &[u8]) -> Option<String> {
    let path = folder.join(format!("fuzz.{end}"));
    fs::write(&path, bytes).unwrap();
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        if let Ok((table, _)) = read_table(&path, None, &Unwatched) {
            assert!(table.rows() > 0 && !table.columns().is_empty());
            profile(&table, &Unwatched).unwrap();
        }
    }));
    let slow = begun.elapsed() > PATIENCE;
    (outcome.is_err() || slow).then(|| {
        let name = Digest::of(bytes).to_string();
        let kept = std::env::temp_dir().join(format!("tgs-fuzz-{}.{end}", &name[..8]));
        fs::write(&kept, bytes).unwrap();
        format!("{} (slow: {slow})", kept.display())
    })
}

#[test]
fn mutated_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (number, (end, seed)) in seeds().into_iter().enumerate() {
        let mut dice = Stream::new(1, Purpose::Test, number as u64);
        for round in 0..250 {
            let bytes = mutated(&seed, &mut dice);
            let found = fault(folder.path(), end, &bytes);
            assert_eq!(found, None, "seed {number}, round {round}");
        }
    }
}

#[test]
fn what_fuzzing_found_stays_mended() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz");
    for entry in fs::read_dir(kept).unwrap() {
        let path = entry.unwrap().path();
        let end = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        assert_eq!(fault(folder.path(), &end, &fs::read(&path).unwrap()), None, "{path:?}");
        let error = read_table(&path, None, &Unwatched).unwrap_err();
        assert_eq!(error.code(), Some(Code::CorruptSource), "{error}");
    }
}

#[test]
#[ignore = "runs as long as TGS_FUZZ_SECONDS says"]
fn mutated_files_for_long() {
    let seconds = std::env::var("TGS_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(60));
    let found: Vec<String> = std::thread::scope(|scope| {
        let readers = ["csv", "jsonl", "parquet", "xlsx"];
        let fuzzing = readers.map(|end| scope.spawn(move || fuzzed(end, length)));
        fuzzing.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(found.is_empty(), "{found:?}");
}

/// Mutates the files of one reader until the time is over; gives what went wrong.
fn fuzzed(end: &'static str, length: Duration) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let seeds = seeds().into_iter().enumerate().filter(|(_, (of, _))| *of == end);
    let seeds: Vec<_> = seeds.map(|(number, (_, bytes))| (number as u64, bytes)).collect();
    let (begun, mut rounds) = (Instant::now(), 0_u64);
    let mut found = Vec::new();
    while begun.elapsed() < length {
        for (number, seed) in &seeds {
            let bytes = mutated(seed, &mut Stream::new(2 + rounds, Purpose::Test, *number));
            found.extend(fault(folder.path(), end, &bytes));
        }
        rounds += 1;
    }
    println!("{end}: {rounds} rounds of {} files, {} faults", seeds.len(), found.len());
    found
}
