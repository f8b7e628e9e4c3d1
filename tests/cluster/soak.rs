//! Every fault at random moments, many times, to jobs on several tables at once: hours, for
//! `./dev soak`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

use serde_json::{Value, json};
use tgs_simulations::dice::Dice;

use super::faults::{FAULTS, Fault, House, Struck, Task};

/// Of further tables, which are larger than the example.
const STEPS_OF_LARGE: u64 = 120;

/// Every fault at random moments, until each has met every job so often at work (TGS_SOAK_KILLS,
/// TGS_SOAK_SEED): one on the example and one on each further table (TGS_SOAK_TABLES), at the same
/// time. What was seen is appended to a file (TGS_SOAK_LOG), and not done again.
#[test]
#[ignore = "takes hours; ./dev soak runs it"]
fn every_fault_at_random_moments() {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (times, seed) = (number("TGS_SOAK_KILLS", 20), number("TGS_SOAK_SEED", 1));
    let further = env::var("TGS_SOAK_TABLES").unwrap_or_default();
    let further = env::split_paths(&further).filter(|path| !path.as_os_str().is_empty());
    let mut tasks = vec![Task::on_example()];
    tasks.extend(further.map(|path| Task::of(&path, STEPS_OF_LARGE, 12_000)));
    let names: Vec<_> = tasks.iter().map(|task| task.name.as_str()).collect();
    println!("seed {seed}: {} faults, {times} times each at jobs on {names:?}", FAULTS.len());
    let mut seen = Seen::of(env::var_os("TGS_SOAK_LOG").map(PathBuf::from), seed);
    let house = House::of(&tasks, &format!("soak_{seed}"), 1.0);
    let mut open = VecDeque::new();
    for round in 0..2 * times {
        for (no, fault) in FAULTS.into_iter().enumerate() {
            if seen.rounds.contains(&(round, fault.to_string()))
                || seen.often(fault, &names) >= times
            {
                continue;
            }
            let mut dice = Dice::of_seed((seed * 1_000 + round) * 100 + no as u64);
            let share = dice.share();
            open.push_back((round, fault, house.strike(&tasks, fault, &mut dice, share)));
            if open.len() > 1 {
                seen.settle(&house, &tasks, open.pop_front().expect("some"));
            }
        }
    }
    open.into_iter().for_each(|struck| seen.settle(&house, &tasks, struck));
    house.check_rest();
    for fault in FAULTS {
        let often = seen.often(fault, &names);
        println!("{fault}: {often} times at least at each job, to the same bytes");
        assert!(often >= times, "{fault} met a job too seldom at work");
    }
}

/// What a soak has seen, now and before it was interrupted.
struct Seen {
    seed: u64,
    log: Option<PathBuf>,
    rounds: BTreeSet<(u64, String)>,
    /// How often each fault met a job on each table at work.
    often: BTreeMap<(String, String), u64>,
}

impl Seen {
    fn of(log: Option<PathBuf>, seed: u64) -> Self {
        let text = log.as_ref().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
        let mut seen = Self { seed, log, rounds: BTreeSet::new(), often: BTreeMap::new() };
        for line in text.lines() {
            let it: Value = serde_json::from_str(line).expect("a line of its own");
            if it["seed"] == seed {
                let word = |value: &Value| value.as_str().expect("a word").to_owned();
                let at_work = it["at_work"].as_array().expect("names").iter().map(word).collect();
                seen.add(it["round"].as_u64().expect("a number"), word(&it["fault"]), at_work);
            }
        }
        seen
    }

    fn add(&mut self, round: u64, fault: String, at_work: Vec<String>) {
        for name in at_work {
            *self.often.entry((fault.clone(), name)).or_default() += 1;
        }
        self.rounds.insert((round, fault));
    }

    /// How often a fault met each of these at least.
    fn often(&self, fault: Fault, names: &[&str]) -> u64 {
        let of = |name: &&str| {
            self.often.get(&(fault.to_string(), (*name).to_owned())).copied().unwrap_or(0)
        };
        names.iter().map(of).min().unwrap_or(0)
    }

    fn settle(&mut self, house: &House, tasks: &[Task], it: (u64, Fault, Struck)) {
        let (round, fault, struck) = it;
        house.check_all(&struck, tasks, &format!("{fault} in round {round}"));
        if let Some(log) = &self.log {
            let line = json!({"seed": self.seed, "round": round, "fault": fault.to_string(),
                              "at_work": struck.at_work});
            let mut log = OpenOptions::new().create(true).append(true).open(log);
            let written = log.as_mut().map(|log| writeln!(log, "{line}"));
            written.expect("the log of the soak").expect("room on the disk");
        }
        self.add(round, fault.to_string(), struck.at_work);
    }
}
