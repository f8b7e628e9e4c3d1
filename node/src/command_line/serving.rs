//! What programs that serve are told.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

#[derive(Debug, Args)]
pub struct UpArguments {
    /// Where to listen, over the setting of this name.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Make a new token; the former one no longer works.
    #[arg(long)]
    pub new_token: bool,
}

#[derive(Debug, Args)]
pub struct NodeArguments {
    /// Settings of this node, in place of the file that TGS_CONFIG names.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen, over the setting of this name.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}
