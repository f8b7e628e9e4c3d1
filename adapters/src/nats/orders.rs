//! Orders that are published: a work queue of JetStream, shared by all nodes that take them.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{
        AckKind, Message,
        consumer::{AckPolicy, PullConsumer, pull},
        context::PublishErrorKind,
        message::PublishMessage,
    },
};
use async_trait::async_trait;
use futures_util::StreamExt;
use tgs_protocol::{
    bus::{
        BusError, InHand, OrderQueue,
        order::{Published, VERSION},
    },
    limits::{ORDER_DELIVERIES_MAX, ORDER_HELD_MS},
    unit::Millis,
    wire::{JobView, Problem},
};
use tokio::sync::Mutex;

use super::{ANSWER_LIMIT, Kind, Nats, VERSION_HEADER, header};

/// All nodes share it.
const CONSUMER: &str = "takers";
/// How long one look waits for an order.
const WAIT: Duration = Duration::from_secs(3);
/// Where a publisher wants to be told what became of its order.
const ANSWER_HEADER: &str = "Tgs-Answer-To";
/// Only such subjects are answered: others could be commands to the bus, with our rights.
const INBOX: &str = "_INBOX.";
/// Longer ones nobody has whose client made them.
const INBOX_BYTES_MAX: usize = 255;
/// Bytes of one header of a dead letter.
const HEADER_BYTES_MAX: usize = 1_000;
/// Room that a dead letter needs beside its order: five such headers and their names.
const LETTER_ROOM: usize = 8 << 10;

/// The queue of orders.
pub(super) struct Queue {
    nats: Nats,
    /// None before the first order, and after a trouble.
    consumer: Mutex<Option<PullConsumer>>,
}

impl Queue {
    pub(super) fn new(nats: Nats) -> Self {
        Self { nats, consumer: Mutex::default() }
    }

    async fn consumer(&self) -> Result<PullConsumer, BusError> {
        let stream = self.nats.stream(Kind::Orders).await?;
        // Made now, so that whoever looks for dead letters finds a place where there are none.
        self.nats.stream(Kind::DeadLetters).await?;
        let config = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_millis(ORDER_HELD_MS),
            max_ack_pending: -1,
            // For what never comes as far as to be counted here: a message that no client reads.
            max_deliver: i64::try_from(ORDER_DELIVERIES_MAX).unwrap_or(i64::MAX).saturating_add(10),
            ..pull::Config::default()
        };
        let made = stream.get_or_create_consumer(CONSUMER, config).await;
        made.map_err(|error| self.nats.failed("look for who takes orders", &error))
    }

    async fn look(&self, limit: usize, wait: Option<Duration>) -> Result<Vec<Message>, BusError> {
        let failed = |error: &dyn std::fmt::Display| self.nats.failed("look for orders", error);
        let mut held = self.consumer.lock().await;
        let consumer = match &*held {
            Some(consumer) => consumer.clone(),
            None => held.insert(self.consumer().await?).clone(),
        };
        drop(held);
        let begun = match wait {
            None => consumer.fetch().max_messages(limit).messages().await,
            Some(wait) => consumer.batch().max_messages(limit).expires(wait).messages().await,
        };
        let mut coming = begun.map_err(|error| failed(&error))?;
        let mut messages = Vec::new();
        loop {
            let next = tokio::time::timeout(ANSWER_LIMIT + WAIT, coming.next()).await;
            match next.map_err(|_| failed(&"it does not answer"))? {
                Some(message) => messages.push(message.map_err(|error| failed(&error))?),
                None => return Ok(messages),
            }
        }
    }
}

#[async_trait]
impl OrderQueue for Queue {
    async fn next(&self, limit: usize) -> Result<Vec<Box<dyn InHand>>, BusError> {
        let looked = match self.look(limit, None).await {
            // As soon as one is there; what comes with it is there for the next look.
            Ok(none) if none.is_empty() => self.look(1, Some(WAIT)).await,
            looked => looked,
        };
        if looked.is_err() {
            *self.consumer.lock().await = None;
            self.nats.revive().await;
        }
        let in_hand = |message| Taken::new(self.nats.clone(), message);
        let orders = looked?.into_iter().map(in_hand);
        orders.map(|order| order.map(|it| Box::new(it) as Box<dyn InHand>)).collect()
    }
}

/// An order in hand.
struct Taken {
    nats: Nats,
    message: Message,
    published: Published,
}

impl Taken {
    fn new(nats: Nats, message: Message) -> Result<Self, BusError> {
        let info = message.info().map_err(|error| nats.failed("read an order", &error))?;
        let at = info.published.unix_timestamp_nanos();
        let published = Published {
            key: header(message.headers.as_ref(), NATS_MESSAGE_ID),
            // The number alone is given again when somebody makes the stream anew.
            name: format!("published-{at}-{}", info.stream_sequence),
            version: header(message.headers.as_ref(), VERSION_HEADER),
            body: message.payload.to_vec(),
            deliveries: u64::try_from(info.delivered).unwrap_or(1),
        };
        Ok(Self { nats, message, published })
    }

