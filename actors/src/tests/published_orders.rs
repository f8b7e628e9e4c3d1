//! Published orders on a node: which are taken off their queue, which come again, which never will.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tgs_protocol::{
    bus::{BusError, EventOutlet, InHand, OrderQueue, order::Published},
    dataset::{Appended, Finished, TableEnding, Upload},
    event::Event,
    id::UploadId,
    residency::Residency,
    unit::{ByteCount, EventNo, Millis, Timestamp},
    wire::{JobView, Problem},
};
use tokio::sync::Notify;

use crate::{
    BusPorts, NodeConfig, start,
    tests::{world::World, world::config},
};

/// A queue in memory, and what became of each order.
#[derive(Default)]
struct Bus {
    orders: Mutex<VecDeque<Published>>,
    told: Mutex<Vec<String>>,
    changed: Notify,
}

impl Bus {
    fn publish(&self, key: &str, body: &str) {
        let (name, body) = (format!("order-{key}"), body.as_bytes().to_vec());
        let order =
            Published { key: Some(key.to_owned()), name, version: None, body, deliveries: 1 };
        self.put(order);
    }

    fn put(&self, order: Published) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
        self.changed.notify_waiters();
    }

    fn say(&self, what: impl fmt::Display) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_string());
        self.changed.notify_waiters();
    }

    /// What was told, once it is so much.
    async fn told(&self, so_many: usize) -> Vec<String> {
        loop {
            let changed = self.changed.notified();
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if told.len() >= so_many {
                return told;
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
        }
    }
}

struct Queue(Arc<Bus>);

#[async_trait]
impl OrderQueue for Queue {
    async fn next(&self, limit: usize) -> Result<Vec<Box<dyn InHand>>, BusError> {
        let taken: Vec<_> = {
            let mut orders = self.0.orders.lock().unwrap_or_else(PoisonError::into_inner);
            let so_many = orders.len().min(limit);
            orders.drain(..so_many).collect()
        };
        if taken.is_empty() {
            let limit = Duration::from_millis(20);
            let _ = tokio::time::timeout(limit, self.0.changed.notified()).await;
        }
        let in_hand = |order| Box::new(Order(self.0.clone(), order)) as Box<dyn InHand>;
        Ok(taken.into_iter().map(in_hand).collect())
    }
}

struct Order(Arc<Bus>, Published);

#[async_trait]
impl InHand for Order {
    fn published(&self) -> &Published {
        &self.1
    }
    async fn hold(&self) -> Result<(), BusError> {
        Ok(())
    }
    async fn taken(&self, job: &JobView) -> Result<(), BusError> {
        self.0.say(format_args!("{} is {}", self.1.name, job.id));
        Ok(())
    }
    async fn refused(&self, why: &Problem) -> Result<(), BusError> {
        self.0.say(format_args!("{} refused: {}", self.1.name, why.code));
        Ok(())
    }
    async fn put_back(&self, rest: Millis) -> Result<(), BusError> {
        self.0.say(format_args!("{} put back for {} ms", self.1.name, rest.get()));
        let deliveries = self.1.deliveries + 1;
        self.0.put(Published { deliveries, ..self.1.clone() });
        Ok(())
    }
}

#[async_trait]
impl EventOutlet for Queue {
    async fn newest_told(&self) -> Result<EventNo, BusError> {
        Err(BusError("nobody listens".to_owned()))
    }
    async fn tell(&self, _: &[Event]) -> Result<bool, BusError> {
        Ok(false)
    }
}

/// A node that takes orders from this bus, with a dataset `small`.
async fn node(world: &World, bus: &Arc<Bus>, name: &str) -> crate::Node {
    let mut ports = world.ports("class");
    let upload = Upload {
        id: UploadId::new("upload"),
        dataset: "small".parse().expect("a name"),
        ending: TableEnding::of_name("small.csv").expect("an ending"),
        size: ByteCount(6),
        began_at: Timestamp(0),
        regions: Residency::default(),
    };
    let datasets = ports.datasets.clone();
    assert!(datasets.begin(&upload).await.expect("a store"));
    let appended = datasets.append(&upload.id, ByteCount(0), b"a\n1\n2\n").await;
    assert!(matches!(appended, Ok(Appended::To(_))));
    let finished = datasets.finish(&upload.id, Timestamp(0)).await;
    assert!(matches!(finished, Ok(Finished::As(_))));
    let queue = Arc::new(Queue(bus.clone()));
    ports.bus = Some(BusPorts {
        peers: None,
        orders: Some(queue.clone()),
        outlet: queue,
        events: Arc::new(tgs_adapters::Memory::at(world.stores.folder.path())),
    });
    let set = NodeConfig { disk_floor: ByteCount(100), ..config(name) };
    start(ports, set).await.expect("a node")
}

const ORDER: &str = r#"{"kind":"train","dataset":"small","learn":{"model":"seqtree"}}"#;

/// A full disk is no fault of the order's: it comes again, and is one job then. A second sending
/// of it is the same one.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_cannot_do_now_comes_again_and_what_nobody_can_is_refused() {
    let (world, bus) = (World::new(), Arc::new(Bus::default()));
    world.space.0.store(0, Ordering::SeqCst);
    let node = node(&world, &bus, "a").await;
    bus.publish("a", ORDER);
    let told = bus.told(1).await;
    assert_eq!(told[0], "order-a put back for 1000 ms");
    world.space.0.store(u64::MAX, Ordering::SeqCst);
    let taken = loop {
        let told = bus.told(1).await;
        if let Some(taken) = told.iter().find(|it| it.starts_with("order-a is ")) {
            break taken.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let so_far = bus.told(1).await.len();
    bus.publish("a", ORDER);
    assert_eq!(bus.told(so_far + 1).await[so_far], taken, "one key, one job");
    bus.publish("a", &ORDER.replace("small", "small@1"));
    assert_eq!(bus.told(so_far + 2).await[so_far + 1], "order-a refused: USE-0006");
    bus.publish("b", &ORDER.replace("small", "absent"));
    assert_eq!(bus.told(so_far + 3).await[so_far + 2], "order-b refused: USE-0007");
    node.stop().await;
}

/// A node that stops takes nothing more: others do.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_leaves_orders_to_others() {
    let (world, bus) = (World::new(), Arc::new(Bus::default()));
    let node = node(&world, &bus, "a").await;
    bus.publish("a", ORDER);
    assert!(bus.told(1).await[0].starts_with("order-a is "));
    node.desk().drain().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    bus.publish("b", ORDER);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bus.told(1).await.len(), 1);
    node.stop().await;
}
