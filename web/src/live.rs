//! Events as they happen, to whoever watches: read off the store's log, so that a watcher that
//! comes back goes on where it was, whatever was killed meanwhile. Progress is told in between; it
//! has no number and may be missed.

pub mod feed;
pub mod seat;
pub mod socket;
pub mod sse;
pub mod ticket;
