//! Every single call to a store fails once, in each way: the job still ends with the same bytes.
//!
//! These runs use the adapters' own stores in memory, with their own fault injection.

use std::collections::BTreeMap;

use tgs_adapters::{
    faulty::{Fault, Faulty, Plan},
    memory::Memory,
    ports,
};
use tgs_protocol::{
    desk::{JobDesk, Terms},
    digest::Digest,
    id::JobId,
    job::{JobState, Outcome, listing::Listing},
    store::JobStore,
    submission::Submission,
};

use tokio::task::JoinSet;

use crate::tests::world::{World, undisturbed};

/// More calls than a run makes are no case; this many resumes are a livelock.
const RESUMES_MAX: usize = 40;
const RUNS_AT_ONCE: usize = 12;

struct Ended {
    calls: u64,
    state: JobState,
    delivered: BTreeMap<String, Digest>,
}

impl Ended {
    fn check(&self, expected: &BTreeMap<String, Digest>, what: &str) {
        let is_published = matches!(self.state, JobState::Ended(Outcome::Published { .. }));
        assert!(is_published, "{what}: {:?}", self.state);
        assert_eq!(&self.delivered, expected, "{what}");
    }
}

/// Digests of what was delivered. A plan that could not be committed is made again, by the clock of
/// that moment, and the manifest says which plan it was: then all but the manifest is the same.
fn digests(delivered: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Digest> {
    let mut delivered = delivered;
    delivered.remove("manifest.json").expect("a manifest");
    delivered.into_iter().map(|(name, bytes)| (name, Digest::of(&bytes))).collect()
}

async fn run(plan: Plan) -> Ended {
    let world = World::new();
    let folder = world.stores.folder.path().join("memory");
    std::fs::create_dir(&folder).expect("a folder");
    let memory = Memory::at(&folder);
    let faulty = Faulty::new(memory.clone(), plan);
    let stores = ports::Ports::of(faulty.clone());
    let node = world.node_on(stores).await;
    let desk = node.desk();
    let job = submit(&world, desk.as_ref(), &memory).await;
    for _ in 0..RESUMES_MAX {
        if let Ok(mut watching) = desk.watch(&job).await {
            while watching.next().await.is_some() {}
        }
        let row = memory.read(&job).await.expect("memory").expect("a row");
        if row.state.is_final() {
            node.stop().await;
            let delivered = digests(world.delivered());
            return Ended { calls: faulty.calls(), state: row.state, delivered };
        }
        let _ = desk.resume(&job).await; // A person asks again until the store answers.
    }
    panic!("a livelock: {:?}", memory.read(&job).await);
}

/// Sends the order again until it is answered; there is one job all the same.
async fn submit(world: &World, desk: &dyn JobDesk, memory: &Memory) -> JobId {
    let submission = Submission { key: "k".parse().expect("a key"), body: Digest::of(b"order") };
    let terms = Terms { submission: Some(submission), ..Terms::default() };
    loop {
        if let Ok(taken) = desk.submit(world.synthesize(), terms.clone()).await {
            let all = memory.list(&Listing::all(None)).await.expect("memory");
            assert_eq!(all.rows.len(), 1, "the order was sent again and taken once");
            return taken.row.id;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_every_call() {
    let expected = digests(undisturbed().await);
    let calm = run(Plan::none()).await;
    calm.check(&expected, "the adapters' memory");
    let at = |fault, call| Plan::Calls(BTreeMap::from([(call, fault)]));
    let faults = [Fault::Before, Fault::After, Fault::DiskFull];
    let plans = faults.iter().flat_map(|fault| (0..calm.calls).map(|call| at(*fault, call)));
    run_all(plans, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_faults_at_random_calls() {
    let expected = digests(undisturbed().await);
    run_all((0..25).map(|seed| Plan::Seeded { seed, per_mille: 60 }), &expected).await;
}

/// Some at a time: these stores sync their files, and the disk is what takes long.
async fn run_all(plans: impl Iterator<Item = Plan>, expected: &BTreeMap<String, Digest>) {
    let mut runs = JoinSet::new();
    for plan in plans {
        let what = format!("{plan:?}");
        runs.spawn(async move { (run(plan).await, what) });
        if runs.len() >= RUNS_AT_ONCE {
            let (ended, what) = runs.join_next().await.expect("a run").expect("no panic");
            ended.check(expected, &what);
        }
    }
    for (ended, what) in runs.join_all().await {
        ended.check(expected, &what);
    }
}
