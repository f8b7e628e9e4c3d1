//! The bench of a device's thread: it turns one order into calls of the engine and the stores.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use tgs_protocol::{
    code::Code,
    digest::Digest,
    engine::Device,
    job::{JobEvent, Work},
    progress::Watch,
    store::{ArtifactName, Sealed, StoreError},
};
use tokio::runtime::Handle;

use super::message::WorkOrder;
use crate::{
    failure::{Fault, Halt},
    input,
    ports::Ports,
    store_call::{answer, transfer},
};

/// Name of the model's file in its folder.
pub(crate) const MODEL_FILE: &str = "model.safetensors";

/// What the thread works with.
pub(crate) struct Bench {
    pub(super) ports: Ports,
    /// What computes nets.
    pub(super) device: Device,
    runtime: Handle,
}

impl Bench {
    pub(crate) fn new(ports: Ports, device: Device, runtime: Handle) -> Self {
        Self { ports, device, runtime }
    }

    /// Does one piece of work, from its order to the event of its result. What it leaves when it
    /// has none is removed: it may be private, and the disk may be full.
    pub(crate) fn run(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let ended = self.attempt(order);
        if ended.is_err() {
            self.clear_away(order);
        }
        match ended {
            // An engine that stops unasked would be begun again without end.
            Err(Halt::Stopped(_)) if !order.watch.stopped() => {
                Err(internal("the engine stopped although nobody asked"))
            }
            ended => ended,
        }
    }

    /// A panic becomes a failure of the stage.
    fn attempt(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        if order.watch.stopped() {
            return Err(Halt::Stopped(None));
        }
        catch_unwind(AssertUnwindSafe(|| match &order.work {
            Work::Run => self.run_program(order),
            Work::Ingest => self.ingest(order),
            Work::Profile => self.profile(order),
            Work::Plan => self.plan(order),
            Work::Train { plan, from } => self.train(order, plan, *from),
            Work::AdoptModel => self.adopt_model(order),
            Work::Evaluate => self.judge(order),
            Work::Publish { withhold } => self.publish(order, *withhold),
            Work::Sample { .. } => Err(internal("sampling is no work for the device's thread")),
        }))
        .unwrap_or_else(|panic| Err(Fault::of_panic(panic.as_ref()).into()))
    }

    fn clear_away(&self, order: &WorkOrder) {
        let Some(name) = order.work.artifact(&order.row.request.goal) else { return };
        let artifacts = &self.ports.artifacts;
        let cleared = catch_unwind(AssertUnwindSafe(|| {
            self.carry("unstage folder", artifacts.unstage(&order.lease, name))
        }));
        if !matches!(cleared, Ok(Ok(()))) {
            // The next attempt and the next opening of the store remove it as well.
            let (job, name) = (&order.lease.job, name.as_str());
            tracing::warn!(%job, name, "a half-done folder stays");
        }
    }

    /// A question to a store or a small write, from this thread.
    pub(super) fn ask<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Halt> {
        Ok(self.runtime.block_on(answer(what, call))?)
    }

    /// Many bytes to or from a store, from this thread.
    pub(super) fn carry<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Halt> {
        Ok(self.runtime.block_on(transfer(what, call))?)
    }

    /// A file of this machine with the bytes that the request names.
    pub(super) fn local(&self, path: &Path) -> Result<PathBuf, Halt> {
        Ok(self.runtime.block_on(input::local(&self.ports, path))?)
    }

    /// A fresh folder for this attempt.
    pub(super) fn stage(&self, order: &WorkOrder, name: ArtifactName) -> Result<PathBuf, Halt> {
        self.ask("stage folder", self.ports.artifacts.stage(&order.lease, name))
    }

    /// Makes the staged folder durable.
    pub(super) fn seal(&self, order: &WorkOrder, name: ArtifactName) -> Result<Digest, Halt> {
        match self.carry("seal folder", self.ports.artifacts.seal(&order.lease, name))? {
            Sealed::Done(digest) => Ok(digest),
            Sealed::Overtaken { .. } => Err(Halt::Overtaken),
        }
    }

    /// A folder that an earlier stage sealed.
    pub(super) fn folder(&self, order: &WorkOrder, name: ArtifactName) -> Result<PathBuf, Halt> {
        let opened = self.ports.artifacts.open(&order.lease.job, name);
        self.carry("open folder", opened)?.ok_or_else(|| {
            let remedy = "it is not there as it was sealed; bring it back from a copy";
            let said = format!("open {}: {remedy}", name.as_str());
            Fault::new(Code::StoreCorrupt, said).into()
        })
    }
}

/// Writes one file of a staged folder; `seal` makes it durable.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Halt> {
    fs::write(path, bytes).map_err(|error| file_failed("write", path, &error))
}

/// Reads one file of a sealed folder.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Halt> {
    fs::read(path).map_err(|error| file_failed("read", path, &error))
}

fn file_failed(act: &str, path: &Path, error: &io::Error) -> Halt {
    Fault::of_file(&format!("{act} {}", path.display()), error).into()
}

/// A fault of ours.
pub(super) fn internal(message: &str) -> Halt {
    Fault::new(Code::Internal, message).into()
}
