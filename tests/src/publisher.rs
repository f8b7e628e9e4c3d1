//! A program outside that knows only the documented names: publishes orders, reads what is told.

use std::time::Duration;

use async_nats::{
    Client, HeaderMap,
    jetstream::{self, Context, consumer::pull, stream::Stream},
};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Longer than a bus takes that was started again a moment ago.
const LONG: Duration = Duration::from_secs(60);

/// The program.
pub struct Publisher {
    runtime: Runtime,
    client: Client,
    context: Context,
    prefix: String,
}

impl Publisher {
    /// At this server, with this first word of all names.
    ///
    /// # Panics
    /// When the server is not there.
    pub fn at(url: &str, prefix: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let client = runtime.block_on(async_nats::connect(url)).expect("a connection");
        let context = {
            let _inside = runtime.enter(); // It begins a task of its own.
            jetstream::new(client.clone())
        };
        Self { runtime, client, context, prefix: prefix.to_owned() }
    }

    /// Publishes an order until the bus says that it is kept.
    ///
    /// # Panics
    /// When it never does.
    pub fn publish(&self, key: &str, order: &Value) {
        self.runtime.block_on(self.publish_with(&[("Nats-Msg-Id", key)], order.to_string()));
    }

    /// The same, and waits for what became of it.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn ask(&self, headers: &[(&str, &str)], body: &str) -> Value {
        self.runtime.block_on(async {
            let inbox = self.client.new_inbox();
            let mut answers = self.client.subscribe(inbox.clone()).await.expect("a subscription");
            let headers = [headers, &[("Tgs-Answer-To", inbox.as_str())]].concat();
            self.publish_with(&headers, body.to_owned()).await;
            let answer = tokio::time::timeout(LONG, answers.next()).await.expect("in time");
            serde_json::from_slice(&answer.expect("an answer").payload).expect("JSON")
        })
    }

    async fn publish_with(&self, headers: &[(&str, &str)], body: String) {
        let subject = format!("{}.v1.orders", self.prefix);
        let began = tokio::time::Instant::now();
        loop {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| map.insert(*name, *value));
            let sent = self.context.publish_with_headers(subject.clone(), map, body.clone().into());
            let kept = match sent.await {
                Ok(kept) => kept.await,
                Err(error) => Err(error),
            };
            match kept {
                Ok(_) => return,
                Err(error) => assert!(began.elapsed() < LONG, "the order is not kept: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// All events that were told, in order.
    ///
    /// # Panics
    /// When the bus is not there.
    pub fn events(&self) -> Vec<Value> {
        let read = self.all_of("events").into_iter();
        read.map(|(_, body)| serde_json::from_slice(&body).expect("an event")).collect()
    }

    /// All dead letters: codes, reasons, and orders as they came.
    ///
    /// # Panics
    /// When the bus is not there.
    pub fn dead_letters(&self) -> Vec<(String, String, Vec<u8>)> {
        let read = self.all_of("dead_letters").into_iter();
        read.map(|(headers, body)| {
            let of = |name: &str| headers.get(name).expect("a header").as_str().to_owned();
            (of("Tgs-Code"), of("Tgs-Reason"), body)
        })
        .collect()
    }

    /// How many orders nobody has taken yet.
    ///
    /// # Panics
    /// When the bus is not there.
    pub fn orders_left(&self) -> u64 {
        self.runtime.block_on(async {
            self.stream("orders").await.get_info().await.expect("an answer").state.messages
        })
    }

    /// Whether a stream of this name is there.
    pub fn has_stream(&self, name: &str) -> bool {
        self.runtime.block_on(self.context.get_stream(name)).is_ok()
    }

    async fn stream(&self, name: &str) -> Stream {
        self.context.get_stream(format!("{}_{name}", self.prefix)).await.expect("a stream")
    }

    fn all_of(&self, name: &str) -> Vec<(HeaderMap, Vec<u8>)> {
        self.runtime.block_on(async {
            let stream = self.stream(name).await;
            let messages = stream.get_info().await.expect("an answer").state.messages;
            let reader = stream.create_consumer(pull::Config::default()).await.expect("a reader");
            let reading = reader.stream().messages().await.expect("messages");
            let read = reading.take(usize::try_from(messages).expect("few")).map(|message| {
                let message = message.expect("a message");
                (message.headers.clone().unwrap_or_default(), message.payload.to_vec())
            });
            read.collect().await
        })
    }
}
