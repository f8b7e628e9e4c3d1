//! Placements as scripts: walls, shares, preferences, what stands and what is kept.

mod chance;
mod rounds;
mod script;

use self::script::{check, heed, told, view};
use super::*;
use crate::{
    invariant::{Invariant, caught},
    limits::{ASSIGNMENT_STANDS_MS, CLASS_WAIT_MAX_MS},
};

#[test]
fn without_nodes_or_jobs_there_is_nothing_to_say() {
    check(&[], &[]);
    check(&["node n"], &[]);
    check(&["job a"], &["a: NoNode"]);
}

#[test]
fn data_stays_in_its_regions() {
    let nodes = ["node n in=us", "node m in="];
    check(&[&nodes[..], &["job a in=eu,ap"]].concat(), &["a: Region"]);
    check(&[&nodes[..], &["job a in=eu,us"]].concat(), &["a n"]);
    check(&[&nodes[..], &["job a"]].concat(), &["a m"]);
}

#[test]
fn only_nodes_that_work_are_given_anything() {
    check(&["node n cordoned", "job a"], &["a: NoNode"]);
    check(&["node n cpus=0", "job a"], &["a: NoNode"]);
    check(&["node n cordoned", "node o", "job a told=n@1"], &["a o"]);
}

#[test]
fn who_may_not_use_spot_machines_does_not() {
    check(&["node n spot", "job a own-machine"], &["a: OnlySpot"]);
    check(&["node n spot in=us", "job a own-machine in=eu"], &["a: Region"]);
    check(&["node n spot", "node o", "job a own-machine"], &["a o"]);
    // Who may leaves the others to those that may not.
    check(&["node n", "node o spot", "job a", "job b own-machine"], &["a o", "b n"]);
}

#[test]
fn a_device_of_its_class_serves_or_any_where_there_is_none() {
    let both = "node n cpus=1 gpus=1";
    check(&[both, "job a gpu 5@1", "job b gpu 5@2"], &["a n", "b: Room"]);
    check(&["node n", "job a gpu"], &["a n"]);
    check(&["node n cpus=0 gpus=1", "job a"], &["a n"]);
    check(&["node n", "node o gpus=1", "job a gpu", "job b"], &["a o", "b n"]);
    check(&["node a gpus=1", "node o", "job a"], &["a o"]);
}

#[test]
fn memory_is_given_once() {
    check(&["node n cpus=3", "job a memory=60", "job b memory=60"], &["a n", "b: Kept n"]);
    check(&["node n cpus=3 memory=50/100", "job a memory=60"], &["a: Kept n"]);
    check(&["node n cpus=3", "job a memory=60", "job b memory=40"], &["a n", "b n"]);
}

#[test]
fn a_gang_is_placed_whole_on_one_node() {
    let nodes = ["node m gpus=2", "node n gpus=2"];
    check(&[&nodes[..], &["job a gpu gang=3"]].concat(), &["a: Gang"]);
    check(&["node m gpus=4", "node n gpus=3", "job a gpu gang=3"], &["a m"]);
    check(&["node m gpus=2/4", "node n gpus=3", "job a gpu gang=3"], &["a n"]);
    check(&["node m gpus=2/4", "job a gpu gang=3", "job b gpu"], &["a: Kept m", "b: Room"]);
}

#[test]
fn more_memory_than_any_node_has_takes_all_of_the_largest() {
    let huge = "job a memory=900";
    check(&["node m memory=50", "node n cpus=2", huge, "job b 5@1"], &["a n", "b m"]);
    check(&["node m memory=50", "node n cpus=1/2 memory=99/100", huge], &["a: Kept n"]);
    let larger = "node o in=us memory=500";
    check(&["node n", larger, "job a memory=900 in=eu"], &["a n"]);
}

