//! Tells programs outside what happens to jobs: the log of events, in its order, on the bus.
//!
//! How far it has come stands on the bus itself. One node of a cluster has the duty; for a moment
//! two may have it, and the bus refuses what would be told twice or out of order.

use std::time::Duration;

use tgs_protocol::{
    bus::BusError,
    cause::with_causes,
    id::Incarnation,
    limits::{BUS_REST_MS, EVENTS_TOLD_AT_ONCE, LEASE_RENEW_MS},
    store::StoreError,
    unit::EventNo,
};

use crate::{
    duty::Duty,
    looker::{Looks, Trouble},
    ports::{BusPorts, Ports},
    store_call::answer,
};

/// The lease of whoever tells events.
const DUTY: &str = "duty-events";

/// One node's publisher.
pub(crate) struct EventPublisher {
    bus: BusPorts,
    duty: Duty,
    /// The newest event that was told; none until the bus was asked.
    told: Option<EventNo>,
    trouble: Trouble,
}

impl Looks for EventPublisher {
    async fn look(&mut self) -> Option<Duration> {
        let rest = if self.duty.is_ours().await {
            match self.tell().await {
                Ok(()) => {
                    self.trouble.is_over();
                    0
                }
                Err(error) => {
                    self.told = None;
                    self.trouble.is_there(&error);
                    BUS_REST_MS
                }
            }
        } else {
            self.told = None; // Another node tells.
            LEASE_RENEW_MS
        };
        Some(Duration::from_millis(rest))
    }
}

impl EventPublisher {
    pub(crate) fn new(bus: BusPorts, ports: &Ports, own: Incarnation) -> Self {
        let duty = Duty::new(DUTY, ports, own);
        let trouble = Trouble::of("events are not told on the message bus");
        Self { bus, duty, told: None, trouble }
    }

    /// Tells some events, or waits for one for a while: the duty must be asked for in between.
    async fn tell(&mut self) -> Result<(), BusError> {
        let BusPorts { outlet, events: log, .. } = &self.bus;
        let told = match self.told {
            Some(told) => told,
            None => self.begin_at(outlet.newest_told().await?).await?,
        };
        // Read before the events: what comes in between is waited for in vain, never missed.
        // Events of jobs that were forgotten are not there any more.
        let there = answer("look for the newest event", log.newest_event()).await;
        let there = there.map_err(of_store)?;
        let events = answer("read events", log.events(told, None, EVENTS_TOLD_AT_ONCE)).await;
        let events = events.map_err(of_store)?;
        self.told = Some(told);
        let Some(newest) = events.last().map(|event| event.no) else {
            let limit = Duration::from_millis(LEASE_RENEW_MS / 2);
            let _ = tokio::time::timeout(limit, log.wait_for_event(there)).await;
            return Ok(());
        };
        self.told = outlet.tell(&events).await?.then_some(newest);
        Ok(())
    }

    /// The bus may have been told of events that this log does not have.
    async fn begin_at(&self, told: EventNo) -> Result<EventNo, BusError> {
        let newest = answer("look for the newest event", self.bus.events.newest_event()).await;
        let newest = newest.map_err(of_store)?;
        if told <= newest {
            return Ok(told);
        }
        Err(BusError(format!(
            "the bus was told event {}, and the newest of this database is {}: another cluster \
             tells there, or the database is another one; name another prefix in the setting nats",
            told.get(),
            newest.get()
        )))
    }
}

fn of_store(error: StoreError) -> BusError {
    BusError(with_causes(&error))
}
