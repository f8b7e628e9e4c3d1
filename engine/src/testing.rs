//! What tests of several modules share.

use tgs_protocol::progress::{Progress, Watch};

/// Says stop from the beginning.
pub(crate) struct Stop;

impl Watch for Stop {
    fn stopped(&self) -> bool {
        true
    }
    fn tell(&self, _progress: Progress) {}
}
