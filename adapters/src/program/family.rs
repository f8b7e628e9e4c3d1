//! Everything that a process has started, directly or not, as the kernel tells; and its end.
//!
//! A process whose parent ends becomes a child of the nearest subreaper above it. So what a program
//! started stays below its keeper for as long as the keeper lives, and below the node after that,
//! whatever groups and sessions it has made.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs, io,
    ops::Deref,
    thread,
    time::Duration,
};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};

/// Pause between two looks.
const PERIOD: Duration = Duration::from_millis(10);

/// From now on, processes below this one whose parents end become its children.
pub fn adopt() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Ends every process below this one, except those that `spared` gives and what is below them;
/// returns once none is left. `spared` is asked before each look, and what it gives is held
/// meanwhile.
pub fn end_all<S: Deref<Target = BTreeSet<i32>>>(mut spared: impl FnMut() -> S) {
    loop {
        let held = spared();
        if below(&held).is_empty() {
            return;
        }
        // Stopped first: one that runs could start others between the look and its end.
        let mut stopped = HashSet::new();
        loop {
            let fresh = below(&held).into_iter().filter(|pid| stopped.insert(*pid));
            let fresh: Vec<Pid> = fresh.collect();
            for pid in &fresh {
                let _ = kill_process(*pid, Signal::STOP);
            }
            if fresh.is_empty() {
                break;
            }
        }
        for pid in &stopped {
            let _ = kill_process(*pid, Signal::KILL);
        }
        for pid in &stopped {
            // Only own children can be waited for; the others become such.
            let _ = waitpid(Some(*pid), WaitOptions::NOHANG);
        }
        drop(held);
        thread::sleep(PERIOD);
    }
}

/// The processes below this one, without the spared and those below them.
fn below(spared: &BTreeSet<i32>) -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, parent) in everyone() {
        children.entry(parent).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut open = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = open.pop() {
        for pid in children.remove(&parent).unwrap_or_default() {
            if !spared.contains(&pid) {
                found.extend(Pid::from_raw(pid));
                open.push(pid);
            }
        }
    }
    found
}

/// Every process with its parent.
fn everyone() -> Vec<(i32, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let facts = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let facts = fs::read_to_string(entry.path().join("stat")).ok()?;
        // `7 (a name) S 1 …`: the name may hold anything, so what follows it is counted.
        let (_, rest) = facts.rsplit_once(')')?;
        Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
    };
    entries.flatten().filter_map(facts).collect()
}
