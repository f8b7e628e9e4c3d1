//! Placements one after the other, while jobs are taken up and end: nobody starves, and with one
//! tenant on one node the order is that of the queue.

use std::collections::{BTreeMap, BTreeSet};

use super::{super::*, chance::Chance, heed, script};
use crate::{
    id::TenantId,
    queue::{DeviceClass, Priority, Queue, Seats},
    unit::{ByteCount, Millis, Timestamp},
};

/// A cluster in which jobs run.
struct Cluster {
    view: ClusterView,
    /// Jobs that run, and where.
    running: BTreeMap<JobId, (usize, WaitingJob)>,
}

impl Cluster {
    fn new(lines: &[&str]) -> Self {
        Self { view: script::view(lines), running: BTreeMap::new() }
    }

    /// One placement, of which nodes take up everything; says what begins, in order.
    fn place(&mut self) -> Vec<JobId> {
        let placement = place(&self.view);
        let begun = placement.assignments.iter();
        let begun: Vec<_> = begun.map(|it| (it.job.clone(), it.node.clone())).collect();
        heed(&mut self.view, 1_000);
        for (job, node) in &begun {
            let at = self.view.jobs.iter().position(|it| it.job == *job).expect("it waited");
            let node = self.view.nodes.iter().position(|it| it.incarnation == *node);
            let (job, node) = (self.view.jobs.swap_remove(at), node.expect("it is there"));
            self.running.insert(job.job.clone(), (node, job.clone()));
            self.have(node, &job, |free, taken| free - taken);
        }
        begun.into_iter().map(|(job, _)| job).collect()
    }

    fn end(&mut self, job: &JobId) {
        if let Some((node, job)) = self.running.remove(job) {
            self.have(node, &job, |free, given| free + given);
        }
    }

    /// What a job has changes hands.
    fn have(&mut self, node: usize, job: &WaitingJob, change: impl Fn(u64, u64) -> u64) {
        let node = &mut self.view.nodes[node];
        let class = node.serves_by(job.turn.demand.class).expect("it has a device");
        let devices = match class {
            DeviceClass::Cpu => &mut node.cpus,
            DeviceClass::Gpu => &mut node.gpus,
        };
        devices.free = change(u64::from(devices.free), u64::from(job.gang.get())) as u32;
        let memory = job.turn.demand.memory.min(node.memory);
        node.free_memory = ByteCount(change(node.free_memory.get(), memory.get()));
        let running = self.running.values().filter(|(_, it)| it.tenant == job.tenant);
        let used = running.map(|(_, it)| it.gang.get()).sum();
        self.view.tenants.entry(job.tenant.clone()).or_default().used = used;
    }
}

fn small(no: usize, tenant: &str, class: DeviceClass) -> WaitingJob {
    let mut job = script::job(&format!("small-{tenant}-{no:06}"));
    (job.tenant, job.turn.demand.class) = (TenantId::new(tenant), class);
    job.turn.accepted_at = Timestamp(no as u64 * 1_000);
    job
}

/// Rounds until the job called `big` begins, while two tenants hand in small jobs without end of
/// which each runs for a few rounds.
fn rounds_until_big(nodes: &[&str], big: &str, class: DeviceClass, seed: u64) -> Option<usize> {
    let (mut cluster, mut chance) = (Cluster::new(nodes), Chance(seed));
    let mut until: BTreeMap<JobId, usize> = BTreeMap::new();
    for round in 0..400 {
        if round == 20 {
            let mut job = script::view(&[big]).jobs.remove(0);
            job.turn.accepted_at = Timestamp(round as u64 * 1_000);
            cluster.view.jobs.push(job);
        }
        for no in 0..6 {
            let tenant = if chance.one_in(2) { "t" } else { "u" };
            cluster.view.jobs.push(small(round * 6 + no, tenant, class));
        }
        for job in cluster.place() {
            if job.as_str() == "big" {
                return Some(round);
            }
            until.insert(job, round + 1 + chance.below(5) as usize);
        }
        let ended = until.extract_if(.., |_, until| *until <= round + 1);
        for (job, _) in ended.collect::<Vec<_>>() {
            cluster.end(&job);
        }
    }
    None
}

