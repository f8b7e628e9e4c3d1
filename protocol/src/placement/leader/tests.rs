//! A leader over a cluster that is written down, look by look.

use super::*;
use crate::{
    engine::NumericsClass,
    limits::CLASS_WAIT_MAX_MS,
    placement::leadership::office,
    presence::DeviceAt,
    queue::{Demand, Priority, Turn},
    residency::Residency,
    unit::{Epoch, Timestamp},
};

/// What one look gives.
struct Scene {
    leader: Leader,
    nodes: Vec<Presence>,
    line: Vec<InLine>,
    running: BTreeMap<TenantId, u32>,
    shares: BTreeMap<TenantId, Share>,
}

impl Scene {
    /// Nodes with one free core each.
    fn of(nodes: &[&str], jobs: &[&str]) -> Self {
        let (leader, running, shares) = Default::default();
        let nodes = nodes.iter().map(|name| node(name)).collect();
        let line = jobs.iter().zip(0..).map(|(name, at)| job(name, at)).collect();
        Self { leader, nodes, line, running, shares }
    }

    fn look(&mut self, second: u64) -> Said {
        self.look_with(second, Vec::new())
    }

    fn look_with(&mut self, second: u64, cells: Vec<(JobId, LeaseCell, bool)>) -> Said {
        let line: Vec<_> = self.line.iter().collect();
        let nodes: Vec<_> = self.nodes.iter().collect();
        let seen = Seen {
            now: Millis(second * 1_000),
            nodes: &nodes,
            line: &line,
            cells,
            running: self.running.clone(),
            shares: &self.shares,
        };
        let owner = Incarnation::new("leader");
        self.leader.look(seen, &Lease { job: office(), owner, epoch: Epoch(3) })
    }

    fn node(&mut self, name: &str) -> &mut Presence {
        self.nodes.iter_mut().find(|it| it.node == name).expect("it is there")
    }

    /// A node works at a job, and says so.
    fn works(&mut self, node: &str, job: &str) {
        let it = self.node(node);
        it.running = vec![JobId::new(job)];
        it.devices[0].used = Use::Busy;
    }

    fn leaves(&mut self, job: &str) {
        self.line.retain(|it| it.job.as_str() != job);
    }
}

fn node(name: &str) -> Presence {
    Presence {
        node: name.to_owned(),
        devices: vec![DeviceAt { class: DeviceClass::Cpu, used: Use::Free }],
        is_led: true,
        memory: ByteCount(100),
        free_memory: ByteCount(100),
        ..Presence::of(Incarnation::new(name))
    }
}

fn job(name: &str, at: u64) -> InLine {
    let demand = Demand { class: DeviceClass::Cpu, devices: 1, memory: ByteCount(1) };
    let (priority, accepted_at) = (Priority::default(), Timestamp(at));
    InLine {
        job: JobId::new(name),
        tenant: TenantId::new("t"),
        turn: Turn { priority, accepted_at, demand, left: None },
        regions: Residency::default(),
        may_use_spot: true,
        has_begun: false,
        stays_in: None,
        is_suspended: false,
    }
}

/// `n: a b, m: `, and `!` where somebody is vouched to be gone.
fn told(said: &Said) -> String {
    let of = |it: &Assigned| format!(" {}{}", it.job, if it.seen.is_some() { "!" } else { "" });
    let row = |(node, it): &(Incarnation, Assignments)| {
        let jobs: String = it.jobs.iter().map(of).collect();
        format!("{node}:{jobs}{}", if it.is_kept { " kept" } else { "" })
    };
    said.rows.iter().map(row).collect::<Vec<_>>().join(", ")
}

fn held(by: &str, renewals: u64) -> LeaseCell {
    LeaseCell { owner: Some(Incarnation::new(by)), epoch: Epoch(1), renewals }
}

#[test]
fn each_node_is_told_once_what_to_take_up_and_then_now_and_again() {
    let mut scene = Scene::of(&["m", "n"], &["a", "b", "c"]);
    let first = scene.look(0);
    assert_eq!(told(&first), "m: a, n: b");
    assert_eq!((first.new, first.waiting[&TenantId::new("t")]), (2, 3));
    let waits = [Waiting::Assigned { node: "m".into() }, Waiting::Assigned { node: "n".into() }];
    let why = |said: &Said, job| said.notice.why(&JobId::new(job));
    assert_eq!(["a", "b"].map(|it| why(&first, it)), waits.map(Some));
    assert_eq!(why(&first, "c"), Some(Waiting::Room));
    assert_eq!(told(&scene.look(1)), "");
    let again = scene.look(2);
    assert_eq!(told(&again), "m: a, n: b");
    assert!(again.rows[0].1.word > first.rows[0].1.word && again.new == 0);
}

