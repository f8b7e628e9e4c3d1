//! Who computes in another class of bits than the job was in says so to its supervisor; and in
//! which classes this node computes is measured before anybody need know.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use ractor::ActorRef;
use tgs_protocol::{
    engine::{Device, Engine, EngineError, NumericsClass},
    job::JobEvent,
    queue::DeviceClass,
};

use crate::job_supervisor::message::JobSupervisorMessage;

/// Comes before the first bit that may differ. A model that was brought along came without a class.
/// It may be said again and again: the job takes it in once.
///
/// # Errors
/// Those of measuring.
pub(crate) fn note_class(
    engine: &dyn Engine,
    (device, threads): (Device, u32),
    last: Option<&NumericsClass>,
    report_to: &ActorRef<JobSupervisorMessage>,
) -> Result<(), EngineError> {
    let Some(last) = last else { return Ok(()) };
    let class = engine.numerics_class(device, threads)?;
    if class != *last {
        let computes = JobEvent::ComputesIn(class);
        let _ = report_to.cast(JobSupervisorMessage::Occurred(computes));
    }
    Ok(())
}

/// The classes that a node computes in: one for each kind of device and number of threads that a
/// job of the cluster has. Each is measured once, on a thread of its own.
#[derive(Clone)]
pub(crate) struct Classes {
    engine: Arc<dyn Engine>,
    measured: Arc<Mutex<Measured>>,
}

/// By what is measured; none while that is under way, and where it failed.
type Measured = BTreeMap<(DeviceClass, u32), Option<NumericsClass>>;

impl Classes {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, measured: Arc::default() }
    }

    /// The class of such a device with so many threads. None as long as it is not known: it is
    /// measured from now on.
    pub(crate) fn of(&self, kind: DeviceClass, threads: u32) -> Option<NumericsClass> {
        let what = (kind, threads);
        match self.held().entry(what) {
            Entry::Occupied(known) => return known.get().clone(),
            Entry::Vacant(place) => place.insert(None),
        };
        let it = self.clone();
        let measuring = thread::Builder::new().name("numerics".to_owned());
        if let Err(error) = measuring.spawn(move || it.measure(what)) {
            tracing::warn!(%error, "no thread measures in which class this node computes");
        }
        None
    }

    /// All that are known.
    pub(crate) fn all(&self) -> BTreeMap<DeviceClass, BTreeSet<NumericsClass>> {
        let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for ((kind, _), class) in self.held().iter() {
            if let Some(class) = class {
                all.entry(*kind).or_default().insert(class.clone());
            }
        }
        all
    }

    fn measure(&self, what: (DeviceClass, u32)) {
        let device = match what.0 {
            DeviceClass::Cpu => Device::Cpu,
            DeviceClass::Gpu => Device::Gpu(0),
        };
        match self.engine.numerics_class(device, what.1) {
            Ok(class) => drop(self.held().insert(what, Some(class))),
            Err(error) => {
                let threads = what.1;
                tracing::warn!(?device, threads, %error, "its numerics class is not known");
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
