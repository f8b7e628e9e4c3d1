//! What nodes of a cluster say to each other over NATS: request and reply, kept by no stream.
//!
//! Programs that publish orders are on the same bus, and some day one of them is not meant well.
//! So each message bears a seal, HMAC-SHA256 (RFC 2104) under the secret of the cluster, over where
//! it goes, where it is answered and what it says; what bears none is not heard. A message that
//! is played back says again what was true once: a lease that has passed on, work that is done.

use std::time::Duration;

use async_nats::{HeaderMap, Message, Request, Subject, Subscriber};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{StreamExt, stream::Select};
use ring::hmac;
use tgs_protocol::{
    bus::{
        BusError,
        peers::{PeerBus, Said},
    },
    id::Incarnation,
    peer::{PeerAnswer, PeerError, PeerRequest, decode, encode},
    unit::Millis,
};
use tokio::sync::Mutex;

use super::{ANSWER_LIMIT, Nats, header};

/// How a message shows that a node of the cluster sent it.
const SEAL_HEADER: &str = "Tgs-Seal";

/// One node on the bus.
pub(super) struct Peers {
    nats: Nats,
    own: Incarnation,
    secret: Secret,
    /// What is said to this node and to all; none before the first look, and after a trouble.
    coming: Mutex<Option<Coming>>,
}

type Coming = Select<Subscriber, Subscriber>;

/// The secret of the cluster.
#[derive(Clone)]
struct Secret(hmac::Key);

impl Peers {
    pub(super) fn new(nats: Nats, own: Incarnation, secret: &str) -> Self {
        let secret = Secret(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        Self { nats, own, secret, coming: Mutex::default() }
    }

    async fn listen(&self) -> Result<Coming, BusError> {
        let client = self.nats.client();
        let contact = self.nats.contact();
        let failed = |error: &dyn std::fmt::Display| {
            self.nats.failed("listen to what other nodes say", error)
        };
        let to_one = contact.peer_subject(Some(&self.own));
        let to_one = client.subscribe(to_one).await.map_err(|error| failed(&error))?;
        let to_all = client.subscribe(contact.peer_subject(None)).await;
        let to_all = to_all.map_err(|error| failed(&error))?;
        Ok(futures_util::stream::select(to_one, to_all))
    }
}

#[async_trait]
impl PeerBus for Peers {
    async fn ask(
        &self,
        peer: &Incarnation,
        request: &PeerRequest,
        within: Millis,
    ) -> Result<PeerAnswer, PeerError> {
        let client = self.nats.client();
        let (to, inbox, body) =
            (self.nats.contact().peer_subject(Some(peer)), client.new_inbox(), encode(request));
        let headers = self.secret.seal(&to, Some(&inbox), &body);
        let request = Request::new()
            .payload(body.into())
            .headers(headers)
            .inbox(inbox.clone())
            .timeout(Some(Duration::from_millis(within.get())));
        let answer = client.send_request(to, request).await.map_err(|error| {
            use async_nats::RequestErrorKind::NoResponders;
            if error.kind() == NoResponders { PeerError::NoLink } else { PeerError::Silent }
        })?;
        if !self.secret.sealed(&inbox, &answer) {
            tracing::warn!(%peer, "somebody else on the bus answers for another node");
            return Err(PeerError::Silent);
        }
        Ok(decode(&answer.payload).unwrap_or(PeerAnswer::Unknown))
    }

    async fn tell_all(&self, request: &PeerRequest) -> Result<(), BusError> {
        let (to, body) = (self.nats.contact().peer_subject(None), encode(request));
        let headers = self.secret.seal(&to, None, &body);
        let telling = self.nats.client().publish_with_headers(to, headers, body.into()).await;
        telling.map_err(|error| self.nats.failed("tell other nodes", &error))
    }