#[test]
fn nodes_of_an_earlier_version_are_told_nothing() {
    let mut scene = Scene::of(&["m"], &["a"]);
    scene.node("m").is_led = false;
    let said = scene.look(0);
    assert_eq!(
        (told(&said), said.notice.why(&JobId::new("a"))),
        (String::new(), Some(Waiting::NoNode))
    );
}

/// The line and what nodes say of themselves are of different moments.
#[test]
fn a_device_is_not_given_twice_while_its_node_has_not_said_that_it_is_taken() {
    let mut scene = Scene::of(&["n"], &["a", "b"]);
    assert_eq!(told(&scene.look(0)), "n: a");
    // It is off the line before the node says so.
    scene.leaves("a");
    assert_eq!(told(&scene.look(1)), "n:");
    scene.works("n", "a");
    assert_eq!(told(&scene.look(2)), "");
    // And its end is seen on the node.
    *scene.node("n") = node("n");
    assert_eq!(told(&scene.look(3)), "n: b");
    // The other way around.
    scene.works("n", "b");
    assert_eq!(told(&scene.look(4)), "n:");
    scene.leaves("b");
    *scene.node("n") = node("n");
    scene.line = vec![job("c", 9)];
    assert_eq!(told(&scene.look(5)), "n: c");
}

/// Nor while the job stands in line as one that has begun.
#[test]
fn a_device_is_not_given_twice_once_the_job_has_begun_there() {
    let mut scene = Scene::of(&["n"], &["a", "b"]);
    assert_eq!(told(&scene.look(0)), "n: a");
    scene.line[0].has_begun = true;
    assert_eq!(told(&scene.look(1)), "n:");
    scene.works("n", "a");
    assert_eq!(told(&scene.look(2)), "");
    // It is handed over; what waits longer has its turn first.
    *scene.node("n") = node("n");
    let free = vec![(JobId::new("a"), given_back(), false)];
    assert_eq!(told(&scene.look_with(3, free)), "n: a");
}

fn given_back() -> LeaseCell {
    LeaseCell { owner: None, ..held("gone", 0) }
}

#[test]
fn who_has_begun_is_placed_once_it_is_known_that_nobody_holds_it() {
    let mut scene = Scene::of(&["m", "n"], &["a"]);
    let a = JobId::new("a");
    scene.line[0].has_begun = true;
    scene.works("m", "a");
    assert_eq!(told(&scene.look(0)), "m:, n:");
    assert!(scene.leader.asks(Millis(0)).is_empty(), "a node works at it");
    *scene.node("m") = node("m");
    let said = scene.look(1);
    assert_eq!((told(&said), said.notice.why(&a)), (String::new(), None));
    assert_eq!(scene.leader.asks(Millis(1_000)), BTreeSet::from([a.clone()]));
    assert_eq!(told(&scene.look_with(2, vec![(a.clone(), held("gone", 3), false)])), "m:, n:");
    assert_eq!(told(&scene.look_with(3, vec![(a, given_back(), false)])), "m: a");
}

/// What was seen of a lease before somebody worked at the job says nothing of who holds it now.
#[test]
fn who_was_at_work_for_long_is_not_taken_to_be_silent() {
    let mut scene = Scene::of(&["n"], &["a"]);
    scene.line[0].has_begun = true;
    scene.look_with(0, vec![(JobId::new("a"), held("n", 0), false)]);
    scene.works("n", "a");
    scene.look(1);
    *scene.node("n") = node("n");
    assert_eq!(told(&scene.look(100)), "n:");
    let renewed = || vec![(JobId::new("a"), held("n", 19), false)];
    assert_eq!(told(&scene.look_with(101, renewed())), "");
    assert_eq!(told(&scene.look_with(116, renewed())), "n: a!");
}

#[test]
fn who_has_begun_waits_for_its_numerics_class_and_not_for_ever() {
    let class = |name: &str| NumericsClass(name.to_owned());
    let seen = || vec![(JobId::new("a"), given_back(), false)];
    let scene = || {
        let mut scene = Scene::of(&["m", "n"], &["a"]);
        (scene.line[0].has_begun, scene.line[0].stays_in) = (true, Some(class("x")));
        for (node, name) in [("m", "y"), ("n", "x")] {
            scene.node(node).numerics = [(DeviceClass::Cpu, [class(name)].into())].into();
        }
        scene
    };
    assert_eq!(told(&scene().look_with(0, seen())), "m:, n: a");
    let (mut full, limit) = (scene(), CLASS_WAIT_MAX_MS / 1_000);
    full.works("n", "b");
    for second in [0, limit - 1] {
        let said = full.look_with(second, seen());
        let why = said.notice.why(&JobId::new("a"));
        assert_eq!((told(&said), why), ("m:, n:".to_owned(), Some(Waiting::NumericsClass)));
    }
    assert_eq!(told(&full.look_with(limit, seen())), "m: a");
    // Nobody waits for what is not there.
    let mut gone = scene();
    gone.nodes.retain(|it| it.node == "m");
    assert_eq!(told(&gone.look_with(0, seen())), "m: a");
}

