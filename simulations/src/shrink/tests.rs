//! Broken rules end in small worlds, which are lived again to the same end.

use super::*;
use crate::world::{Flaw, narrate};

/// The first five worlds that break the promise that a flaw is about, made small: the smallest of
/// them. In some worlds the promise hangs on what several orders do to each other.
fn small(flaw: Flaw) -> Small {
    let scenarios = (0..2_000).map(|seed| Scenario::of_seed(seed).with_flaw(Some(flaw)));
    let is_broken =
        |course: Course| course.violation.is_some_and(|it| it.invariant == flaw.breaks());
    let failing = scenarios.filter(|scenario| is_broken(simulate(scenario)));
    let small = failing.take(5).map(|scenario| shrink(&scenario).expect("it fails"));
    let size = |it: &Small| (it.scenario.orders.len(), it.course.faults.len());
    small.min_by_key(size).expect("some world fails")
}

#[test]
fn a_world_in_which_nothing_breaks_is_not_made_small() {
    assert_eq!(shrink(&Scenario::of_seed(1)), None);
}

#[test]
fn a_broken_rule_ends_in_a_small_world_with_a_short_story() {
    for (flaw, nodes_max, faults_max) in [
        (Flaw::ForgetsEpochs, 2, 4),
        (Flaw::KeepsEpoch, 2, 3),
        (Flaw::LeavesDeliveries, 1, 2),
        (Flaw::TakesLateWrites, 2, 4),
        (Flaw::ReleasesBlocked, 1, 0),
        (Flaw::ForgetsArrivals, 2, 3),
        (Flaw::IgnoresOrders, 2, 2),
        (Flaw::ClaimsBlindly, 2, 3),
        (Flaw::ClaimsEarly, 2, 2),
        (Flaw::WorksOn, 2, 3),
        (Flaw::HandsOverFirst, 1, 1),
        (Flaw::FindsNothing, 2, 2),
    ] {
        let Small { scenario, course, worlds } = small(flaw);
        let Scenario { orders, nodes, watchers, .. } = &scenario;
        assert_eq!((orders.len(), watchers.len()), (1, 0), "{flaw}: {scenario:?}");
        assert!(nodes.len() <= nodes_max, "{flaw}: {scenario:?}");
        assert!(course.faults.len() <= faults_max, "{flaw}: {:?}", course.faults);
        assert!(worlds <= WORLDS_MAX, "{flaw}: {worlds}");
        let mut story = Vec::new();
        narrate(&scenario, &mut |entry| story.extend(entry.matters.then(|| entry.to_string())));
        assert!(story.len() <= 60, "{flaw}: {story:#?}");
    }
}

#[test]
fn a_small_world_is_lived_again_from_its_text() {
    let Small { scenario, course, .. } = small(Flaw::ForgetsEpochs);
    let text = scenario.to_json().to_string();
    let json = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(simulate(&Scenario::from_json(&json).expect(&text)), course);
}
