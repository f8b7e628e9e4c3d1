//! `tgs report`: judges a synthetic table that anyone made.

use serde_json::json;
use tgs_engine::port;
use tgs_protocol::{
    code::Code, engine::CompareOrder, gate::Gates, metadata::Metadata, report::Verdict,
    request::check_threads,
};

use super::{
    learning::{self, refused},
    verdict::Judged,
};
use crate::{
    command_line::{ReportArguments, Voice},
    failure::Failure,
    home,
    leaving::ExitCode,
    terminal::{Shown, tell_notices},
    voice::say,
};

pub fn run(asked: &ReportArguments, voice: Voice) -> Result<ExitCode, Failure> {
    check_threads(asked.threads).map_err(refused)?;
    let into = home::whole(&asked.output)?;
    home::must_be_writable(&into.join("report.html"))?;
    let metadata = asked.metadata.as_deref().map(learning::metadata).transpose()?;
    let metadata = Metadata::with_target(metadata, asked.target.as_deref()).map_err(refused)?;
    metadata.as_ref().map_or(Ok(()), Metadata::check).map_err(refused)?;
    let real = learning::existing(&asked.real)?;
    let order = CompareOrder {
        synthetic: learning::existing(&asked.synthetic)?,
        holdout: learning::holdout(asked.holdout.as_deref(), &real)?,
        real,
        metadata,
        gates: learning::gates(Gates::default(), &asked.thresholds)?,
        seed: asked.seed,
        threads: asked.threads,
        into: into.clone(),
    };
    let shown = Shown::on(voice);
    let written = port::compare(&order, &shown);
    shown.end(written.is_ok());
    let (facts, notices) = written?;
    tell_notices(&notices, voice);
    let judged = Judged::of(&facts, &into);
    let page = into.join("report.html");
    let is_blocked = judged.verdict == Verdict::Block;
    match voice {
        Voice::Json => say!(
            "{}",
            json!({
                "event": "report", "verdict": judged.verdict, "reasons": judged.reasons,
                "open_gates": judged.open_gates(), "code": is_blocked.then_some(Code::Withheld),
                "report": page, "json": into.join("report.json"),
            })
        ),
        Voice::Words | Voice::Quiet => {
            judged.say(false);
            say!("report   {}", page.display());
        }
    }
    Ok(match is_blocked {
        true => ExitCode::from(Code::Withheld.exit_status()),
        false => ExitCode::SUCCESS,
    })
}