#[test]
fn what_left_the_line_counts_against_its_tenants_quota() {
    let mut scene = Scene::of(&["m", "n"], &["a", "b"]);
    let share = Share { quota: Some(1), ..Share::default() };
    scene.shares.insert(TenantId::new("t"), share);
    assert_eq!(told(&scene.look(0)), "m: a, n:");
    scene.leaves("a");
    let said = scene.look(1);
    assert_eq!(said.notice.why(&JobId::new("b")), Some(Waiting::Quota));
    scene.works("m", "a");
    scene.running.insert(TenantId::new("t"), 1);
    assert_eq!(scene.look(2).notice.why(&JobId::new("b")), Some(Waiting::Quota));
    *scene.node("m") = node("m");
    scene.running.clear();
    assert_eq!(told(&scene.look(3)), "m: b");
}

/// Neither a node that does not take it up nor one that is gone keeps a job for ever.
#[test]
fn what_is_not_taken_up_goes_elsewhere() {
    let mut scene = Scene::of(&["m", "n"], &["a"]);
    assert_eq!(told(&scene.look(0)), "m: a, n:");
    assert!(scene.leader.asks(Millis(1_000)).is_empty());
    assert_eq!(scene.leader.asks(Millis(2_000)), BTreeSet::from([JobId::new("a")]));
    assert_eq!(told(&scene.look(10)), "m:, n: a");
    scene.nodes.retain(|it| it.node == "m");
    assert_eq!(told(&scene.look(11)), "m: a");
}

#[test]
fn a_job_that_somebody_holds_waits_until_he_was_silent_for_a_ttl() {
    let mut scene = Scene::of(&["n"], &["a"]);
    let a = JobId::new("a");
    assert_eq!(told(&scene.look(0)), "n: a");
    let seen = |renewals| vec![(JobId::new("a"), held("gone", renewals), false)];
    assert_eq!(told(&scene.look_with(2, seen(0))), "n:");
    assert_eq!(told(&scene.look_with(9, seen(1))), "n:");
    assert_eq!(scene.look_with(23, seen(1)).notice.why(&a), None, "somebody has it in hand");
    assert_eq!(told(&scene.look_with(24, seen(1))), "n: a!");
}

#[test]
fn nobody_waits_for_a_holder_that_is_known_to_be_gone() {
    let mut scene = Scene::of(&["n"], &["a"]);
    scene.look(0);
    let said = scene.look_with(2, vec![(JobId::new("a"), held("gone", 0), true)]);
    assert_eq!(told(&said), "n: a!");
}

/// Handed over once it is placed at once, and then ever more seldom.
#[test]
fn what_comes_back_again_and_again_rests() {
    let mut scene = Scene::of(&["n"], &["a"]);
    let free = |epoch| LeaseCell { owner: None, epoch: Epoch(epoch), renewals: 0 };
    let seen = |epoch| vec![(JobId::new("a"), free(epoch), false)];
    let is_assigned =
        |said: &Said| matches!(said.notice.why(&JobId::new("a")), Some(Waiting::Assigned { .. }));
    assert!(is_assigned(&scene.look_with(0, seen(0))));
    let mut waits = Vec::new();
    let mut at = 0;
    for epoch in 1..=4 {
        scene.works("n", "a"); // It is claimed.
        scene.look_with(at + 1, seen(epoch - 1));
        *scene.node("n") = node("n"); // It is given back.
        let back = at + 2;
        at = (back..).find(|at| is_assigned(&scene.look_with(*at, seen(epoch)))).expect("at last");
        waits.push(at - back);
    }
    assert_eq!(waits, [0, 2, 4, 8]);
}

#[test]
fn a_new_leader_goes_on_with_what_the_last_one_said() {
    let mut scene = Scene::of(&["m", "n"], &["a"]);
    let word = Word::default();
    let jobs = vec![Assigned { job: JobId::new("a"), seen: None }];
    let row = Assignments { word, jobs, ..Assignments::default() };
    let line: Vec<_> = scene.line.iter().collect();
    scene.leader.adopt(&Incarnation::new("n"), &row, &line, Millis(0));
    let said = scene.look(0);
    assert_eq!((told(&said), said.new), ("m:, n: a".to_owned(), 0));
}

#[test]
fn what_did_not_reach_the_board_is_told_again() {
    let mut scene = Scene::of(&["n"], &["a"]);
    scene.look(0);
    scene.leader.was_not_told(&Incarnation::new("n"));
    assert_eq!(told(&scene.look(1)), "n: a");
}
