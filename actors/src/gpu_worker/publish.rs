//! The last stage: everything asked for is written where it was asked for.
//!
//! Repeating it after a crash writes the same bytes again. The table comes last: it never stands
//! there without its report. Invariant kept here: GATE-1.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use tgs_protocol::{
    artifact::{Manifest, SealedFile, TrainingFacts},
    code::Code,
    digest::Digest,
    engine::{AssembleOrder, OutputFacts},
    job::{JobEvent, JobRow},
    progress::Watch,
    request::{Goal, Output},
    store::{ArtifactName, Delivered, Written},
};

use super::{
    bench::{Bench, MODEL_FILE, internal, read_file, write_file},
    message::WorkOrder,
};
use crate::failure::{Fault, Halt};

const TABLE: &str = "table";
const MANIFEST: &str = "manifest.json";
const REPORTS: [&str; 2] = ["report.json", "report.html"];

/// A file that a request asks for: where it is sealed, and where it goes.
pub(crate) struct Delivery {
    pub(crate) artifact: ArtifactName,
    pub(crate) name: Cow<'static, str>,
    pub(crate) to: PathBuf,
}

impl Delivery {
    /// Into this folder, under its own name.
    fn into(folder: &Path, artifact: ArtifactName, name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self { artifact, to: folder.join(&*name), name }
    }
}

/// Every file that a job may deliver; a table comes last.
pub(crate) fn deliveries(row: &JobRow) -> Vec<Delivery> {
    let (output, reports) = match &row.request.goal {
        Goal::Train { model_file, .. } => {
            let (artifact, to) = (ArtifactName::Model, model_file.clone());
            return vec![Delivery { artifact, name: MODEL_FILE.into(), to }];
        }
        Goal::Evaluate { report, .. } => {
            return REPORTS.map(|name| Delivery::into(report, ArtifactName::Report, name)).into();
        }
        Goal::External { folder, .. } => {
            let names = row.done.run.iter().flat_map(|run| run.files.clone());
            return names.map(|name| Delivery::into(folder, ArtifactName::Files, name)).collect();
        }
        Goal::Synthesize { output, .. } => (output, &REPORTS[..]),
        Goal::Generate { output, .. } => (output, &[][..]),
    };
    let beside = |artifact, name: &'static str| Delivery::into(&output.report, artifact, name);
    let reports = reports.iter().map(|name| beside(ArtifactName::Report, name));
    let table = Delivery { to: output.table.clone(), ..beside(ArtifactName::Output, TABLE) };
    reports.chain([beside(ArtifactName::Output, MANIFEST), table]).collect()
}

impl Bench {
    pub(super) fn publish(&self, order: &WorkOrder, withhold: bool) -> Result<JobEvent, Halt> {
        match &order.row.request.goal {
            Goal::Train { .. } | Goal::Evaluate { .. } | Goal::External { .. } => {
                self.deliver_all(order, |_| true, |_| None)?;
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
        let json = as_json(&manifest)?;
        write_file(&staged.join(MANIFEST), &json)?;
        self.seal(order, ArtifactName::Output)?;
        let is_wanted = |name: &str| !(withhold && name == TABLE);
        let digest = |name: &str| match name {
            MANIFEST => Some(Digest::of(&json)),
            role => manifest.files.iter().find(|file| file.role == role).map(|file| file.digest),
        };
        self.deliver_all(order, is_wanted, digest)
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
                went_on_in: done.went_on_in.clone(),
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

    /// Delivers the files that are wanted; one whose digest is known must still have it.
    fn deliver_all(
        &self,
        order: &WorkOrder,
        is_wanted: impl Fn(&str) -> bool,
        digest: impl Fn(&str) -> Option<Digest>,
    ) -> Result<(), Halt> {
        let artifacts = &self.ports.artifacts;
        let mut opened = BTreeMap::new();
        for Delivery { artifact, name, to } in deliveries(&order.row) {
            if !is_wanted(&name) {
                continue;
            }
            if order.watch.stopped() {
                return Err(Halt::Stopped(None));
            }
            // Every byte is looked at when it is opened: once for all files in it.
            let folder = match opened.entry(artifact) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.folder(order, artifact)?),
            };
            let from = folder.join(&*name);
            let delivered = artifacts.deliver(&order.lease, &from, &to);
            let Delivered::Done(found) = self.carry("deliver", delivered)? else {
                return Err(Halt::Overtaken);
            };
            if digest(&name).is_some_and(|sealed| sealed != found) {
                let taken_back = artifacts.take_back(&order.lease, &to);
                if self.carry("take back", taken_back)? != Written::Done {
                    return Err(Halt::Overtaken);
                }
                let said = format!("deliver {name}: its bytes are not those that were sealed");
                let remedy = "restore the data folder from a copy and resume, or cancel the job";
                return Err(Fault::new(Code::StoreCorrupt, format!("{said}; {remedy}")).into());
            }
        }
        Ok(())
    }
}

fn as_json(manifest: &Manifest) -> Result<Vec<u8>, Halt> {
    let mut json = serde_json::to_vec_pretty(manifest)
        .map_err(|error| Fault::new(Code::Internal, format!("write manifest: {error}")))?;
    json.push(b'\n');
    Ok(json)
}
