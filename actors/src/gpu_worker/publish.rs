//! The last stage: everything asked for is written where it was asked for.
//!
//! Repeating it after a crash writes the same bytes again. The table comes last: it never stands
//! there without its report. Invariant kept here: GATE-1.

use std::path::{Path, PathBuf};

use tgs_protocol::{
    artifact::{Manifest, SealedFile, TrainingFacts},
    digest::Digest,
    engine::{AssembleOrder, OutputFacts},
    job::JobEvent,
    request::{Goal, Output},
    store::ArtifactName,
};

use super::{
    bench::{Bench, MODEL_FILE, internal, read_file, write_file},
    message::WorkOrder,
};
use crate::failure::{Fault, Halt};

const TABLE: &str = "table";
const MANIFEST: &str = "manifest.json";
const REPORTS: [&str; 2] = ["report.json", "report.html"];

/// Every place where files of this request go.
pub(crate) fn places(goal: &Goal) -> Vec<PathBuf> {
    match goal {
        Goal::Train { model_file, .. } => vec![model_file.clone()],
        Goal::Synthesize { output, .. } | Goal::Generate { output, .. } => {
            let reports = REPORTS.iter().chain([&MANIFEST]).map(|name| output.report.join(name));
            reports.chain([output.table.clone()]).collect()
        }
    }
}

impl Bench {
    pub(super) fn publish(&self, order: &WorkOrder, withhold: bool) -> Result<JobEvent, Halt> {
        match &order.row.request.goal {
            Goal::Train { model_file, .. } => {
                let model = self.folder(order, ArtifactName::Model)?.join(MODEL_FILE);
                self.deliver(&model, model_file)?;
            }
            Goal::Synthesize { output, .. } => self.release(order, output, true, withhold)?,
            Goal::Generate { output, .. } => self.release(order, output, false, withhold)?,
        }
        Ok(JobEvent::Delivered)
    }

    fn release(
        &self,
        order: &WorkOrder,
        output: &Output,
        is_judged: bool,
        withhold: bool,
    ) -> Result<(), Halt> {
        let staged = self.stage(order, ArtifactName::Output)?;
        let table = match withhold {
            true => None,
            false => Some(self.assemble(order, output, staged.join(TABLE))?),
        };
        let reports = is_judged.then(|| self.folder(order, ArtifactName::Report)).transpose()?;
        let manifest = self.manifest(order, output, table.as_ref(), reports.as_deref())?;
        write_file(&staged.join(MANIFEST), &as_json(&manifest)?)?;
        self.seal(order, ArtifactName::Output)?;
        let sealed = self.folder(order, ArtifactName::Output)?;
        let mut deliveries = Vec::new();
        if let Some(reports) = reports {
            deliveries.extend(REPORTS.map(|name| (reports.join(name), output.report.join(name))));
        }
        deliveries.push((sealed.join(MANIFEST), output.report.join(MANIFEST)));
        if table.is_some() {
            deliveries.push((sealed.join(TABLE), output.table.clone()));
        }
        deliveries.iter().try_for_each(|(from, to)| self.deliver(from, to))
    }

    fn assemble(
        &self,
        order: &WorkOrder,
        output: &Output,
        into: PathBuf,
    ) -> Result<OutputFacts, Halt> {
        // A job that only generates has no dataset: its chunks carry the formats of values.
        let dataset = match order.row.done.dataset {
            Some(_) => self.folder(order, ArtifactName::Dataset)?,
            None => PathBuf::new(),
        };
        let chunks = self.chunk_files(order)?;
        let assemble = AssembleOrder { dataset, chunks, format: output.format, into };
        Ok(self.ports.engine.assemble(&assemble, order.watch.as_ref())?)
    }

    fn manifest(
        &self,
        order: &WorkOrder,
        output: &Output,
        table: Option<&OutputFacts>,
        reports: Option<&Path>,
    ) -> Result<Manifest, Halt> {
        let (request, done) = (&order.row.request, &order.row.done);
        let missing = || internal("publish before every earlier stage is done");
        let mut files = Vec::new();
        files.extend(table.map(|table| SealedFile {
            role: TABLE.to_owned(),
            digest: table.digest,
            rows: Some(table.rows),
            format: Some(output.format),
        }));
        for (reports, name) in reports.into_iter().flat_map(|r| REPORTS.map(|name| (r, name))) {
            let digest = Digest::of(&read_file(&reports.join(name))?);
            files.push(SealedFile { role: name.to_owned(), digest, rows: None, format: None });
        }
        let training = || {
            Some(TrainingFacts {
                model: request.model,
                plan: done.plan.clone()?,
                threads: request.threads,
                numerics_class: done.numerics_class.clone()?,
                dataset: done.dataset.as_ref()?.digest,
                verdict: done.report.as_ref()?.verdict,
            })
        };
        Ok(Manifest {
            version: 1,
            seed: request.seed,
            model_digest: done.model.ok_or_else(missing)?,
            training: reports.map(|_| training().ok_or_else(missing)).transpose()?,
            files,
        })
    }

    fn deliver(&self, from: &Path, to: &Path) -> Result<(), Halt> {
        self.carry("deliver", self.ports.artifacts.deliver(from, to))?;
        Ok(())
    }
}

fn as_json(manifest: &Manifest) -> Result<Vec<u8>, Halt> {
    let mut json = serde_json::to_vec_pretty(manifest).map_err(|error| {
        Fault::new(tgs_protocol::code::Code::Internal, format!("write manifest: {error}"))
    })?;
    json.push(b'\n');
    Ok(json)
}
