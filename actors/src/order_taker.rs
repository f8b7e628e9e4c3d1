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

use tgs_protocol::{
    bus::{
        BusError, InHand, OrderQueue,
        order::{may_be_taken_later, rest},
    },
    desk::{DeskError, JobDesk, Taken},
    limits::{BUS_REST_MAX_MS, BUS_REST_MS, ORDER_HOLD_PERIOD_MS, ORDERS_IN_HAND},
    metric_definitions::ORDERS_PUBLISHED,
    wire::{JobView, Problem},
};
use tokio::task::{JoinError, JoinSet};

use crate::looker::{Looks, Trouble};

/// One node's taker.
pub(crate) struct OrderTaker {
    queue: Arc<dyn OrderQueue>,
    desk: Arc<dyn JobDesk>,
    /// Set once the node stops: others take what comes then.
    is_closed: Arc<AtomicBool>,
    at_work: JoinSet<Result<Seen, BusError>>,
    /// How long it rests before the next look.
    rest_ms: u64,
    bus: Trouble,
    node: Trouble,
}

/// What became of an order in this node's hands.
enum Seen {
    /// It is off the queue.
    Done,
    /// It is handed out again later; why, in words.
    PutBack(String),
}

impl Looks for OrderTaker {
    async fn look(&mut self) -> Option<Duration> {
        if self.is_closed.load(Ordering::Acquire) {
            return None;
        }
        self.take().await;
        Some(Duration::from_millis(self.rest_ms))
    }
}

impl OrderTaker {
    pub(crate) fn new(
        queue: Arc<dyn OrderQueue>,
        desk: Arc<dyn JobDesk>,
        is_closed: Arc<AtomicBool>,
    ) -> Self {
        let bus = Trouble::of("published orders are not taken");
        let node = Trouble::of("published orders are put back");
        Self { queue, desk, is_closed, at_work: JoinSet::new(), rest_ms: 0, bus, node }
    }

    /// Takes as many as there are hands free; a slow one holds up no other.
    async fn take(&mut self) {
        if self.at_work.len() >= ORDERS_IN_HAND
            && let Some(seen) = self.at_work.join_next().await
        {
            self.hear(seen);
        }
        while let Some(seen) = self.at_work.try_join_next() {
            self.hear(seen);
        }
        match self.queue.next(ORDERS_IN_HAND - self.at_work.len()).await {
            Ok(orders) => {
                self.bus.is_over();
                for order in orders {
                    self.at_work.spawn(see_through(order, self.desk.clone()));
                }
            }
            Err(error) => {
                self.bus.is_there(&error);
                self.rest();
            }
        }
    }

    fn hear(&mut self, seen: Result<Result<Seen, BusError>, JoinError>) {
        match seen {
            Ok(Ok(Seen::Done)) => {
                self.node.is_over();
                self.rest_ms = 0;
            }
            Ok(Ok(Seen::PutBack(why))) => {
                self.node.is_there(&BusError(why));
                self.rest();
            }
            Ok(Err(error)) => {
                self.bus.is_there(&error);
                self.rest();
            }
            // It is handed out again, and counted by its queue.
            Err(error) => {
                tracing::error!(%error, "a published order brought down whoever took it");
                self.rest();
            }
        }
    }

    /// Longer each time: other nodes may have what this one lacks.
    fn rest(&mut self) {
        self.rest_ms = (self.rest_ms * 2).clamp(BUS_REST_MS, BUS_REST_MAX_MS);
    }
}

async fn see_through(order: Box<dyn InHand>, desk: Arc<dyn JobDesk>) -> Result<Seen, BusError> {
    let published = order.published();
    let (name, deliveries) = (published.name.as_str(), published.deliveries);
    let error = match published.read() {
        Err(refusal) => DeskError::from(refusal),
        Ok((asked, submission)) => match held(&*order, desk.order(asked, Some(submission))).await {
            Ok(Taken { row, before }) => {
                count(if before { "taken_before" } else { "taken" });
                tracing::debug!(order = name, job = %row.id, before, "an order was taken");
                return order.taken(&JobView::of(&row)).await.map(|()| Seen::Done);
            }
            Err(error) if may_be_taken_later(&error) => {
                count("put_back");
                tracing::debug!(order = name, %error, deliveries, "it is not taken just now");
                order.put_back(rest(deliveries)).await?;
                return Ok(Seen::PutBack(error.message));
            }
            Err(error) => error,
        },
    };
    count("refused");
    let DeskError { code, message } = error;
    tracing::warn!(order = name, %code, message, "a published order is a dead letter");
    order.refused(&Problem::of(code, message)).await.map(|()| Seen::Done)
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
