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
use tgs_protocol::{
    clock::Clock,
    code::Code,
    engine,
    job::JobEvent,
    stage::Stage,
    watchdog::{Silence, Watchdog},
};
use tokio::runtime::Handle;

use self::{
    bench::Bench,
    message::{GpuWorkerMessage, WorkEnd, WorkOrder},
};
use crate::{
    failure::Halt,
    job_supervisor::message::JobSupervisorMessage,
    node_supervisor::message::NodeSupervisorMessage,
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
    pub(crate) post: DevicePost,
}

/// Whose device it is, and how long work on it may be silent.
#[derive(Clone)]
pub(crate) struct DevicePost {
    pub(crate) at: usize,
    pub(crate) device: engine::Device,
    pub(crate) node: ActorRef<NodeSupervisorMessage>,
    pub(crate) silence: Silence,
}

/// Orders at work and waiting.
pub(crate) struct Queue {
    orders: mpsc::Sender<WorkOrder>,
    at_work: Option<(Stage, Arc<WorkWatch>)>,
    waiting: VecDeque<WorkOrder>,
    post: DevicePost,
    clock: Arc<dyn Clock>,
    watchdog: Watchdog,
    hangs: bool,
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
        let clock = device.ports.clock.clone();
        let bench = Bench::new(device.ports, device.post.device, Handle::current());
        let (permit, post) = (device.permit, device.post);
        let (at, node) = (post.at, post.node.clone());
        let reporter = Reporter { worker: myself, at, node };
        thread::Builder::new()
            .name("tgs-device".to_owned())
            .spawn(move || compute(&permit, &received, bench, &reporter))?;
        Ok(Queue {
            orders,
            at_work: None,
            waiting: VecDeque::new(),
            post,
            clock,
            watchdog: Watchdog::default(),
            hangs: false,
        })
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
            GpuWorkerMessage::Freed => queue.freed(),
            GpuWorkerMessage::Look => queue.look(),
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
    fn freed(&mut self) {
        self.at_work = None;
        self.watchdog = Watchdog::default();
        if std::mem::take(&mut self.hangs) {
            let at = self.post.at;
            let _ = self.post.node.cast(NodeSupervisorMessage::DeviceCameBack { at });
        }
    }

    fn look(&mut self) {
        let now = self.clock.monotonic();
        let Some((stage, watch)) = &self.at_work else { return };
        if self.watchdog.look(watch.signs(), now, self.post.silence) && !self.hangs {
            self.hangs = true;
            let (at, stage) = (self.post.at, *stage);
            let _ = self.post.node.cast(NodeSupervisorMessage::DeviceHangs { at, stage });
        }
    }

    fn go_on(&mut self) -> Result<(), ActorProcessingErr> {
        if self.at_work.is_none()
            && let Some(order) = self.waiting.pop_front()
        {
            self.at_work = Some((order.stage, order.watch.clone()));
            self.orders.send(order).map_err(|_| "the device's thread is gone")?;
        }
        Ok(())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Whoever replaces this worker waits for its thread: let it end soon.
        if let Some((_, watch)) = &self.at_work {
            watch.stop(Stop::Abandon);
        }
    }
}

/// The thread: one order after the other until the mailbox is gone.
fn compute(
    permit: &Mutex<()>,
    orders: &mpsc::Receiver<WorkOrder>,
    bench: Bench,
    reporter: &Reporter,
) {
    let _held = permit.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(order) = orders.recv() {
        let end = match bench.run(&order) {
            Ok(result) => WorkEnd::Event(result),
            Err(halt) => end_of(&order, halt),
        };
        reporter.say_how_it_went(&order, &end);
        report(&order, end);
        if reporter.worker.cast(GpuWorkerMessage::Freed).is_err() {
            return;
        }
    }
}

/// Who hears how work on a device went, beside the job.
struct Reporter {
    worker: ActorRef<GpuWorkerMessage>,
    at: usize,
    node: ActorRef<NodeSupervisorMessage>,
}

impl Reporter {
    /// Only what the device itself owes: a full disk or a bad table says nothing of it.
    fn say_how_it_went(&self, order: &WorkOrder, end: &WorkEnd) {
        let has_failed = match end {
            WorkEnd::Stopped(_) => return,
            WorkEnd::Event(JobEvent::StageFailed(failure)) => {
                if failure.code != Code::DeviceFailed {
                    return;
                }
                true
            }
            WorkEnd::Event(_) => false,
        };
        let (at, job) = (self.at, order.lease.job.clone());
        let _ = self.node.cast(NodeSupervisorMessage::DeviceReported { at, job, has_failed });
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
