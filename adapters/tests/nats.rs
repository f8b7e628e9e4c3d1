//! The message bus over a real server of NATS: orders that are published, events that are told.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    time::Duration,
};

use async_nats::{
    Client, HeaderMap, Subscriber,
    jetstream::{self, Context, consumer::pull, stream::Stream},
};
use futures_util::StreamExt;
use serde_json::Value;
use tgs_adapters::nats::{Nats, Pass, contact::Contact};
use tgs_protocol::{
    bus::{EventOutlet, InHand, OrderQueue, peers::PeerBus},
    code::Code,
    event::{Event, Happening},
    id::{Incarnation, JobId},
    peer::{PeerAnswer, PeerError, PeerRequest},
    unit::{EventNo, Millis, Timestamp},
    wire::Problem,
};
use tgs_tests::services::Nats as Server;

/// A bus of its own on the shared server.
async fn bus(prefix: &str) -> Nats {
    let address = format!("{}/{prefix}", Server::shared().url());
    let contact = Contact::at(&address).expect("an address");
    Nats::connect(contact, Pass::default()).await.expect("a connection")
}

/// A stranger to the program, who only knows the documented names.
async fn publisher() -> (Client, Context) {
    let client = async_nats::connect(Server::shared().url()).await.expect("a connection");
    (client.clone(), jetstream::new(client))
}

/// What is published there from now on: flushing only writes, so that a message to itself tells
/// that the server has taken the subscription.
async fn subscribed(client: &Client, subject: &'static str) -> Subscriber {
    let subscription = client.subscribe(subject).await.expect("a subscription");
    let inbox = client.new_inbox();
    let mut own = client.subscribe(inbox.clone()).await.expect("a subscription");
    client.publish(inbox, "taken".into()).await.expect("sent");
    own.next().await.expect("its own message");
    subscription
}

async fn publish(context: &Context, prefix: &str, key: &str, body: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", key);
    let subject = format!("{prefix}.v1.orders");
    let sent = context.publish_with_headers(subject, headers, body.to_owned().into());
    sent.await.expect("sent").await.expect("kept");
}

/// The next order; there is one.
async fn one(queue: &dyn OrderQueue) -> Box<dyn InHand> {
    for _ in 0..10 {
        let mut orders = queue.next(1).await.expect("an answer");
        if let Some(order) = orders.pop() {
            return order;
        }
    }
    panic!("no order came");
}

async fn nothing_is_left(queue: &dyn OrderQueue) {
    let left = queue.next(10).await.expect("an answer");
    let names: Vec<_> = left.iter().map(|order| order.published().name.clone()).collect();
    assert!(names.is_empty(), "{names:?}");
}

fn event(no: u64) -> Event {
    let what = Happening::Noted { what: format!("event {no}") };
    Event { no: EventNo(no), at: Timestamp(no), job: JobId::new("job"), what }
}

fn events(numbers: impl Iterator<Item = u64>) -> Vec<Event> {
    numbers.map(event).collect()
}

/// What a stranger reads of a stream, from its beginning.
async fn whole(stream: &Stream) -> Vec<Value> {
    let messages = stream.get_info().await.expect("an answer").state.messages;
    let reader = stream.create_consumer(pull::Config::default()).await.expect("a reader");
    let reading = reader.stream().messages().await.expect("messages");
    let read = reading.take(usize::try_from(messages).expect("few"));
    read.map(|message| serde_json::from_slice(&message.expect("a message").payload).expect("JSON"))
        .collect()
        .await
}

#[tokio::test]
async fn an_order_is_handed_to_one_taker_and_again_until_it_is_done() {
    let (here, there) = (bus("orders").await.orders(), bus("orders").await.orders());
    nothing_is_left(&*here).await;
    let (_, context) = publisher().await;
    for no in 0..20 {
        publish(&context, "orders", &format!("key-{no}"), &format!("{{\"no\":{no}}}")).await;
    }
    let (mut keys, mut names) = (BTreeSet::new(), BTreeSet::new());
    while keys.len() < 20 {
        for queue in [&here, &there] {
            for order in queue.next(3).await.expect("an answer") {
                let published = order.published().clone();
                assert_eq!((published.deliveries, &published.version), (1, &None));
                assert!(published.body.starts_with(b"{\"no\":"));
                assert!(keys.insert(published.key.expect("a key")), "handed out twice");
                names.insert(published.name);
                order.hold().await.expect("an answer");
                order.refused(&Problem::of(Code::BadRequest, "no")).await.expect("an answer");
            }
        }
    }
    assert_eq!(names.len(), 20);
    nothing_is_left(&*there).await;
}

