//! Tells programs outside what happens to jobs: the log of events, in its order, on the bus.
//!
//! How far it has come stands on the bus itself. One node of a cluster has the duty; for a moment
//! two may have it, and the bus refuses what would be told twice or out of order.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tgs_protocol::{
    bus::{BusError, EventOutlet},
    cause::with_causes,
    id::Incarnation,
    limits::{BUS_REST_MS, EVENTS_TOLD_AT_ONCE, LEASE_RENEW_MS, LOOK_PERIOD_MS},
    store::{EventLog, StoreError},
    unit::EventNo,
};

use crate::{duty::Duty, order_taker::Trouble, ports::Ports, store_call::answer};

/// The lease of whoever tells events.
const DUTY: &str = "duty-events";

/// The actor.
pub(crate) struct EventPublisher;

/// Mailbox of an event publisher.
pub(crate) enum EventPublisherMessage {
    /// Order: tell what is new.
    Look,
}

/// What an event publisher is started with.
#[derive(Clone)]
pub(crate) struct Press {
    pub(crate) outlet: Arc<dyn EventOutlet>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) ports: Ports,
    /// Whose duty it may be.
    pub(crate) own: Incarnation,
    /// It failed again and again: it rests before it begins.
    pub(crate) is_tired: bool,
}

/// An event publisher's state.
pub(crate) struct Telling {
    press: Press,
    duty: Duty,
    /// The newest event that was told; none until the bus was asked.
    told: Option<EventNo>,
    trouble: Trouble,
}

impl Actor for EventPublisher {
    type Msg = EventPublisherMessage;
    type State = Telling;
    type Arguments = Press;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        press: Press,
    ) -> Result<Telling, ActorProcessingErr> {
        let rest = if press.is_tired { LOOK_PERIOD_MS } else { 0 };
        myself.send_after(Duration::from_millis(rest), || EventPublisherMessage::Look);
        let duty = Duty::new(DUTY, &press.ports, press.own.clone());
        let trouble = Trouble::of("events are not told on the message bus");
        Ok(Telling { press, duty, told: None, trouble })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        EventPublisherMessage::Look: Self::Msg,
        telling: &mut Telling,
    ) -> Result<(), ActorProcessingErr> {
        let rest = if telling.duty.is_ours().await {
            match telling.tell().await {
                Ok(()) => {
                    telling.trouble.is_over();
                    0
                }
                Err(error) => {
                    telling.told = None;
                    telling.trouble.is_there(&error);
                    BUS_REST_MS
                }
            }
        } else {
            telling.told = None; // Another node tells.
            LEASE_RENEW_MS
        };
        myself.send_after(Duration::from_millis(rest), || EventPublisherMessage::Look);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        _event: SupervisionEvent,
        _telling: &mut Telling,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // It has no children.
    }
}

impl Telling {
    /// Tells some events, or waits for one for a while: the duty must be asked for in between.
    async fn tell(&mut self) -> Result<(), BusError> {
        let Press { outlet, log, .. } = &self.press;
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
        let newest = answer("look for the newest event", self.press.log.newest_event()).await;
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
