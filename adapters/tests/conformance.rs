//! Every check against every store of this crate: one list, no exceptions.

use std::{path::Path, sync::Arc};

use tgs_adapters::{
    Embedded, Memory,
    conformance::CHECKS,
    faulty::{Faulty, Plan},
    on_runtime::OnRuntime,
    ports::Ports,
};
use tgs_protocol::placement::board::AssignmentBoard;
use tokio::runtime::Handle;

/// A store's name, and how an empty one is made in an empty folder.
type Maker = (&'static str, fn(&Path) -> Ports);

const STORES: &[Maker] = &[
    ("memory", |root| {
        let memory = Memory::at(root);
        let assignments = Some(Arc::new(memory.clone()) as Arc<dyn AssignmentBoard>);
        Ports { assignments, ..Ports::of(memory) }
    }),
    ("embedded", |root| Ports::of(Embedded::open(root).expect("open"))),
    ("faulty without faults", |root| Ports::of(Faulty::new(Memory::at(root), Plan::none()))),
    ("datasets on another runtime", |root| {
        let ports = Ports::of(Embedded::open(root).expect("open"));
        let datasets = OnRuntime::new(ports.datasets.clone(), Handle::current());
        Ports { datasets: Arc::new(datasets), ..ports }
    }),
];

#[test]
fn every_store_keeps_every_promise() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(4).enable_time().build().expect("runtime");
    let mut broken = Vec::new();
    for (store, make) in STORES {
        for check in CHECKS {
            let folder = tempfile::tempdir().expect("folder");
            let ports = {
                let _inside = runtime.enter();
                make(folder.path())
            };
            let kept = runtime
                .block_on(async { tokio::spawn(async move { (check.run)(&ports).await }).await });
            if let Err(error) = kept {
                broken.push(format!("{store} {}: {error}", check.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test]
async fn the_embedded_store_serves_a_single_thread_runtime_too() {
    let folder = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Embedded::open(folder.path()).expect("open"));
    tgs_adapters::conformance::chunk_store::the_manifest_is_in_order(&ports).await;
}
