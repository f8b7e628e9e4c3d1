//! Supervised shells (ractor) that perform what the rules in `tgs-protocol` decide.
//!
//! ```text
//! JobDesk ─▶ NodeSupervisor
//!             ├─ JobSupervisor      one per job leased here: shell of protocol/src/job/step.rs
//!             ├─ GpuWorker          one device: mailbox + an OS thread for blocking engine work
//!             ├─ ChunkSampler       pool: samples and seals chunks, an OS thread each
//!             ├─ CheckpointWriter   makes snapshots durable while training goes on
//!             ├─ JobFinder          looks for jobs that nobody works at, in a cluster
//!             ├─ Scheduler          places waiting jobs, on the node that leads
//!             ├─ OrderTaker         takes orders that programs publish
//!             ├─ EventPublisher     tells programs outside what happens to jobs
//!             ├─ PeerListener       hears what other nodes say over the bus
//!             ├─ PeerKeeper         says that this node is there, heeds its operators
//!             ├─ Mesh               links to other nodes: shell of protocol/src/peer/table.rs
//!             ├─ KeyWatch           certificates are renewed: shell of protocol/src/peer/keys.rs
//!             ├─ SpotWatch          hears that the machine will be taken away
//!             ├─ LeaseKeeper        renews leases, tells holders to stand down in time
//!             ├─ Notifier           news for whoever watches a job
//!             └─ Dispatcher         sends notices: shell of protocol/src/notification/step.rs
//! ```
//!
//! | to find | open |
//! |---|---|
//! | how a node is started and stopped | [`node`] |
//! | what a node needs from outside | [`ports`] |
//! | how actions become deeds | `perform` |
//! | how a few rows are drawn at once | `model_desk`, `row_sampler`, `warm_models` |
//! | how work hears *stop* and tells progress | `work_watch`, `row_rate` |
//! | in which class of bits a node computes, how another one is told | `numerics` |
//! | what one node of a cluster does for all | `duty` |
//! | what finders, takers, publishers, keepers and watches have in common | `looker` |
//! | how long jobs take | `experience` |
//! | what operators see of the log | [`warnings`] |
//! | who restarts whom, and when that ends | `node_supervisor`, `restart_window` |
//!
//! **Absent on purpose:** decisions about jobs. A message only makes something happen sooner; what
//! happens is decided by `Job::step` and by conditional writes in the store.

pub mod input;
pub mod mesh;
pub mod node;
pub mod ports;
pub mod warnings;

mod checkpoint_writer;
mod chunk_sampler;
mod desk;
mod dispatcher;
mod duty;
mod event_publisher;
mod experience;
mod failure;
mod gpu_worker;
mod job_finder;
mod job_supervisor;
mod key_watch;
mod lease_keeper;
mod looker;
mod model_desk;
mod node_desk;
mod node_supervisor;
mod notice_desk;
mod notifier;
mod numerics;
mod order;
mod order_taker;
mod peer_keeper;
mod peer_listener;
mod perform;
mod restart_window;
mod row_rate;
mod row_sampler;
mod scheduler;
mod sealed_model;
mod spot_watch;
mod store_call;
#[cfg(test)]
mod tests;
mod warm_models;
mod work_watch;

pub use self::{
    node::{Node, NodeConfig, StartError, start},
    ports::{BusPorts, Channels, NoticePorts, Ports},
};
