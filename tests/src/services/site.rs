//! Where the servers of one service live: a temporary folder, and addresses that are theirs alone.

use super::{addresses::Addresses, folder::Folder};

/// Held by each server of a service; both go after the last of their processes.
#[derive(Debug)]
pub struct Site {
    pub folder: Folder,
    pub addresses: Addresses,
}

impl Site {
    pub fn new() -> Self {
        Self::at(Addresses::take())
    }

    pub fn at(addresses: Addresses) -> Self {
        Self { folder: Folder::new(), addresses }
    }
}
