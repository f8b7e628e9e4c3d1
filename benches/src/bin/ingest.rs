//! How fast a CSV file becomes a table, a profile and a dataset folder, and how much memory that
//! takes.
//!
//! `ingest [megabytes] [repeats]`: a file like the census table `adult` is made from a fixed seed
//! in a temporary folder; medians over the repeats are printed.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use tgs_benches::{
    census::{self, Until},
    peak_memory_mb, processor_seconds,
};
use tgs_engine::{
    dataset::write_dataset,
    ingest::{holdout::split, read_table},
    profile::profile,
};
use tgs_protocol::progress::Unwatched;

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number = |default: usize| {
        arguments.next().map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (megabytes, repeats) = (number(200), number(5));
    let folder = env::temp_dir().join(format!("tgs-bench-ingest-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    let source = folder.join("census.csv");
    let rows = census::write(&source, Until::Bytes(megabytes * 1_000_000)).expect("a table");
    println!("{megabytes} MB, {rows} rows, {repeats} repeats");
    let mut times: [Vec<Duration>; 3] = Default::default();
    let mut work = [0.0; 3];
    for _ in 0..repeats {
        let (begun, before) = (Instant::now(), processor_seconds());
        let (table, _) = read_table(&source, None, &Unwatched).expect("a readable table");
        times[0].push(begun.elapsed());
        work[0] += processor_seconds() - before;
        let (begun, before) = (Instant::now(), processor_seconds());
        let profile = profile(&table, &Unwatched).expect("a profile");
        times[1].push(begun.elapsed());
        work[1] += processor_seconds() - before;
        assert_eq!(profile.rows as usize, rows);
        let (begun, before) = (Instant::now(), processor_seconds());
        let (train, aside) = split(table, 1);
        write_dataset(&folder, &train, &aside, None, Vec::new()).expect("a dataset folder");
        times[2].push(begun.elapsed());
        work[2] += processor_seconds() - before;
    }
    let mut median = |at: usize| {
        times[at].sort();
        times[at][repeats / 2].as_secs_f64()
    };
    let (read, profiled, written) = (median(0), median(1), median(2));
    let size = megabytes as f64;
    println!("read            {read:.3} s  {:.0} MB/s", size / read);
    println!("profile         {profiled:.3} s  {:.0} MB/s", size / profiled);
    println!("read + profile  {:.3} s  {:.0} MB/s", read + profiled, size / (read + profiled));
    println!("split + write   {written:.3} s  {:.0} MB/s", size / written);
    let [read, profiled, written] = work.map(|seconds| seconds / repeats as f64);
    println!("processor time  read {read:.2} s, profile {profiled:.2} s, write {written:.2} s");
    println!("peak memory     {:.0} MB", peak_memory_mb("self").unwrap_or(f64::NAN));
    fs::remove_dir_all(&folder).expect("the temporary folder goes");
}