    async fn next(&self) -> Result<Box<dyn Said>, BusError> {
        let mut held = self.coming.lock().await;
        loop {
            let coming = match &mut *held {
                Some(coming) => coming,
                None => held.insert(self.listen().await?),
            };
            let Some(message) = coming.next().await else {
                // The client has ended.
                *held = None;
                self.nats.revive().await;
                let error = &"the connection has ended";
                return Err(self.nats.failed("listen to what other nodes say", error));
            };
            if !self.secret.sealed(message.subject.as_str(), &message) {
                tracing::warn!("somebody on the bus speaks as a node and is none; not heard");
                continue;
            }
            let (nats, secret) = (self.nats.clone(), self.secret.clone());
            let (request, reply) = (decode(&message.payload), message.reply);
            return Ok(Box::new(Heard { nats, secret, request, reply }));
        }
    }
}

/// A message of another node.
struct Heard {
    nats: Nats,
    secret: Secret,
    request: Option<PeerRequest>,
    reply: Option<Subject>,
}

#[async_trait]
impl Said for Heard {
    fn request(&self) -> Option<&PeerRequest> {
        self.request.as_ref()
    }

    async fn answer(&self, answer: &PeerAnswer) {
        let Some(to) = &self.reply else { return };
        let body = encode(answer);
        let headers = self.secret.seal(to, None, &body);
        let client = self.nats.client();
        let sending = client.publish_with_headers(to.clone(), headers, body.into());
        match tokio::time::timeout(ANSWER_LIMIT, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "another node is not answered"),
            Err(_) => tracing::debug!("another node is not answered: the bus takes nothing"),
        }
    }
}

impl Secret {
    fn seal(&self, to: &str, reply: Option<&str>, body: &[u8]) -> HeaderMap {
        let seal = hmac::sign(&self.0, &said(to, reply, body));
        let mut headers = HeaderMap::new();
        headers.insert(SEAL_HEADER, STANDARD.encode(seal).as_str());
        headers
    }

    /// Whether a node of the cluster sent this, to there.
    fn sealed(&self, to: &str, message: &Message) -> bool {
        let seal = header(message.headers.as_ref(), SEAL_HEADER);
        let Some(seal) = seal.and_then(|seal| STANDARD.decode(seal).ok()) else { return false };
        let said = said(to, message.reply.as_deref(), &message.payload);
        hmac::verify(&self.0, &said, &seal).is_ok()
    }
}

/// What a seal is over; no two messages are the same here, since subjects hold no line ends.
fn said(to: &str, reply: Option<&str>, body: &[u8]) -> Vec<u8> {
    let head = format!("tgs peers 1\n{to}\n{}\n", reply.unwrap_or_default());
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(of: &str) -> Secret {
        Secret(hmac::Key::new(hmac::HMAC_SHA256, of.as_bytes()))
    }

    fn message(to: &str, reply: Option<&str>, body: &'static [u8], headers: HeaderMap) -> Message {
        Message {
            subject: to.into(),
            reply: reply.map(Into::into),
            payload: body.into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn only_what_a_node_sent_there_to_be_answered_there_bears_its_seal() {
        let own = secret("of the cluster");
        let sealed = own.seal("to", Some("reply"), b"body");
        let is_heard = |secret: &Secret, to: &str, reply, body, sealed: &HeaderMap| {
            secret.sealed(to, &message(to, reply, body, sealed.clone()))
        };
        assert!(is_heard(&own, "to", Some("reply"), b"body", &sealed));
        assert!(!is_heard(&own, "another", Some("reply"), b"body", &sealed));
        assert!(!is_heard(&own, "to", Some("another"), b"body", &sealed));
        assert!(!is_heard(&own, "to", None, b"body", &sealed));
        assert!(!is_heard(&own, "to", Some("reply"), b"another", &sealed));
        assert!(!is_heard(&secret("of another"), "to", Some("reply"), b"body", &sealed));
        assert!(!is_heard(&own, "to", Some("reply"), b"body", &HeaderMap::new()));
        let mut broken = HeaderMap::new();
        broken.insert(SEAL_HEADER, "no base64!");
        assert!(!is_heard(&own, "to", Some("reply"), b"body", &broken));
    }
}
