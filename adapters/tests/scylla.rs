//! Every promise of a store, against a real CQL database.

use std::sync::Arc;

use scylla::client::{session::Session, session_builder::SessionBuilder};
use tgs_adapters::{
    Memory, Scylla,
    conformance::{CHECKS, Check},
    ports::Ports,
    scylla::Contact,
};
use tgs_tests::services::Database;

/// Ports that it has; the others come from memory.
const PORTS: [&str; 6] =
    ["job_store", "event_log", "lease_store", "chunk_store", "checkpoint_store", "artifact_store"];

fn contact() -> Contact {
    let database = Database::shared();
    let copies = database.data_centres.into_iter();
    Contact {
        nodes: database.contact_points,
        keyspace: format!("conformance_{}", std::process::id()),
        copies: copies.map(|(name, nodes)| (name, u8::try_from(nodes).unwrap_or(3))).collect(),
        near: None,
        user: None,
    }
}

/// One keyspace for all checks, since tables are slow to make: emptied before each.
async fn empty(session: &Session, keyspace: &str) {
    let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let found = session.query_unpaged(tables, (keyspace,)).await.expect("tables");
    let rows = found.into_rows_result().expect("rows");
    for table in rows.rows::<(String,)>().expect("names") {
        let (table,) = table.expect("a name");
        if table != "schema_step" {
            let emptied = session.query_unpaged(format!("TRUNCATE {keyspace}.{table}"), ()).await;
            emptied.expect("it is emptied");
        }
    }
}

async fn kept(check: &'static Check, contact: &Contact) -> Result<(), tokio::task::JoinError> {
    let folder = tempfile::tempdir().expect("folder");
    let store = Arc::new(Scylla::open(contact, folder.path()).await.expect("opens"));
    let ports = Ports {
        jobs: store.clone(),
        events: store.clone(),
        leases: store.clone(),
        chunks: store.clone(),
        checkpoints: store.clone(),
        artifacts: store,
        ..Ports::of(Memory::at(folder.path()))
    };
    tokio::spawn(async move { (check.run)(&ports).await }).await
}

#[test]
fn every_promise_is_kept() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(4).enable_all().build().expect("runtime");
    let contact = contact();
    let is_ours = |check: &&Check| PORTS.iter().any(|port| check.name.starts_with(port));
    let broken: Vec<String> = runtime.block_on(async {
        let session = SessionBuilder::new().known_nodes(&contact.nodes).build().await;
        let session = session.expect("connects");
        let mut broken = Vec::new();
        for check in CHECKS.iter().filter(is_ours) {
            empty(&session, &contact.keyspace).await;
            let began = std::time::Instant::now();
            if let Err(error) = kept(check, &contact).await {
                broken.push(format!("{}: {error}", check.name));
            }
            println!("{} {:?}", check.name, began.elapsed());
        }
        broken
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
