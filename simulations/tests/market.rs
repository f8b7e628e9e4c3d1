//! Policies on markets made by seed: no trace is needed. A failure prints the seed that repeats it.

use tgs_protocol::spot::{
    Policy, Task, Tenure, View, Want, Zones,
    greedy::{GreedyWithNet, OnDemand, SpotOnly},
    lifetime::{Lifetimes, NelsonAalen, Oracle},
    sky::{SkyNomad, Worth},
    uniform::{ManyZones, OneZone},
};
use tgs_simulations::{
    dice::Dice,
    market::{
        Market,
        optimum::optimum,
        run::{Run, Saved, run},
    },
};

const TICK_S: f64 = 600.0;

/// A market of runs and gaps of chance lengths, and a task that can be done in time.
fn made(seed: u64) -> (Market, Task) {
    let mut dice = Dice::of_seed(seed);
    let (zones, ticks) = (dice.within(1, 5) as usize, dice.within(40, 160) as usize);
    let mut up = vec![0_u64; ticks];
    for zone in 0..zones {
        let (mut is_up, mut left) = (dice.happens(600_000), dice.within(1, 30));
        for bits in &mut up {
            *bits |= u64::from(is_up) << zone;
            left -= 1;
            if left == 0 {
                (is_up, left) = (!is_up, dice.within(1, 30));
            }
        }
    }
    let regions: Vec<usize> = (0..zones).map(|_| dice.below(3) as usize).collect();
    let pairs = regions.iter().flat_map(|from| regions.iter().map(move |to| (from, to)));
    let egress = pairs.map(|(from, to)| if from == to { 0.0 } else { 0.02 }).collect();
    let on_demand = vec![3.0 + dice.share(); zones];
    let spot = (0..ticks * zones).map(|_| 0.5 + dice.share()).collect();
    let names = (0..zones).map(|zone| format!("zone-{zone}")).collect();
    let zones = Zones { names, regions, on_demand, egress, tick_s: TICK_S };
    let deadline_s = ticks as f64 * TICK_S;
    let changeover_s = [0.0, 120.0, 600.0, 720.0][dice.below(4) as usize];
    let slack_s = 3.0 * changeover_s + 2.0 * TICK_S;
    let work_s = (deadline_s * (0.4 + 0.5 * dice.share())).min(deadline_s - slack_s).floor();
    (Market { zones, up, spot }, Task { work_s, deadline_s, changeover_s, checkpoint_gb: 50.0 })
}

/// Every policy that promises to keep a deadline, by name.
fn careful(market: &Market) -> Vec<(&'static str, Box<dyn Policy>)> {
    let oracle = || Oracle::of(&market.up, market.zones.count());
    let learned = NelsonAalen::default;
    vec![
        ("on-demand", Box::new(OnDemand)),
        ("greedy with net", Box::<GreedyWithNet>::default()),
        ("uniform", Box::<ManyZones>::default()),
        ("sky, oracle", Box::new(SkyNomad::new(Worth::RateRatio, oracle()))),
        ("sky, so far, oracle", Box::new(SkyNomad::new(Worth::SoFar, oracle()))),
        ("sky, learned", Box::new(SkyNomad::new(Worth::RateRatio, learned()))),
    ]
}

#[test]
fn deadlines_are_kept_and_nothing_is_cheaper_than_the_optimum() {
    for seed in 0..300 {
        let (market, task) = made(seed);
        let least = optimum(&market, &task);
        for (name, mut policy) in careful(&market) {
            let found = run(&market, &task, Saved::All, policy.as_mut());
            assert!(found.is_met, "seed {seed}, {name}: {found:?}");
            assert!(found.dollars >= least - 1e-9, "seed {seed}, {name}: {found:?} under {least}");
            check_the_bill(seed, name, &found);
        }
        let found = run(&market, &task, Saved::All, &mut SpotOnly);
        assert!(!found.is_met || found.dollars >= least - 1e-9, "seed {seed}: {found:?}");
    }
}

#[test]
fn one_zone_of_uniform_progress_keeps_deadlines_as_well() {
    for seed in 0..300 {
        let (market, task) = made(seed);
        let one = market.window(0, market.ticks(), &[0]);
        let found = run(&one, &task, Saved::All, &mut OneZone);
        assert!(found.is_met, "seed {seed}: {found:?}");
    }
}

