//! What a program writes: a log of bounded size, and progress read from its lines.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};
use tgs_protocol::{
    code::Code,
    limits::{PROGRAM_LOG_BYTES_MAX, PROGRAM_PATTERN_BYTES_MAX},
    progress::{Progress, ProgressUnit},
    refusal::Refusal,
    stage::Stage,
};

/// Bytes of a line that are looked at; what follows them on it is not.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Of what a pattern becomes: a short one may ask for a large automaton, which is slow.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;
/// Of the last lines, for a message.
const LAST_LINES: usize = 10;
const LAST_LINES_BYTES_MAX: usize = 1 << 10;

/// The beginning and the end of what was written; of a long log the middle is left out.
#[derive(Debug, Default)]
pub(super) struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

/// A quarter for the beginning: it says what was asked; the end says what came of it.
const HEAD_BYTES: usize = PROGRAM_LOG_BYTES_MAX / 4;
const TAIL_BYTES: usize = PROGRAM_LOG_BYTES_MAX - HEAD_BYTES;

impl Log {
    pub(super) fn push(&mut self, piece: &[u8]) {
        let room = HEAD_BYTES.saturating_sub(self.head.len()).min(piece.len());
        let (first, rest) = piece.split_at(room);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        if self.left_out > 0 {
            let note = format!("\n[{} bytes are left out here]\n", self.left_out);
            bytes.extend_from_slice(note.as_bytes());
        }
        bytes.extend(&self.tail);
        bytes
    }

    /// The last lines, for a message.
    pub(super) fn last_lines(&self) -> String {
        let bytes = self.bytes();
        let from = bytes.len().saturating_sub(LAST_LINES_BYTES_MAX);
        let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }
}

/// Reads progress off lines. The expressions are of the kind that takes linear time, whatever is
/// written and whatever pattern is asked for.
#[derive(Debug)]
pub(super) struct Meter {
    pattern: Option<Regex>,
    line: Vec<u8>,
}

impl Meter {
    /// By this pattern; without one, nothing is read.
    ///
    /// # Errors
    /// `BadRequest` for what is no pattern, or names no group that could be read.
    pub(super) fn of(pattern: Option<&str>) -> Result<Self, Refusal> {
        let refuse = |why: String| {
            let message = format!("cannot read progress by this pattern: {why}");
            Refusal::new(Code::BadRequest, message)
        };
        let Some(text) = pattern else { return Ok(Self { pattern: None, line: Vec::new() }) };
        if text.len() > PROGRAM_PATTERN_BYTES_MAX {
            let most = PROGRAM_PATTERN_BYTES_MAX;
            return Err(refuse(format!("it has more than {most} bytes; shorten it")));
        }
        let pattern = RegexBuilder::new(text)
            .size_limit(AUTOMATON_BYTES_MAX)
            .dfa_size_limit(AUTOMATON_BYTES_MAX)
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        let names: Vec<&str> = pattern.capture_names().flatten().collect();
        if !names.contains(&"percent") && !names.contains(&"done") {
            let groups = "(?P<percent>…), or (?P<done>…) with or without (?P<total>…)";
            return Err(refuse(format!("it has no group to read; name {groups}")));
        }
        Ok(Self { pattern: Some(pattern), line: Vec::new() })
    }

    /// The newest progress that these bytes tell.
    pub(super) fn read(&mut self, piece: &[u8]) -> Option<Progress> {
        self.pattern.as_ref()?;
        let mut newest = None;
        for byte in piece {
            match byte {
                // Bars on a terminal end their lines with a carriage return.
                b'\n' | b'\r' => newest = self.end_of_line().or(newest),
                _ if self.line.len() < LINE_BYTES_MAX => self.line.push(*byte),
                _ => {}
            }
        }
        newest
    }

    fn end_of_line(&mut self) -> Option<Progress> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let found = self.pattern.as_ref()?.captures(&text)?;
        let number = |name| found.name(name)?.as_str().trim().parse::<f64>().ok();
        let whole = |value: f64| (value.is_finite() && value >= 0.0).then(|| value.round() as u64);
        let (done, total) = match number("percent") {
            Some(percent) => (whole(percent)?.min(100), Some(100)),
            None => (whole(number("done")?)?, number("total").and_then(whole)),
        };
        Some(Progress::of(Stage::Run, done, total, ProgressUnit::Parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(pattern: &str, pieces: &[&str]) -> Vec<Option<(u64, Option<u64>)>> {
        let mut meter = Meter::of(Some(pattern)).expect("a pattern");
        let read = |piece: &&str| {
            let told = meter.read(piece.as_bytes())?;
            Some((told.done, told.total))
        };
        pieces.iter().map(read).collect()
    }

    #[test]
    fn progress_is_read_from_whole_lines() {
        let of = r"epoch (?P<done>\d+)/(?P<total>\d+)";
        let told = progress(of, &["epoch 1/10", "\nloss 3\n", "epoch 2/10\nepoch 3/10\n", "x\n"]);
        assert_eq!(told, [None, Some((1, Some(10))), Some((3, Some(10))), None]);
        let bar = r"^\s*(?P<percent>[\d.]+)%";
        assert_eq!(
            progress(bar, &[" 12.6% |##\r", "250%\r"]),
            [Some((13, Some(100))), Some((100, Some(100)))]
        );
        assert_eq!(
            progress(r"row (?P<done>\S+)", &["row 7\n", "row x\n", "row -1\n", "row NaN\n"]),
            [Some((7, None)), None, None, None]
        );
    }

    #[test]
    fn what_is_no_pattern_is_refused_before_anything_runs() {
        let long = "x".repeat(PROGRAM_PATTERN_BYTES_MAX + 1);
        let cases = [
            ("(", "unclosed"),
            ("abc", "no group"),
            (r"(?P<total>\d+)", "no group"),
            (long.as_str(), "shorten"),
        ];
        for (pattern, why) in cases {
            let refused = Meter::of(Some(pattern)).expect_err(why);
            assert_eq!(refused.code, Code::BadRequest);
            assert!(refused.message.contains(why), "{refused}");
        }
        assert!(Meter::of(None).expect("none is fine").read(b"50%\n").is_none());
    }

    #[test]
    fn an_endless_line_costs_no_memory_and_no_time() {
        let mut meter = Meter::of(Some(r"(?P<done>(a|aa)+)$")).expect("a pattern");
        for _ in 0..1_000 {
            assert!(meter.read(&[b'a'; 1_000]).is_none());
        }
        assert!(meter.line.len() <= LINE_BYTES_MAX);
        assert!(meter.read(b"!\n").is_none());
    }

    #[test]
    fn a_long_log_keeps_its_beginning_and_its_end() {
        let mut log = Log::default();
        log.push(b"begun\n");
        assert_eq!(log.bytes(), b"begun\n");
        for _ in 0..3 * PROGRAM_LOG_BYTES_MAX / 1_000 {
            log.push(&[b'.'; 1_000]);
        }
        log.push(b"\none\ntwo\n");
        let bytes = log.bytes();
        assert!(bytes.starts_with(b"begun\n") && bytes.ends_with(b"\ntwo\n"));
        assert!(bytes.len() < PROGRAM_LOG_BYTES_MAX + 100);
        assert!(String::from_utf8_lossy(&bytes).contains("bytes are left out here"));
        assert!(log.last_lines().ends_with("one\ntwo"));
    }
}