    async fn acknowledge(&self, kind: AckKind) -> Result<(), BusError> {
        let said = tokio::time::timeout(ANSWER_LIMIT, self.message.ack_with(kind)).await;
        match said {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.nats.failed("say what became of an order", &error)),
            Err(_) => Err(self.nats.failed("say what became of an order", &"no answer")),
        }
    }

    /// Best effort: who wants to be sure asks for the job, or listens to events.
    async fn answer(&self, answer: Result<Vec<u8>, serde_json::Error>) {
        let to = header(self.message.headers.as_ref(), ANSWER_HEADER);
        let Some(to) = to.filter(|to| is_inbox(to)) else { return };
        let sent = match answer {
            Ok(body) => {
                let client = self.nats.client();
                let mut headers = HeaderMap::new();
                headers.insert(VERSION_HEADER, VERSION);
                client
                    .publish_with_headers(to, headers, body.into())
                    .await
                    .map_err(|it| it.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sent {
            tracing::debug!(order = self.published.name, error, "its publisher is not answered");
        }
    }

    fn letter(&self, why: &Problem, body: Vec<u8>) -> PublishMessage {
        let mut headers = HeaderMap::new();
        let name = self.published.name.as_str();
        for (key, value) in [
            (VERSION_HEADER, self.published.version.as_deref()),
            ("Tgs-Key", self.published.key.as_deref()),
            ("Tgs-Order", Some(name)),
            ("Tgs-Code", Some(why.code.as_str())),
            ("Tgs-Reason", Some(why.detail.as_str())),
        ] {
            if let Some(value) = value {
                headers.insert(key, in_header(value).as_str());
            }
        }
        // Put there twice, because the first word of it was lost, it stands there once.
        PublishMessage::build().payload(body.into()).headers(headers).message_id(name)
    }
}

#[async_trait]
impl InHand for Taken {
    fn published(&self) -> &Published {
        &self.published
    }

    async fn hold(&self) -> Result<(), BusError> {
        self.acknowledge(AckKind::Progress).await
    }

    async fn taken(&self, job: &JobView) -> Result<(), BusError> {
        self.answer(serde_json::to_vec(job)).await;
        self.acknowledge(AckKind::Ack).await
    }

    async fn refused(&self, why: &Problem) -> Result<(), BusError> {
        let act = "put an order among the dead letters";
        let room = self.nats.client().max_payload().saturating_sub(LETTER_ROOM);
        let mut body = self.published.body.clone();
        if body.len() > room {
            tracing::warn!(
                order = self.published.name,
                bytes = body.len(),
                "its dead letter holds the beginning only: NATS takes no message that is larger"
            );
            body.truncate(room);
        }
        let subject = self.nats.contact().dead_letter_subject();
        let put = self.nats.context().send_publish(subject, self.letter(why, body)).await;
        let put = match put {
            Ok(put) => put.await,
            Err(error) => Err(error),
        };
        if let Err(error) = put {
            if error.kind() == PublishErrorKind::StreamNotFound {
                self.nats.stream(Kind::DeadLetters).await?;
            }
            return Err(self.nats.failed(act, &error));
        }
        self.answer(serde_json::to_vec(why)).await;
        self.acknowledge(AckKind::Term).await
    }

    async fn put_back(&self, rest: Millis) -> Result<(), BusError> {
        self.acknowledge(AckKind::Nak(Some(Duration::from_millis(rest.get())))).await
    }
}

fn is_inbox(subject: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_whole = subject.split('.').all(|word| !word.is_empty());
    // A server hangs up on whoever sends a longer line than it takes.
    let is_short = subject.len() <= INBOX_BYTES_MAX;
    subject.starts_with(INBOX) && is_whole && is_short && subject.bytes().all(is_letter)
}

/// One line, of bounded length.
fn in_header(text: &str) -> String {
    let one_line = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut line: String = text.chars().map(one_line).collect();
    while line.len() > HEADER_BYTES_MAX {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inboxes_are_answered() {
        for (subject, answered) in [
            ("_INBOX.abc.1", true),
            ("_INBOX.", false),
            ("$JS.API.STREAM.DELETE.tgs_orders", false),
            ("tgs.v1.orders", false),
            ("_INBOX.>", false),
            ("_INBOX.a b", false),
            ("_INBOX.a..b", false),
            (&format!("_INBOX.{}", "x".repeat(5_000)), false),
        ] {
            assert_eq!(is_inbox(subject), answered, "{subject}");
        }
    }

    #[test]
    fn a_reason_is_one_line_of_a_header() {
        assert_eq!(in_header("a\r\nb: ä"), "a  b: ä");
        assert_eq!(in_header(&"x".repeat(5_000)).len(), HEADER_BYTES_MAX);
        assert!(in_header(&"ä€".repeat(5_000)).len() <= HEADER_BYTES_MAX);
    }
}
