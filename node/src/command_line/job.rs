//! What is asked of the jobs of a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ServerArguments;

#[derive(Debug, Args)]
pub struct JobArguments {
    #[command(flatten)]
    pub server: ServerArguments,
    #[command(subcommand)]
    pub act: JobAct,
}

#[derive(Debug, Subcommand)]
pub enum JobAct {
    /// Order a job, as JSON from a file or from stdin (-).
    Submit {
        /// The order.
        order: PathBuf,
        /// Send the same key again after a lost answer: there is one job all the same.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// List jobs, newest first.
    List {
        /// Only these: waiting, running, published, withheld, failed, cancelled.
        #[arg(long)]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one job.
    Show {
        /// Its name.
        job: String,
    },
    /// Follow one job until it ends.
    Watch {
        /// Its name.
        job: String,
    },
    /// End a job for good.
    Cancel {
        /// Its name.
        job: String,
    },
    /// Go on with a job that was suspended.
    Resume {
        /// Its name.
        job: String,
    },
    /// Do what a job asked for that failed or was cancelled, as a new job.
    Retry {
        /// Its name.
        job: String,
        /// Send the same key again after a lost answer: there is one job all the same.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}
