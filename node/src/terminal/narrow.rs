//! The terminal as the bar sees it: a little narrower than it is. The bar fills its line to the
//! end, and the `^C` that a terminal writes at the cursor would break it: a part of the bar would
//! stand there for good.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Columns kept free at the right: `^C` twice.
const ROOM: usize = 4;
/// Columns of a terminal that does not tell.
const WIDTH: usize = 80;
/// A narrower terminal is not written for.
const WIDTH_MIN: usize = 20;

/// A terminal.
#[derive(Debug)]
pub struct Narrow(Term);

impl Narrow {
    /// Stderr, whatever it is.
    pub fn stderr() -> Self {
        Self(Term::stderr())
    }

    /// Stdout, whatever it is.
    pub fn stdout() -> Self {
        Self(Term::stdout())
    }

    /// Columns that may be written.
    pub fn columns(&self) -> usize {
        let columns = self.0.size_checked().map_or(WIDTH, |(_, columns)| usize::from(columns));
        columns.max(WIDTH_MIN) - ROOM
    }
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        u16::try_from(self.columns()).unwrap_or(u16::MAX)
    }
    fn height(&self) -> u16 {
        self.0.size().0
    }
    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }
    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }
    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }
    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }
    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }
    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
