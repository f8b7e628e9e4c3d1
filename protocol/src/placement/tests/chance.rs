//! The promises in random views, looked at by other means than the rule's own.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{super::*, heed, script};
use crate::{
    engine::NumericsClass,
    id::TenantId,
    invariant::caught,
    limits::{ASSIGNMENT_STANDS_MS, CLASS_WAIT_MAX_MS},
    presence::Standing,
    queue::{DeviceClass, Priority},
    unit::{ByteCount, Millis, Timestamp},
};

/// Numbers from a seed (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % end
    }
    pub fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }
    fn shuffle<T>(&mut self, things: &mut [T]) {
        for end in (1..things.len()).rev() {
            things.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// A small cluster, in which everything is scarce.
pub fn random(chance: &mut Chance) -> ClusterView {
    let mut view = ClusterView::default();
    let (nodes, jobs) = (1 + chance.below(6), chance.below(24));
    for no in 0..nodes {
        view.nodes.push(random_node(chance, no));
    }
    for no in 0..jobs {
        view.jobs.push(random_job(chance, no, nodes));
    }
    for tenant in 0..2 + chance.below(2) {
        let quota = chance.one_in(2).then(|| chance.below(8) as u32);
        let weight = (1 + chance.below(4) as u32).try_into().expect("above nothing");
        let share = Share { weight, used: chance.below(4) as u32, quota };
        view.tenants.insert(TenantId::new(tenant.to_string()), share);
    }
    view
}

fn random_node(chance: &mut Chance, no: u64) -> ClusterNode {
    let numerics = |chance: &mut Chance| {
        let classes = if chance.one_in(4) { 0 } else { 1 + chance.below(2) };
        (0..classes).map(|_| NumericsClass(chance.below(2).to_string())).collect()
    };
    let devices = |chance: &mut Chance| {
        let usable = chance.below(5) as u32;
        Devices { usable, free: chance.below(6) as u32, numerics: numerics(chance) }
    };
    let memory = 20 + 20 * chance.below(4);
    ClusterNode {
        region: chance.below(3).to_string(),
        zone: chance.below(2).to_string(),
        is_spot: chance.one_in(2),
        standing: if chance.one_in(8) { Standing::Draining } else { Standing::Working },
        cpus: devices(chance),
        gpus: devices(chance),
        memory: ByteCount(memory),
        free_memory: ByteCount(chance.below(memory + 1)),
        ..script::node(&no.to_string())
    }
}

fn random_job(chance: &mut Chance, no: u64, nodes: u64) -> WaitingJob {
    let mut job = script::job(&format!("j{no}"));
    job.tenant = TenantId::new(chance.below(4).to_string());
    job.turn.priority = Priority::new(chance.below(11) as u8).expect("at most ten");
    job.turn.accepted_at = Timestamp(chance.below(4_000_000));
    let most = if chance.one_in(8) { 200 } else { 40 };
    job.turn.demand.memory = ByteCount(1 + chance.below(most));
    if chance.one_in(2) {
        job.turn.demand.class = DeviceClass::Gpu;
    }
    if chance.one_in(3) {
        job.gang = (1 + chance.below(4) as u32).try_into().expect("above nothing");
    }
    let regions = if chance.one_in(2) { 0 } else { 1 + chance.below(2) };
    job.residency.0 = (0..regions).map(|_| chance.below(4).to_string()).collect();
    job.may_use_spot = !chance.one_in(4);
    job.began_in = chance.one_in(3).then(|| NumericsClass(chance.below(3).to_string()));
    job.waited_for_class = Millis(chance.below(2 * CLASS_WAIT_MAX_MS));
    let site = |chance: &mut Chance| Site {
        region: chance.below(3).to_string(),
        zone: chance.below(2).to_string(),
    };
    job.near = chance.one_in(3).then(|| site(chance));
    job.rests = Millis(u64::from(chance.one_in(8)));
    let node = Incarnation::new(chance.below(nodes + 1).to_string());
    job.last = match chance.below(4) {
        0 => Last::Assigned { node, ago: Millis(chance.below(2 * ASSIGNMENT_STANDS_MS)) },
        1 => Last::Kept { node },
        _ => Last::Nothing,
    };
    job
}

/// What is wrong with an answer; the walls are looked at one by one, without the rule's help.
fn wrongs(view: &ClusterView, placement: &Placement<'_>) -> Vec<String> {
    let nodes: BTreeMap<_, _> = view.nodes.iter().map(|it| (&it.incarnation, it)).collect();
    let jobs: BTreeMap<_, _> = view.jobs.iter().map(|it| (&it.job, it)).collect();
    let mut wrongs = Vec::new();
    let mut wrong = |is_wrong: bool, what: String| {
        if is_wrong {
            wrongs.push(what);
        }
    };
    let mut given: BTreeMap<_, (BTreeMap<DeviceClass, u32>, u64)> = BTreeMap::new();
    let mut used: BTreeMap<_, u32> = BTreeMap::new();
    for it in &placement.assignments {
        let (job, node) = (jobs[it.job], nodes[it.node]);
        let regions = &job.residency.0;
        let is_at_home = regions.is_empty() || regions.contains(&node.region);
        wrong(!is_at_home, format!("{} is in {}", it.job, node.region));
        wrong(node.is_spot && !job.may_use_spot, format!("{} is on a spot machine", it.job));
        wrong(node.standing != Standing::Working, format!("{} does not work", it.node));
        wrong(job.rests > Millis(0), format!("{} rests", it.job));
        let (cpus, gpus) = (node.cpus.usable, node.gpus.usable);
        let class = match job.turn.demand.class {
            DeviceClass::Cpu if cpus == 0 => DeviceClass::Gpu,
            DeviceClass::Gpu if gpus == 0 => DeviceClass::Cpu,
            own => own,
        };
        let (devices, memory) = given.entry(it.node).or_default();
        *devices.entry(class).or_default() += job.gang.get();
        *memory += job.turn.demand.memory.get().min(node.memory.get());
        *used.entry(&job.tenant).or_default() += job.gang.get();
        let there = node.devices(class);
        wrong(devices[&class] > there.free.min(there.usable), format!("devices of {}", it.node));
        wrong(*memory > node.free_memory.get(), format!("memory of {}", it.node));
        let is_out = job.began_in.as_ref().is_some_and(|class| !there.numerics.contains(class));
        wrong(it.leaves_class != is_out, format!("the class of {}", it.job));
    }
    for (tenant, used) in used {
        let share = view.tenants.get(tenant).copied().unwrap_or_default();
        let is_over = share.quota.is_some_and(|quota| share.used + used > quota);
        wrong(is_over, format!("{tenant} has too many"));
    }
    let placed = placement.assignments.iter().map(|it| it.job);
    let mut told: Vec<_> = placed.chain(placement.unplaced.iter().map(|it| it.job)).collect();
    told.sort();
    wrong(!told.into_iter().eq(jobs.keys().copied()), "a job is told of once".to_owned());
    wrongs
}

/// Jobs by name with what was said of them; whether it is new is another matter.
fn said<'a>(placement: &Placement<'a>) -> BTreeMap<&'a JobId, String> {
    let placed = placement.assignments.iter();
    let placed = placed.map(|it| (it.job, format!("{} {}", it.node, it.leaves_class)));
    let waits = placement.unplaced.iter().map(|it| (it.job, format!("{:?}", it.why)));
    placed.chain(waits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_answer_breaks_a_promise(seed: u64) {
        let view = random(&mut Chance(seed));
        let broken = caught(|| {
            let placement = place(&view);
            assert_eq!(wrongs(&view, &placement), [""; 0], "seed {seed}");
        });
        prop_assert_eq!(broken, []);
    }

    #[test]
    fn the_order_in_which_things_are_named_does_not_matter(seed: u64) {
        let mut chance = Chance(seed);
        let view = random(&mut chance);
        let mut other = view.clone();
        chance.shuffle(&mut other.nodes);
        chance.shuffle(&mut other.jobs);
        prop_assert_eq!(place(&view), place(&other));
    }

    #[test]
    fn whoever_is_asked_again_says_the_same(seed: u64) {
        let mut view = random(&mut Chance(seed));
        heed(&mut view, 0);
        let before = view.clone();
        let first = said(&place(&before)).into_iter().map(|(job, said)| (job.clone(), said));
        let first: BTreeMap<_, _> = first.collect();
        heed(&mut view, 0);
        let again = place(&view);
        let told = said(&again).into_iter().map(|(job, said)| (job.clone(), said));
        prop_assert_eq!(told.collect::<BTreeMap<_, _>>(), first);
        prop_assert!(again.assignments.iter().all(|it| !it.is_new));
    }

    /// Whoever waits for room would find none, if everybody else stayed where he is.
    #[test]
    fn nobody_waits_beside_room_that_is_kept_for_nobody(seed: u64) {
        let view = random(&mut Chance(seed));
        let placement = place(&view);
        for waits in placement.unplaced.iter().filter(|it| it.why == Unplaced::Room) {
            let job = view.jobs.iter().find(|it| it.job == *waits.job).expect("it is there");
            for node in view.nodes.iter().filter(|it| !is_kept(&placement, &it.incarnation)) {
                // Nobody takes a node that is too small for one that is large enough.
                let fits = job.turn.demand.memory <= node.memory;
                let with = with(&placement, job, node);
                let is_right = !fits || !wrongs(&view, &with).is_empty();
                prop_assert!(is_right, "{} on {}", job.job, node.name);
            }
        }
    }
}

fn is_kept(placement: &Placement<'_>, node: &Incarnation) -> bool {
    let whys = placement.unplaced.iter().map(|it| it.why);
    whys.into_iter().any(|why| matches!(why, Unplaced::Kept { node: kept } if kept == node))
}

/// The same placement with one more job placed.
fn with<'a>(
    placement: &Placement<'a>,
    job: &'a WaitingJob,
    node: &'a ClusterNode,
) -> Placement<'a> {
    let class = node.serves_by(job.turn.demand.class);
    let computes_in =
        |numerics| class.is_some_and(|it| node.devices(it).numerics.contains(numerics));
    let leaves_class = job.began_in.as_ref().is_some_and(|numerics| !computes_in(numerics));
    let (job, node) = (&job.job, &node.incarnation);
    let mut with = placement.clone();
    with.assignments.push(Assignment { job, node, is_new: true, leaves_class });
    with.unplaced.retain(|it| it.job != job);
    with
}
