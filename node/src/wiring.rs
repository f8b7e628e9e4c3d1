//! The one place that names concrete adapters: which stores, which engine, which clock.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tgs_actors::{Node, NodeConfig, Ports};
use tgs_adapters::{
    embedded::{Embedded, layout::Layout},
    system::{SystemClock, SystemIds},
};
use tgs_engine::port::LocalEngine;
use tgs_protocol::{
    cause::with_causes,
    code::Code,
    engine::Engine,
    id::{Incarnation, JobId},
};

use crate::{configuration::Settings, failure::Failure};

/// More threads than any machine has cores; a larger number is a slip.
const SAMPLERS_MAX: usize = 1_024;

/// The engine of this process.
pub fn engine() -> Arc<dyn Engine> {
    Arc::new(LocalEngine::new())
}

/// Whether a data folder is there already.
pub fn is_home(folder: &Path) -> bool {
    Embedded::is_at(folder)
}

/// Where a job keeps its files.
pub fn job_folder(home: &Path, job: &JobId) -> Result<PathBuf, Failure> {
    Ok(Layout::of(home).job(job)?.path().to_owned())
}

/// One embedded node over a data folder.
pub async fn node(
    home: &Path,
    settings: &Settings,
    samplers: Option<usize>,
) -> Result<Node, Failure> {
    let store = Arc::new(Embedded::open(home)?);
    let ids = Arc::new(SystemIds::new());
    let config = config(ids.incarnation(), settings, samplers);
    let ports = Ports {
        jobs: store.clone(),
        leases: store.clone(),
        chunks: store.clone(),
        checkpoints: store.clone(),
        artifacts: store,
        engine: engine(),
        clock: Arc::new(SystemClock::new()),
        ids,
    };
    tgs_actors::start(ports, config)
        .await
        .map_err(|error| Failure::new(Code::Internal, with_causes(&error)))
}

fn config(own: Incarnation, settings: &Settings, samplers: Option<usize>) -> NodeConfig {
    // The lock on the data folder proves that whoever held a lease here is gone.
    let mut config = NodeConfig::embedded(own);
    config.samplers = match samplers.unwrap_or(settings.samplers) {
        0 => thread::available_parallelism().map_or(1, usize::from),
        named => named.min(SAMPLERS_MAX),
    };
    config
}
