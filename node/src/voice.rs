//! The one door to stdout. A reader that goes away, as in `tgs … | head`, must not end the work.

use std::{
    fmt::Arguments,
    io::{Write, stdout},
};

/// Writes one line, formatted as by `format!`, to whoever reads stdout.
macro_rules! say {
    ($($words:tt)*) => { $crate::voice::line(format_args!($($words)*)) };
}
pub(crate) use say;

/// Writes one line; a closed pipe loses only words, results are in files.
pub fn line(words: Arguments<'_>) {
    let _ = writeln!(stdout().lock(), "{words}");
}
