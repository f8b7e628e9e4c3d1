//! What may be typed after `tgs sim`.

use std::path::PathBuf;

use clap::{Args, value_parser};
use tgs_simulations::world::NODES_MAX;

/// Which worlds (docs/guide/simulator.md). The exit status is 1 where a promise breaks.
#[derive(Debug, Args)]
pub struct SimArguments {
    /// How many worlds.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub seeds: u64,
    /// The seed of the first one.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub first: u64,
    /// Nodes of each world, up to 1,000, with as many more jobs [default: by seed, mostly a few].
    #[arg(long, value_name = "N")]
    #[arg(value_parser = value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: Option<u32>,
    /// Only this world, told in words.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first", "jobs"])]
    pub seed: Option<u64>,
    /// Worlds at one time [default: one per core].
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Write every event of one world to this file, a line each.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Break a rule on purpose, to see it caught.
    #[arg(long, value_name = "NAME")]
    pub flaw: Option<String>,
    /// Make a failing world small, tell its story and write it to sim-SEED.json.
    #[arg(long)]
    pub shrink: bool,
    /// Live the world that this file describes.
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["seeds", "first", "nodes", "seed", "jobs", "flaw"])]
    pub replay: Option<PathBuf>,
}
