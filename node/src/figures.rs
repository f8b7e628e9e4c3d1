//! Numbers as people read them: those of `protocol`, which report and page use as well.

pub use tgs_protocol::figure::*;
