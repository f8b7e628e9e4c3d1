//! Every promise of a store, against a real CQL database.

#[path = "scylla/objects.rs"]
mod objects;

use std::time::{Duration, Instant};

use scylla::client::{session::Session, session_builder::SessionBuilder};
use tgs_adapters::{
    Scylla,
    conformance::{
        CHECKS, Check,
        sample::{all_rows, claim, code, insert, job, row},
    },
    scylla::Contact,
};
use tgs_protocol::{
    code::Code,
    id::{Incarnation, JobId},
    job::{JobRow, JobState, Outcome, listing::StateClass},
    limits::PRESENCE_TTL_MS,
    presence::{NodeOrder, Presence},
    store::{ArtifactName, Sealed, Written},
    unit::Steps,
};
use tgs_tests::services::Database;

fn contact(keyspace: &str, database: Database) -> Contact {
    let keyspace = format!("{keyspace}_{}", std::process::id());
    let region = database.data_centres[0].0.clone();
    let contact = Contact::of(database.contact_points, database.data_centres, keyspace);
    Contact { region, ..contact }
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
        let is_told = ["place", "line", "delivery", "assignment"].contains(&&*table);
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
    let ports = Scylla::open(contact, folder.path()).await.expect("opens").ports();
    tokio::spawn(async move { (check.run)(&ports).await }).await
}

/// Which of these promises are broken, and by what; `after` each of them the database is looked at.
async fn broken(
    contact: &Contact,
    checks: impl Iterator<Item = &'static Check>,
    after: impl AsyncFn(&Session, &Check),
) -> Vec<String> {
    let session = SessionBuilder::new().known_nodes(&contact.nodes).build().await;
    let session = session.expect("connects");
    let mut broken = Vec::new();
    for check in checks {
        empty(&session, &contact.keyspace).await;
        if let Err(error) = kept(check, contact).await {
            broken.push(format!("{}: {error}", check.name));
        }
        after(&session, check).await;
    }
    broken
}

#[test]
fn every_promise_is_kept() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(4).enable_all().build().expect("runtime");
    let contact = contact("conformance", Database::shared());
    let broken = runtime.block_on(broken(&contact, CHECKS.iter(), async |_, _| {}));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A keyspace of a version that had no line: who waits there is found by this one.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_an_earlier_version_stand_in_line() {
    let contact = contact("no_line", Database::shared());
    let folder = tempfile::tempdir().expect("folder");
    let store = Scylla::open(&contact, folder.path()).await.expect("opens").ports();
    for row in [row("late", 9), row("early", 3), row("over", 1)] {
        insert(&store, &row).await;
    }
    let lease = claim(&store, &job("over"), "me").await;
    let over = JobRow { state: JobState::Ended(Outcome::Cancelled), writes: 1, ..row("over", 1) };
    assert_eq!(store.jobs.save(&lease, &over).await.expect("saves"), Written::Done);
    drop(store);
    let session = SessionBuilder::new().known_nodes(&contact.nodes).build().await;
    let session = session.expect("connects");
    session.use_keyspace(&contact.keyspace, false).await.expect("is there");
    for text in
        ["DROP TABLE line", "DELETE FROM schema_step WHERE list = 'all' AND no = 6 IF EXISTS"]
    {
        session.query_unpaged(text, ()).await.expect("is said");
    }
    let folder = tempfile::tempdir().expect("folder");
    let store = Scylla::open(&contact, folder.path()).await.expect("opens again").ports();
    let first =
        store.jobs.first_in_line(StateClass::Waiting, None, &[].into(), 9).await.expect("looks");
    assert_eq!(first, [row("early", 3), row("late", 9)]);
}

/// By every node, until the job is forgotten; and a folder is one process's alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_end_a_job_is_seen_by_every_node() {
    let contact = contact("end_orders", Database::shared());
    let folders = [tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder")];
    let first = Scylla::open(&contact, folders[0].path()).await.expect("opens").ports();
    let second = Scylla::open(&contact, folders[1].path()).await.expect("opens").ports();
    let again = Scylla::open(&contact, folders[1].path()).await.expect_err("it is taken");
    assert_eq!(again.code, Code::DataFolderInUse);
    let (first, second) = (first.end_orders.expect("orders"), second.end_orders.expect("orders"));
    let (job, other) = (JobId::new("a"), JobId::new("b"));
    assert!(!second.is_end_ordered(&job).await.expect("a look"));
    for _ in 0..2 {
        first.order_end(&job).await.expect("an order");
        assert!(second.is_end_ordered(&job).await.expect("a look"));
    }
    assert!(!second.is_end_ordered(&other).await.expect("a look"));
    assert!(first.order_end(&JobId::new("../a")).await.is_err());
}

