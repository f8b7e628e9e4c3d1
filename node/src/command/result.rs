//! What is said when a job is over, and with which exit status.

use std::path::Path;

use serde_json::{Value, json};
use tgs_protocol::{
    code::Code,
    engine::ReportFacts,
    figure,
    id::JobId,
    job::{JobRow, Outcome},
    request::{Goal, JobRequest},
    unit::{Rows, Steps},
};

use super::verdict::Judged;
use crate::{
    command_line::Voice, failure::Failure, leaving::ExitCode, terminal::paragraph, voice::say,
};

/// Says how a job of this process ended. A withheld table is exit status 3.
pub fn tell(row: &JobRow, outcome: &Outcome, voice: Voice) -> Result<ExitCode, Failure> {
    let end = JobEnd {
        job: &row.id,
        request: &row.request,
        rows: row.rows(),
        report: row.done.report.clone(),
        planned_steps: row.done.plan.as_ref().map(|plan| plan.steps),
        steps: row.done.trained_steps,
    };
    tell_end(&end, outcome, voice)
}

/// What is told of a job that is over, wherever it ran.
pub struct JobEnd<'a> {
    pub job: &'a JobId,
    /// With places on this machine.
    pub request: &'a JobRequest,
    pub rows: Option<Rows>,
    pub report: Option<ReportFacts>,
    pub planned_steps: Option<Steps>,
    pub steps: Option<Steps>,
}

/// Says how a job ended. A withheld table is exit status 3.
pub fn tell_end(end: &JobEnd<'_>, outcome: &Outcome, voice: Voice) -> Result<ExitCode, Failure> {
    match outcome {
        Outcome::Failed(failure) => {
            let message = format!("{} stage: {}", failure.stage, failure.message);
            return Err(Failure::new(failure.code, message));
        }
        Outcome::Cancelled => {
            return Err(Failure::new(Code::JobCancelled, format!("job {} was cancelled", end.job)));
        }
        Outcome::Published { .. } | Outcome::Withheld { .. } => {}
    }
    let ended = Ended::of(end, outcome);
    match voice {
        Voice::Json => say!("{}", ended.as_json()),
        Voice::Words | Voice::Quiet => ended.in_words(),
    }
    Ok(match outcome {
        Outcome::Withheld { .. } => ExitCode::from(Code::Withheld.exit_status()),
        _ => ExitCode::SUCCESS,
    })
}

/// A job that came to its end, with or without a table.
struct Ended<'a> {
    end: &'a JobEnd<'a>,
    outcome: &'a Outcome,
    judged: Option<Judged>,
    is_released: bool,
}

impl<'a> Ended<'a> {
    fn of(end: &'a JobEnd<'a>, outcome: &'a Outcome) -> Self {
        let is_released = matches!(outcome, Outcome::Published { .. });
        let report = end.report.as_ref().zip(end.request.report_folder());
        let judged = report.map(|(facts, folder)| Judged::of(facts, folder));
        Self { end, outcome, judged, is_released }
    }

    /// What stands at OUT although this job wrote nothing there: it is of an earlier run.
    fn earlier_table(&self) -> Option<&'a Path> {
        let table = self.end.request.output().map(|output| output.table.as_path());
        table.filter(|table| !self.is_released && table.exists())
    }

    fn in_words(&self) {
        let rows = self.end.rows.map_or(String::new(), |rows| figure::count(rows.get()));
        match &self.end.request.goal {
            Goal::Train { model_file, .. } => say!("model    {}", model_file.display()),
            Goal::External { folder, .. } => say!("files    {}", folder.display()),
            Goal::Evaluate { synthetic, .. } => say!("judged   {}", synthetic.display()),
            Goal::Synthesize { output, .. } | Goal::Generate { output, .. } => {
                match self.is_released {
                    true => say!("table    {} ({rows} rows)", output.table.display()),
                    false => say!("table    withheld ({})", Code::Withheld),
                }
            }
        }
        if let Some(earlier) = self.earlier_table() {
            say!("         an earlier file stands at {}; it is not of this run", earlier.display());
        }
        if let (Some(judged), Some(folder)) = (&self.judged, self.end.request.report_folder()) {
            judged.say(self.is_released);
            if !self.is_released && self.end.request.output().is_some() {
                say!("{}", paragraph("advice", advice(judged)));
            }
            say!("report   {}", folder.join("report.html").display());
        }
    }

    fn as_json(&self) -> Value {
        let (end, judged) = (self.end, self.judged.as_ref());
        let output = end.request.output();
        let model = match &end.request.goal {
            Goal::Train { model_file, .. } => Some(model_file),
            _ => None,
        };
        json!({
            "event": "ended",
            "job": end.job,
            "outcome": self.outcome.word(),
            "code": self.outcome.code(),
            "rows": end.rows,
            "table": output.filter(|_| self.is_released).map(|output| &output.table),
            "earlier_table": self.earlier_table(),
            "model": model,
            "report": judged.and(end.request.report_folder()).map(|it| it.join("report.html")),
            "verdict": judged.map(|judged| judged.verdict),
            "reasons": judged.map(|judged| &judged.reasons),
            "open_gates": judged.map(Judged::open_gates),
            "planned_steps": end.planned_steps,
            "steps": end.steps,
        })
    }
}

/// What to do about a withheld table. Nobody is told in passing how to get round a privacy gate.
fn advice(judged: &Judged) -> &'static str {
    match judged.privacy_blocks() {
        true => "train on more rows or for fewer steps; `tgs explain GATE-0001` says more",
        false => "`tgs explain GATE-0001` says what helps; `--gates warn` releases it all the same",
    }
}
