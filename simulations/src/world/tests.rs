//! Worlds by seed: none breaks a promise, a seed repeats itself, and a broken rule is caught.

use tgs_protocol::invariant::Invariant;

use super::*;

fn course(seed: u64) -> Course {
    simulate(seed, &Weather::of_seed(seed), Flaws::default())
}

#[test]
fn a_calm_world_ends_all_its_jobs() {
    for seed in 0..20 {
        let course = simulate(seed, &Weather::calm(2, 5), Flaws::default());
        assert_eq!(course.violations, [], "seed {seed}");
        assert_eq!(course.ends.len(), 5, "seed {seed}");
        let is_good = |end: &String| end == "published" || end == "withheld";
        assert!(course.ends.values().all(is_good), "seed {seed}: {:?}", course.ends);
    }
}

#[test]
fn no_weather_breaks_a_promise() {
    for seed in 0..2_000 {
        let course = course(seed);
        assert_eq!(course.violations, [], "seed {seed}");
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [1, 7, 99] {
        assert_eq!(course(seed), course(seed), "seed {seed}");
    }
    assert_ne!(course(1).log, course(2).log);
}

/// In how many worlds a flaw breaks which promises.
fn caught_in(flaws: Flaws) -> BTreeMap<Invariant, usize> {
    let mut broken = BTreeMap::new();
    for seed in 0..300 {
        let course = simulate(seed, &Weather::of_seed(seed), flaws);
        for violation in course.violations.iter().take(1) {
            *broken.entry(violation.invariant).or_default() += 1;
        }
    }
    broken
}

#[test]
fn broken_rules_are_caught() {
    let store = |flaw| Flaws { store: Some(flaw), ..Flaws::default() };
    for (flaws, invariant) in [
        (store(Flaw::KeepsEpoch), Invariant::Lease1),
        (store(Flaw::ForgetsEpochs), Invariant::Lease2),
        (store(Flaw::SealsChunksAgain), Invariant::Chunk1),
    ] {
        let broken = caught_in(flaws);
        assert!(broken.contains_key(&invariant), "{flaws:?}: {broken:?}");
    }
    assert!(!caught_in(store(Flaw::LosesRows)).is_empty());
}

/// Waiting for a holder is a courtesy: even one who claims at once breaks no promise, because the
/// store refuses whoever was overtaken.
#[test]
fn fencing_alone_keeps_every_promise() {
    let flaws = Flaws { claims_at_once: true, ..Flaws::default() };
    for seed in 0..500 {
        let weather = Weather { patience_ms: 60_000, ..Weather::of_seed(seed) };
        let course = simulate(seed, &weather, flaws);
        let is_safety = |it: &&Violation| it.invariant != Invariant::Job2;
        let broken: Vec<_> = course.violations.iter().filter(is_safety).collect();
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
    }
}
