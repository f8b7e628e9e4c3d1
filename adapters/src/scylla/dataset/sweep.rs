//! Copies of datasets on this node go with their versions, whichever node removed these.

use tgs_protocol::{id::UploadId, store::StoreError};

use crate::{
    blocking::blocking,
    disk::{RealDisk, remove_tree},
    embedded::layout::Layout,
    fault,
    scylla::{Scylla, artifact::entries, trouble::Patience},
};

impl Scylla {
    /// Removes this node's copies of versions that are gone.
    pub(in crate::scylla) async fn sweep_datasets(&self) -> Result<(), StoreError> {
        let folder = Layout::of(&self.inner.cache).datasets();
        let all = blocking(|| entries(&folder));
        for file in all.map_err(|error| fault::on_file("list", &folder, error))? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Beside its place first, under a name that begins with a dot: somebody fetches it.
            let Some(upload) = name.split('.').next().filter(|upload| !upload.is_empty()) else {
                continue;
            };
            let mut patience = Patience::of("look for datasets that are gone");
            let incoming = self.incoming(&mut patience, &UploadId::new(upload)).await;
            // One that a newer version wrote is there.
            let incoming = self.passed_over().unless_newer(upload, incoming)?;
            if incoming.is_some_and(|upload| upload.is_none()) {
                blocking(|| remove_tree(&RealDisk, &file))
                    .map_err(|error| fault::on_file("remove", &file, error))?;
            }
        }
        Ok(())
    }
}
