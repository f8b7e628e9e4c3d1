//! Everything that touches the world, behind the ports of `tgs-protocol`.
//!
//! | port | memory | one data folder | a cluster: in [`scylla`] |
//! |---|---|---|---|
//! | `JobStore` | [`memory`] | [`embedded`]: `job.rs` | `job.rs`, `place.rs` |
//! | `EventLog` | [`memory`] | [`embedded`]: `event.rs` | `event.rs`, `outbox.rs` |
//! | `NotificationStore` | `notification.rs` | `notification.rs` | `notification.rs` |
//! | `LeaseStore` | [`memory`] | [`embedded`]: `lease.rs` | `lease.rs` |
//! | `ChunkStore` | [`memory`] | [`embedded`]: `chunk.rs` | `chunk.rs`, `bytes.rs` |
//! | `CheckpointStore` | [`memory`] | [`embedded`]: `checkpoint.rs` | `checkpoint.rs` |
//! | `ArtifactStore` | [`memory`] | [`embedded`]: `artifact.rs`, `recover.rs` | `artifact.rs` |
//! | `DatasetStore` | [`memory`] | [`embedded`]: `dataset.rs` | `dataset.rs` |
//! | `EndOrders`, `PresenceBoard` | | | `end_order.rs`, `presence.rs` |
//! | `Clock`, `IdSource` | | [`system`] | |
//! | `Space` | | [`space`] | |
//! | `InterruptionSource` | | [`interruption`] | |
//! | `KeyFolder` | | [`certificate`]: `folder.rs` | |
//! | `Programs` | | [`program`] | |
//!
//! | port | over HTTP | over SMTP |
//! |---|---|---|
//! | `Channel` | [`webhook`] | [`mail`] |
//!
//! | port | over NATS |
//! |---|---|
//! | `OrderQueue`, `EventOutlet` | [`nats`] |
//!
//! [`conformance`] holds what every store owes, as checks that run against each of them;
//! [`faulty`] is a wrapper that fails on plan, [`on_runtime`] one that spares its callers' threads.
//! [`disk`] is the one door to changes of files, [`fence`] what every store refuses, [`deliver`]
//! how a user gets a file.
//!
//! **Absent on purpose:** actors, compute, rules about what a job does next.

pub mod certificate;
pub mod conformance;
pub mod content;
pub mod deliver;
pub mod disk;
pub mod embedded;
pub mod faulty;
pub mod fence;
pub mod interruption;
pub mod mail;
pub mod memory;
pub mod nats;
pub mod on_runtime;
pub mod ports;
pub mod program;
pub mod scylla;
pub mod space;
pub mod system;
pub mod webhook;

mod blocking;
mod fault;
mod host;
mod passed_over;

pub use self::{embedded::Embedded, memory::Memory, nats::Nats, ports::Ports, scylla::Scylla};
