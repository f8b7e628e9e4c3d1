//! Threads that draw a few rows at once, with a bounded line before them. They are no actors: who
//! asks waits for the answer, nothing is kept, and a panic becomes a refusal of the one request.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread,
    time::Duration,
};

use tgs_protocol::{
    chunk::ChunkNo,
    code::Code,
    digest::Digest,
    id::JobId,
    limits::{MODEL_WARM_LOOK_MS, ROW_SAMPLERS, SAMPLES_WAITING_MAX},
    unit::{ByteCount, Rows},
    wire::SampleOrder,
};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    failure::{Fault, Halt},
    ports::Ports,
    sealed_model,
    warm_models::{Opened, WarmModels},
};

/// The line before the threads.
pub(crate) struct RowSamplers {
    line: SyncSender<Draw>,
}

/// One request.
pub(crate) struct Draw {
    /// The job that trained the model.
    pub(crate) job: JobId,
    pub(crate) model: Digest,
    pub(crate) order: SampleOrder,
    pub(crate) reply: oneshot::Sender<Result<Vec<u8>, Fault>>,
}

/// What a thread works with.
#[derive(Clone)]
struct Seat {
    ports: Ports,
    models: WarmModels,
    runtime: Handle,
    line: Arc<Mutex<mpsc::Receiver<Draw>>>,
}

impl RowSamplers {
    /// Starts the threads; they end when this is dropped.
    pub(crate) fn start(ports: Ports, runtime: Handle) -> std::io::Result<Self> {
        let (line, waiting) = mpsc::sync_channel(SAMPLES_WAITING_MAX);
        let (models, waiting) = (WarmModels::default(), Arc::new(Mutex::new(waiting)));
        let seat = Seat { ports, models, runtime, line: waiting };
        for _ in 0..ROW_SAMPLERS {
            let seat = seat.clone();
            thread::Builder::new().name("tgs-rows".to_owned()).spawn(move || seat.serve())?;
        }
        Ok(Self { line })
    }

    /// Puts a request in line.
    ///
    /// # Errors
    /// `Busy` when the line is full.
    pub(crate) fn draw(&self, draw: Draw) -> Result<(), Fault> {
        self.line.try_send(draw).map_err(|refused| match refused {
            TrySendError::Full(_) => {
                let said = format!(
                    "draw rows: {SAMPLES_WAITING_MAX} requests wait already; ask again later, or \
                     order a job of kind generate"
                );
                Fault::new(Code::Busy, said)
            }
            TrySendError::Disconnected(_) => {
                Fault::new(Code::Internal, "draw rows: no thread draws any more; report it")
            }
        })
    }
}

impl Seat {
    /// One request after the other until nobody can send another.
    fn serve(&self) {
        loop {
            let wait = Duration::from_millis(MODEL_WARM_LOOK_MS);
            let next = self.line.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(wait);
            match next {
                Ok(Draw { reply, .. }) if reply.is_closed() => {} // Nobody waits for it any more.
                Ok(Draw { job, model, order, reply }) => {
                    let drawn = catch_unwind(AssertUnwindSafe(|| self.rows(&job, model, order)))
                        .unwrap_or_else(|panic| Err(Fault::of_panic(panic.as_ref())));
                    let _ = reply.send(drawn);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.models.close_idle(self.ports.clock.monotonic());
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn rows(&self, job: &JobId, model: Digest, order: SampleOrder) -> Result<Vec<u8>, Fault> {
        let SampleOrder { rows, seed, format } = order;
        let now = self.ports.clock.monotonic();
        let sampler = self.models.get_or_open(model, now, || self.open(job, model))?;
        let written = sampler.written(seed, ChunkNo(0), Rows(rows), format.rows());
        written.map(|rows| format.dressed(rows)).map_err(as_fault)
    }

    fn open(&self, job: &JobId, model: Digest) -> Result<Opened, Fault> {
        let gone = || {
            let said = format!("draw rows: the model of job {job} is gone; train it again");
            Fault::new(Code::NoSuchThing, said)
        };
        let bytes = sealed_model::read(&self.ports, &self.runtime, job)?.ok_or_else(gone)?;
        if Digest::of(&bytes) != model {
            let said = format!(
                "draw rows: the model of job {job} is not what was trained; restore the data \
                 folder from a copy"
            );
            return Err(Fault::new(Code::StoreCorrupt, said));
        }
        let sampler = self.ports.engine.sampler(&bytes).map_err(as_fault)?;
        Ok((sampler, ByteCount(bytes.len() as u64)))
    }
}

fn as_fault(error: tgs_protocol::engine::EngineError) -> Fault {
    match Halt::from(error) {
        Halt::Failed(fault) => fault,
        Halt::Stopped(_) | Halt::Overtaken => {
            Fault::new(Code::Internal, "draw rows: the engine stopped although nobody asked")
        }
    }
}
