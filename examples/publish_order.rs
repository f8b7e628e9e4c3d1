//! Publishes an order of a job and prints the job that it became. Needs async-nats, futures-util
//! and tokio: `publish_order nats://127.0.0.1:4222 my-key '{"kind": "train", "dataset": "trial"}'`.

use async_nats::{HeaderMap, jetstream};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> Result<(), async_nats::Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, key, order] = &words[..] else { return Err("say SERVER KEY ORDER".into()) };
    let bus = async_nats::connect(server).await?;
    let inbox = bus.new_inbox();
    let mut answers = bus.subscribe(inbox.clone()).await?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", key.as_str());
    headers.insert("Tgs-Answer-To", inbox.as_str());
    let stream = jetstream::new(bus);
    let sent = stream.publish_with_headers("tgs.v1.orders", headers, order.clone().into());
    sent.await?.await?;
    let answer = answers.next().await.ok_or("nobody answers")?;
    println!("{}", String::from_utf8_lossy(&answer.payload));
    Ok(())
}
