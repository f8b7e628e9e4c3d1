//! One test's world: stores that outlive nodes, a script, and what a job delivered.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use crate::{Node, NodeConfig, Ports, start};
use tgs_adapters::Memory;
use tgs_protocol::{
    artifact::Manifest,
    clock::{Clock, IdSource},
    desk::{JobDesk, News, Terms},
    engine::{Compression, OutputFormat, RowFormat},
    gate::Gates,
    id::{Incarnation, JobId},
    invariant::violations,
    job::{JobRow, action::Tidings},
    model::{ModelName, TrainingLength},
    report::Verdict,
    request::{Goal, JobRequest, Output, Source},
    store::JobStore,
    submission::Inserted,
    unit::Rows,
};

use crate::tests::{
    bench::{Ids, SetSpace, TestClock},
    engine::FakeEngine,
    nothing::Nothing,
    script::{Pause, Script},
    stores::Stores,
};

pub struct World {
    pub script: Arc<Script>,
    pub stores: Arc<Stores>,
    pub clock: Arc<TestClock>,
    pub verdict: Verdict,
    pub ids: Arc<Ids>,
    pub space: Arc<SetSpace>,
}

/// Rows of the usual job: two full chunks and a rest.
pub const ROWS: u64 = 20_500;
/// Training steps of the usual job; a checkpoint is due every tenth.
pub const STEPS: u64 = 35;

impl World {
    pub fn new() -> Self {
        let script = Arc::new(Script::default());
        let stores = Arc::new(Stores::new(script.clone()));
        let source = stores.folder.path().join("source.csv");
        fs::write(source, "a row\n".repeat(50)).expect("a source");
        let (clock, ids, space) = (Arc::default(), Arc::default(), Arc::default());
        Self { script, stores, clock, verdict: Verdict::Pass, ids, space }
    }

    pub async fn node(&self, name: &str) -> Node {
        self.node_as(name, "class", |_| {}).await
    }

    pub async fn node_as(
        &self,
        name: &str,
        class: &str,
        set: impl FnOnce(&mut NodeConfig),
    ) -> Node {
        let ports = self.ports(class);
        let mut config = config(name);
        set(&mut config);
        start(ports, config).await.expect("a node")
    }

    /// A node on other stores than this world's own.
    pub async fn node_on(&self, stores: tgs_adapters::ports::Ports) -> Node {
        let tgs_adapters::ports::Ports { jobs, leases, chunks, checkpoints, artifacts, .. } =
            stores;
        let ports = self.ports("class");
        let ports = Ports { jobs, leases, chunks, checkpoints, artifacts, ..ports };
        start(ports, config("a")).await.expect("a node")
    }

    pub fn ports(&self, class: &str) -> Ports {
        let engine = FakeEngine {
            script: self.script.clone(),
            clock: self.clock.clone(),
            class: class.to_owned(),
            verdict: self.verdict,
        };
        Ports {
            jobs: self.stores.clone(),
            leases: self.stores.clone(),
            chunks: self.stores.clone(),
            checkpoints: self.stores.clone(),
            artifacts: self.stores.clone(),
            end_orders: None,
            board: None,
            assignments: None,
            datasets: Arc::new(Memory::at(self.stores.folder.path())),
            notices: None,
            bus: None,
            interruptions: None,
            links: Arc::default(),
            engine: Arc::new(engine),
            programs: Arc::new(Nothing),
            space: self.space.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
        }
    }

    /// A job that this node works at, and where it rests: as soon as it came to `point`.
    pub async fn resting_at(&self, point: &str, node: &Node) -> (Arc<Pause>, JobId) {
        let pause = self.script.pause_at(point);
        let job = submit(node, self.synthesize()).await;
        pause.reached().await;
        (pause, job)
    }

    /// A job that is durable and that nobody has begun.
    pub async fn accept(&self) -> JobId {
        let job = self.ids.job();
        let row = JobRow::accepted(job.clone(), self.synthesize(), self.clock.now());
        assert_eq!(self.stores.insert(&row).await.expect("a store"), Inserted::New);
        job
    }

    pub fn out(&self) -> PathBuf {
        self.stores.folder.path().join("out")
    }

    pub fn request(&self, goal: Goal) -> JobRequest {
        JobRequest {
            goal,
            model: ModelName::Seqtree,
            length: TrainingLength::Steps(STEPS),
            overrides: serde_json::Map::new(),
            seed: 7,
            threads: 2,
            devices: 1,
            gates: Gates::default(),
            inputs: Vec::new(),
        }
    }

    pub fn synthesize(&self) -> JobRequest {
        self.request(Goal::Synthesize { source: self.source(), output: self.output() })
    }

    pub fn source(&self) -> Source {
        let table = self.stores.folder.path().join("source.csv");
        Source { table, holdout: None, metadata: None, target: None }
    }

    pub fn output(&self) -> Output {
        let format = OutputFormat { rows: RowFormat::Csv, compression: Compression::None };
        let table = self.out().join("table.csv");
        Output { rows: Some(Rows(ROWS)), table, format, report: self.out().join("report") }
    }

    pub fn manifest(&self) -> Manifest {
        let bytes = fs::read(self.out().join("report/manifest.json")).expect("delivered");
        serde_json::from_slice(&bytes).expect("a manifest")
    }

    /// Every delivered file and its bytes.
    pub fn delivered(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in [self.out(), self.out().join("report")] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_file() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    files.insert(name, fs::read(entry.path()).expect("a delivered file"));
                }
            }
        }
        files
    }
}

pub fn config(name: &str) -> NodeConfig {
    let incarnation = Incarnation::new(name);
    NodeConfig { samplers: 2, back_off_factor: 0.001, ..NodeConfig::embedded(incarnation) }
}

/// Hands in a job as a user would who is not in a hurry.
pub async fn submit(node: &Node, request: JobRequest) -> JobId {
    node.desk().submit(request, Terms::default()).await.expect("a job").row.id
}

/// All tidings of a job until its supervisor has left, and the row it leaves behind.
pub async fn follow(desk: &Arc<dyn JobDesk>, job: &JobId) -> (Vec<Tidings>, JobRow) {
    let mut told = Vec::new();
    let mut watching = desk.watch(job).await.expect("a job to watch");
    while let Some(news) = watching.next().await {
        if let News::Tidings(tidings) = news {
            told.push(tidings);
        }
    }
    assert_eq!(violations(), 0, "a promise was broken");
    (told, desk.show(job).await.expect("a row"))
}

/// Runs the usual job undisturbed in a world of its own.
pub async fn undisturbed() -> BTreeMap<String, Vec<u8>> {
    let world = World::new();
    let node = world.node("calm").await;
    let job = submit(&node, world.synthesize()).await;
    follow(&node.desk(), &job).await;
    node.stop().await;
    world.delivered()
}