/// What a node says stands for a while and is seen by all; what is ordered of one stands for good.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_see_who_is_there_and_what_is_ordered_of_them() {
    let contact = contact("nodes", Database::shared());
    let folders = [tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder")];
    let first = Scylla::open(&contact, folders[0].path()).await.expect("opens").ports();
    let second = Scylla::open(&contact, folders[1].path()).await.expect("opens").ports();
    let (first, second) = (first.board.expect("a board"), second.board.expect("a board"));
    assert_eq!(second.all().await.expect("a list"), []);
    let here = |name: &str| Presence::of(Incarnation::new(name));
    let later = Presence { waiting: 7, ..here("a") };
    first.say(&here("a")).await.expect("it is said");
    first.say(&later).await.expect("it is said");
    second.say(&here("b")).await.expect("it is said");
    assert_eq!(first.all().await.expect("a list"), [later.clone(), here("b")]);
    second.leave(&Incarnation::new("b")).await.expect("it is said");
    assert_eq!(second.all().await.expect("a list"), [later]);
    assert_eq!(first.order_of("gpu-1").await.expect("an order"), NodeOrder::Work);
    for order in [NodeOrder::Cordon, NodeOrder::Drain, NodeOrder::Work] {
        second.order("gpu-1", order).await.expect("it is ordered");
        assert_eq!(first.order_of("gpu-1").await.expect("an order"), order);
    }
    tokio::time::sleep(Duration::from_millis(PRESENCE_TTL_MS + 2_000)).await;
    assert_eq!(second.all().await.expect("a list"), [], "who says nothing is not there");
}

/// A job that another node ended leaves no private copy on a node that had a part in it: its model
/// and its results may stay, its dataset goes.
#[tokio::test(flavor = "multi_thread")]
async fn private_copies_of_jobs_that_ended_elsewhere_go() {
    let contact = contact("copies", Database::shared());
    let folders = [tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder")];
    let first = Scylla::open(&contact, folders[0].path()).await.expect("opens").ports();
    let second = Scylla::open(&contact, folders[1].path()).await.expect("opens").ports();
    insert(&first, &row("a", 1)).await;
    let lease = claim(&first, &job("a"), "first").await;
    let names = [ArtifactName::Dataset, ArtifactName::Model];
    for name in names {
        let staged = first.artifacts.stage(&lease, name).await.expect("stage");
        std::fs::write(staged.join("file"), name.as_str()).expect("write");
        assert!(matches!(first.artifacts.seal(&lease, name).await, Ok(Sealed::Done(_))));
    }
    let open = async |name| {
        let opened = second.artifacts.open(&job("a"), name).await.expect("open");
        opened.expect("it is sealed").join("file")
    };
    let (dataset, model) = (open(names[0]).await, open(names[1]).await);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(dataset.is_file() && model.is_file(), "the job has not ended");
    let ended = JobState::Ended(Outcome::Withheld { reasons: Vec::new() });
    let ended = JobRow { state: ended, writes: 1, ..row("a", 1) };
    assert_eq!(first.jobs.save(&lease, &ended).await.expect("save"), Written::Done);
    let began = Instant::now();
    while dataset.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the dataset stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(model.is_file(), "a model outlives its job");
    assert!(first.jobs.forget(&job("a")).await.expect("forget"));
    while model.exists() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "a job that is forgotten leaves nothing"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a newer version wrote beside rows of jobs: a state that is not known here, more than is
/// known of a checkpoint, another order for a node.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_wrote_is_passed_over_or_told() {
    let contact = contact("newer", Database::shared());
    let folder = tempfile::tempdir().expect("folder");
    let store = Scylla::open(&contact, folder.path()).await.expect("opens").ports();
    for row in [row("a", 1), row("b", 2), row("c", 3)] {
        insert(&store, &row).await;
    }
    let lease = claim(&store, &job("a"), "me").await;
    let facts = store.checkpoints.put(&lease, Steps(1), &[1; 50]).await.expect("put");
    let session = SessionBuilder::new().known_nodes(&contact.nodes).build().await;
    let session = session.expect("connects");
    session.use_keyspace(&contact.keyspace, false).await.expect("is there");

    let select = "SELECT item, value FROM job WHERE job = 'a'";
    let found = session.query_unpaged(select, ()).await.expect("an answer");
    let found = found.into_rows_result().expect("rows");
    let (item, value): (String, Vec<u8>) = found.first_row().expect("a checkpoint");
    let mut entry: serde_json::Value = serde_json::from_slice(&value).expect("an entry");
    entry["packed"] = serde_json::json!("by whom");
    let update = "UPDATE job SET value = ? WHERE job = 'a' AND item = ? IF value = ?";
    let values = (entry.to_string().into_bytes(), item, value);
    session.query_unpaged(update, values).await.expect("is said");
    assert_eq!(code(store.checkpoints.whole(&job("a")).await), Code::StoreTooNew);
    assert_eq!(code(store.checkpoints.get(&job("a"), &facts).await), Code::StoreTooNew);

    let place = "INSERT INTO place (list, accepted_at, job, state_class) \
        VALUES ('all', 2, 'b', 'frozen') USING TIMESTAMP 9";
    session.query_unpaged(place, ()).await.expect("is said");
    assert_eq!(all_rows(&store).await.expect("a list"), [row("c", 3), row("a", 1)]);
    let counts = store.jobs.count().await.expect("counts");
    assert_eq!(counts, [(StateClass::Waiting, 2)].into());

    let board = store.board.expect("a board");
    let order = "INSERT INTO node_order (node, ordered) VALUES ('gpu-1', ?)";
    session.query_unpaged(order, (b"\"retire\"".to_vec(),)).await.expect("is said");
    assert_eq!(code(board.order_of("gpu-1").await), Code::StoreTooNew);
}
