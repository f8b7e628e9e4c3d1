//! Room on the disk of the data folder: below a floor nothing new is begun, so that what runs can
//! still be saved.

use serde::{Deserialize, Serialize};

use crate::{store::StoreError, unit::ByteCount};

/// Where room is looked up.
pub trait Space: Send + Sync {
    /// Bytes that may still be written.
    ///
    /// # Errors
    /// If the folder cannot be looked at.
    fn free(&self) -> Result<ByteCount, StoreError>;
}

/// Room as it was last seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes that may still be written.
    pub free: ByteCount,
    /// Fewer than these are too few.
    pub floor: ByteCount,
    /// Too few, since it was last enough.
    pub is_low: bool,
}

impl Room {
    /// Nobody has looked yet; a floor of 0 is never undercut.
    pub const fn above(floor: ByteCount) -> Self {
        Self { free: ByteCount(u64::MAX), floor, is_low: false }
    }

    /// What is seen now. Once it was too little, an eighth more than the floor is enough again:
    /// work that begins and stops at every megabyte helps nobody.
    #[must_use]
    pub fn seen(self, free: ByteCount) -> Self {
        let floor = self.floor.get();
        let enough = if self.is_low { floor.saturating_add(floor / 8) } else { floor };
        Self { free, is_low: free.get() < enough, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_low_must_be_clearly_enough_again() {
        let mut room = Room::above(ByteCount(800));
        let cases = [
            (10_000, false),
            (800, false),
            (799, true),
            (800, true),
            (899, true),
            (900, false),
            (850, false),
            (0, true),
        ];
        for (free, is_low) in cases {
            room = room.seen(ByteCount(free));
            assert_eq!((room.is_low, room.free), (is_low, ByteCount(free)), "{free}");
        }
        assert!(!Room::above(ByteCount(0)).seen(ByteCount(0)).is_low, "no floor, never low");
    }
}
