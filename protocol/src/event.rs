//! What the outside hears of jobs: numbered without gaps, in the order in which it became durable.
//!
//! Events are read off the row. Whoever writes a row compares it with the one that it replaces and
//! appends what is new in the same transaction: an event is there exactly if its change is,
//! whatever was killed, and a change that is written once more adds none.

use serde::{Deserialize, Serialize};

use crate::{
    id::JobId,
    job::{JobRow, JobState, Outcome, TimelineEntry},
    queue::Priority,
    report::Verdict,
    stage::Stage,
    unit::{EventNo, Steps, Timestamp},
};

/// One thing that happened to one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its number: one more than that of the event before it.
    pub no: EventNo,
    /// When, by the clock of whoever wrote the row.
    pub at: Timestamp,
    /// To which job.
    pub job: JobId,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened. A type is never reused for another meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Happening {
    /// It stands in the store and waits for its turn.
    #[serde(rename = "job.accepted")]
    Accepted {
        /// How urgent it is.
        priority: Priority,
    },
    /// An entry of its timeline, word by word.
    #[serde(rename = "job.noted")]
    Noted {
        /// In words.
        what: String,
    },
    /// The plan of training is committed.
    #[serde(rename = "job.planned")]
    Planned {
        /// Steps that will be made, unless data ends them sooner.
        steps: Steps,
        /// In words.
        because: String,
    },
    /// A checkpoint is committed: nothing before this step is ever made again.
    #[serde(rename = "job.checkpointed")]
    Checkpointed {
        /// The step reached.
        step: Steps,
    },
    /// The report is durable.
    #[serde(rename = "job.judged")]
    Judged {
        /// What it says.
        verdict: Verdict,
        /// Why.
        reasons: Vec<String>,
    },
    /// A stage began.
    #[serde(rename = "job.stage_began")]
    StageBegan {
        /// Which.
        stage: Stage,
    },
    /// It is over; nothing follows.
    #[serde(rename = "job.ended")]
    Ended(Outcome),
}

impl Happening {
    /// `job.ended`: the name under which it is sent.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "job.accepted",
            Self::Noted { .. } => "job.noted",
            Self::Planned { .. } => "job.planned",
            Self::Checkpointed { .. } => "job.checkpointed",
            Self::Judged { .. } => "job.judged",
            Self::StageBegan { .. } => "job.stage_began",
            Self::Ended(_) => "job.ended",
        }
    }
}

/// The events that a write of a row adds after `newest`.
pub fn events(before: Option<&JobRow>, after: &JobRow, newest: EventNo) -> Vec<Event> {
    let numbers = newest.get() + 1..;
    let told = numbers.zip(happenings(before, after));
    let (at, job) = (after.changed_at, &after.id);
    told.map(|(no, what)| Event { no: EventNo(no), at, job: job.clone(), what }).collect()
}

/// What a new row tells that the one before it did not, in the order in which it is to be told; of
/// a row that was just accepted, that it was.
pub fn happenings(before: Option<&JobRow>, after: &JobRow) -> Vec<Happening> {
    let Some(before) = before else {
        return vec![Happening::Accepted { priority: after.priority }];
    };
    let mut told: Vec<_> = new_entries(before, after)
        .iter()
        .map(|entry| Happening::Noted { what: entry.what.clone() })
        .collect();
    let (old, new) = (&before.done, &after.done);
    if let (None, Some(plan)) = (&old.plan, &new.plan) {
        told.push(Happening::Planned { steps: plan.steps, because: plan.because.clone() });
    }
    if let Some(facts) = new.checkpoint.filter(|_| old.checkpoint != new.checkpoint) {
        told.push(Happening::Checkpointed { step: facts.step });
    }
    if let (None, Some(report)) = (&old.report, &new.report) {
        let (verdict, reasons) = (report.verdict, report.reasons.clone());
        told.push(Happening::Judged { verdict, reasons });
    }
    if before.state != after.state {
        told.extend(match &after.state {
            JobState::Accepted => None,
            JobState::Running { stage } => Some(Happening::StageBegan { stage: *stage }),
            JobState::Ended(outcome) => Some(Happening::Ended(outcome.clone())),
        });
    }
    told
}

/// Entries of the timeline that were added. A long timeline loses entries of its middle, so they
/// are counted from the first one that ever was.
fn new_entries<'row>(before: &JobRow, after: &'row JobRow) -> &'row [TimelineEntry] {
    let ever = |row: &JobRow| row.timeline_dropped + row.timeline.len() as u64;
    let new = usize::try_from(ever(after).saturating_sub(ever(before))).unwrap_or(usize::MAX);
    &after.timeline[after.timeline.len().saturating_sub(new)..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::step::samples::{row, synthesize},
        limits::TIMELINE_ENTRIES_MAX,
        model::TrainPlan,
        unit::Timestamp,
    };

    fn noted(what: &str) -> Happening {
        Happening::Noted { what: what.to_owned() }
    }

    #[test]
    fn a_row_tells_what_is_new_and_nothing_twice() {
        let before = row(synthesize(10));
        let priority = Priority::default();
        assert_eq!(happenings(None, &before), [Happening::Accepted { priority }]);
        assert_eq!(happenings(Some(&before), &before), []);
        let mut after = before.clone();
        after.log(Timestamp(3), "claimed in epoch 1");
        after.log(Timestamp(3), "train begins");
        after.state = JobState::Running { stage: Stage::Train };
        let because = "two steps".to_owned();
        let config = serde_json::Value::Null;
        after.done.plan = Some(TrainPlan { config, steps: Steps(2), because: because.clone() });
        let told = [
            noted("claimed in epoch 1"),
            noted("train begins"),
            Happening::Planned { steps: Steps(2), because },
            Happening::StageBegan { stage: Stage::Train },
        ];
        assert_eq!(happenings(Some(&before), &after), told);
        assert_eq!(happenings(Some(&after), &after), []);
        let mut ended = after.clone();
        ended.state = JobState::Ended(Outcome::Cancelled);
        assert_eq!(happenings(Some(&after), &ended), [Happening::Ended(Outcome::Cancelled)]);
    }

    #[test]
    fn a_timeline_that_loses_its_middle_still_tells_each_entry_once() {
        let mut row = row(synthesize(10));
        let mut told = Vec::new();
        for no in 0..TIMELINE_ENTRIES_MAX * 2 {
            let before = row.clone();
            row.log(Timestamp(1), format!("entry {no}"));
            told.extend(happenings(Some(&before), &row));
        }
        let all = (0..TIMELINE_ENTRIES_MAX * 2).map(|no| noted(&format!("entry {no}")));
        assert_eq!(told, all.collect::<Vec<_>>());
    }

    #[test]
    fn an_event_is_one_flat_object_with_its_type() {
        let event = Event {
            no: EventNo(7),
            at: Timestamp(1_000),
            job: JobId::new("j"),
            what: Happening::Ended(Outcome::Published { verdict: Some(Verdict::Pass) }),
        };
        let json = serde_json::json!({
            "no": 7, "at": 1_000, "job": "j", "type": "job.ended",
            "data": {"outcome": "published", "verdict": "pass"},
        });
        assert_eq!(serde_json::to_value(&event).expect("is written"), json);
        assert_eq!(serde_json::from_value::<Event>(json).expect("is read back"), event);
        assert_eq!(event.what.name(), "job.ended");
        let accepted =
            Event { what: Happening::Accepted { priority: Priority::default() }, ..event };
        let text = serde_json::to_string(&accepted).expect("is written");
        assert_eq!(serde_json::from_str::<Event>(&text).expect(&text), accepted);
    }
}
