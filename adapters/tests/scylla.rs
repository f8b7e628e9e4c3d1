//! Every promise of a store, against a real CQL database.

use scylla::client::{session::Session, session_builder::SessionBuilder};
use tgs_adapters::{
    Scylla,
    conformance::{CHECKS, Check},
    ports::Ports,
    scylla::Contact,
};
use tgs_tests::services::Database;

fn contact(keyspace: &str, database: Database) -> Contact {
    let keyspace = format!("{keyspace}_{}", std::process::id());
    Contact::of(database.contact_points, database.data_centres, keyspace)
}

/// One keyspace for all checks, since tables are slow to make: emptied before each.
async fn empty(session: &Session, keyspace: &str) {
    let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let found = session.query_unpaged(tables, (keyspace,)).await.expect("tables");
    let rows = found.into_rows_result().expect("rows");
    for table in rows.rows::<(String,)>().expect("names") {
        let (table,) = table.expect("a name");
        // A look is cheaper than emptying; but what was deleted from these hides what is written
        // with timestamps of its own.
        let is_told = ["place", "delivery"].contains(&&*table);
        let some = format!("SELECT * FROM {keyspace}.{table} LIMIT 1");
        let some = session.query_unpaged(some, ()).await.expect("a look");
        let is_empty = some.into_rows_result().expect("rows").rows_num() == 0;
        if table != "schema_step" && (is_told || !is_empty) {
            let emptied = session.query_unpaged(format!("TRUNCATE {keyspace}.{table}"), ()).await;
            emptied.expect("it is emptied");
        }
    }
}

async fn kept(check: &'static Check, contact: &Contact) -> Result<(), tokio::task::JoinError> {
    let folder = tempfile::tempdir().expect("folder");
    let ports = Ports::of(Scylla::open(contact, folder.path()).await.expect("opens"));
    tokio::spawn(async move { (check.run)(&ports).await }).await
}

#[test]
fn every_promise_is_kept() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(4).enable_all().build().expect("runtime");
    let contact = contact("conformance", Database::shared());
    let broken: Vec<String> = runtime.block_on(async {
        let session = SessionBuilder::new().known_nodes(&contact.nodes).build().await;
        let session = session.expect("connects");
        let mut broken = Vec::new();
        for check in CHECKS {
            empty(&session, &contact.keyspace).await;
            if let Err(error) = kept(check, &contact).await {
                broken.push(format!("{}: {error}", check.name));
            }
        }
        broken
    });
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
