//! Holds EVENT-1 against the log of one job: each thing that happened is told exactly once, in
//! order. It counts what was told and holds it against the row, whatever made the events.

use std::rc::Rc;

use tgs_protocol::{
    event::{Event, Happening},
    job::{JobRow, JobState},
    stage::Stage,
    unit::Steps,
};

/// What was told of one job so far.
#[derive(Debug, Default)]
pub struct Telling {
    is_accepted: bool,
    noted: u64,
    is_planned: bool,
    is_judged: bool,
    stage: Option<Stage>,
    checkpoint: Steps,
    is_over: bool,
}

impl Telling {
    /// That it was accepted.
    pub fn accepted(&mut self) {
        self.is_accepted = true;
    }

    /// Takes in what a write of the row told, after so many events of all jobs.
    ///
    /// # Errors
    /// What was told twice, too early, or not at all.
    pub fn heard(&mut self, before: u64, told: &[Rc<Event>], row: &JobRow) -> Result<(), String> {
        for (no, event) in (before + 1..).zip(told) {
            let what = event.what.name();
            if event.no.get() != no || event.job != row.id {
                return Err(format!("event {} of job {} after {before}", event.no, event.job));
            }
            if self.is_over || !self.is_accepted || !self.fits(&event.what) {
                return Err(format!("job {}: {what} is told once more, or too late", row.id));
            }
        }
        // The first entry of a timeline is told as `job.accepted`.
        let entries = row.timeline_dropped + row.timeline.len() as u64 - 1;
        let stands = (entries, row.done.plan.is_some(), row.done.report.is_some());
        let heard = (self.noted, self.is_planned, self.is_judged);
        if heard != stands {
            return Err(format!("job {}: told {heard:?} of {stands:?}", row.id));
        }
        let stage = match &row.state {
            JobState::Running { stage } => self.stage == Some(*stage),
            state => state.is_final() == self.is_over,
        };
        if stage { Ok(()) } else { Err(format!("job {}: {} was not told", row.id, row.state)) }
    }

    /// Whether this may follow what was told; takes it in.
    fn fits(&mut self, what: &Happening) -> bool {
        match what {
            Happening::Accepted { .. } => false,
            Happening::Noted { .. } => {
                self.noted += 1;
                true
            }
            Happening::Planned { .. } => !std::mem::replace(&mut self.is_planned, true),
            Happening::Judged { .. } => !std::mem::replace(&mut self.is_judged, true),
            Happening::Checkpointed { step } => {
                std::mem::replace(&mut self.checkpoint, *step) <= *step
            }
            Happening::StageBegan { stage } => {
                let place = |stage: Stage| Stage::ALL.iter().position(|it| *it == stage);
                let last = self.stage.replace(*stage);
                last.and_then(place) < place(*stage)
            }
            Happening::Ended(_) => !std::mem::replace(&mut self.is_over, true),
            #[allow(unreachable_patterns, reason = "other branches add kinds of events")]
            _ => true,
        }
    }
}
