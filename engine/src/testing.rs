//! What tests of several modules share.

use std::sync::Arc;

use tgs_protocol::{
    column::{ColumnKind, ColumnSpec, ValueFormat},
    progress::{Progress, Watch},
};

/// A column of this name, kind and format.
pub(crate) fn spec(name: &str, kind: ColumnKind, format: ValueFormat) -> Arc<ColumnSpec> {
    let (name, reason) = (name.to_owned(), "made for a test".to_owned());
    Arc::new(ColumnSpec { name, kind, reason, format, missing_token: None })
}

/// Says stop from the beginning.
pub(crate) struct Stop;

impl Watch for Stop {
    fn stopped(&self) -> bool {
        true
    }
    fn tell(&self, _progress: Progress) {}
}
