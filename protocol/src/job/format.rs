//! Which rows of jobs this version understands.
//!
//! A row is read whole or not at all (`protocol/src/stored.rs`). Beside that it names the format
//! that whoever touches its job must know: what stood in rows before may mean another thing there.
//! A node that does not know it leaves the job to those that do.

use serde::Deserialize;

use super::JobRow;
use crate::stored::{self, Unread};

/// The newest format of rows that this version knows. It grows when something that stood in rows
/// before gets another meaning; a row that has no need of that keeps the earlier number.
pub const ROW_FORMAT: u32 = 1;

/// The format of rows that name none.
pub(super) const FIRST: u32 = 1;

/// So much of a row is the same in every version.
#[derive(Deserialize)]
struct Head {
    #[serde(default = "first")]
    format: u32,
}

pub(super) const fn first() -> u32 {
    FIRST
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(super) const fn is_first(format: &u32) -> bool {
    *format == FIRST
}

impl JobRow {
    /// A row as it stands in a store.
    ///
    /// # Errors
    /// Where it is damaged, or was written by a newer version in words that this one does not know.
    pub fn read(bytes: &[u8]) -> Result<Self, Unread> {
        // First: of another format nothing else need be as it is here.
        let Head { format } = serde_json::from_slice(bytes)?;
        match what_is_unknown(format) {
            Some(unknown) => Err(Unread::Newer(unknown)),
            None => stored::read(bytes),
        }
    }

    /// What of it this version does not understand, in words, if it names a newer format.
    pub fn unknown(&self) -> Option<String> {
        what_is_unknown(self.format)
    }
}

fn what_is_unknown(format: u32) -> Option<String> {
    (format > ROW_FORMAT).then(|| format!("format {format} of rows (it knows up to {ROW_FORMAT})"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::job::step::samples::{row, synthesize};

    fn said(row: &Value) -> Result<JobRow, String> {
        JobRow::read(row.to_string().as_bytes()).map_err(|unread| match unread {
            Unread::Damaged(error) => format!("damaged: {error}"),
            Unread::Newer(what) => what,
        })
    }

    #[test]
    fn a_row_of_this_version_is_read_and_names_no_format() {
        let row = row(synthesize(10));
        let written = json!(row);
        assert_eq!(written.get("format"), None, "rows are as they were before there were formats");
        assert_eq!(said(&written), Ok(row.clone()));
        assert_eq!(row.unknown(), None);
    }

    /// What keeps a pinned job in its regions, whatever they are called in a later version.
    #[test]
    fn a_row_with_anything_new_is_left_alone() {
        let written = json!(row(synthesize(10)));
        let with = |change: fn(&mut Value)| {
            let mut changed = written.clone();
            change(&mut changed);
            said(&changed).expect_err("a newer version wrote it")
        };
        for (told, word) in [
            (with(|row| row["walls"] = json!(["eu"])), "`walls`"),
            (with(|row| row["done"]["signed"] = json!("by whom")), "`done.signed`"),
            (with(|row| row["request"]["purpose"] = json!("research")), "`purpose`"),
            (with(|row| row["request"]["goal"]["kind"] = json!("dream")), "`dream`"),
            (with(|row| row["state"] = json!({"state": "frozen"})), "`frozen`"),
            (with(|row| row["timeline"][0]["by"] = json!("ada")), "`timeline.by`"),
            (with(|row| row["format"] = json!(ROW_FORMAT + 1)), " of rows (it knows up to "),
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        let other = json!({"format": ROW_FORMAT + 1, "everything": "else"});
        assert!(said(&other).expect_err("it is another row").contains(" of rows"));
    }
}