#[tokio::test]
async fn what_is_put_back_comes_again_with_its_key_and_its_name() {
    let queue = bus("put-back").await.orders();
    nothing_is_left(&*queue).await;
    let (_, context) = publisher().await;
    publish(&context, "put-back", "a", "{}").await;
    let order = one(&*queue).await;
    order.put_back(Millis(50)).await.expect("an answer");
    let again = one(&*queue).await;
    let (first, second) = (order.published(), again.published());
    assert_eq!((&first.key, &first.name, &first.body), (&second.key, &second.name, &second.body));
    assert_eq!((first.deliveries, second.deliveries), (1, 2));
}

#[tokio::test]
async fn a_refused_order_is_a_dead_letter_with_its_reason_and_its_publisher_is_told() {
    let queue = bus("refused").await.orders();
    nothing_is_left(&*queue).await;
    let (client, context) = publisher().await;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.expect("a subscription");
    let mut headers = HeaderMap::new();
    headers.insert("Tgs-Answer-To", inbox.as_str());
    headers.insert("Tgs-Version", "7");
    let sent = context.publish_with_headers("refused.v1.orders", headers, "not JSON".into());
    sent.await.expect("sent").await.expect("kept");
    let order = one(&*queue).await;
    let published = order.published().clone();
    assert_eq!((published.key, published.version.as_deref()), (None, Some("7")));
    let why = Problem::of(Code::BadRequest, "cannot read it:\nsend another");
    order.refused(&why).await.expect("an answer");
    // Once more, as by a node that was killed before it heard that the letter stands.
    let _ = order.refused(&why).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), answers.next()).await;
    let answer = answer.expect("in time").expect("an answer");
    let told: Problem = serde_json::from_slice(&answer.payload).expect("a problem");
    assert_eq!((told.status, told.code), (400, Code::BadRequest));
    let letters = context.get_stream("refused_dead_letters").await.expect("a stream");
    assert_eq!(letters.get_info().await.expect("an answer").state.messages, 1);
    let letter = letters.get_last_raw_message_by_subject("refused.v1.dead_letters.orders").await;
    let letter = letter.expect("a letter");
    assert_eq!(&letter.payload[..], b"not JSON");
    let of = |name: &str| letter.headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(of("Tgs-Code").as_deref(), Some("USE-0001"));
    assert_eq!(of("Tgs-Reason").as_deref(), Some("cannot read it: send another"));
    assert_eq!(of("Tgs-Version").as_deref(), Some("7"));
    assert_eq!(of("Tgs-Order"), Some(published.name));
    nothing_is_left(&*queue).await;
}

