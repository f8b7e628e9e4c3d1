//! Turns of jobs as scripts, and the promises under random comings and goings.

use proptest::prelude::*;

use super::*;
use crate::invariant::{Invariant, caught};

const CPU: Demand = Demand { class: DeviceClass::Cpu, devices: 1, memory: ByteCount(1) };
const GPU: Demand = Demand { class: DeviceClass::Gpu, devices: 1, memory: ByteCount(1) };

fn queue(cpus: usize, gpus: usize, memory: u64) -> Queue {
    let cpus = std::iter::repeat_n(DeviceClass::Cpu, cpus);
    let classes = cpus.chain(std::iter::repeat_n(DeviceClass::Gpu, gpus));
    Queue::new(Seats::new(classes, ByteCount(memory)))
}

fn job(name: &str) -> JobId {
    JobId::new(name)
}

fn priority(points: u8) -> Priority {
    Priority::new(points).expect("at most ten")
}

fn turn(points: u8, accepted_at: u64, demand: Demand) -> Turn {
    Turn { priority: priority(points), accepted_at: Timestamp(accepted_at), demand, left: None }
}

/// Names of those who begin.
fn names(started: &[Start]) -> Vec<&str> {
    started.iter().map(|start| start.job.as_str()).collect()
}

/// Jobs that came while one was at work, `name:priority@seconds`, in the order of their turns.
fn turns(came: &[&str]) -> Vec<String> {
    let mut queue = queue(1, 0, 100);
    queue.join(job("first"), turn(10, 0, CPU));
    for words in came {
        let (name, rest) = words.split_once(':').expect("name:priority@seconds");
        let (points, seconds) = rest.split_once('@').expect("priority@seconds");
        let accepted_at = Timestamp(seconds.parse::<u64>().expect("seconds") * 1_000);
        let points = priority(points.parse().expect("points"));
        assert_eq!(
            queue.join(job(name), Turn { priority: points, accepted_at, demand: CPU, left: None }),
            []
        );
    }
    let (mut turns, mut present) = (Vec::new(), job("first"));
    while let [start] = queue.leave(&present).as_slice() {
        turns.push(start.job.as_str().to_owned());
        present = start.job.clone();
    }
    turns
}

#[test]
fn the_order_is_priority_then_arrival_and_waiting_counts() {
    assert_eq!(turns(&["a:5@1", "b:5@2", "c:5@3"]), ["a", "b", "c"]);
    assert_eq!(turns(&["low:0@1", "mid:5@2", "high:10@3"]), ["high", "mid", "low"]);
    // Ten minutes of waiting outweigh a point.
    assert_eq!(turns(&["old:4@0", "new:5@599"]), ["new", "old"]);
    assert_eq!(turns(&["old:4@0", "new:5@601"]), ["old", "new"]);
    assert_eq!(turns(&["oldest:0@0", "new:10@6001"]), ["oldest", "new"]);
    // Who was accepted earlier but joined later (after a restart) still goes first.
    assert_eq!(turns(&["late:5@2", "early:5@1"]), ["early", "late"]);
}

#[test]
fn devices_are_given_by_class() {
    let mut queue = queue(1, 1, 100);
    assert_eq!(names(&queue.join(job("c1"), turn(5, 1, CPU))), ["c1"]);
    assert_eq!(names(&queue.join(job("c2"), turn(5, 2, CPU))), [""; 0]);
    assert_eq!(queue.why(&job("c2")), Some(Waiting::Device));
    // A job of another class passes one that waits for a device.
    assert_eq!(names(&queue.join(job("g1"), turn(0, 3, GPU))), ["g1"]);
    assert_eq!(queue.seat(&job("g1")), Some(Seat(1)));
    assert_eq!(queue.counts(), (1, 2));
    assert_eq!(names(&queue.leave(&job("g1"))), [""; 0], "a CPU job takes no GPU while CPUs are");
    assert_eq!(names(&queue.leave(&job("c1"))), ["c2"]);
}

