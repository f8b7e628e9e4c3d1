//! Events as they are told: a stream of JetStream in the order of the log.
//!
//! Every message says after which one it must stand (`Nats-Expected-Last-Sequence`), and the stream
//! refuses it elsewhere. So two nodes that tell at one time tell nothing twice, and a message whose
//! outcome is unknown is either there or not.

use async_nats::jetstream::{
    context::PublishErrorKind, message::PublishMessage, stream::LastRawMessageErrorKind,
};
use async_trait::async_trait;
use serde::Deserialize;
use tgs_protocol::{
    bus::{BusError, EventOutlet, order::VERSION},
    event::Event,
    unit::EventNo,
};
use tokio::sync::Mutex;

use super::{Kind, Nats, VERSION_HEADER};

/// The stream of events.
pub(super) struct Outlet {
    nats: Nats,
    /// The number that the stream gave its newest message, as far as known.
    last: Mutex<Option<u64>>,
}

/// What is read of an event that was told, be it of a newer version.
#[derive(Deserialize)]
struct Told {
    no: EventNo,
}

impl Outlet {
    pub(super) fn new(nats: Nats) -> Self {
        Self { nats, last: Mutex::default() }
    }

    async fn look(&self) -> Result<EventNo, BusError> {
        let failed = |error: &dyn std::fmt::Display| self.nats.failed("look for events", error);
        let stream = self.nats.stream(Kind::Events).await?;
        let info = stream.get_info().await.map_err(|error| failed(&error))?;
        let all = self.nats.contact().event_subject("*", "*");
        let newest = match stream.get_last_raw_message_by_subject(&all).await {
            Ok(message) => {
                let told: Told =
                    serde_json::from_slice(&message.payload).map_err(|error| failed(&error))?;
                told.no
            }
            // None was told, or somebody emptied the stream: all are told that the log has.
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => {
                EventNo(0)
            }
            Err(error) => return Err(failed(&error)),
        };
        // Read before the message: whatever was told in between makes the next telling fail.
        *self.last.lock().await = Some(info.state.last_sequence);
        Ok(newest)
    }

    fn message(event: &Event, last: u64) -> Result<PublishMessage, serde_json::Error> {
        let body = serde_json::to_vec(event)?;
        let message = PublishMessage::build().payload(body.into());
        Ok(message.header(VERSION_HEADER, VERSION).expected_last_sequence(last))
    }
}

#[async_trait]
impl EventOutlet for Outlet {
    async fn newest_told(&self) -> Result<EventNo, BusError> {
        let newest = self.look().await;
        if newest.is_err() {
            self.nats.revive().await;
        }
        newest
    }

    async fn tell(&self, events: &[Event]) -> Result<bool, BusError> {
        let failed = |error: &dyn std::fmt::Display| self.nats.failed("tell events", error);
        let mut held = self.last.lock().await;
        let Some(mut last) = held.take() else { return Ok(false) };
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            let happening = event.what.name();
            let happening = happening.strip_prefix("job.").unwrap_or(happening);
            let subject = self.nats.contact().event_subject(event.job.as_str(), happening);
            let message = Self::message(event, last).map_err(|error| failed(&error))?;
            let publishing = self.nats.context().send_publish(subject, message).await;
            sent.push(publishing.map_err(|error| failed(&error))?);
            last += 1;
        }
        for answer in sent {
            match answer.await {
                Ok(_) => {}
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    return Ok(false);
                }
                Err(error) => return Err(failed(&error)),
            }
        }
        *held = Some(last);
        Ok(true)
    }
}