/// An answer goes to whoever asked, never as a command to the bus itself.
#[tokio::test]
async fn a_publisher_cannot_have_others_spoken_to() {
    let queue = bus("answers").await.orders();
    nothing_is_left(&*queue).await;
    let (client, context) = publisher().await;
    let mut overheard = subscribed(&client, "somebody.else").await;
    let mut headers = HeaderMap::new();
    headers.insert("Tgs-Answer-To", "somebody.else");
    let sent = context.publish_with_headers("answers.v1.orders", headers, "{}".into());
    sent.await.expect("sent").await.expect("kept");
    let order = one(&*queue).await;
    order.refused(&Problem::of(Code::BadRequest, "no")).await.expect("an answer");
    let heard = tokio::time::timeout(Duration::from_millis(300), overheard.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn events_are_told_once_and_in_order_whoever_tells_them() {
    let (here, there) = (bus("events").await.events(), bus("events").await.events());
    assert_eq!(here.newest_told().await, Ok(EventNo(0)));
    assert_eq!(there.newest_told().await, Ok(EventNo(0)));
    assert_eq!(here.tell(&events(1..=100)).await, Ok(true));
    assert_eq!(here.tell(&events(101..=150)).await, Ok(true));
    assert_eq!(there.tell(&events(1..=3)).await, Ok(false), "others have told them");
    assert_eq!(there.tell(&events(1..=3)).await, Ok(false), "it must ask first");
    assert_eq!(there.newest_told().await, Ok(EventNo(150)));
    assert_eq!(there.tell(&events(151..=160)).await, Ok(true));
    assert_eq!(here.tell(&events(151..=160)).await, Ok(false));
    let (_, context) = publisher().await;
    let stream = context.get_stream("events_events").await.expect("a stream");
    let numbers: Vec<_> = whole(&stream).await.iter().map(|it| it["no"].as_u64()).collect();
    assert_eq!(numbers, (1..=160).map(Some).collect::<Vec<_>>());
    let subject = stream.get_last_raw_message_by_subject("events.v1.events.job.noted").await;
    assert_eq!(subject.expect("by its subject").sequence, 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_was_gone_knows_what_it_was_told() {
    let server = Server::start();
    let contact = Contact::at(&server.url()).expect("an address");
    let nats = Nats::connect(contact, Pass::default()).await.expect("a connection");
    let (outlet, queue) = (nats.events(), nats.orders());
    assert_eq!(outlet.newest_told().await, Ok(EventNo(0)));
    assert_eq!(outlet.tell(&events(1..=3)).await, Ok(true));
    nothing_is_left(&*queue).await;
    server.kill();
    assert!(outlet.tell(&events(4..=4)).await.is_err(), "nobody is there");
    assert!(queue.next(1).await.is_err(), "nobody is there");
    server.restart();
    let newest = newest_told_at_last(&*outlet).await;
    assert!(matches!(newest, EventNo(3 | 4)), "{newest:?}: what was under way is there or not");
    let next = newest.get() + 1;
    assert_eq!(outlet.tell(&events(next..=9)).await, Ok(true));
    let context = jetstream::new(async_nats::connect(server.url()).await.expect("a connection"));
    publish(&context, "tgs", "a", "{}").await;
    let order = one_at_last(&*queue).await;
    assert_eq!(order.published().key.as_deref(), Some("a"));
    let stream = context.get_stream("tgs_events").await.expect("a stream");
    let numbers: Vec<_> = whole(&stream).await.iter().map(|it| it["no"].as_u64()).collect();
    assert_eq!(numbers, (1..=9).map(Some).collect::<Vec<_>>());
}

/// The client falls over a bare CR in a header; the node does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_client_can_read_stops_nothing_else() {
    let server = Server::start();
    let contact = Contact::at(&server.url()).expect("an address");
    let nats = Nats::connect(contact, Pass::default()).await.expect("a connection");
    let queue = nats.orders();
    nothing_is_left(&*queue).await;
    let mut line = std::net::TcpStream::connect(server.address()).expect("a connection");
    let head = "NATS/1.0\r\nX: a\rb\r\n\r\n";
    let words = format!(
        "CONNECT {{\"verbose\":false,\"headers\":true,\"pedantic\":false}}\r\n\
         HPUB tgs.v1.orders {} {}\r\n{head}{{}}\r\nPING\r\n",
        head.len(),
        head.len() + 2
    );
    line.write_all(words.as_bytes()).expect("sent");
    let mut said = [0_u8; 4_096];
    let mut heard = String::new();
    while !heard.contains("PONG") {
        let bytes = line.read(&mut said).expect("an answer");
        heard += &String::from_utf8_lossy(&said[..bytes]);
    }
    let context = jetstream::new(async_nats::connect(server.url()).await.expect("a connection"));
    publish(&context, "tgs", "good", "{}").await;
    let order = one_at_last(&*queue).await;
    assert_eq!(order.published().key.as_deref(), Some("good"));
}

async fn newest_told_at_last(outlet: &dyn EventOutlet) -> EventNo {
    for _ in 0..100 {
        if let Ok(newest) = outlet.newest_told().await {
            return newest;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the bus does not come back");
}

async fn one_at_last(queue: &dyn OrderQueue) -> Box<dyn InHand> {
    for _ in 0..100 {
        if let Some(order) = queue.next(1).await.ok().and_then(|mut orders| orders.pop()) {
            return order;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the bus does not come back");
}

/// Over TLS, with a user: only with the certificate that is trusted, and with the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_guarded_lets_in_who_may() {
    let (server, certificate) = Server::start_guarded("ada", "secret");
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, certificate).expect("a file");
    let contact = Contact::at(&server.url().replace("//", "//ada@")).expect("an address");
    let right =
        Pass { password: Some("secret".to_owned()), more_roots: Some(roots), ..Pass::default() };
    let nats = Nats::connect(contact.clone(), right.clone()).await.expect("a connection");
    assert_eq!(newest_told_at_last(&*nats.events()).await, EventNo(0));
    let wrong_password = Pass { password: Some("guess".to_owned()), ..right.clone() };
    let not_trusted = Pass { more_roots: None, ..right };
    for pass in [wrong_password, not_trusted] {
        let nats = Nats::connect(contact.clone(), pass).await.expect("a connection in the making");
        assert!(nats.events().newest_told().await.is_err(), "it was let in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_bus_is_said_with_the_remedy() {
    let server = Server::start_without_jetstream();
    let contact = Contact::at(&server.url()).expect("an address");
    let nats = Nats::connect(contact, Pass::default()).await.expect("a connection");
    let mut said = String::new();
    for _ in 0..50 {
        said = nats.events().newest_told().await.expect_err("no JetStream").to_string();
        if said.contains("has no JetStream") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(said.contains("has no JetStream") && said.contains("-js"), "{said}");
    let contact = Contact::at("nats://127.64.255.254:1").expect("an address");
    let nats = Nats::connect(contact, Pass::default()).await.expect("a connection in the making");
    let Err(error) = nats.orders().next(1).await else { panic!("nobody is there") };
    assert!(error.to_string().contains("was not reached yet; start it"), "{error}");
}

/// Answers what it is asked, so many times.
fn answering(peer: std::sync::Arc<dyn PeerBus>, times: usize) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for _ in 0..times {
            let said = peer.next().await.expect("something is said");
            assert_eq!(said.request(), Some(&PeerRequest::Ping));
            said.answer(&PeerAnswer::NotDone { why: "so".to_owned() }).await;
        }
    })
}

#[tokio::test]
async fn nodes_of_one_cluster_hear_each_other_and_no_stranger() {
    let [a, b, gone] = ["a", "b", "gone"].map(Incarnation::new);
    let here = bus("peers").await.peers(&a, "the secret of this cluster");
    let there = bus("peers").await.peers(&b, "the secret of this cluster");
    let stranger = bus("peers").await.peers(&a, "another secret");
    let short = Millis(500);

    // Nobody listens yet, and nobody ever does there.
    let asked = here.ask(&gone, &PeerRequest::Ping, Millis(5_000)).await;
    assert_eq!(asked, Err(PeerError::NoLink));
    let answers = answering(there.clone(), 2);
    let answer = PeerAnswer::NotDone { why: "so".to_owned() };
    let mut asked = Err(PeerError::NoLink);
    for _ in 0..100 {
        asked = here.ask(&b, &PeerRequest::Ping, Millis(5_000)).await;
        if asked != Err(PeerError::NoLink) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(asked, Ok(answer.clone()));

    // A stranger is not heard, and holds up nobody.
    assert_eq!(stranger.ask(&b, &PeerRequest::Ping, short).await, Err(PeerError::Silent));
    stranger.tell_all(&PeerRequest::Look).await.expect("sent");
    assert_eq!(here.ask(&b, &PeerRequest::Ping, Millis(5_000)).await, Ok(answer));
    answers.await.expect("answered");

    // What is said to all is heard by all, and has no answer.
    let hears = tokio::spawn(async move { there.next().await.map(|it| it.request().cloned()) });
    here.tell_all(&PeerRequest::Look).await.expect("sent");
    assert_eq!(hears.await.expect("heard"), Ok(Some(PeerRequest::Look)));

    // Who answers for another node is not believed.
    let (client, _) = publisher().await;
    let mut asked = subscribed(&client, "peers.v1.peers.one.gone").await;
    let forging = tokio::spawn(async move {
        let question = asked.next().await.expect("a question");
        let reply = question.reply.expect("an inbox");
        client.publish(reply, r#"{"answer":"heard","v":1}"#.into()).await.expect("sent");
        client.flush().await.expect("an answer");
    });
    let asked = here.ask(&gone, &PeerRequest::Ping, Millis(5_000)).await;
    assert_eq!(asked, Err(PeerError::Silent));
    forging.await.expect("it answered");
}
