//! One sampler of the pool: a mailbox, and an OS thread that samples chunks and seals them.
//!
//! A chunk is a function of model, seed and number alone, so it matters to nobody which sampler
//! computes it. Invariant kept here: CHUNK-1, by the store's guarded `seal`.

pub(crate) mod message;
mod open_models;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    chunk::SealedChunk,
    code::Code,
    digest::Digest,
    engine::{Device, Sampler},
    limits::MODEL_IDLE_MS,
    metric_definitions::CHUNKS_SAMPLED,
    peer::PeerAnswer,
    progress::Watch,
    store::Written,
};
use tokio::runtime::Handle;

use self::message::{ChunkEnd, ChunkOrder, Whose};
pub(crate) use self::open_models::OpenModels;
use crate::{
    failure::{Fault, Halt},
    job_supervisor::message::JobSupervisorMessage,
    numerics::note_class,
    ports::Ports,
    sealed_model,
    store_call::{answer, transfer},
    work_watch::Stop,
};

/// The actor.
pub(crate) struct ChunkSampler;

/// What a sampler needs to begin.
pub(crate) struct Seat {
    pub(crate) ports: Ports,
    /// Models that are open already, shared by the pool.
    pub(crate) models: OpenModels,
}

impl Actor for ChunkSampler {
    type Msg = ChunkOrder;
    type State = mpsc::Sender<ChunkOrder>;
    type Arguments = Seat;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        seat: Seat,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (orders, received) = mpsc::channel();
        let runtime = Handle::current();
        thread::Builder::new()
            .name("tgs-sampler".to_owned())
            .spawn(move || sample_all(&received, &seat, &runtime))?;
        Ok(orders)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        order: ChunkOrder,
        orders: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        orders.send(order).map_err(|_| "the sampler's thread is gone".into())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _orders: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

/// The thread: one chunk after the other until the mailbox is gone.
fn sample_all(orders: &mpsc::Receiver<ChunkOrder>, seat: &Seat, runtime: &Handle) {
    loop {
        let order = match orders.recv_timeout(Duration::from_millis(MODEL_IDLE_MS)) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => {
                seat.models.close_idle(seat.ports.clock.monotonic());
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let end = match catch_unwind(AssertUnwindSafe(|| sample(&order, seat, runtime))) {
            Ok(Ok(sealed)) => ChunkEnd::Sealed(sealed),
            Ok(Err(Halt::Stopped(_))) => ChunkEnd::Dropped,
            Ok(Err(Halt::Overtaken)) => ChunkEnd::Overtaken,
            Ok(Err(Halt::Failed(fault))) => ChunkEnd::Failed(fault),
            Err(panic) => ChunkEnd::Failed(Fault::of_panic(panic.as_ref())),
        };
        if matches!(end, ChunkEnd::Sealed(_)) {
            metrics::counter!(CHUNKS_SAMPLED, "whose" => order.whose.label()).increment(1);
        }
        match order.whose {
            Whose::Ours { work_no, sampler, report_to, .. } => {
                let ended = JobSupervisorMessage::ChunkEnded { work_no, sampler, end };
                let _ = report_to.cast(ended);
            }
            Whose::Anothers { answer, place, .. } => {
                // Before the answer, which the next order for this place follows.
                drop(place);
                let _ = answer.send(end.answer());
            }
        }
    }
}

fn sample(order: &ChunkOrder, seat: &Seat, runtime: &Handle) -> Result<SealedChunk, Halt> {
    if order.whose.is_stopped() {
        return Err(Halt::Stopped(None));
    }
    let (engine, computes) = (&*seat.ports.engine, (Device::Cpu, order.threads));
    match &order.whose {
        Whose::Ours { class, report_to, .. } => {
            note_class(engine, computes, class.as_ref(), report_to)?;
        }
        // A job says where its bits change; help is not to change any.
        Whose::Anothers { class, .. }
            if engine.numerics_class(computes.0, computes.1)? != *class =>
        {
            return Err(Fault::new(Code::DeviceFailed, "this node computes other bits").into());
        }
        // Models are known by their digests here: one that is another's would be taken for it.
        Whose::Anothers { .. } => {
            let read = answer("read job", seat.ports.jobs.read(&order.lease.job));
            let row = runtime.block_on(read)?;
            if row.is_none_or(|row| row.done.model != Some(order.model)) {
                return Err(Fault::new(Code::JobNotFound, "the job has no such model").into());
            }
        }
    }
    let model = open(order, seat, runtime)?;
    let bytes = model.chunk(order.seed, order.chunk, order.rows)?;
    if order.whose.is_abandoned() {
        return Err(Halt::Stopped(None));
    }
    let digest = Digest::of(&bytes);
    let sealed = SealedChunk { chunk: order.chunk, rows: order.rows, digest };
    let seal = seat.ports.chunks.seal(&order.lease, &sealed, &bytes);
    match runtime.block_on(transfer("seal chunk", seal))? {
        Written::Done => Ok(sealed),
        Written::Overtaken { .. } => Err(Halt::Overtaken),
    }
}

impl Whose {
    /// In one word, for measures.
    const fn label(&self) -> &'static str {
        match self {
            Self::Ours { .. } => "ours",
            Self::Anothers { .. } => "anothers",
        }
    }

    /// Whether the chunk need not be begun with.
    fn is_stopped(&self) -> bool {
        match self {
            Self::Ours { watch, .. } => watch.stopped(),
            Self::Anothers { answer, .. } => answer.is_closed(),
        }
    }

    /// Whether nobody needs it any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Ours { watch, .. } => watch.asked() == Some(Stop::Abandon),
            Self::Anothers { answer, .. } => answer.is_closed(),
        }
    }
}

impl ChunkEnd {
    /// For the node whose job it is.
    fn answer(self) -> PeerAnswer {
        let why = match self {
            Self::Sealed(sealed) => return PeerAnswer::Sealed(sealed),
            Self::Dropped | Self::Returned(..) => "nobody waited for it".to_owned(),
            Self::Overtaken => "the lease was lost".to_owned(),
            Self::Failed(fault) => fault.message,
        };
        PeerAnswer::NotDone { why }
    }
}

/// The model, opened by whichever sampler comes first.
fn open(order: &ChunkOrder, seat: &Seat, runtime: &Handle) -> Result<Arc<dyn Sampler>, Halt> {
    let now = seat.ports.clock.monotonic();
    seat.models.get_or_open(order.model, now, || {
        let bytes =
            sealed_model::read(&seat.ports, runtime, &order.lease.job)?.ok_or_else(|| {
                Fault::new(Code::StoreCorrupt, "open model: it is sealed, but it is not there")
            })?;
        Ok(seat.ports.engine.sampler(&bytes)?)
    })
}
