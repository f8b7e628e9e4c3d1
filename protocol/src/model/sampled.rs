//! Who may draw rows from a model: nobody, if its report blocked. Invariant kept here: GATE-1.

use crate::{
    code::Code,
    digest::Digest,
    job::{JobRow, JobState, Outcome},
    refusal::Refusal,
    report::Verdict,
    request::Goal,
};

/// Whether this job trained a model and ended with it.
pub fn has_model(row: &JobRow) -> bool {
    let trains = matches!(row.request.goal, Goal::Synthesize { .. } | Goal::Train { .. });
    let has_ended =
        matches!(row.state, JobState::Ended(Outcome::Published { .. } | Outcome::Withheld { .. }));
    trains && has_ended && row.done.model.is_some()
}

/// The digest of the model that a job trained, if rows may be drawn from it.
///
/// # Errors
/// `NoSuchThing` if the job left no model of its own, `Withheld` if its report blocked: what a gate
/// keeps back as a table must not leave as another sample of the same model.
pub fn may_be_sampled(row: &JobRow) -> Result<Digest, Refusal> {
    let job = &row.id;
    let Some(digest) = row.done.model.filter(|_| has_model(row)) else {
        let message = format!("job {job} has left no model; name one that trained it and ended");
        return Err(Refusal::new(Code::NoSuchThing, message));
    };
    let report = row.done.report.as_ref();
    let is_blocked = report.is_some_and(|report| report.verdict == Verdict::Block);
    if is_blocked || matches!(row.state, JobState::Ended(Outcome::Withheld { .. })) {
        let reasons = report.map(|report| report.reasons.join("; ")).unwrap_or_default();
        let message = format!(
            "cannot draw rows from the model of job {job}: its report blocked ({reasons}), so no \
             row of it leaves; mend what the report names and train again"
        );
        return Err(Refusal::new(Code::Withheld, message));
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::ReportFacts,
        job::{
            outcome::Failure,
            step::samples::{generate, row, synthesize, train},
        },
        request::JobRequest,
        stage::Stage,
    };

    fn ended(request: JobRequest, outcome: Outcome, verdict: Option<Verdict>) -> JobRow {
        let mut row = row(request);
        row.done.model = Some(Digest::of(b"model"));
        let report = |verdict| ReportFacts { verdict, reasons: vec!["ks_mean is high".to_owned()] };
        row.done.report = verdict.map(report);
        row.state = JobState::Ended(outcome);
        row
    }

    #[test]
    fn a_model_is_sampled_unless_its_report_blocked() {
        let published = Outcome::Published { verdict: None };
        let withheld = Outcome::Withheld { reasons: Vec::new() };
        let failure = Failure::new(Stage::Evaluate, Code::Internal, "x");
        let failed = Outcome::Failed(failure);
        let cases = [
            (synthesize(10), published.clone(), Some(Verdict::Pass), None),
            (synthesize(10), published.clone(), Some(Verdict::Warn), None),
            (train(), published.clone(), None, None),
            (synthesize(10), withheld, Some(Verdict::Block), Some(Code::Withheld)),
            (synthesize(10), published.clone(), Some(Verdict::Block), Some(Code::Withheld)),
            (synthesize(10), failed, None, Some(Code::NoSuchThing)),
            (synthesize(10), Outcome::Cancelled, None, Some(Code::NoSuchThing)),
            (generate(Some(10)), published, None, Some(Code::NoSuchThing)),
        ];
        for (request, outcome, verdict, refused) in cases {
            let row = ended(request, outcome, verdict);
            let found = may_be_sampled(&row).map_err(|refusal| refusal.code).err();
            assert_eq!(found, refused, "{:?} {verdict:?}", row.state);
        }
        let waiting = row(synthesize(10));
        assert!(may_be_sampled(&waiting).is_err());
    }
}
