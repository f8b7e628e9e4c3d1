//! The spot market beside an independent simulator: every policy, every window, to a millionth of a
//! dollar.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tgs_protocol::spot::{
    Policy, Task,
    greedy::{GreedyWithNet, OnDemand, SpotOnly},
    lifetime::Oracle,
    sky::{SkyNomad, Worth},
    uniform::{ManyZones, OneZone},
};
use tgs_simulations::market::{
    Market,
    optimum::optimum,
    run::{Run, Saved, run},
    trace,
};

/// Where the traces and the expected values lie; both are other people's, so not in the repository.
fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("TGS_SHARED").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    named.or(Some(beside)).filter(|folder| folder.join("traces").is_dir())
}

#[test]
fn every_policy_costs_what_the_reference_says() {
    let Some(shared) = shared() else {
        let why = "no traces; set TGS_SHARED to the folder that holds traces/";
        tgs_tests::skipping::skipped("spot policies beside their reference", why);
        return;
    };
    let text = std::fs::read_to_string(shared.join("reference/spot_ref_expected.json"));
    let expected: Value = serde_json::from_str(&text.expect("is there")).expect("is JSON");
    let (mut windows, mut differ) = (0, Vec::new());
    for case in expected["cases"].as_array().expect("cases") {
        let market = market_of(&shared.join("traces"), case);
        for window in case["windows"].as_array().expect("windows") {
            windows += 1;
            check(&market, case, window, &mut differ);
        }
    }
    assert_eq!(windows, 54);
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

fn market_of(traces: &Path, case: &Value) -> Market {
    let market = match case["source"].as_str().expect("a source") {
        "load_v100()" => trace::v100(traces),
        "load_h100(1,artifact_fill=True)" => trace::h100_merged(traces),
        "load_h100(16)" => trace::h100(traces, 16),
        other => panic!("unknown source {other}"),
    };
    market.expect("traces can be read")
}

fn check(market: &Market, case: &Value, window: &Value, differ: &mut Vec<String>) {
    let number = |name: &str| case[name].as_f64().expect(name);
    let task = Task {
        work_s: number("P_h") * 3600.0,
        deadline_s: number("D_h") * 3600.0,
        changeover_s: number("d_s"),
        checkpoint_gb: number("ckpt_gb"),
    };
    let names: Vec<&str> =
        case["zones"].as_array().expect("zones").iter().filter_map(Value::as_str).collect();
    let start = usize::try_from(window["start"].as_u64().expect("start")).expect("fits");
    let ticks = usize::try_from(case["T"].as_u64().expect("T")).expect("fits");
    let part =
        |zones: &[&str]| market.window(start, ticks, &market.numbers(zones).expect("known zones"));
    let many = part(&names);
    for (name, wanted) in window.as_object().expect("an object") {
        if name == "start" {
            continue;
        }
        let place = format!("{} at {start}, {name}", case["name"]);
        if name == "OPT" {
            let (found, wanted) = (optimum(&many, &task), wanted.as_f64().expect("a number"));
            if (found - wanted).abs() > 1e-6 {
                differ.push(format!("{place}: {found} for {wanted}"));
            }
            continue;
        }
        let found = match name.split_once('@') {
            Some(("UP", zone)) => run(&part(&[zone]), &task, Saved::All, &mut OneZone),
            _ => run(&many, &task, Saved::All, policy(name, &many).as_mut()),
        };
        let wanted: Vec<f64> =
            wanted.as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
        let found = numbers(&found);
        let is_same = wanted.iter().zip(&found).enumerate().all(|(at, (wanted, found))| {
            // The reference rounds seconds of work to three digits.
            (wanted - found).abs() <= if at == 5 { 1e-3 } else { 1e-6 }
        });
        if !is_same {
            differ.push(format!("{place}: {found:?} for {wanted:?}"));
        }
    }
}

fn policy(name: &str, market: &Market) -> Box<dyn Policy> {
    let oracle = || Oracle::of(&market.up, market.zones.count());
    match name {
        "on-demand" => Box::new(OnDemand),
        "spot-only" => Box::new(SpotOnly),
        "greedy+net" => Box::<GreedyWithNet>::default(),
        "UP(S)" => Box::<ManyZones>::default(),
        "sky[rr,oracle]" => Box::new(SkyNomad::new(Worth::RateRatio, oracle())),
        "sky[log,oracle]" => Box::new(SkyNomad::new(Worth::SoFar, oracle())),
        other => panic!("unknown policy {other}"),
    }
}

/// In the order of the reference: cost, met, launches, preemptions, moves, work done.
fn numbers(run: &Run) -> [f64; 6] {
    [
        run.dollars,
        f64::from(u8::from(run.is_met)),
        f64::from(run.launches),
        f64::from(run.losses),
        f64::from(run.moves),
        run.done_s,
    ]
}
