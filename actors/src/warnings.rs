//! What this process warned of lately, for those who do not read its log: operators who look at its
//! node, and whoever watches its metrics.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tgs_protocol::{
    limits::{WARNING_BYTES_MAX, WARNING_SHOWN_MS, WARNINGS_SHOWN_MAX},
    metric_definitions::LOG_WARNINGS,
};

/// The last warnings of a process, each once.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<VecDeque<Warning>>);

#[derive(Debug)]
struct Warning {
    /// What was wrong, in the same words each time.
    what: String,
    /// With what, the last time.
    with: String,
    times: u64,
    last: Instant,
}

impl Warnings {
    /// Takes one in: from which part of the program, what, and with what.
    pub fn note(&self, from: &'static str, what: &str, with: &str) {
        metrics::counter!(LOG_WARNINGS, "from" => from).increment(1);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|it| it.what == what);
        let before = at.and_then(|at| all.remove(at)).filter(is_fresh);
        let times = before.map_or(0, |it| it.times) + 1;
        let (what, with, last) = (what.to_owned(), with.to_owned(), Instant::now());
        all.push_front(Warning { what, with, times, last });
        all.truncate(WARNINGS_SHOWN_MAX);
    }

    /// Those of the last minutes in words, the newest first.
    pub fn lately(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|it| is_fresh(it)).map(Warning::words).collect()
    }
}

impl Warning {
    fn words(&self) -> String {
        let mut words = self.what.clone();
        if !self.with.is_empty() {
            words = format!("{words} ({})", self.with);
        }
        if self.times > 1 {
            words = format!("{words}, {} times", self.times);
        }
        let end =
            (0..=WARNING_BYTES_MAX.min(words.len())).rev().find(|at| words.is_char_boundary(*at));
        words.truncate(end.unwrap_or_default());
        words
    }
}

fn is_fresh(warning: &Warning) -> bool {
    warning.last.elapsed().as_millis() < u128::from(WARNING_SHOWN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_counted_and_the_newest_is_first() {
        let warnings = Warnings::default();
        assert!(warnings.lately().is_empty());
        warnings.note("tests", "no bus", "error=\"gone\"");
        warnings.note("tests", "no room", "");
        warnings.note("tests", "no bus", "error=\"away\"");
        assert_eq!(warnings.lately(), ["no bus (error=\"away\"), 2 times", "no room"]);
        for no in 0..2 * WARNINGS_SHOWN_MAX {
            warnings.note("tests", &format!("{no}"), "");
        }
        assert_eq!(warnings.lately().len(), WARNINGS_SHOWN_MAX);
        warnings.note("tests", &"ä".repeat(WARNING_BYTES_MAX), "");
        let longest = warnings.lately().remove(0);
        assert!((WARNING_BYTES_MAX - 1..=WARNING_BYTES_MAX).contains(&longest.len()));
    }
}