fn check_the_bill(seed: u64, name: &str, found: &Run) {
    let parts = found.on_demand_dollars + found.egress_dollars;
    assert!(parts <= found.dollars + 1e-9, "seed {seed}, {name}: {found:?}");
    assert!(found.launches >= found.losses, "seed {seed}, {name}: {found:?}");
}

/// A policy that never looks at the deadline is late somewhere: the checks above can fail.
#[test]
fn a_policy_without_a_net_is_caught() {
    struct Dreamer;
    impl Policy for Dreamer {
        fn decide(&mut self, view: &View<'_>) -> Want {
            SpotOnly.decide(view).filter(|machine| machine.tenure == Tenure::Spot)
        }
    }
    let late = (0..300).filter(|seed| {
        let (market, task) = made(*seed);
        !run(&market, &task, Saved::All, &mut Dreamer).is_met
    });
    assert!(late.count() > 20);
}

#[test]
fn what_is_not_saved_is_lost_with_the_machine() {
    let zones = Zones {
        names: vec!["only".to_owned()],
        regions: vec![0],
        on_demand: vec![3.0],
        egress: vec![0.0],
        tick_s: TICK_S,
    };
    // Up for five ticks, down for one, up again.
    let market = Market { zones, up: vec![1, 1, 1, 1, 1, 0, 1, 1, 1, 1], spot: vec![1.0; 10] };
    let task = Task { work_s: 4_200.0, deadline_s: 6_000.0, changeover_s: 0.0, checkpoint_gb: 0.0 };
    let whole = run(&market, &task, Saved::All, &mut SpotOnly);
    assert_eq!((whole.is_met, whole.done_s, whole.lost_s), (true, 4_200.0, 0.0));
    let torn = run(&market, &task, Saved::Every(1_800.0), &mut SpotOnly);
    assert_eq!((torn.is_met, torn.losses, torn.lost_s), (true, 1, 1_200.0));
    assert!(torn.dollars > whole.dollars);
}

/// Against the formula itself, computed afresh from every run that ended: residual life is survival
/// given the age, summed over the time to come, with a tail as long as the longest run.
#[test]
fn learned_lifetimes_are_the_mean_residual_life_after_nelson_and_aalen() {
    let mut asked = 0;
    for seed in 0..40 {
        let (market, task) = made(seed);
        let zones = market.zones.count();
        let (mut learned, mut ended, mut ages) =
            (NelsonAalen::default(), vec![Vec::new(); zones], vec![0_u32; zones]);
        for tick in 0..market.ticks() {
            let view = View {
                task: &task,
                zones: &market.zones,
                up: market.up[tick],
                spot: market.prices(tick),
                tick,
                done_s: 0.0,
                overhead_s: 0.0,
                running: None,
                ran: None,
                checkpoint: None,
            };
            learned.observe(&view);
            for zone in 0..zones {
                if view.is_up(zone) {
                    ages[zone] += 1;
                } else if ages[zone] > 0 {
                    ended[zone].push(std::mem::take(&mut ages[zone]));
                }
                let (found, wanted) = (
                    learned.hours(&view, zone) * 3_600.0 / TICK_S,
                    residual_ticks(&ended[zone], ages[zone].saturating_sub(1)),
                );
                assert!((found - wanted).abs() < 1e-9, "seed {seed}, tick {tick}, zone {zone}");
                asked += 1;
            }
        }
    }
    assert!(asked > 5_000, "{asked}");
}

fn residual_ticks(ended: &[u32], age: u32) -> f64 {
    let longer: std::collections::BTreeSet<u32> =
        ended.iter().copied().filter(|ended| *ended > age).collect();
    let Some(longest) = longer.last().copied() else { return f64::from(age.max(1)) };
    let (mut hazard, mut from, mut ticks) = (0.0_f64, age, 0.0);
    for length in longer {
        ticks += (-hazard).exp() * f64::from(length - from);
        let ended_here = ended.iter().filter(|ended| **ended == length).count() as f64;
        let at_risk = ended.iter().filter(|ended| **ended >= length).count() as f64 + 1.0;
        hazard += ended_here / at_risk;
        from = length;
    }
    ticks + (-hazard).exp() * f64::from(longest)
}
