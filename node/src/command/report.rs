//! `tgs report`: judges a synthetic table that anyone made.

use serde_json::json;
use tgs_engine::port::{self, Compared};
use tgs_protocol::{code::Code, gate::Gates, progress::Unwatched, report::Verdict};

use super::{learning, result};
use crate::{
    command_line::{ReportArguments, Voice},
    failure::Failure,
    home,
    leaving::ExitCode,
    voice::say,
};

pub fn run(asked: &ReportArguments, voice: Voice) -> Result<ExitCode, Failure> {
    let into = home::whole(&asked.output)?;
    home::must_be_writable(&into.join("report.html"))?;
    let metadata = asked.metadata.as_deref().map(learning::metadata).transpose()?;
    let compared = Compared {
        real: learning::existing(&asked.real)?,
        synthetic: learning::existing(&asked.synthetic)?,
        holdout: asked.holdout.as_deref().map(learning::existing).transpose()?,
        metadata,
        target: asked.target.clone(),
        gates: Gates::default(),
        seed: asked.seed,
        threads: asked.threads,
    };
    std::fs::create_dir_all(&into).map_err(|error| {
        Failure::new(Code::CannotWrite, format!("make folder {}: {error}", into.display()))
    })?;
    let facts = port::report_files(&compared, &into, &Unwatched)?;
    let page = into.join("report.html");
    match voice {
        Voice::Json => say!(
            "{}",
            json!({"verdict": facts.verdict, "reasons": facts.reasons,
            "report": page, "json": into.join("report.json")})
        ),
        Voice::Words | Voice::Quiet => {
            say!("verdict  {}", result::words_of(facts.verdict));
            facts.reasons.iter().for_each(|reason| say!("         {reason}"));
            say!("report   {}", page.display());
        }
    }
    Ok(match facts.verdict {
        Verdict::Block => ExitCode::from(Code::Withheld.exit_status()),
        Verdict::Pass | Verdict::Warn => ExitCode::SUCCESS,
    })
}
