//! What the store of a cluster does in a second, beside what the database does bare.
//!
//! `store [seconds] [1|3]`: a Cassandra of so many nodes is started on loopback (`./dev services
//! variables` says where it is), or the one that TGS_CQL_URI names is used. The peer is the driver
//! itself with one conditional update, on the same database in the same run.

use std::{
    env,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    statement::{Consistency, SerialConsistency, prepared::PreparedStatement},
};
use tgs_adapters::{
    Scylla,
    conformance::sample::{chunk, row},
    scylla::Contact,
};
use tgs_protocol::{
    id::Incarnation,
    job::JobRow,
    lease::Lease,
    store::{CheckpointStore, ChunkStore, JobStore, LeaseStore, Written},
    submission::Inserted,
    unit::Steps,
};
use tgs_tests::services::Database;

/// Jobs that are written at the same time.
const AT_ONCE: usize = 16;
/// A chunk of ten thousand rows of twenty columns, more or less.
const CHUNK: usize = 1 << 20;
/// A checkpoint of the flagship: parameters, moments and average of a million weights.
const CHECKPOINT: usize = 16 << 20;

#[tokio::main]
async fn main() {
    let mut arguments = env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(5, |text| text.parse().expect("seconds"));
    let database = match arguments.next().as_deref() {
        Some("3") => Database::shared_ring(),
        _ => Database::shared(),
    };
    let nodes = database.contact_points.len();
    let keyspace = format!("bench_{}", std::process::id());
    let contact = Contact::of(database.contact_points, database.data_centres, keyspace);
    let folder = env::temp_dir().join(format!("tgs-bench-store-{}", std::process::id()));
    let store = Scylla::open(&contact, &folder).await.expect("opens");
    let limit = Duration::from_secs(seconds);
    println!("{nodes} nodes");
    let bare = bare(&contact, limit).await;
    let held = join_all((0..AT_ONCE).map(|no| accepted(&store, no))).await;
    leases(&store, &held, limit, &bare).await;
    rows(&store, held.clone(), limit, &bare).await;
    bytes(&store, &held[0].0, limit).await;
    let _ = std::fs::remove_dir_all(&folder);
}

/// Conditional updates a second: one after the other, and many at once.
struct Bare {
    one: f64,
    many: f64,
}

async fn bare(contact: &Contact, limit: Duration) -> Bare {
    let session = SessionBuilder::new().known_nodes(&contact.nodes).build().await;
    let session = session.expect("connects");
    session.use_keyspace(&contact.keyspace, false).await.expect("is there");
    let table = "CREATE TABLE IF NOT EXISTS bare (id int PRIMARY KEY, no bigint)";
    session.query_unpaged(table, ()).await.expect("is made");
    let mut update =
        session.prepare("UPDATE bare SET no = ? WHERE id = ? IF no = ?").await.expect("prepares");
    update.set_consistency(Consistency::Quorum);
    update.set_serial_consistency(Some(SerialConsistency::Serial));
    for id in 0..AT_ONCE as i32 {
        let insert = "INSERT INTO bare (id, no) VALUES (?, 0)";
        session.query_unpaged(insert, (id,)).await.expect("is put");
    }
    let one = moves(&session, &update, 0, limit).await;
    say("bare update, one after the other", &one, limit, None);
    let all = (0..AT_ONCE as i32).map(|id| moves(&session, &update, id, limit));
    let many: Vec<f64> = join_all(all).await.concat();
    say("bare update, 16 at once", &many, limit, None);
    Bare { one: rate(&one, limit), many: rate(&many, limit) }
}

async fn moves(
    session: &Session,
    update: &PreparedStatement,
    id: i32,
    limit: Duration,
) -> Vec<f64> {
    let read = "SELECT no FROM bare WHERE id = ?";
    let found = session.query_unpaged(read, (id,)).await.expect("is read");
    let found = found.into_rows_result().expect("rows");
    let mut no: i64 = found.single_row::<(i64,)>().expect("one").0;
    timed(limit, async || {
        session.execute_unpaged(update, (no + 1, id, no)).await.expect("is moved");
        no += 1;
    })
    .await
}

async fn accepted(store: &Scylla, no: usize) -> (Lease, JobRow) {
    let row = row(&format!("held{no}"), no as u64);
    assert_eq!(store.insert(&row).await.expect("is inserted"), Inserted::New);
    let seen = store.look(&row.id).await.expect("is seen");
    let claimed = store.claim(&row.id, &Incarnation::new("bench"), &seen).await;
    (claimed.expect("is claimed").expect("nobody else"), row)
}

