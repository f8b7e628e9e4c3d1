//! One table of legal moves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{job::outcome::Outcome, stage::Stage};

/// Where a job is. A running job whose lease nobody holds is *interrupted*: it may be resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum JobState {
    /// Durable, not begun.
    Accepted,
    /// In this stage.
    Running {
        /// Which.
        stage: Stage,
    },
    /// Over.
    Ended(Outcome),
}

impl JobState {
    /// No event changes it any more.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Ended(_))
    }

    /// Whether a job may go from `self` to `next`: every legal move, and no other.
    pub fn may_become(&self, next: &Self) -> bool {
        use Outcome as O;
        use Stage::{Evaluate, Ingest, Profile, Publish, Run, Sample, Train};
        match (self, next) {
            (Self::Accepted, Self::Running { stage }) => {
                matches!(stage, Run | Ingest | Train | Evaluate)
            }
            (Self::Running { stage }, Self::Running { stage: next }) => matches!(
                (stage, next),
                (Run, Publish)
                    | (Ingest, Profile)
                    | (Profile, Train)
                    | (Train, Sample | Publish)
                    | (Sample, Evaluate | Publish)
                    | (Evaluate, Publish)
            ),
            (Self::Running { stage: Publish }, Self::Ended(O::Published { .. })) => true,
            (Self::Running { stage: Publish }, Self::Ended(O::Withheld { .. })) => true,
            (Self::Accepted | Self::Running { .. }, Self::Ended(O::Failed(_) | O::Cancelled)) => {
                true
            }
            _ => false,
        }
    }
}

/// One word.
impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Running { stage } => stage.fmt(f),
            Self::Ended(outcome) => f.write_str(outcome.word()),
        }
    }
}

/// The table of legal moves as a Mermaid diagram, for `docs/architecture.md`.
pub fn diagram(states: &[JobState]) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned(), "    [*] --> accepted".to_owned()];
    for from in states {
        for to in states.iter().filter(|to| from.may_become(to)) {
            lines.push(format!("    {from} --> {to}"));
        }
        if from.is_final() {
            lines.push(format!("    {from} --> [*]"));
        }
    }
    lines.join("\n") + "\n"
}

/// One state of each name, in the order of a job's life.
pub fn examples() -> Vec<JobState> {
    let (stage, code) = (Stage::Ingest, crate::code::Code::Internal);
    let failure = crate::job::outcome::Failure::new(stage, code, "an example");
    let outcomes = [
        Outcome::Published { verdict: None },
        Outcome::Withheld { reasons: Vec::new() },
        Outcome::Failed(failure),
        Outcome::Cancelled,
    ];
    let running = Stage::ALL.map(|stage| JobState::Running { stage });
    let ended = outcomes.map(JobState::Ended);
    [JobState::Accepted].into_iter().chain(running).chain(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of states: rows go to columns, `x` where the move is legal.
    #[test]
    fn every_pair_of_states() {
        let states = examples();
        let mut table = String::new();
        for from in &states {
            let moves = states.iter().map(|to| if from.may_become(to) { 'x' } else { '.' });
            table.push_str(&format!("{:<10}{}\n", from.to_string(), moves.collect::<String>()));
        }
        //          accepted, run, ingest, profile, train, sample, evaluate, publish,
        //          published, withheld, failed, cancelled
        insta::assert_snapshot!(table, @r"
        accepted  .xx.x.x...xx
        run       .......x..xx
        ingest    ...x......xx
        profile   ....x.....xx
        train     .....x.x..xx
        sample    ......xx..xx
        evaluate  .......x..xx
        publish   ........xxxx
        published ............
        withheld  ............
        failed    ............
        cancelled ............
        ");
    }

    #[test]
    fn every_state_is_reached_and_every_path_ends() {
        let states = examples();
        for to in &states[1..] {
            assert!(states.iter().any(|from| from.may_become(to)), "{to} is reached");
        }
        for (at, from) in states.iter().enumerate() {
            let forward = states[at..].iter().any(|to| from.may_become(to));
            assert_eq!(forward, !from.is_final(), "{from} goes on unless it is final");
            let back = states[..=at].iter().any(|to| from.may_become(to));
            assert!(!back, "{from} never goes back, so that every path ends");
        }
    }

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        for state in examples() {
            let json = serde_json::to_string(&state).expect("a state is written");
            assert_eq!(serde_json::from_str::<JobState>(&json).expect(&json), state);
        }
    }
}