#[test]
fn without_its_class_any_device_serves() {
    let mut queue = queue(1, 0, 100);
    let started = queue.join(job("g"), turn(5, 1, GPU));
    assert_eq!(started, [Start { job: job("g"), seats: vec![Seat(0)] }]);
}

#[test]
fn who_needs_several_devices_has_them_all_at_once_and_keeps_what_is_free_till_then() {
    let many = |devices| Demand { devices, ..CPU };
    let mut queue = queue(3, 1, 100);
    assert_eq!(names(&queue.join(job("a"), turn(5, 1, CPU))), ["a"]);
    assert_eq!(names(&queue.join(job("three"), turn(5, 2, many(3)))), [""; 0]);
    assert_eq!(queue.why(&job("three")), Some(Waiting::Device));
    assert_eq!(names(&queue.join(job("b"), turn(5, 3, CPU))), [""; 0], "two are free, and kept");
    assert_eq!(names(&queue.join(job("g"), turn(5, 4, GPU))), ["g"], "another class");
    assert_eq!(names(&queue.join(job("first"), turn(9, 5, CPU))), ["first"], "it is more urgent");
    assert_eq!(names(&queue.leave(&job("first"))), [""; 0]);
    assert_eq!(names(&queue.leave(&job("a"))), ["three"]);
    assert_eq!((queue.devices(&job("three")), queue.devices(&job("b"))), (3, 0));
    for seat in 0..3 {
        assert_eq!(queue.who_is_on(Seat(seat)), Some(&job("three")));
    }
    assert_eq!(names(&queue.give_back(&job("three"), many(3))), ["three"]);
    assert_eq!(names(&queue.leave(&job("three"))), ["b"]);
    // More than the node has: all that there are.
    assert_eq!(names(&queue.join(job("nine"), turn(5, 6, many(9)))), [""; 0]);
    assert_eq!(names(&queue.set_aside(Seat(2))), [""; 0]);
    assert_eq!(names(&queue.leave(&job("b"))), ["nine"]);
    assert_eq!(queue.devices(&job("nine")), 2);
    assert_eq!(queue.seats().free_memory(), ByteCount(98));
}

#[test]
fn a_device_that_was_set_aside_is_given_to_nobody() {
    let mut queue = queue(1, 1, 100);
    queue.join(job("g1"), turn(5, 1, GPU));
    queue.set_aside(Seat(1));
    assert_eq!(names(&queue.join(job("g2"), turn(5, 2, GPU))), ["g2"], "on a CPU");
    assert_eq!(names(&queue.leave(&job("g1"))), [""; 0]);
    queue.set_aside(Seat(0));
    assert_eq!(names(&queue.join(job("g3"), turn(5, 3, GPU))), [""; 0]);
    assert_eq!(names(&queue.leave(&job("g2"))), [""; 0]);
    assert_eq!(queue.why(&job("g3")), Some(Waiting::Device));
}

#[test]
fn who_waits_for_memory_lets_nobody_pass() {
    let needing = |memory| Demand { memory: ByteCount(memory), ..CPU };
    let mut queue = queue(3, 0, 100);
    assert_eq!(names(&queue.join(job("a"), turn(5, 1, needing(60)))), ["a"]);
    assert_eq!(names(&queue.join(job("big"), turn(5, 2, needing(50)))), [""; 0]);
    let waiting = Waiting::Memory { needs: ByteCount(50), free: ByteCount(40) };
    assert_eq!(queue.why(&job("big")), Some(waiting));
    assert_eq!(names(&queue.join(job("small"), turn(5, 3, needing(1)))), [""; 0]);
    assert_eq!(queue.why(&job("small")), Some(Waiting::Turn { ahead: 1 }));
    assert_eq!(names(&queue.leave(&job("a"))), ["big", "small"]);
}

