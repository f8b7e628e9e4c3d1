//! One compute device: a mailbox, and one OS thread that does all blocking work of jobs on it.
//!
//! The mailbox never blocks; the thread takes one order at a time and reports its end to the job's
//! supervisor. A panic of the engine is caught on the thread and becomes a failure of the stage.
//! The thread holds the device's permit for as long as it lives, so a replacement waits for it.

pub(crate) mod bench;
pub(crate) mod message;
pub(crate) mod publish;
mod stages;
mod training;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::job::JobEvent;
use tokio::runtime::Handle;

use self::{
    bench::Bench,
    message::{GpuWorkerMessage, WorkEnd, WorkOrder},
};
use crate::{
    failure::Halt,
    job_supervisor::message::JobSupervisorMessage,
    ports::Ports,
    work_watch::{Stop, WorkWatch},
};

/// The actor.
pub(crate) struct GpuWorker;

/// What a worker needs to begin.
pub(crate) struct Device {
    pub(crate) ports: Ports,
    /// Held by whichever thread computes on the device.
    pub(crate) permit: Arc<Mutex<()>>,
}

/// Orders at work and waiting.
pub(crate) struct Queue {
    orders: mpsc::Sender<WorkOrder>,
    at_work: Option<Arc<WorkWatch>>,
    waiting: VecDeque<WorkOrder>,
}

impl Actor for GpuWorker {
    type Msg = GpuWorkerMessage;
    type State = Queue;
    type Arguments = Device;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        device: Device,
    ) -> Result<Queue, ActorProcessingErr> {
        let (orders, received) = mpsc::channel();
        let bench = Bench::new(device.ports, Handle::current());
        let permit = device.permit;
        thread::Builder::new()
            .name("tgs-device".to_owned())
            .spawn(move || compute(&permit, &received, bench, &myself))?;
        Ok(Queue { orders, at_work: None, waiting: VecDeque::new() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        queue: &mut Queue,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GpuWorkerMessage::Run(order) => queue.waiting.push_back(*order),
            GpuWorkerMessage::Withdraw { job, work_no } => {
                let is_it = |order: &WorkOrder| order.lease.job == job && order.work_no == work_no;
                if let Some(at) = queue.waiting.iter().position(is_it)
                    && let Some(order) = queue.waiting.remove(at)
                {
                    report(&order, WorkEnd::Stopped(None));
                }
            }
            GpuWorkerMessage::Freed => queue.at_work = None,
        }
        queue.go_on()
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _queue: &mut Queue,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Queue {
    fn go_on(&mut self) -> Result<(), ActorProcessingErr> {
        if self.at_work.is_none()
            && let Some(order) = self.waiting.pop_front()
        {
            self.at_work = Some(order.watch.clone());
            self.orders.send(order).map_err(|_| "the device's thread is gone")?;
        }
        Ok(())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Whoever replaces this worker waits for its thread: let it end soon.
        if let Some(watch) = &self.at_work {
            watch.stop(Stop::Abandon);
        }
    }
}

/// The thread: one order after the other until the mailbox is gone.
fn compute(
    permit: &Mutex<()>,
    orders: &mpsc::Receiver<WorkOrder>,
    bench: Bench,
    worker: &ActorRef<GpuWorkerMessage>,
) {
    let _held = permit.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(order) = orders.recv() {
        let end = match bench.run(&order) {
            Ok(result) => WorkEnd::Event(result),
            Err(halt) => end_of(&order, halt),
        };
        report(&order, end);
        if worker.cast(GpuWorkerMessage::Freed).is_err() {
            return;
        }
    }
}

fn end_of(order: &WorkOrder, halt: Halt) -> WorkEnd {
    match halt {
        Halt::Stopped(snapshot) => WorkEnd::Stopped(snapshot),
        Halt::Overtaken => WorkEnd::Event(JobEvent::Overtaken),
        Halt::Failed(fault) => WorkEnd::Event(JobEvent::StageFailed(fault.at(order.stage))),
    }
}

fn report(order: &WorkOrder, end: WorkEnd) {
    let work_no = order.work_no;
    let _ = order.report_to.cast(JobSupervisorMessage::WorkEnded { work_no, end });
}
