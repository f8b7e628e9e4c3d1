//! How many events a second the made-up world lives, and how many job-ticks a second the spot
//! market, on one core.
//!
//! `sim [seeds] [repeats]` prints the median and the best over the repeats; run it by
//! `taskset -c 1` on a machine that does nothing else.

use std::env;

use mimalloc::MiMalloc;
use tgs_benches::{median, seconds_of};
use tgs_protocol::spot::{
    Policy, Task, Zones,
    greedy::GreedyWithNet,
    lifetime::NelsonAalen,
    sky::{SkyNomad, Worth},
    uniform::ManyZones,
};
use tgs_simulations::{
    dice::Dice,
    market::{
        Market,
        run::{Saved, run},
    },
    scenario::Scenario,
    world::{Weather, simulate},
};

/// As in `tgs sim`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Ticks of ten minutes: a month.
const TICKS: usize = 4_320;
const ZONES: usize = 8;
/// Jobs that run on the market, one after the other.
const JOBS: usize = 200;

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number = |default: u64| {
        arguments.next().map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (seeds, repeats) = (number(2_000), number(7) as usize);
    println!("{seeds} worlds, {repeats} repeats");
    for first in [0, 1_000_000] {
        let what = format!("seeds from {first}");
        world(&what, repeats, || (first..first + seeds).map(Scenario::of_seed));
    }
    let worst = Weather::worst();
    let bad = || (0..seeds / 4).map(|seed| Scenario::in_weather(seed, worst.clone()));
    world("the worst weather", repeats, bad);
    let market = market();
    for (name, make) in policies() {
        let mut ticks = 0;
        let seconds = seconds_of(repeats, || {
            ticks = (0..JOBS).map(|job| u64::from(job_on(&market, job, make().as_mut()))).sum();
        });
        report(name, "job-ticks", ticks, &seconds);
    }
}

fn world<I: Iterator<Item = Scenario>>(name: &str, repeats: usize, scenarios: impl Fn() -> I) {
    let mut events = 0;
    let seconds = seconds_of(repeats, || {
        events = scenarios().map(|scenario| simulate(&scenario).events).sum();
    });
    report(name, "events", events, &seconds);
}

fn report(name: &str, unit: &str, count: u64, seconds: &[f64]) {
    let rate = |seconds: f64| count as f64 / seconds / 1e6;
    let (middle, best) = (rate(median(seconds)), rate(seconds[0]));
    println!("{name:<24} {count:>11} {unit:<9} {middle:>7.2} M/s, best {best:.2} M/s");
}

type Make = fn() -> Box<dyn Policy>;

fn policies() -> [(&'static str, Make); 3] {
    [
        ("greedy with a net", || Box::<GreedyWithNet>::default()),
        ("uniform progress", || Box::<ManyZones>::default()),
        ("learned lifetimes", || Box::new(SkyNomad::new(Worth::RateRatio, NelsonAalen::default()))),
    ]
}

/// One job in a window of its own; says how many ticks it lived.
fn job_on(market: &Market, job: usize, policy: &mut dyn Policy) -> u32 {
    let deadline_s = market.ticks() as f64 * market.zones.tick_s;
    let work_s = deadline_s * (0.5 + 0.4 * job as f64 / JOBS as f64);
    let task = Task { work_s, deadline_s, changeover_s: 720.0, checkpoint_gb: 50.0 };
    run(market, &task, Saved::All, policy).ticks
}

/// A market of runs and gaps of chance lengths.
fn market() -> Market {
    let mut dice = Dice::of_seed(1);
    let mut up = vec![0_u64; TICKS];
    for zone in 0..ZONES {
        let (mut is_up, mut left) = (true, dice.within(1, 60));
        for bits in &mut up {
            *bits |= u64::from(is_up) << zone;
            left -= 1;
            if left == 0 {
                (is_up, left) = (!is_up, dice.within(1, 60));
            }
        }
    }
    let zones = Zones {
        names: (0..ZONES).map(|zone| format!("zone-{zone}")).collect(),
        regions: (0..ZONES).map(|zone| zone / 2).collect(),
        on_demand: vec![3.0; ZONES],
        egress: (0..ZONES * ZONES)
            .map(|at| if at / ZONES == at % ZONES { 0.0 } else { 0.02 })
            .collect(),
        tick_s: 600.0,
    };
    let spot = (0..TICKS * ZONES).map(|_| 0.5 + dice.share()).collect();
    Market { zones, up, spot }
}