async fn leases(store: &Scylla, held: &[(Lease, JobRow)], limit: Duration, bare: &Bare) {
    let renew = async |lease: &Lease| {
        assert_eq!(store.renew(lease).await.expect("renews"), Written::Done);
    };
    let one = timed(limit, async || renew(&held[0].0).await).await;
    say("lease renewed, one after the other", &one, limit, Some(bare.one));
    let all = held.iter().map(|(lease, _)| timed(limit, async || renew(lease).await));
    let many: Vec<f64> = join_all(all).await.concat();
    say("lease renewed, 16 jobs at once", &many, limit, Some(bare.many));
}

async fn rows(store: &Scylla, held: Vec<(Lease, JobRow)>, limit: Duration, bare: &Bare) {
    let mut no = 0;
    let one = timed(limit, async || {
        no += 1;
        let row = row(&format!("new{no}"), no);
        assert_eq!(store.insert(&row).await.expect("inserts"), Inserted::New);
    })
    .await;
    say("job inserted, one after the other", &one, limit, Some(bare.one));
    let all = (0..AT_ONCE).map(|writer| {
        let mut no = 0;
        timed(limit, async move || {
            no += 1;
            let row = row(&format!("new{writer}-{no}"), no);
            assert_eq!(store.insert(&row).await.expect("inserts"), Inserted::New);
        })
    });
    let many: Vec<f64> = join_all(all).await.concat();
    say("job inserted, 16 at once", &many, limit, Some(bare.many));
    let mut held = held;
    let (lease, row) = &mut held[0];
    let one = timed(limit, async || saved(store, lease, row).await).await;
    say("row saved with an event, one after the other", &one, limit, Some(bare.one));
    let all =
        held.iter_mut().map(|(lease, row)| timed(limit, async || saved(store, lease, row).await));
    let many: Vec<f64> = join_all(all).await.concat();
    say("row saved with an event, 16 jobs at once", &many, limit, Some(bare.many));
}

async fn saved(store: &Scylla, lease: &Lease, row: &mut JobRow) {
    row.writes += 1;
    let at = row.changed_at;
    row.log(at, format!("write {}", row.writes));
    assert_eq!(store.save(lease, row).await.expect("saves"), Written::Done);
}

async fn bytes(store: &Scylla, lease: &Lease, limit: Duration) {
    let mut no = 0_u32;
    let sealed = timed(limit, async || {
        let bytes = vec![no.to_le_bytes()[0]; CHUNK];
        let written = store.seal(lease, &chunk(no, &bytes), &bytes).await.expect("seals");
        assert_eq!(written, Written::Done);
        no += 1;
    })
    .await;
    megabytes("chunk of 1 MiB sealed", &sealed, CHUNK);
    let (mut step, mut put) = (0_u64, Vec::new());
    let written = timed(limit, async || {
        step += 1;
        let bytes = vec![step.to_le_bytes()[0]; CHECKPOINT];
        put.push(store.put(lease, Steps(step), &bytes).await.expect("is put"));
    })
    .await;
    megabytes("checkpoint of 16 MiB written", &written, CHECKPOINT);
    let mut all = put.iter().cycle();
    let read = timed(limit, async || {
        let facts = all.next().expect("one was put");
        assert_eq!(store.get(&lease.job, facts).await.expect("is read").len(), CHECKPOINT);
    })
    .await;
    megabytes("checkpoint of 16 MiB read", &read, CHECKPOINT);
}

/// Milliseconds of each act until the time is over.
async fn timed(limit: Duration, mut act: impl AsyncFnMut()) -> Vec<f64> {
    let ends = Instant::now() + limit;
    let mut took = Vec::new();
    while Instant::now() < ends {
        let began = Instant::now();
        act().await;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took
}

fn rate(took: &[f64], limit: Duration) -> f64 {
    took.len() as f64 / limit.as_secs_f64()
}

fn say(what: &str, took: &[f64], limit: Duration, bare: Option<f64>) {
    let mut sorted = took.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let all = rate(took, limit);
    let beside = bare.map_or(String::new(), |bare| format!(", {:.2} of bare", all / bare));
    println!("{what:<46} {all:6.0}/s, p50 {:5.1} ms, p99 {:5.1} ms{beside}", at(0.5), at(0.99));
}

fn megabytes(what: &str, took: &[f64], each: usize) {
    let seconds: f64 = took.iter().sum::<f64>() / 1e3;
    let rate = (took.len() * each) as f64 / 1e6 / seconds;
    println!("{what:<46} {rate:6.1} MB/s");
}
