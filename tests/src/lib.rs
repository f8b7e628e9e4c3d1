//! The harness: runs the real `tgs` as a real process, kills it where a test says so, compares
//! bytes.

pub mod killing;
pub mod outputs;
pub mod peers;
pub mod program;
pub mod receiver;
pub mod server;
pub mod skipping;
pub mod small_disk;
pub mod tables;
