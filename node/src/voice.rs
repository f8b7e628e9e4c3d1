//! The one door to stdout and stderr. A reader that goes away, as in `tgs … | head`, must not end
//! the work.

use std::{
    fmt::Arguments,
    io::{Write, stderr, stdout},
};

/// Writes one line, formatted as by `format!`, to whoever reads stdout.
macro_rules! say {
    ($($words:tt)*) => { $crate::voice::line(format_args!($($words)*)) };
}
pub(crate) use say;

/// As [`say!`], to whoever reads stderr.
macro_rules! say_aside {
    ($($words:tt)*) => { $crate::voice::line_aside(format_args!($($words)*)) };
}
pub(crate) use say_aside;

/// Writes one line; a closed pipe loses only words, results are in files.
pub fn line(words: Arguments<'_>) {
    let _ = writeln!(stdout().lock(), "{words}");
}

/// As [`line`], to stderr.
pub fn line_aside(words: Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{words}");
}
