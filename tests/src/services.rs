//! Real servers for tests: NATS and a CQL database, started on this machine, with faults by id.
//!
//! Each server is a process of its own on loopback addresses that no other test has, with its data
//! in a temporary folder. It is ended when its handle is dropped, and by the kernel when the
//! process that started it dies, however it dies; the folder then goes with the next start.

use std::{env, path::PathBuf};

pub mod addresses;
pub mod cassandra;
pub mod cql;
pub mod folder;
pub mod identity;
pub mod nats;
pub mod objects;
pub mod process;
pub mod prometheus;
mod site;
pub mod standing;

pub use cassandra::{Cassandra, CassandraRing};
pub use cql::Database;
pub use nats::{Nats, NatsCluster};

/// A file or folder that `./dev` has set up. A test that needs it is never left out in silence.
pub(crate) fn set_up(variable: &str) -> PathBuf {
    let path = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "start a service: {variable} is not set; run `./dev test`, or first \
             `eval \"$(./dev services variables)\"`"
        )
    });
    assert!(
        path.exists(),
        "start a service: {variable} names {}, which is not there; run `./dev test`, which sets it \
         up anew",
        path.display()
    );
    path
}
