//! Takes orders that programs publish: what is wrong with an order, and what becomes of it, is said
//! by `protocol/src/bus/order.rs`.
//!
//! An order is taken off its queue only once its job is durable. A node that is killed in between
//! leaves it there, and whoever gets it next finds by its key that the job is there already.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    bus::{
        BusError, InHand, OrderQueue,
        order::{may_be_taken_later, rest},
    },
    desk::{DeskError, JobDesk, Taken},
    limits::{BUS_REST_MS, LOOK_PERIOD_MS, ORDER_HOLD_PERIOD_MS, ORDERS_IN_HAND},
    metric_definitions::ORDERS_PUBLISHED,
    wire::{JobView, Problem},
};
use tokio::task::JoinSet;

/// The actor.
pub(crate) struct OrderTaker;

/// Mailbox of an order taker.
pub(crate) enum OrderTakerMessage {
    /// Order: look for orders.
    Look,
}

/// What an order taker is started with.
#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) queue: Arc<dyn OrderQueue>,
    pub(crate) desk: Arc<dyn JobDesk>,
    /// Set once the node stops: others take what comes then.
    pub(crate) is_closed: Arc<AtomicBool>,
    /// It failed again and again: it rests before it begins.
    pub(crate) is_tired: bool,
}

/// An order taker's state.
pub(crate) struct Taking {
    counter: Counter,
    trouble: Trouble,
}

impl Actor for OrderTaker {
    type Msg = OrderTakerMessage;
    type State = Taking;
    type Arguments = Counter;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        counter: Counter,
    ) -> Result<Taking, ActorProcessingErr> {
        let rest = if counter.is_tired { LOOK_PERIOD_MS } else { 0 };
        myself.send_after(Duration::from_millis(rest), || OrderTakerMessage::Look);
        Ok(Taking { counter, trouble: Trouble::of("published orders are not taken") })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        OrderTakerMessage::Look: Self::Msg,
        taking: &mut Taking,
    ) -> Result<(), ActorProcessingErr> {
        if taking.counter.is_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let rest = if taking.look().await { 0 } else { BUS_REST_MS };
        myself.send_after(Duration::from_millis(rest), || OrderTakerMessage::Look);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _taking: &mut Taking,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Taking {
    /// False where it is better to rest for a moment.
    async fn look(&mut self) -> bool {
        let orders = match self.counter.queue.next(ORDERS_IN_HAND).await {
            Ok(orders) => orders,
            Err(error) => return self.trouble.is_there(&error),
        };
        self.trouble.is_over();
        let mut at_work = JoinSet::new();
        for order in orders {
            at_work.spawn(see_through(order, self.counter.desk.clone()));
        }
        let mut all_is_well = true;
        while let Some(seen) = at_work.join_next().await {
            match seen {
                Ok(Ok(is_well)) => all_is_well &= is_well,
                Ok(Err(error)) => all_is_well = self.trouble.is_there(&error),
                // It is handed out again, to be counted by its queue.
                Err(error) => {
                    tracing::error!(%error, "a published order brought down whoever took it");
                    all_is_well = false;
                }
            }
        }
        all_is_well
    }
}

/// False where it could not be taken just now.
async fn see_through(order: Box<dyn InHand>, desk: Arc<dyn JobDesk>) -> Result<bool, BusError> {
    let published = order.published();
    let (name, deliveries) = (published.name.as_str(), published.deliveries);
    let error = match published.read() {
        Err(refusal) => DeskError::from(refusal),
        Ok((asked, submission)) => match held(&*order, desk.order(asked, Some(submission))).await {
            Ok(Taken { row, before }) => {
                count(if before { "taken_before" } else { "taken" });
                tracing::debug!(order = name, job = %row.id, before, "an order was taken");
                return order.taken(&JobView::of(&row)).await.map(|()| true);
            }
            Err(error) if may_be_taken_later(&error) => {
                count("put_back");
                tracing::warn!(order = name, %error, deliveries, "it is not taken just now");
                return order.put_back(rest(deliveries)).await.map(|()| false);
            }
            Err(error) => error,
        },
    };
    count("refused");
    let DeskError { code, message } = error;
    tracing::warn!(order = name, %code, message, "a published order is a dead letter");
    order.refused(&Problem::of(code, message)).await.map(|()| true)
}

/// Keeps the order in hand while it is worked at.
async fn held<T>(order: &dyn InHand, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let period = Duration::from_millis(ORDER_HOLD_PERIOD_MS);
    loop {
        match tokio::time::timeout(period, &mut work).await {
            Ok(done) => return done,
            Err(_) => {
                // Then it is handed to another node as well: the key makes it one job all the same.
                if let Err(error) = order.hold().await {
                    tracing::debug!(%error, "an order is not kept in hand");
                }
            }
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(ORDERS_PUBLISHED, "outcome" => outcome).increment(1);
}

/// A trouble with the bus: said when it begins and when it is over, not each time.
pub(crate) struct Trouble {
    what: &'static str,
    is_on: bool,
}

impl Trouble {
    /// What does not happen while it lasts.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { what, is_on: false }
    }

    /// Always false: it is better to rest.
    pub(crate) fn is_there(&mut self, error: &BusError) -> bool {
        if !std::mem::replace(&mut self.is_on, true) {
            tracing::warn!(%error, "{}; jobs go on, and it is tried again", self.what);
        }
        false
    }

    pub(crate) fn is_over(&mut self) {
        if std::mem::replace(&mut self.is_on, false) {
            tracing::warn!("the message bus answers again");
        }
    }
}
