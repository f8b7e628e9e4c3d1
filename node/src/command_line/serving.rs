//! What programs that serve are told.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::ServerArguments;

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
#[command(args_conflicts_with_subcommands = true)]
pub struct NodeArguments {
    #[command(subcommand)]
    pub act: Option<NodeAct>,
    /// Settings of this node, in place of the file that TGS_CONFIG names.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen, over the setting of this name.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// What is asked of the nodes of a running cluster, through any of them.
#[derive(Debug, Subcommand)]
pub enum NodeAct {
    /// List the nodes that are there, and what is wrong with them.
    List {
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Show one node.
    Show(NamedNode),
    /// Have a node take up no more jobs; what it has begun it ends.
    Cordon(NamedNode),
    /// Have a node take up no more jobs, and hand over what it has begun.
    Drain(NamedNode),
    /// Have a node take up jobs again.
    Uncordon(NamedNode),
}

#[derive(Debug, Args)]
pub struct NamedNode {
    /// Its name.
    pub node: String,
    #[command(flatten)]
    pub server: ServerArguments,
}

/// What keys are made.
#[derive(Debug, Subcommand)]
pub enum CertAct {
    /// Make an authority of a cluster's own, which issues to its nodes.
    Authority {
        /// Folder for its certificate and keys; made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Issue a certificate to a node: a folder with all that it needs for `links_folder`.
    Node {
        /// What operators call it (`node_name`).
        name: String,
        /// Folder of the authority.
        #[arg(long, value_name = "DIR")]
        authority: PathBuf,
        /// Folder for the certificate and keys of the node; made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Replace what the folder holds: a node that runs uses it within seconds.
        #[arg(long)]
        renew: bool,
    },
}
