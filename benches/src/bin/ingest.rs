//! How fast a CSV file becomes a table, a profile and a dataset folder, and how much memory that
//! takes.
//!
//! `ingest [megabytes] [repeats]`: a file like the census table `adult` is made from a fixed seed
//! in a temporary folder; medians over the repeats are printed.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tgs_engine::{
    dataset::write_dataset,
    ingest::{holdout::split, read_table},
    profile::profile,
    random::{Purpose, Stream},
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
    let rows = write_census(&source, megabytes * 1_000_000);
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
    println!("peak memory     {}", peak_memory());
    fs::remove_dir_all(&folder).expect("the temporary folder goes");
}

/// Writes rows like those of `adult` until the file is so long; gives their number.
fn write_census(path: &Path, length_bytes: usize) -> usize {
    const WORK: [&str; 8] = [
        "Private",
        "Self-emp-not-inc",
        "Local-gov",
        "?",
        "State-gov",
        "Self-emp-inc",
        "Federal-gov",
        "Without-pay",
    ];
    const SCHOOL: [&str; 8] = [
        "HS-grad",
        "Some-college",
        "Bachelors",
        "Masters",
        "Assoc-voc",
        "11th",
        "Assoc-acdm",
        "10th",
    ];
    const MARITAL: [&str; 5] =
        ["Married-civ-spouse", "Never-married", "Divorced", "Separated", "Widowed"];
    const JOB: [&str; 8] = [
        "Prof-specialty",
        "Craft-repair",
        "Exec-managerial",
        "Adm-clerical",
        "Sales",
        "Other-service",
        "Machine-op-inspct",
        "?",
    ];
    const RELATION: [&str; 5] = ["Husband", "Not-in-family", "Own-child", "Unmarried", "Wife"];
    const RACE: [&str; 4] = ["White", "Black", "Asian-Pac-Islander", "Other"];
    const LAND: [&str; 5] = ["United-States", "Mexico", "?", "Philippines", "Germany"];
    let mut dice = Stream::new(7, Purpose::Test, 0);
    let mut text = String::with_capacity(length_bytes + 200);
    text.push_str(
        "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,\
         sex,capital_gain,capital_loss,hours_per_week,native_country,income\n",
    );
    let mut rows = 0;
    while text.len() < length_bytes {
        let mut below = |count: usize| dice.below(count as u64) as usize;
        let gain = if below(12) == 0 { below(99_999) } else { 0 };
        let loss = if below(20) == 0 { below(4_356) } else { 0 };
        writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{gain},{loss},{},{},{}",
            17 + below(74),
            WORK[below(8)],
            12_285 + below(1_478_115),
            SCHOOL[below(8)],
            1 + below(16),
            MARITAL[below(5)],
            JOB[below(8)],
            RELATION[below(5)],
            RACE[below(4)],
            if below(3) == 0 { "Female" } else { "Male" },
            1 + below(99),
            LAND[below(5)],
            if below(4) == 0 { ">50K" } else { "<=50K" },
        )
        .expect("texts can be written to");
        rows += 1;
    }
    fs::write(path, text).expect("a temporary file");
    rows
}

/// Processor time of this process so far, which other work on the machine does not change.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    // Ticks of a hundredth of a second in user and system mode.
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// `VmHWM` of this process, where the system tells it.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.map_or("unknown".to_owned(), |line| line.trim_start_matches("VmHWM:").trim().to_owned())
}
