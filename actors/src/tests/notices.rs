//! Notices of a node: what fails, hangs, panics or is killed is tried again, and holds up nobody
//! else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tgs_adapters::{
    Memory,
    faulty::{Faulty, Plan},
    ports::Ports as Stores,
};
use tgs_protocol::{
    id::{Incarnation, JobId, SubscriptionId},
    job::{JobRow, JobState, Outcome},
    notification::{
        Channel, Delivery, EventKind, Notice, NoticeDesk, Receipt, Target, Undelivered,
        delivery::DeliveryState, desk::Wish,
    },
    store::Written,
    submission::Inserted,
    unit::{EventNo, Timestamp},
};
use tokio::{sync::watch, time::timeout};

use crate::{
    Channels, Node, NodeConfig, NoticePorts, Ports,
    dispatcher::message::DispatcherMessage,
    start,
    tests::{crew::kill, world::World},
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    Fails,
    Panics,
    /// For ever, or until the attempt is dropped.
    Hangs,
}

/// By address and number of the attempt at one notice.
type Plans = dyn Fn(&str, usize) -> Fate + Send + Sync;

/// A channel that does as it is told.
struct Post {
    fate: Box<Plans>,
    sent: Mutex<BTreeMap<String, Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Post {
    fn new(fate: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Arc<Self> {
        let (sent, count) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { fate: Box::new(fate), sent, count })
    }

    /// Names of the notices that were sent to an address, in order.
    fn sent(&self, to: &str) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.get(to).cloned().unwrap_or_default()
    }

    async fn attempts(&self, at_least: usize) {
        let mut count = self.count.subscribe();
        let waiting = count.wait_for(|count| *count >= at_least);
        timeout(LONG, waiting).await.expect("attempts are made").expect("it lives");
    }
}

#[async_trait]
impl Channel for Post {
    async fn send(&self, notice: &Notice) -> Result<Receipt, Undelivered> {
        let Target::Webhook { url, .. } = &notice.target else { panic!("only webhooks") };
        let to = url.url().path().trim_start_matches('/').to_owned();
        let earlier = {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = sent.entry(to.clone()).or_default();
            let earlier = sent.iter().filter(|id| **id == notice.id).count();
            sent.push(notice.id.clone());
            earlier
        };
        self.count.send_modify(|count| *count += 1);
        match (self.fate)(&to, earlier) {
            Fate::Arrives => Ok(Receipt { status: Some(204) }),
            Fate::Fails => Err(Undelivered::unanswered("as planned")),
            Fate::Panics => panic!("as planned"),
            Fate::Hangs => std::future::pending().await,
        }
    }
}

/// A node that sends notices of these stores.
async fn node(world: &World, stores: &Stores, post: &Arc<Post>) -> Node {
    let Stores { jobs, leases, chunks, checkpoints, artifacts, events, notifications, .. } =
        stores.clone();
    let channels = Channels { webhook: post.clone(), mail: None };
    let notices = Some(NoticePorts { events, notifications, channels });
    let ports = world.ports("class");
    let ports = Ports { jobs, leases, chunks, checkpoints, artifacts, notices, ..ports };
    let config = NodeConfig::embedded(Incarnation::new("a"));
    let config = NodeConfig {
        samplers: 1,
        notice_pause_factor: 0.000_001,
        back_off_factor: 0.001,
        ..config
    };
    start(ports, config).await.expect("a node")
}

fn memory(world: &World) -> Memory {
    Memory::at(world.stores.folder.path())
}

async fn subscribe(desk: &Arc<dyn NoticeDesk>, path: &str) -> SubscriptionId {
    let url = format!("https://example.org/{path}").parse().expect("an address");
    let target = Target::Webhook { url, keys: Vec::new() };
    let wish = Wish { target, kinds: EventKind::usual(), submission: None };
    desk.subscribe(wish).await.expect("a subscription").0.id
}

/// A job that comes and ends, as its row tells it.
async fn end_a_job(world: &World, stores: &Stores, name: &str) {
    let job = JobId::new(name);
    let mut row = JobRow::accepted(job.clone(), world.synthesize(), Timestamp(1));
    assert_eq!(stores.jobs.insert(&row).await.expect("insert"), Inserted::New);
    let seen = stores.leases.look(&job).await.expect("look");
    let claimed = stores.leases.claim(&job, &Incarnation::new("test"), &seen).await;
    let lease = claimed.expect("claim").expect("nobody else claims");
    row.state = JobState::Ended(Outcome::Cancelled);
    assert_eq!(stores.jobs.save(&lease, &row).await.expect("save"), Written::Done);
}

