//! The harness: runs the real `tgs` as a real process, kills it where a test says so, compares
//! bytes.

pub mod killing;
pub mod outputs;
pub mod program;
pub mod server;
pub mod skipping;
pub mod small_disk;
