//! The log of a world: one line for each event, with what came of it, for whoever listens.

use std::fmt;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at_ms: u64,
    /// The how-manieth.
    pub no: u64,
    /// What, and what came of it.
    pub words: String,
    /// A story of this world would tell it.
    pub matters: bool,
}

/// `00:12.345 node 1 dies`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.at_ms / 1_000, self.at_ms % 1_000);
        write!(f, "{:02}:{:02}.{ms:03} {}", seconds / 60, seconds % 60, self.words)
    }
}

/// Who listens.
pub type Listener<'a> = &'a mut dyn FnMut(&Entry);

/// The present line of the log; costs nothing where nobody listens.
#[derive(Default)]
pub struct Chronicle<'a> {
    listener: Option<Listener<'a>>,
    entry: Entry,
}

impl<'a> Chronicle<'a> {
    /// A log for this listener, if there is one.
    pub fn new(listener: Option<Listener<'a>>) -> Self {
        Self { listener, entry: Entry::default() }
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.listener.is_some()
    }

    /// Begins a line.
    pub fn begin(&mut self, at_ms: u64, no: u64, words: String) {
        self.entry = Entry { at_ms, no, words, matters: false };
    }

    /// Adds to the present line.
    pub fn say(&mut self, matters: bool, words: impl FnOnce() -> String) {
        if !self.is_heard() {
            return;
        }
        if !self.entry.words.is_empty() {
            self.entry.words.push_str("; ");
        }
        self.entry.words.push_str(&words());
        self.entry.matters |= matters;
    }

    /// Ends the line.
    pub fn end(&mut self) {
        if let Some(listener) = &mut self.listener {
            listener(&self.entry);
        }
    }
}
