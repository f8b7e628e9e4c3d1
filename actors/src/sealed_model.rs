//! The model that a job has sealed, as bytes: read by whoever draws rows. One that completes rows
//! lies where tables do (`Goal::adopts_into`).

use std::io::ErrorKind::NotFound;

use tgs_protocol::{id::JobId, store::ArtifactName};
use tokio::runtime::Handle;

use crate::{failure::Fault, gpu_worker::bench::MODEL_FILE, ports::Ports, store_call::transfer};

/// The bytes; none if the job has none. For threads of their own: it blocks.
pub(crate) fn read(ports: &Ports, runtime: &Handle, job: &JobId) -> Result<Option<Vec<u8>>, Fault> {
    for artifact in [ArtifactName::Model, ArtifactName::Dataset] {
        let folder = ports.artifacts.open(job, artifact);
        let Some(folder) = runtime.block_on(transfer("open model", folder))? else { continue };
        let path = folder.join(MODEL_FILE);
        match std::fs::read(&path) {
            Ok(bytes) => return Ok(Some(bytes)),
            // A table beside which no model lies.
            Err(error) if artifact == ArtifactName::Dataset && error.kind() == NotFound => {}
            Err(error) => {
                return Err(Fault::of_file(&format!("read {}", path.display()), &error));
            }
        }
    }
    Ok(None)
}
