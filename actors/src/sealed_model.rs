//! The model that a job has sealed, as bytes: read by whoever draws rows.

use tgs_protocol::{id::JobId, store::ArtifactName};
use tokio::runtime::Handle;

use crate::{failure::Fault, gpu_worker::bench::MODEL_FILE, ports::Ports, store_call::transfer};

/// The bytes; none if the job has none. For threads of their own: it blocks.
pub(crate) fn read(ports: &Ports, runtime: &Handle, job: &JobId) -> Result<Option<Vec<u8>>, Fault> {
    let folder = ports.artifacts.open(job, ArtifactName::Model);
    let Some(folder) = runtime.block_on(transfer("open model", folder))? else { return Ok(None) };
    let path = folder.join(MODEL_FILE);
    let bytes = std::fs::read(&path)
        .map_err(|error| Fault::of_file(&format!("read {}", path.display()), &error))?;
    Ok(Some(bytes))
}
