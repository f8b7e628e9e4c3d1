//! Guesses of what people ask for, and what they become once jobs have ended.

use proptest::prelude::*;

use super::*;
use crate::{
    job::step::samples::{generate, row, synthesize, synthesize_as_many, train},
    request::InputFile,
    unit::ByteCount,
};

fn request(model: ModelName, length: TrainingLength, mib: u64) -> JobRequest {
    let inputs =
        vec![InputFile { path: "/in/t.csv".into(), size: ByteCount(mib << 20), written_ns: 0 }];
    JobRequest { model, length, inputs, ..synthesize_as_many() }
}

/// A job that came to its end after so many times what its prior says.
fn ended(request: &JobRequest, ratio: f64) -> JobRow {
    let published = JobState::Ended(Outcome::Published { verdict: None });
    let ran = times(prior(request).takes, ratio);
    JobRow { state: published, ran, ..row(request.clone()) }
}

fn seconds_of(request: &JobRequest) -> u64 {
    prior(request).takes.get().div_euclid(1_000)
}

#[test]
fn a_prior_follows_what_was_asked_for() {
    use ModelName::{Seqtree, Tabgraph};
    use TrainingLength::{BudgetSeconds, Default, Epochs, Steps};
    let cases = [
        // (model, length, MiB of table, seconds at least, seconds at most)
        (Seqtree, Default, 4, 2, 6),
        (Seqtree, Default, 200, 15, 40),
        (Tabgraph, BudgetSeconds(120), 4, 122, 140),
        (Tabgraph, Steps(2_200), 4, 102, 120),
        (Tabgraph, Epochs(44), 4, 80, 110),
        (Tabgraph, Default, 4, 440, 620),
    ];
    for (model, length, mib, least, most) in cases {
        let found = seconds_of(&request(model, length, mib));
        assert!((least..=most).contains(&found), "{model} {length:?} {mib} MiB: {found} s");
    }
    let train = JobRequest { inputs: request(Tabgraph, Default, 4).inputs, ..train() };
    assert!(seconds_of(&train) < seconds_of(&request(Tabgraph, Default, 4)));
    let many = JobRequest { model: Tabgraph, ..generate(Some(129_000)) };
    assert_eq!(seconds_of(&many), 10);
}

#[test]
fn the_reason_names_the_parts_and_what_was_learned() {
    let asked = request(ModelName::Seqtree, TrainingLength::Default, 4);
    let mut known = Experience::default();
    let words = known.estimate(&asked).because;
    assert_eq!(words, "0.0 s of reading, 0.1 s of training, 0.0 s of drawing, 2.8 s of the report");
    known.learn(&ended(&asked, 3.0));
    known.learn(&ended(&asked, 3.0));
    let words = known.estimate(&asked).because;
    assert!(words.ends_with("; times 3.0, by the last 2 jobs like it"), "{words}");
}

#[test]
fn experience_follows_the_median_and_keeps_to_its_kind() {
    let asked = request(ModelName::Tabgraph, TrainingLength::BudgetSeconds(60), 4);
    let thought = prior(&asked).takes;
    let after = |ratios: &[f64]| {
        let mut known = Experience::default();
        ratios.iter().for_each(|ratio| known.learn(&ended(&asked, *ratio)));
        let estimate = known.estimate(&asked).takes;
        (100.0 * seconds(estimate) / seconds(thought)).round() as u64
    };
    assert_eq!(after(&[]), 100);
    assert_eq!(after(&[4.0]), 200, "one job moves it by the square root");
    assert_eq!(after(&[2.0, 2.0]), 200);
    assert_eq!(after(&[2.0, 2.0, 2.0, 900.0]), 200, "one that slept a night moves nothing");
    let many: Vec<_> = (0..ESTIMATE_JOBS).map(|_| 0.5).chain(vec![3.0; ESTIMATE_JOBS]).collect();
    assert_eq!(after(&many), 300, "what is long ago is forgotten");
    let mut known = Experience::default();
    (0..9).for_each(|_| known.learn(&ended(&asked, 5.0)));
    let other = request(ModelName::Tabgraph, TrainingLength::Default, 4);
    assert_eq!(known.estimate(&other), prior(&other), "another length is another kind");
    let other = request(ModelName::Seqtree, TrainingLength::BudgetSeconds(60), 4);
    assert_eq!(known.estimate(&other), prior(&other), "and so is another model");
}

#[test]
fn only_whole_runs_teach() {
    let asked = request(ModelName::Seqtree, TrainingLength::Default, 4);
    let mut known = Experience::default();
    let whole = ended(&asked, 8.0);
    for state in [JobState::Accepted, JobState::Ended(Outcome::Cancelled)] {
        known.learn(&JobRow { state, ..whole.clone() });
    }
    known.learn(&JobRow { ran: Millis(0), ..whole.clone() });
    assert_eq!(known.estimate(&asked), prior(&asked));
    assert_eq!(ran_to_estimate(&whole), None, "it was accepted by a version without guesses");
    let half = Estimate { takes: Millis(whole.ran.get() / 2), because: String::new() };
    let found = ran_to_estimate(&JobRow { estimate: Some(half), ..whole }).expect("it ended");
    assert!((found - 2.0).abs() < 0.01, "{found}");
}

proptest! {
    #[test]
    fn no_request_is_guessed_to_take_nothing_or_for_ever(
        size in 0..u64::MAX, length in 0..4_u64, amount in 1..u64::MAX, rows in 1..u64::MAX,
    ) {
        let length = match length {
            0 => TrainingLength::Default,
            1 => TrainingLength::BudgetSeconds(amount),
            2 => TrainingLength::Epochs(amount),
            _ => TrainingLength::Steps(amount),
        };
        let file = InputFile { path: "/in/t.zst".into(), size: ByteCount(size), written_ns: 0 };
        let asked = JobRequest { length, inputs: vec![file], ..synthesize(rows) };
        let takes = Experience::default().estimate(&asked).takes;
        prop_assert!(takes >= Millis(500));
    }
}
