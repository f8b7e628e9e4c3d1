//! The node's own well-being: room on the disk, devices that fail or hang, and who must move.
//!
//! A job that must move is told to keep what it has reached and to leave; then it waits in the
//! place that it had, and begins again when a device and room are there. To the job that is an
//! interruption like any other, so its bytes stay what they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tgs_protocol::{
    code::Code,
    desk::Health,
    id::JobId,
    queue::{Seat, trust::Judgement},
    space::Room,
    stage::Stage,
};

use super::Floor;
use crate::{
    failure::Fault, gpu_worker::message::GpuWorkerMessage,
    job_supervisor::message::JobSupervisorMessage,
};

/// How the node is, as it was last seen: written by its supervisor, read by the desk.
#[derive(Clone, Default)]
pub(crate) struct NodeHealth(Arc<Mutex<Health>>);

impl NodeHealth {
    pub(crate) fn now(&self) -> Health {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Floor {
    /// The regular look at everything.
    pub(super) async fn look_around(&mut self) {
        self.look_at_disk().await;
        for worker in &self.crew().gpu_workers {
            let _ = worker.cast(GpuWorkerMessage::Look);
        }
        for here in self.jobs.values() {
            let _ = here.actor.cast(JobSupervisorMessage::Look);
        }
        self.tell_health();
    }

    /// Closes the queue while the disk has too little room, and sends jobs back to it.
    pub(super) async fn look_at_disk(&mut self) {
        let free = match self.ports.space.free() {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "how much room the disk has is not known");
                return;
            }
        };
        let before = self.room;
        self.room = before.seen(free);
        let Room { free, floor, is_low } = self.room;
        if is_low == before.is_low {
            return;
        }
        tracing::warn!(%free, %floor, is_low, "room on the disk of the data folder");
        let starts = self.queue.set_closed(is_low);
        self.begin(starts).await;
        if is_low {
            let all: Vec<_> = self.jobs.keys().cloned().collect();
            for job in all {
                self.move_away(&job, "the disk is nearly full; it goes on when there is room");
            }
        }
    }

    /// A device did a piece of work, or failed at it.
    pub(super) async fn device_reported(&mut self, at: usize, job: &JobId, has_failed: bool) {
        let seat = Seat(at);
        if !has_failed {
            return self.trust.worked(seat);
        }
        let others = self.queue.seats().has_others(seat);
        match self.trust.failed(seat, job, others) {
            Judgement::GoOn => {}
            Judgement::SetAside => {
                tracing::error!(device = at, "a device failed again and again; it is set aside");
                let why = format!("device {at} failed three times in a row and is set aside");
                self.set_aside(seat, &why).await;
            }
            Judgement::TakeBack(first) => {
                tracing::warn!(device = first.0, %job, "the job fails everywhere, not the device");
                let starts = self.queue.take_back(first);
                self.begin(starts).await;
            }
        }
    }

    /// The thread of a device gives no sign of life: its job is taken from it, and the device is of
    /// no use until the thread comes back. A job whose work hangs twice would take every device.
    pub(super) async fn device_hangs(&mut self, at: usize, stage: Stage) {
        tracing::error!(device = at, %stage, "a device hangs; it is set aside");
        let why = format!("device {at} hangs and is set aside");
        let on_it = self.queue.who_is_on(Seat(at)).cloned();
        let hung_before = on_it.as_ref().is_some_and(|job| self.trust.hangs(job));
        let starts = self.queue.set_aside_stuck(Seat(at));
        if let Some((job, here)) = on_it.and_then(|job| Some((job.clone(), self.jobs.get(&job)?))) {
            let (code, and) = match hung_before {
                false => (Code::DeviceFailed, "work is begun again"),
                true => {
                    (Code::WorkHangs, "the work of this job hung before, so the job is given up")
                }
            };
            let fault = Fault::new(code, format!("{stage}: {why}; {and}"));
            let _ = here.actor.cast(JobSupervisorMessage::WorkLost(fault));
            if !hung_before {
                self.move_away(&job, &why);
            }
        }
        self.begin(starts).await;
    }

    /// It was slow, not dead.
    pub(super) async fn device_came_back(&mut self, at: usize) {
        tracing::warn!(device = at, "a device that hung came back");
        let starts = self.queue.take_back(Seat(at));
        self.begin(starts).await;
    }

    async fn set_aside(&mut self, seat: Seat, why: &str) {
        let on_it = self.queue.who_is_on(seat).cloned();
        let starts = self.queue.set_aside(seat);
        if let Some(job) = on_it {
            self.move_away(&job, why);
        }
        self.begin(starts).await;
    }

    pub(super) fn move_away(&mut self, job: &JobId, why: &str) {
        if let Some(here) = self.jobs.get_mut(job) {
            here.moves = true;
            let _ = here.actor.cast(JobSupervisorMessage::Move(why.to_owned()));
        }
    }

    pub(super) fn tell_health(&self) {
        let devices = self.queue.seats().each().collect();
        *self.health.held() = Health { room: self.room, devices };
    }
}