#[test]
fn neither_gangs_nor_large_jobs_starve() {
    for seed in 0..20 {
        let gpus = ["node m gpus=4", "node n gpus=4"];
        let gang = "job big of=t gpu gang=4";
        let began = rounds_until_big(&gpus, gang, DeviceClass::Gpu, seed);
        assert!(began.is_some_and(|round| round < 60), "seed {seed}: {began:?}");
        let cpus = ["node m cpus=4 memory=40", "node n cpus=4 memory=40"];
        for large in ["job big of=t memory=35", "job big of=u memory=300"] {
            let began = rounds_until_big(&cpus, large, DeviceClass::Cpu, seed);
            assert!(began.is_some_and(|round| round < 60), "seed {seed}, {large}: {began:?}");
        }
    }
}

/// Jobs come and end by chance; after each step the same run here and in a queue.
#[test]
fn with_one_tenant_on_one_node_the_order_is_that_of_the_queue() {
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let (cpus, gpus) = (chance.below(4) as usize, chance.below(3) as usize);
        let cpus = if gpus == 0 { cpus + 1 } else { cpus };
        let mut cluster = Cluster::new(&[&format!("node n cpus={cpus} gpus={gpus}")]);
        let classes = std::iter::repeat_n(DeviceClass::Cpu, cpus);
        let classes = classes.chain(std::iter::repeat_n(DeviceClass::Gpu, gpus));
        let mut queue = Queue::new(Seats::new(classes, ByteCount(100)));
        let mut there = BTreeSet::new();
        for step in 0..120 {
            let begun = if chance.one_in(2) {
                let job = joiner(&mut chance, step);
                there.insert(job.job.clone());
                let (name, turn) = (job.job.clone(), job.turn);
                cluster.view.jobs.push(job);
                queue.join(name, turn)
            } else {
                let at = chance.below(1 + there.len() as u64) as usize;
                let Some(job) = there.iter().nth(at).cloned() else { continue };
                there.remove(&job);
                cluster.view.jobs.retain(|it| it.job != job);
                cluster.end(&job);
                queue.leave(&job)
            };
            let begun: Vec<_> = begun.into_iter().map(|start| start.job).collect();
            assert_eq!(cluster.place(), begun, "seed {seed}, step {step}");
        }
    }
}

fn joiner(chance: &mut Chance, step: u64) -> WaitingJob {
    let mut job = script::job(&format!("{step:04}"));
    job.turn.priority = Priority::new(chance.below(11) as u8).expect("at most ten");
    job.turn.accepted_at = Timestamp(chance.below(4_000_000));
    let memory = if chance.one_in(10) { 300 } else { 60 };
    job.turn.demand.memory = ByteCount(1 + chance.below(memory));
    if chance.one_in(2) {
        job.turn.demand.class = DeviceClass::Gpu;
    }
    job
}

/// Assignments that nobody takes up move on, but only once in a while.
#[test]
fn nothing_sways_while_nothing_changes() {
    let mut view = script::view(&["node m", "node n", "job a", "job b", "job c"]);
    let mut told = Vec::new();
    for _ in 0..30 {
        let news = place(&view).assignments.into_iter().filter(|it| it.is_new);
        told.push(news.map(|it| format!("{} {}", it.job, it.node)).collect::<Vec<_>>());
        heed(&mut view, 1_000);
    }
    let busy: Vec<_> = (0..).zip(&told).filter(|(_, news)| !news.is_empty()).collect();
    let rounds: Vec<usize> = busy.iter().map(|(round, _)| *round).collect();
    assert_eq!(rounds, [0, 10, 20], "{told:?}");
    assert_eq!(view.jobs[0].rests, Millis(0));
}
