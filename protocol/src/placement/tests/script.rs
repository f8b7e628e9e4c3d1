//! Views written as lines, and answers read back as lines.
//!
//! ```text
//! node n1 in=eu/a gpus=2/4 cpus=8 memory=50/100 spot cordoned class=x,y
//! job  a  5@10 gpu memory=5 of=t gang=2 in=eu,us own-machine began=x waited=9 near=eu/a rests=5
//!         told=n1@3 kept=n1
//! tenant t weight=3 used=2 quota=5
//! ```
//! What is not said is: one free device of the class `cpu` and memory of 100, in region `eu`; a job
//! of priority 5 that came at second 0 and needs one core and memory of 10.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use super::super::*;
use crate::{
    engine::NumericsClass,
    id::TenantId,
    presence::Standing,
    queue::{Demand, DeviceClass, Priority, Turn},
    residency::Residency,
    unit::{ByteCount, Millis, Timestamp},
};

/// The view of these lines.
pub fn view(lines: &[&str]) -> ClusterView {
    let mut view = ClusterView::default();
    for line in lines {
        let mut words = line.split_whitespace();
        let (what, name) = (words.next().expect("what"), words.next().expect("a name"));
        match what {
            "node" => view.nodes.push(words.fold(node(name), tell_node)),
            "job" => view.jobs.push(words.fold(job(name), tell_job)),
            "tenant" => {
                let share = words.fold(Share::default(), tell_share);
                view.tenants.insert(TenantId::new(name), share);
            }
            other => panic!("what is {other:?}?"),
        }
    }
    view
}

/// `a n1` for each assignment, and `b: Room` for each job that has none.
pub fn told(view: &ClusterView) -> Vec<String> {
    let Placement { assignments, unplaced } = place(view);
    let placed = assignments.iter().map(|it| {
        let leaves = if it.leaves_class { " in another class" } else { "" };
        let again = if it.is_new { "" } else { " still" };
        format!("{} {}{again}{leaves}", it.job, it.node)
    });
    let waits = unplaced.iter().map(|it| match it.why {
        Unplaced::Kept { node } => format!("{}: Kept {node}", it.job),
        why => format!("{}: {why:?}", it.job),
    });
    placed.chain(waits).collect()
}

/// What is told of these lines.
pub fn check(lines: &[&str], expected: &[&str]) {
    assert_eq!(told(&view(lines)), expected, "{lines:#?}");
}

/// Tells the jobs of a view what was said of them, so much later.
pub fn heed(view: &mut ClusterView, later_ms: u64) {
    let placement = place(view);
    let mut said = BTreeMap::new();
    for it in &placement.assignments {
        let (job, node) = (it.job.clone(), it.node.clone());
        said.insert(job, (it.is_new, Last::Assigned { node, ago: Millis(later_ms) }));
    }
    for it in &placement.unplaced {
        if let Unplaced::Kept { node } = it.why {
            said.insert(it.job.clone(), (true, Last::Kept { node: node.clone() }));
        }
    }
    for job in &mut view.jobs {
        let last = std::mem::take(&mut job.last);
        job.last = match (said.remove(&job.job), last) {
            (None, _) => Last::Nothing,
            (Some((false, _)), Last::Assigned { node, ago }) => {
                Last::Assigned { node, ago: Millis(ago.get() + later_ms) }
            }
            (Some((_, last)), _) => last,
        };
    }
}

pub fn node(name: &str) -> ClusterNode {
    ClusterNode {
        incarnation: Incarnation::new(name),
        name: name.to_owned(),
        region: "eu".to_owned(),
        zone: String::new(),
        is_spot: false,
        standing: Standing::Working,
        cpus: devices("1/1"),
        gpus: Devices::default(),
        memory: ByteCount(100),
        free_memory: ByteCount(100),
    }
}

pub fn job(name: &str) -> WaitingJob {
    let demand = Demand { class: DeviceClass::Cpu, devices: 1, memory: ByteCount(10) };
    let (priority, accepted_at) = (Priority::default(), Timestamp(0));
    WaitingJob {
        job: JobId::new(name),
        tenant: TenantId::new("t"),
        turn: Turn { priority, accepted_at, demand, left: None },
        gang: NonZeroU32::MIN,
        residency: Residency::default(),
        may_use_spot: true,
        began_in: None,
        waited_for_class: Millis(0),
        near: None,
        rests: Millis(0),
        last: Last::Nothing,
    }
}

fn tell_node(mut node: ClusterNode, word: &str) -> ClusterNode {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "in" => Site { region: node.region, zone: node.zone } = site(value),
        "called" => node.name = value.to_owned(),
        "cpus" => node.cpus = devices(value),
        "gpus" => node.gpus = devices(value),
        "memory" => {
            let (free, all) = of(value);
            (node.free_memory, node.memory) = (ByteCount(free), ByteCount(all));
        }
        "spot" => node.is_spot = true,
        "cordoned" => node.standing = Standing::Cordoned,
        "class" => {
            let classes = value.split(',').map(|class| NumericsClass(class.to_owned()));
            node.cpus.numerics = classes.collect();
            node.gpus.numerics.clone_from(&node.cpus.numerics);
        }
        other => panic!("what of a node is {other:?}?"),
    }
    node
}

fn tell_job(mut job: WaitingJob, word: &str) -> WaitingJob {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "gpu" => job.turn.demand.class = DeviceClass::Gpu,
        "memory" => job.turn.demand.memory = ByteCount(number(value)),
        "of" => job.tenant = TenantId::new(value),
        "gang" => job.gang = at_least_one(value),
        "in" => job.residency.0 = value.split(',').map(str::to_owned).collect(),
        "own-machine" => job.may_use_spot = false,
        "began" => job.began_in = Some(NumericsClass(value.to_owned())),
        "waited" => job.waited_for_class = seconds(value),
        "near" => job.near = Some(site(value)),
        "rests" => job.rests = seconds(value),
        "told" => {
            let (node, ago) = value.split_once('@').expect("node@seconds");
            job.last = Last::Assigned { node: Incarnation::new(node), ago: seconds(ago) };
        }
        "kept" => job.last = Last::Kept { node: Incarnation::new(value) },
        turn => {
            let (points, at) = turn.split_once('@').expect("priority@seconds");
            job.turn.priority = Priority::new(number(points) as u8).expect("at most ten");
            job.turn.accepted_at = Timestamp(seconds(at).get());
        }
    }
    job
}

fn tell_share(share: Share, word: &str) -> Share {
    match word.split_once('=').expect("key=value") {
        ("weight", value) => Share { weight: at_least_one(value), ..share },
        ("used", value) => Share { used: number(value) as u32, ..share },
        ("quota", value) => Share { quota: Some(number(value) as u32), ..share },
        (other, _) => panic!("what of a tenant is {other:?}?"),
    }
}

fn site(text: &str) -> Site {
    let (region, zone) = text.split_once('/').unwrap_or((text, ""));
    Site { region: region.to_owned(), zone: zone.to_owned() }
}

/// `2/4`: two of four are free; `4`: all are.
fn of(text: &str) -> (u64, u64) {
    let (free, all) = text.split_once('/').unwrap_or((text, text));
    (number(free), number(all))
}

fn devices(text: &str) -> Devices {
    let (free, usable) = of(text);
    Devices { usable: usable as u32, free: free as u32, numerics: BTreeSet::new() }
}

fn at_least_one(text: &str) -> NonZeroU32 {
    NonZeroU32::new(number(text) as u32).expect("at least one")
}

fn seconds(text: &str) -> Millis {
    Millis(number(text) * 1_000)
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}
