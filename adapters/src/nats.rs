//! The message bus to programs outside, over NATS with JetStream.
//!
//! | to find | open |
//! |---|---|
//! | which servers, and names of subjects and streams | [`contact`] |
//! | orders that are published | `orders.rs` |
//! | events as they are told | `events.rs` |
//! | what nodes say to each other | `peers.rs` |
//!
//! A node starts and works without it: the connection is made and made again in the background, and
//! streams are made when they are first needed. The bus decides nothing.

pub mod contact;

mod events;
mod orders;
mod peers;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, HeaderMap,
    header::IntoHeaderName,
    jetstream::{
        self, Context,
        context::CreateStreamErrorKind,
        stream::{Config, DiscardPolicy, RetentionPolicy, Stream},
    },
};
use futures_util::future::BoxFuture;
use tgs_protocol::{
    bus::{BusError, EventOutlet, OrderQueue, peers::PeerBus},
    id::Incarnation,
};

use self::{contact::Contact, events::Outlet, orders::Queue, peers::Peers};

/// An answer of the bus that takes longer has failed, or its outcome is unknown.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of events and of dead letters that are kept: the oldest go first.
const KEPT_BYTES: i64 = 1 << 30;

/// How a message says which form it has.
const VERSION_HEADER: &str = "Tgs-Version";

/// A connection to NATS. Clones share it.
#[derive(Debug, Clone)]
pub struct Nats(Arc<Line>);

#[derive(Debug)]
struct Line {
    contact: Contact,
    pass: Pass,
    /// Made anew when it has ended: some messages are the ruin of the client that reads them.
    context: RwLock<Context>,
}

/// How it lets us in, beside the user of the address.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// Of the user whom the address names.
    pub password: Option<String>,
    /// A file of NATS credentials (a JWT and its seed).
    pub credentials: Option<PathBuf>,
    /// Certificates that are trusted beside the usual ones.
    pub more_roots: Option<PathBuf>,
}

impl Nats {
    /// Begins to connect; whether the bus is there shows when something is asked of it.
    ///
    /// # Errors
    /// When a file of `pass` cannot be read, or the password of the user is missing.
    // In a box: whoever awaits a plain future compiles all that it awaits once more, the client's
    // included.
    pub fn connect(contact: Contact, pass: Pass) -> BoxFuture<'static, Result<Self, BusError>> {
        Box::pin(async move {
            let context = RwLock::new(connected(&contact, &pass).await?);
            Ok(Self(Arc::new(Line { contact, pass, context })))
        })
    }

    /// Connects anew if the client has ended; a lost connection it makes again by itself.
    async fn revive(&self) {
        let flushed = tokio::time::timeout(ANSWER_LIMIT, self.client().flush()).await;
        let Ok(Err(error)) = flushed else { return };
        tracing::warn!(%error, "the client of NATS has ended; it is begun anew");
        match connected(&self.0.contact, &self.0.pass).await {
            Ok(anew) => *self.0.context.write().unwrap_or_else(PoisonError::into_inner) = anew,
            Err(error) => tracing::warn!(%error, "and that fails"),
        }
    }

    /// Orders that are published there.
    pub fn orders(&self) -> Arc<dyn OrderQueue> {
        Arc::new(Queue::new(self.clone()))
    }

    /// Where events are told.
    pub fn events(&self) -> Arc<dyn EventOutlet> {
        Arc::new(Outlet::new(self.clone()))
    }

    /// Where this node is reached by others that know the secret of the cluster, and reaches them.
    pub fn peers(&self, own: &Incarnation, secret: &str) -> Arc<dyn PeerBus> {
        Arc::new(Peers::new(self.clone(), own.clone(), secret))
    }

    fn context(&self) -> Context {
        self.0.context.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn client(&self) -> Client {
        self.context().client()
    }

    fn contact(&self) -> &Contact {
        &self.0.contact
    }

    fn failed(&self, act: &str, error: &dyn std::fmt::Display) -> BusError {
        let place = self.contact().servers.join(",");
        let info = self.client().server_info();
        if info.server_id.is_empty() {
            return BusError(format!(
                "{act}: NATS at {place} was not reached yet; start it, or mend the setting nats"
            ));
        }
        if !info.jetstream {
            return BusError(format!(
                "{act}: NATS at {place} has no JetStream, where orders and events are kept; start \
                 it with -js, or give this account JetStream"
            ));
        }
        BusError(format!("{act}: NATS at {place}: {error}"))
    }

    /// The stream of this name, made if it is not there. What somebody set otherwise stays so.
    async fn stream(&self, kind: Kind) -> Result<Stream, BusError> {
        let config = kind.config(self.contact());
        let name = config.name.clone();
        let stream = self.context().get_or_create_stream(config).await;
        stream.map_err(|error| {
            let act = format!("look for the stream {name}");
            match error.kind() {
                CreateStreamErrorKind::NotFound => self.failed(&act, &"it is not there"),
                _ => self.failed(&act, &error),
            }
        })
    }
}

