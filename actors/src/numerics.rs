//! Who computes in another class of bits than the job was in says so to its supervisor.

use ractor::ActorRef;
use tgs_protocol::{
    engine::{Device, Engine, EngineError, NumericsClass},
    job::JobEvent,
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
