//! How many waiting jobs a second the placement decides on, on one core.
//!
//! `placement [nodes] [jobs] [repeats]` places all jobs on an empty cluster, then heeds the answer,
//! lets 100 of the placed jobs end, 100 more come, and places again: what a second of a busy
//! cluster changes. Run it by `taskset -c 1` on a machine that does nothing else.
//!
//! `placement --commits [jobs]` measures a leader with what it reads from and writes to a database,
//! a Cassandra on loopback (`./dev services variables` says where it is).

use std::{collections::BTreeMap, env, num::NonZeroU32};

use tgs_benches::{median, seconds_of};
use tgs_protocol::{
    engine::NumericsClass,
    id::{Incarnation, JobId, TenantId},
    placement::{
        ClusterNode, ClusterView, Devices, Last, Share, Site, Unplaced, WaitingJob, place,
    },
    presence::Standing,
    queue::{Demand, DeviceClass, Priority, Turn},
    residency::Residency,
    unit::{ByteCount, Millis, Timestamp},
};
use tgs_simulations::dice::Dice;

const REGIONS: u64 = 6;
const ZONES: u64 = 3;
const TENANTS: u64 = 100;
const GIB: u64 = 1 << 30;
/// Jobs that end, and that come, between two placements.
const CHANGES: usize = 100;

fn main() {
    let mut arguments = env::args().skip(1).peekable();
    let commits = arguments.next_if(|word| word == "--commits").is_some();
    let mut number = |default: u64| {
        arguments.next().map_or(default, |text| text.parse().expect("a whole number"))
    };
    if commits {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(tgs_benches::commits::measure(number(3_000)));
    }
    let (nodes, jobs, repeats) = (number(10_000), number(100_000), number(5) as usize);
    let mut dice = Dice::of_seed(1);
    let mut view = ClusterView {
        nodes: (0..nodes).map(|no| node(&mut dice, no)).collect(),
        jobs: (0..jobs).map(|no| job(&mut dice, no)).collect(),
        tenants: (0..TENANTS).map(|no| (tenant(no), share(&mut dice, no))).collect(),
    };
    println!("{nodes} nodes, {jobs} jobs, {repeats} repeats");
    measure("an empty cluster", &view, repeats);
    let more = (jobs..).map(|no| job(&mut dice, no)).take(CHANGES);
    let more: Vec<_> = more.collect();
    heed(&mut view);
    measure("all is as it was said", &view, repeats);
    change(&mut view, more);
    measure("100 jobs ended, 100 came", &view, repeats);
    take_up(&mut view);
    measure("all was taken up", &view, repeats);
}

/// Places again and again; says how fast, and what came of it.
fn measure(what: &str, view: &ClusterView, repeats: usize) {
    let seconds = seconds_of(repeats, || drop(place(view)));
    let placement = place(view);
    let new = placement.assignments.iter().filter(|it| it.is_new).count();
    let is_kept = |why: Unplaced<'_>| matches!(why, Unplaced::Kept { .. });
    let kept = placement.unplaced.iter().filter(|it| is_kept(it.why)).count();
    let (middle, best) = (median(&seconds), seconds[0]);
    let rate = view.jobs.len() as f64 / middle / 1e3;
    println!(
        "{what:<24} {:>7.1} ms, best {:.1}: {rate:.0} k decisions/s; {} assigned ({new} new), \
         {kept} kept, {} wait",
        middle * 1e3,
        best * 1e3,
        placement.assignments.len(),
        placement.unplaced.len(),
    );
}

/// Tells all jobs what was said of them.
fn heed(view: &mut ClusterView) {
    let placement = place(view);
    let assigned = placement
        .assignments
        .iter()
        .map(|it| (it.job.clone(), Last::Assigned { node: it.node.clone(), ago: Millis(1_000) }));
    let kept = placement.unplaced.iter().filter_map(|it| match it.why {
        Unplaced::Kept { node } => Some((it.job.clone(), Last::Kept { node: node.clone() })),
        _ => None,
    });
    let mut said: BTreeMap<JobId, Last> = assigned.chain(kept).collect();
    for job in &mut view.jobs {
        job.last = said.remove(&job.job).unwrap_or_default();
    }
}

/// Some of those that have a node are gone, and others come.
fn change(view: &mut ClusterView, more: Vec<WaitingJob>) {
    let mut ended = 0;
    view.jobs.retain(|job| {
        let ends = ended < CHANGES && matches!(job.last, Last::Assigned { .. });
        ended += usize::from(ends);
        !ends
    });
    view.jobs.extend(more);
}

