//! The harness: runs the real `tgs` as a real process, kills it where a test says so, compares
//! bytes. The servers that it works with are real, too: [`services`] starts them.

pub mod cluster;
pub mod deployment;
pub mod killing;
pub mod network;
pub mod outputs;
pub mod peers;
pub mod program;
pub mod publisher;
pub mod receiver;
pub mod server;
pub mod services;
pub mod skipping;
pub mod small_disk;
pub mod starting;
pub mod tables;
pub mod waiting;
