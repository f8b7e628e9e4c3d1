//! Where log lines go: to stderr, above the bar if there is one. Written into it, they would leave
//! a part of it standing.

use std::{
    io::{self, Write, stderr},
    sync::{Mutex, PoisonError},
};

use indicatif::ProgressBar;

/// The bar that stands on stderr now.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// From now on lines are written above this bar, or, with none, as they come.
pub fn stand_above(bar: Option<&ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar.cloned();
}

/// Stderr, above the bar. One call of `write` is a whole line, as the log writes them.
pub struct AboveBar;

impl Write for AboveBar {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let write = || stderr().lock().write_all(line);
        bar.map_or_else(write, |bar| bar.suspend(write))?;
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