/// Nodes begin what they were told; those jobs wait no more.
fn take_up(view: &mut ClusterView) {
    let nodes = view.nodes.iter_mut().map(|it| (it.incarnation.clone(), it));
    let mut nodes: BTreeMap<_, _> = nodes.collect();
    let tenants = &mut view.tenants;
    view.jobs.retain(|job| {
        let Last::Assigned { node, .. } = &job.last else { return true };
        let node = nodes.get_mut(node).expect("it was told");
        let devices = match node.serves_by(job.turn.demand.class) {
            Some(DeviceClass::Gpu) => &mut node.gpus,
            _ => &mut node.cpus,
        };
        devices.free -= job.gang.get();
        let memory = job.turn.demand.memory.get().min(node.free_memory.get());
        node.free_memory = ByteCount(node.free_memory.get() - memory);
        tenants.entry(job.tenant.clone()).or_default().used += job.gang.get();
        false
    });
}

fn node(dice: &mut Dice, no: u64) -> ClusterNode {
    let machine = dice.below(4) as u32;
    let numerics = |name: &str, of: u64| [NumericsClass(format!("{name}-{of}"))].into();
    let cpus = 1 + 3 * (machine % 2);
    let gpus = [0, 0, 1, 8][machine as usize];
    let memory = [16, 64, 64, 512][machine as usize] * GIB;
    let devices = |count, numerics| Devices { usable: count, free: count, numerics };
    ClusterNode {
        incarnation: Incarnation::new(format!("host-{no}-01J{no:023}")),
        name: format!("host-{no}"),
        region: format!("region-{}", dice.below(REGIONS)),
        zone: format!("zone-{}", dice.below(ZONES)),
        is_spot: dice.below(3) > 0,
        standing: if dice.below(100) == 0 { Standing::Draining } else { Standing::Working },
        cpus: devices(cpus, numerics("cpu", dice.below(2))),
        gpus: match (gpus, dice.below(3)) {
            (0, _) => Devices::default(),
            (gpus, of) => devices(gpus, numerics("gpu", of)),
        },
        memory: ByteCount(memory),
        free_memory: ByteCount(memory),
    }
}

fn job(dice: &mut Dice, no: u64) -> WaitingJob {
    let class = if dice.below(2) == 0 { DeviceClass::Cpu } else { DeviceClass::Gpu };
    let memory =
        ByteCount((1 + dice.below(16)) * GIB / 2 * (1 + 7 * u64::from(no.is_multiple_of(50))));
    let gang = match class {
        DeviceClass::Gpu if dice.below(20) == 0 => 1 << (1 + dice.below(3)),
        _ => 1,
    };
    let began_in = (dice.below(10) == 0).then(|| match class {
        DeviceClass::Cpu => NumericsClass(format!("cpu-{}", dice.below(2))),
        DeviceClass::Gpu => NumericsClass(format!("gpu-{}", dice.below(3))),
    });
    let region = |dice: &mut Dice| format!("region-{}", dice.below(REGIONS));
    let named = if dice.below(3) == 0 { 1 + dice.below(2) } else { 0 };
    let residency = Residency((0..named).map(|_| region(dice)).collect());
    let near = (dice.below(5) == 0)
        .then(|| Site { region: region(dice), zone: format!("zone-{}", dice.below(ZONES)) });
    let priority = Priority::new(dice.below(11) as u8).expect("at most ten");
    let accepted_at = Timestamp(dice.below(86_400_000));
    WaitingJob {
        job: JobId::new(format!("job-01J{no:023}")),
        tenant: tenant(dice.below(TENANTS)),
        turn: Turn {
            priority,
            accepted_at,
            demand: Demand { class, devices: 1, memory },
            left: None,
        },
        gang: NonZeroU32::new(gang).expect("a power of two"),
        residency,
        may_use_spot: dice.below(5) > 0,
        began_in,
        waited_for_class: Millis(dice.below(600_000)),
        near,
        rests: Millis(u64::from(dice.below(100) == 0)),
        last: Last::Nothing,
    }
}

fn tenant(no: u64) -> TenantId {
    TenantId::new(format!("tenant-{no}"))
}

fn share(dice: &mut Dice, no: u64) -> Share {
    let weight = NonZeroU32::new(1 << (no % 4)).expect("a power of two");
    Share { weight, used: 0, quota: no.is_multiple_of(10).then(|| dice.below(200) as u32) }
}
