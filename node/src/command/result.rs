//! What is said when a job is over, and with which exit status.

use serde_json::{Value, json};
use tgs_protocol::{
    code::Code,
    job::{JobRow, Outcome},
    report::Verdict,
    request::Goal,
};

use crate::leaving::ExitCode;
use crate::{command_line::Voice, failure::Failure, figures, voice::say};

/// Says how a job ended. A withheld table is exit status 3.
pub fn tell(row: &JobRow, outcome: &Outcome, voice: Voice) -> Result<ExitCode, Failure> {
    match outcome {
        Outcome::Failed(failure) => {
            let message = format!("{} stage: {}", failure.stage, failure.message);
            return Err(Failure::new(failure.code, message));
        }
        Outcome::Cancelled => {
            return Err(Failure::new(Code::JobCancelled, format!("job {} was cancelled", row.id)));
        }
        Outcome::Published { .. } | Outcome::Withheld { .. } => {}
    }
    match voice {
        Voice::Json => say!("{}", as_json(row, outcome)),
        Voice::Words | Voice::Quiet => in_words(row, outcome),
    }
    Ok(match outcome {
        Outcome::Withheld { .. } => ExitCode::from(Code::Withheld.exit_status()),
        _ => ExitCode::SUCCESS,
    })
}

fn in_words(row: &JobRow, outcome: &Outcome) {
    let rows = row.rows().map_or(String::new(), |rows| figures::count(rows.get()));
    match (&row.request.goal, outcome) {
        (Goal::Train { model_file, .. }, _) => say!("model    {}", model_file.display()),
        (_, Outcome::Withheld { reasons }) => {
            say!("table    withheld: {}", reasons.join("; "));
            say!("         the report says why; `--gates warn` releases it all the same");
        }
        (Goal::Synthesize { output, .. } | Goal::Generate { output, .. }, _) => {
            say!("table    {} ({rows} rows)", output.table.display());
        }
    }
    if let (Some(report), Some(output)) = (&row.done.report, row.request.output()) {
        say!("verdict  {}", words_of(report.verdict));
        report.reasons.iter().for_each(|reason| say!("         {reason}"));
        say!("report   {}", output.report.join("report.html").display());
    }
}

fn as_json(row: &JobRow, outcome: &Outcome) -> Value {
    let output = row.request.output();
    let is_released = matches!(outcome, Outcome::Published { .. });
    let judged = row.done.report.as_ref();
    let page = judged.and(output).map(|output| output.report.join("report.html"));
    json!({
        "event": "ended",
        "job": row.id,
        "outcome": outcome,
        "rows": row.rows(),
        "table": output.filter(|_| is_released).map(|output| &output.table),
        "report": page,
        "verdict": judged.map(|report| report.verdict),
        "reasons": judged.map(|report| &report.reasons),
        "planned_steps": row.done.plan.as_ref().map(|plan| plan.steps),
        "steps": row.done.trained_steps,
    })
}

/// The verdict as one reads it aloud.
pub fn words_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass: every gate holds",
        Verdict::Warn => "pass with warnings",
        Verdict::Block => "blocked: do not share",
    }
}