#[test]
fn more_than_the_node_has_runs_alone() {
    let needing = |memory| Demand { memory: ByteCount(memory), ..CPU };
    let mut queue = queue(2, 0, 100);
    queue.join(job("a"), turn(5, 1, needing(1)));
    queue.join(job("huge"), turn(5, 2, needing(1_000)));
    assert_eq!(names(&queue.leave(&job("a"))), ["huge"]);
    assert_eq!(names(&queue.join(job("b"), turn(5, 3, needing(1)))), [""; 0]);
    assert_eq!(names(&queue.leave(&job("huge"))), ["b"]);
}

#[test]
fn joining_twice_and_leaving_twice_change_nothing() {
    let mut queue = queue(1, 0, 100);
    queue.join(job("a"), turn(5, 1, CPU));
    assert_eq!(queue.join(job("a"), turn(9, 0, CPU)), []);
    queue.join(job("b"), turn(5, 2, CPU));
    assert_eq!(names(&queue.leave(&job("b"))), [""; 0], "gone before its turn");
    assert_eq!(names(&queue.leave(&job("a"))), [""; 0]);
    assert_eq!(names(&queue.leave(&job("a"))), [""; 0]);
    assert_eq!((queue.counts(), queue.why(&job("a"))), ((0, 0), None));
}

#[test]
fn who_gives_its_device_back_keeps_its_place() {
    let mut queue = queue(2, 0, 100);
    queue.join(job("a"), turn(5, 1, CPU));
    queue.join(job("b"), turn(5, 2, CPU));
    queue.join(job("c"), turn(9, 3, CPU));
    let seat = queue.seat(&job("a")).expect("it runs");
    assert_eq!(queue.who_is_on(seat), Some(&job("a")));
    assert_eq!(names(&queue.set_aside(seat)), [""; 0]);
    assert_eq!(queue.seat(&job("a")), Some(seat), "until it gives it back");
    assert_eq!(names(&queue.give_back(&job("a"), CPU)), [""; 0], "its device is not used any more");
    assert_eq!(names(&queue.leave(&job("b"))), ["c"], "it is more urgent");
    assert_eq!(names(&queue.take_back(seat)), ["a"]);
    assert_eq!(queue.give_back(&job("nobody"), CPU), []);
}

#[test]
fn nobody_begins_while_the_queue_is_closed() {
    let mut queue = queue(1, 0, 100);
    queue.join(job("a"), turn(5, 1, CPU));
    assert_eq!(queue.set_closed(true), []);
    assert_eq!(names(&queue.give_back(&job("a"), CPU)), [""; 0]);
    assert_eq!(names(&queue.join(job("b"), turn(5, 2, CPU))), [""; 0]);
    assert_eq!(queue.why(&job("a")), Some(Waiting::Disk));
    assert_eq!(names(&queue.set_closed(false)), ["a"]);
}

#[test]
fn a_seat_that_is_given_twice_breaks_queue_1() {
    let mut seats = Seats::new([DeviceClass::Cpu], ByteCount(10));
    let seat = seats.take(CPU, &[]).expect("free")[0];
    seats.free(seat, CPU.memory);
    let broken = caught(|| seats.free(seat, CPU.memory));
    assert_eq!(broken, [Invariant::Queue1, Invariant::Queue1], "the seat and its memory");
}

/// What a thread works on is there for as long as it hangs, wherever its job has gone.
#[test]
fn a_device_that_hangs_keeps_the_memory_of_its_job() {
    let mut queue = queue(2, 0, 100);
    let needs = |memory| Demand { class: DeviceClass::Cpu, devices: 1, memory: ByteCount(memory) };
    assert_eq!(names(&queue.join(job("a"), turn(5, 1, needs(60)))), ["a"]);
    assert_eq!(names(&queue.set_aside_stuck(Seat(0))), [""; 0]);
    assert_eq!(names(&queue.give_back(&job("a"), needs(60))), [""; 0], "60 of 100 are taken");
    assert!(matches!(queue.why(&job("a")), Some(Waiting::Memory { .. })));
    assert_eq!(names(&queue.take_back(Seat(0))), ["a"]);
    assert_eq!(queue.seats().free_memory(), ByteCount(40));
    assert_eq!(names(&queue.leave(&job("a"))), [""; 0]);
    assert_eq!(queue.seats().free_memory(), ByteCount(100));
}

