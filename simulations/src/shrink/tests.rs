//! Broken rules end in small worlds, which are lived again to the same end.

use super::*;
use crate::world::{Flaw, narrate};

/// A world that breaks the promise that a flaw is about, made small. In some of them the promise
/// hangs on what several orders do to each other: then the next ones are looked at, three in all.
fn small(flaw: Flaw) -> Small {
    let scenarios = (0..2_000).map(|seed| Scenario::of_seed(seed).with_flaw(Some(flaw)));
    let is_broken =
        |course: Course| course.violation.is_some_and(|it| it.invariant == flaw.breaks());
    let failing = scenarios.filter(|scenario| is_broken(simulate(scenario)));
    let mut least: Option<Small> = None;
    for scenario in failing.take(3) {
        let small = shrink(&scenario).expect("it fails");
        let orders = small.scenario.orders.len();
        if least.as_ref().is_none_or(|least| orders < least.scenario.orders.len()) {
            least = Some(small);
        }
        if orders == 1 {
            break;
        }
    }
    least.expect("some world fails")
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