/// All deliveries of a subscription, once each has arrived.
async fn delivered(desk: &Arc<dyn NoticeDesk>, id: &SubscriptionId, count: usize) -> Vec<Delivery> {
    let is_delivered = |it: &Delivery| matches!(it.state, DeliveryState::Delivered { .. });
    let looking = async {
        loop {
            let part = desk.deliveries(id, None, 99).await;
            let items = part.map(|part| part.items).unwrap_or_default();
            if items.len() == count && items.iter().all(is_delivered) {
                return items;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, looking).await.expect("they arrive")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_or_panics_is_tried_again_under_its_name() {
    let world = World::new();
    let stores = Stores::of(memory(&world));
    let post = Post::new(|_, earlier| match earlier {
        0 => Fate::Fails,
        1 => Fate::Panics,
        _ => Fate::Arrives,
    });
    let node = node(&world, &stores, &post).await;
    let desk = node.notice_desk().expect("it sends notices");
    end_a_job(&world, &stores, "before").await;
    let id = subscribe(&desk, "a").await;
    for name in ["one", "two", "three"] {
        end_a_job(&world, &stores, name).await;
    }
    let all = delivered(&desk, &id, 3).await;
    for delivery in &all {
        assert_ne!(delivery.event.job, JobId::new("before"), "it was not subscribed");
        let errors: Vec<_> = delivery.attempts.iter().map(|it| it.error.is_some()).collect();
        assert_eq!(errors, [true, true, false]);
        assert!(delivery.attempts[1].error.as_ref().is_some_and(|it| it.contains("panicked")));
    }
    let mut names = post.sent("a");
    names.sort();
    names.dedup();
    assert_eq!((post.sent("a").len(), names.len()), (9, 3));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_hangs_holds_up_nobody_and_does_not_keep_the_node() {
    let world = World::new();
    let stores = Stores::of(memory(&world));
    let post = Post::new(|to, _| if to == "slow" { Fate::Hangs } else { Fate::Arrives });
    let node = node(&world, &stores, &post).await;
    let desk = node.notice_desk().expect("it sends notices");
    let (_, quick) = (subscribe(&desk, "slow").await, subscribe(&desk, "quick").await);
    for no in 0..12 {
        end_a_job(&world, &stores, &format!("job{no}")).await;
    }
    delivered(&desk, &quick, 12).await;
    // Who is quick may be done before the slow one is asked for the first time.
    post.attempts(12 + 1).await;
    assert!((1..=4).contains(&post.sent("slow").len()), "{:?}", post.sent("slow"));
    timeout(LONG / 4, node.stop()).await.expect("it does not wait for the slow one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatcher_that_dies_is_replaced_and_begins_its_attempts_again() {
    let world = World::new();
    let stores = Stores::of(memory(&world));
    let post = Post::new(|_, earlier| if earlier < 3 { Fate::Hangs } else { Fate::Arrives });
    let node = node(&world, &stores, &post).await;
    let desk = node.notice_desk().expect("it sends notices");
    let id = subscribe(&desk, "a").await;
    end_a_job(&world, &stores, "one").await;
    for attempt in 1..=3 {
        post.attempts(attempt).await;
        kill::<DispatcherMessage>(&node).await;
    }
    let all = delivered(&desk, &id, 1).await;
    assert_eq!(all[0].attempts.len(), 1, "what was killed had no end");
    assert_eq!(post.sent("a").len(), 4);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_now_and_then_loses_no_notice() {
    let world = World::new();
    let memory = memory(&world);
    let sound = Stores::of(memory.clone());
    let faulty = Stores::of(Faulty::new(memory, Plan::Seeded { seed: 7, per_mille: 100 }));
    let post = Post::new(|_, earlier| if earlier == 0 { Fate::Fails } else { Fate::Arrives });
    // What the jobs need stays sound: it is the notices that are tried here.
    let Stores { notifications, events, .. } = faulty;
    let stores = Stores { notifications, events, ..sound.clone() };
    let node = node(&world, &stores, &post).await;
    let desk = node.notice_desk().expect("it sends notices");
    let id = loop {
        // Whoever asks may be refused by such a store; what is there then is found.
        let url = "https://example.org/a".parse().expect("an address");
        let target = Target::Webhook { url, keys: Vec::new() };
        let wish = Wish { target, kinds: EventKind::usual(), submission: None };
        let _ = desk.subscribe(wish).await;
        let rows = sound.notifications.subscriptions().await.expect("a sound store");
        if let Some(row) = rows.first() {
            break row.id.clone();
        }
    };
    for no in 0..10 {
        end_a_job(&world, &stores, &format!("job{no}")).await;
    }
    let all = delivered(&desk, &id, 10).await;
    let numbers: Vec<EventNo> = all.iter().map(|it| it.event.no).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "each once, newest first: {numbers:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_and_a_switch_are_heard_at_once() {
    let world = World::new();
    let stores = Stores::of(memory(&world));
    let post = Post::new(|_, _| Fate::Arrives);
    let node = node(&world, &stores, &post).await;
    let desk = node.notice_desk().expect("it sends notices");
    let id = subscribe(&desk, "a").await;
    end_a_job(&world, &stores, "one").await;
    let first = delivered(&desk, &id, 1).await;
    desk.resend(&id, first[0].event.no).await.expect("asked again");
    post.attempts(2).await;
    assert_eq!(delivered(&desk, &id, 1).await[0].attempts.len(), 2);
    desk.turn(&id, false).await.expect("off");
    let refused = desk.resend(&id, first[0].event.no).await.expect_err("it is off");
    assert!(refused.message.contains("is off"), "{refused}");
    end_a_job(&world, &stores, "two").await;
    desk.turn(&id, true).await.expect("on");
    end_a_job(&world, &stores, "three").await;
    let all = delivered(&desk, &id, 2).await;
    assert_eq!(all[0].event.job, JobId::new("three"), "the second was not subscribed");
    node.stop().await;
}