#[test]
fn priorities_above_ten_are_refused() {
    assert_eq!(serde_json::from_str::<Priority>("10").expect("ten").points(), 10);
    let refused = serde_json::from_str::<Priority>("11").expect_err("eleven");
    assert!(refused.to_string().contains("0 to 10"), "{refused}");
    assert_eq!(Priority::default().points(), 5);
}

proptest! {
    /// However jobs come and go: seats and memory are never given twice, and whoever begins was
    /// before all that wait and need the same.
    #[test]
    fn nobody_is_passed_by_an_equal(
        acts in prop::collection::vec((0_u8..7, 0_u8..=10, 0_u64..4_000_000, 1_u64..60), 1..120),
    ) {
        let mut queue = queue(2, 1, 100);
        let mut known: BTreeMap<JobId, (Priority, Timestamp, Demand)> = BTreeMap::new();
        for (no, (act, points, at, memory)) in acts.into_iter().enumerate() {
            let started = if act == 0 && !known.is_empty() {
                let gone = known.keys().nth(no % known.len()).cloned().expect("one of them");
                known.remove(&gone);
                queue.leave(&gone)
            } else if act == 4 && !known.is_empty() {
                let back = known.keys().nth(no % known.len()).cloned().expect("one of them");
                let (_, _, demand) = known[&back];
                queue.give_back(&back, demand)
            } else if act == 5 {
                queue.set_closed(memory % 2 == 0)
            } else if act == 6 {
                let seat = Seat(no % 3);
                if memory % 2 == 0 { queue.set_aside(seat) } else { queue.take_back(seat) }
            } else {
                let class = if act == 1 { DeviceClass::Gpu } else { DeviceClass::Cpu };
                let devices = u32::try_from(at % 5).expect("few").max(1);
                let demand = Demand { class, devices, memory: ByteCount(memory) };
                let (name, priority) = (job(&format!("{no}")), priority(points));
                known.insert(name.clone(), (priority, Timestamp(at), demand));
                let accepted_at = Timestamp(at);
                queue.join(name, Turn { priority, accepted_at, demand, left: None })
            };
            for start in &started {
                let (points, at, demand) = known[&start.job];
                for (other, (theirs, since, need)) in &known {
                    let is_waiting = queue.seat(other).is_none();
                    let is_equal = need.class == demand.class && need.memory <= demand.memory;
                    let was_before = theirs >= &points && since < &at;
                    let is_passed = is_waiting && is_equal && was_before;
                    prop_assert!(!is_passed, "{} passed {other}", start.job);
                }
            }
            let entries = known.keys().map(|job| &queue.entries[job]);
            let seats: Vec<Seat> = entries.flat_map(|entry| entry.seats.iter().copied()).collect();
            let mut apart = seats.clone();
            apart.sort_unstable();
            apart.dedup();
            prop_assert_eq!(apart.len(), seats.len());
            let running = known.iter().filter(|(job, _)| queue.seat(job).is_some());
            let memory: u64 = running.clone().map(|(_, (.., demand))| demand.memory.get()).sum();
            prop_assert!(memory <= 100 || running.count() == 1);
        }
        queue.set_closed(false);
        (0..3).for_each(|seat| drop(queue.take_back(Seat(seat))));
        // Once all are gone that run, everyone who waited has had a turn.
        while let Some(running) = known.keys().find(|job| queue.seat(job).is_some()).cloned() {
            known.remove(&running);
            queue.leave(&running);
        }
        prop_assert!(known.is_empty(), "starved: {:?}", known.keys().collect::<Vec<_>>());
    }
}