async fn connected(contact: &Contact, pass: &Pass) -> Result<Context, BusError> {
    // The client asks the process which cryptography to use, and ends where there are two.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let place = contact.servers.join(",");
    let failed =
        |error: &dyn std::fmt::Display| BusError(format!("connect to NATS at {place}: {error}"));
    let told = place.clone();
    let mut options = ConnectOptions::new()
        .name("tgs")
        .retry_on_initial_connect()
        .request_timeout(Some(ANSWER_LIMIT))
        .event_callback(move |event| {
            let place = told.clone();
            async move { tell(&place, &event) }
        });
    match (&contact.user, &pass.password) {
        (Some(user), Some(password)) => {
            options = options.user_and_password(user.clone(), password.clone());
        }
        (Some(_), None) => {
            return Err(failed(
                &"the setting names a user without a password; put it in TGS_NATS_PASSWORD or in \
                  the file that nats_password_file names",
            ));
        }
        (None, _) => {}
    }
    if let Some(file) = &pass.credentials {
        let read = options.credentials_file(file).await;
        options = read.map_err(|error| {
            failed(&format!("{}: {error}; mend nats_credentials", file.display()))
        })?;
    }
    if let Some(file) = &pass.more_roots {
        options = options.add_root_certificates(file.clone());
    }
    let client = options.connect(&contact.servers[..]).await.map_err(|error| failed(&error))?;
    let mut context = jetstream::new(client);
    context.set_timeout(ANSWER_LIMIT);
    Ok(context)
}

/// What a header of a message says; none without it.
fn header(headers: Option<&HeaderMap>, name: impl IntoHeaderName) -> Option<String> {
    Some(headers?.get(name)?.as_str().to_owned())
}

/// What a stream is for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Orders,
    DeadLetters,
    Events,
}

impl Kind {
    fn config(self, contact: &Contact) -> Config {
        let (name, subject, description) = match self {
            Self::Orders => (contact.orders(), contact.order_subject(), "orders of jobs"),
            Self::DeadLetters => {
                (contact.dead_letters(), contact.dead_letter_subject(), "orders that were refused")
            }
            Self::Events => {
                (contact.events(), contact.event_subject("*", "*"), "what happens to jobs")
            }
        };
        let kept = Config {
            name,
            subjects: vec![subject],
            description: Some(format!("TabGraphSyn: {description}")),
            num_replicas: contact.copies,
            ..Config::default()
        };
        match self {
            Self::Orders => Config {
                retention: RetentionPolicy::WorkQueue,
                // A publisher is told that there is no room, rather than an order lost.
                discard: DiscardPolicy::New,
                // The least that there is. An order that was refused and is mended, or that comes
                // with another body, is to be heard; the store knows keys, and for longer.
                duplicate_window: Duration::from_millis(100),
                ..kept
            },
            Self::DeadLetters | Self::Events => {
                Config { max_bytes: KEPT_BYTES, discard: DiscardPolicy::Old, ..kept }
            }
        }
    }
}

/// What the connection itself tells: troubles of the bus are told by whoever uses it.
fn tell(place: &str, event: &Event) {
    match event {
        Event::ServerError(error) => {
            tracing::warn!(place, %error, "NATS refuses something");
        }
        Event::ClientError(error) => tracing::debug!(place, %error, "NATS is not reached"),
        other => tracing::debug!(place, %other, "NATS"),
    }
}