#[test]
fn a_quota_is_never_exceeded() {
    let nodes = "node n cpus=9";
    let jobs = ["job a 5@1", "job b 5@2", "job c of=u 5@3"];
    let with = |tenant| [&[nodes, tenant][..], &jobs].concat();
    check(&with("tenant t quota=0"), &["c n", "a: Quota", "b: Quota"]);
    check(&with("tenant t quota=1"), &["a n", "c n", "b: Quota"]);
    check(&with("tenant t quota=3 used=2"), &["c n", "a n", "b: Quota"]);
    check(&[nodes, "tenant t quota=3", "job g gang=4", "job a 5@1"], &["a n", "g: Quota"]);
    let kept = ["node n cpus=2/4", "node o", "tenant t quota=3", "job g gang=3", "job a 5@1"];
    check(&kept, &["g: Kept n", "a: Quota"]);
    check(&["node n", "tenant t quota=0", "job a told=n@1"], &["a: Quota"]);
}

#[test]
fn who_has_least_for_its_weight_is_next() {
    let jobs = ["job a1 5@1", "job a2 5@1", "job a3 5@1", "job b1 of=u 5@2", "job b2 of=u 5@2"];
    let with = |tenants: &[&'static str]| [&["node n cpus=4"], tenants, &jobs].concat();
    check(&with(&[]), &["a1 n", "b1 n", "a2 n", "b2 n", "a3: Room"]);
    let weights = with(&["tenant t weight=3", "tenant u weight=1"]);
    check(&weights, &["a1 n", "b1 n", "a2 n", "a3 n", "b2: Room"]);
    let used = with(&["tenant t used=2"]);
    check(&used, &["b1 n", "b2 n", "a1 n", "a2 n", "a3: Room"]);
    // Three of weight three are less than two of weight one.
    let fractions = with(&["tenant t weight=3 used=3", "tenant u weight=1 used=2"]);
    check(&fractions, &["a1 n", "a2 n", "a3 n", "b1 n", "b2: Room"]);
    let much = with(&["tenant t weight=4294967295 used=4294967295", "tenant u used=4294967295"]);
    check(&much, &["a1 n", "a2 n", "a3 n", "b1 n", "b2: Room"]);
}

#[test]
fn within_a_tenant_it_is_priority_and_waiting_counts() {
    let order = |jobs: &[&'static str]| -> Vec<String> {
        let told = told(&view(&[&["node n cpus=9"], jobs].concat()));
        told.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(order(&["job a 5@3", "job b 9@3", "job c 5@1"]), ["b", "c", "a"]);
    // Ten minutes of waiting outweigh a point.
    assert_eq!(order(&["job old 4@0", "job new 5@599"]), ["new", "old"]);
    assert_eq!(order(&["job old 4@0", "job new 5@601"]), ["old", "new"]);
    assert_eq!(order(&["job b", "job a"]), ["a", "b"]);
}

#[test]
fn who_rests_is_left_alone() {
    check(&["node n", "job a rests=1", "job b 5@9"], &["b n", "a: Rests"]);
    check(&["node n", "job a rests=1 told=n@1"], &["a: Rests"]);
    check(&["node n cpus=2 memory=5/100", "job a rests=1 kept=n"], &["a: Rests"]);
}

#[test]
fn who_began_in_a_numerics_class_waits_for_it_and_not_for_ever() {
    let nodes = ["node m cpus=0/1 class=x", "node n class=y", "node o"];
    let with = |job| [&nodes[..], &[job]].concat();
    let limit = CLASS_WAIT_MAX_MS / 1_000;
    let before = format!("job a began=x waited={}", limit - 1);
    let after = format!("job a began=x waited={limit}");
    check(&with(&before), &["a: Class"]);
    check(&with(&after), &["a n in another class"]);
    check(&with("job a began=y"), &["a n"]);
    // Nobody waits for what is not there: nobody has it, may use it, or has as many devices.
    check(&with("job a began=z"), &["a n in another class"]);
    check(&with("job a began=x in=eu gang=2"), &["a: Gang"]);
    check(&["node m class=x in=us", "node n", "job a began=x in=eu"], &["a n in another class"]);
    check(&["node m class=y", "node n class=x", &after], &["a n"]);
    // With another number of threads a node may compute in another class.
    check(&["node m class=y", "node n class=w,x", "job a began=x"], &["a n"]);
}

#[test]
fn it_is_better_placed_where_its_data_lies() {
    let nodes = ["node k in=eu/b", "node l in=us/a", "node m in=eu/a"];
    let with = |job| [&nodes[..], &[job]].concat();
    check(&with("job a near=eu/a"), &["a m"]);
    check(&with("job a near=us/c"), &["a l"]);
    check(&with("job a near=ap"), &["a k"]);
    check(&["node k in=us", "node l in=eu spot", "job a near=us"], &["a k"]);
    check(&["node k in=us", "node l in=eu gpus=1", "job a gpu near=us"], &["a l"]);
}

#[test]
fn it_is_placed_where_least_is_left_over() {
    let nodes = ["node k memory=80/100", "node l memory=30/100", "node m memory=9/100"];
    check(&[&nodes[..], &["job a"]].concat(), &["a l"]);
    check(&["node k", "node l", "job a"], &["a k"]);
    check(&["node 2 called=a", "node 1 called=b", "job a"], &["a 2"]);
    check(&["node 2 called=a", "node 1 called=a", "job a"], &["a 1"]);
}

#[test]
fn what_was_assigned_stays() {
    // Another node would suit better by now, and another job is more urgent.
    let stands = ["node m memory=10/100", "node n", "job a told=n@9", "job b 9@0"];
    check(&stands, &["a n still", "b m"]);
    check(&["node n", "job a told=n@9", "job b 9@0"], &["a n still", "b: Room"]);
    check(&["node m class=x", "node n", "job a began=x told=n@1"], &["a n still in another class"]);
}

#[test]
fn what_was_assigned_does_not_stay_for_ever_or_where_it_may_not() {
    check(&["node o", "job a told=n@1"], &["a o"]);
    check(&["node n in=us", "node o", "job a in=eu told=n@1"], &["a o"]);
    check(&["node n spot", "node o", "job a own-machine told=n@1"], &["a o"]);
    check(&["node n cpus=0/1", "node o", "job a told=n@1"], &["a o"]);
    check(&["node n memory=9/100", "node o", "job a told=n@1"], &["a o"]);
    // Who did not take it up in time comes last, and is told once more.
    let late = format!("job a told=n@{}", ASSIGNMENT_STANDS_MS / 1_000);
    check(&["node n memory=10/100", "node o", &late], &["a o"]);
    check(&["node n", &late], &["a n"]);
    check(&["node n", &late, "job b 9@0"], &["b n", "a: Room"]);
}

#[test]
fn one_node_is_kept_for_the_first_that_finds_no_room() {
    // That which lacks least: devices first, then memory.
    let gang = ["node m gpus=1/4", "node n gpus=3/4", "node o gpus=3/4 memory=20/100"];
    let with = |more: &[&'static str]| [&gang[..], &["job g gpu gang=4 memory=30"], more].concat();
    check(&with(&[]), &["g: Kept n"]);
    check(&with(&["job a gpu 5@1", "job b gpu 5@2"]), &["a o", "b o", "g: Kept n"]);
    let second = with(&["job h gpu gang=4 5@1", "job a gpu 5@2"]);
    check(&second, &["a o", "g: Kept n", "h: Room"]);
    // Nobody takes what only it waits for.
    check(&["node n gpus=0/4", "job g gpu gang=4", "job a 5@1"], &["a n", "g: Room"]);
    // Nothing is kept of a node that is too small.
    check(&["node n memory=5/20", "node o memory=0/90 cpus=0/1", "job a memory=50"], &["a: Room"]);
}

#[test]
fn what_is_kept_stays_kept_until_it_is_of_use() {
    let big = "job g memory=90 of=t kept=n";
    let shares = ["tenant t used=9", "node n cpus=2 memory=50/100"];
    let with = |more: &[&'static str]| [&shares[..], &[big], more].concat();
    // Others have less than their share, and may not have it.
    check(&with(&["job a of=u"]), &["a: Room", "g: Kept n"]);
    // It found room elsewhere: the others may.
    check(&with(&["job a of=u memory=50", "node o", "tenant u used=20"]), &["g o", "a n"]);
    check(&["node n cpus=2", big, "job a of=u 9@0"], &["g n", "a n"]);
    // Earlier jobs of the same tenant come first, and may take it over.
    check(&with(&["job a 9@0"]), &["a n", "g: Kept n"]);
    check(&with(&["job a 9@0 memory=95"]), &["a: Kept n", "g: Room"]);
    check(&with(&["job a 5@1 memory=5"]), &["g: Kept n", "a: Room"]);
}

#[test]
fn earlier_jobs_of_a_tenant_use_what_is_kept_for_its_later_ones() {
    // None can be kept for its own kind: another tenant's is before.
    let nodes = ["node m cpus=2 memory=50/100", "node n cpus=2 memory=50/100"];
    let others = "job k of=u memory=90 kept=m";
    let later = "job j own-machine memory=90 kept=n";
    let with = |job| [&nodes[..], &[others, later, job]].concat();
    check(&with("job a 9@0"), &["a n", "k: Kept m", "j: Kept n"]);
    check(&with("job a 1@0"), &["j: Kept n", "k: Kept m", "a: Room"]);
}

#[test]
fn what_is_kept_is_kept_only_where_it_can_be_of_use() {
    check(
        &["node n memory=50/80", "node o memory=50/100", "job g memory=90 kept=n"],
        &["g: Kept o"],
    );
    check(
        &["node n in=us memory=50/100", "node o memory=5/100", "job g memory=90 in=eu kept=n"],
        &["g: Kept o"],
    );
    let two = ["node n cpus=2/3", "job g gang=3 kept=n", "job h gang=3 5@1 kept=n"];
    check(&two, &["g: Kept n", "h: Room"]);
    let kinds = ["node n cpus=2/3", "job g gang=3 kept=n", "job h gang=3 own-machine 5@1 kept=n"];
    check(&kinds, &["g: Kept n", "h: Room"]);
    let full = ["node n cpus=1/2", "tenant t quota=1", "job g gang=2 kept=n", "job a 5@1"];
    check(&full, &["a n", "g: Quota"]);
}

#[test]
fn a_second_placement_changes_nothing() {
    let lines = [
        "node m cpus=2 gpus=2/4 memory=60/100",
        "node n cpus=2 spot",
        "job g gpu gang=4",
        "job a 5@1 memory=70",
        "job b 5@2 memory=70",
        "job c 5@3 of=u own-machine",
        "job d 9@3 of=u",
    ];
    let mut view = view(&lines);
    let first = told(&view);
    heed(&mut view, 0);
    let again = told(&view);
    let as_before = |line: &String| line.replace(" still", "");
    let mut told = [first, again.iter().map(as_before).collect()];
    told.iter_mut().for_each(|lines| lines.sort());
    assert_eq!(told[0], told[1]);
    heed(&mut view, 0);
    assert_eq!(self::told(&view), again);
}

#[test]
fn promises_that_are_broken_are_seen() {
    let view = view(&["node n in=us cpus=2", "job a in=eu", "tenant t quota=0"]);
    let need =
        |devices, memory| room::Need { class: crate::queue::DeviceClass::Cpu, devices, memory };
    let broken = |need| caught(|| placer::Placer::of(&view).assign(0, 0, need, true));
    assert_eq!(broken(need(1, 1)), [Invariant::Place1, Invariant::Place3]);
    let twice = [Invariant::Place1, Invariant::Place2, Invariant::Place3];
    assert_eq!(broken(need(3, 1)), twice, "too many devices");
    assert_eq!(broken(need(1, 101)), twice, "too much memory");
}
