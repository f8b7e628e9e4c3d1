//! The stages that are one call of the engine each: ingest, profile, plan, adopt a model, evaluate.

use std::path::{Path, PathBuf};

use tgs_protocol::{
    chunk::partition,
    code::Code,
    digest::Digest,
    engine::{
        CompareOrder, EngineError, EvaluateOrder, IngestOrder, PlanOrder, ProfileOrder, ReportFacts,
    },
    given::Given,
    job::JobEvent,
    metadata::Metadata,
    program::RunOrder,
    progress::Watch,
    request::{Goal, Source},
    store::ArtifactName,
    unit::{Rows, Steps},
};

use super::{
    bench::{Bench, MODEL_FILE, internal, write_file},
    message::WorkOrder,
    training::notice,
};
use crate::{
    failure::{Fault, Halt},
    input::check_same,
};

/// A model, what a user should know of it, and how many rows it has if it completes some.
type Adopted = (Vec<u8>, Vec<String>, Option<Rows>);

impl Bench {
    /// Runs the program from its beginning; an attempt that was broken off has left nothing.
    pub(super) fn run_program(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let request = &order.row.request;
        let Goal::External { command, .. } = &request.goal else {
            return Err(internal("a program is run only for a job that names one"));
        };
        check_same(request)?;
        let mut command = command.clone();
        for file in command.datasets.values_mut() {
            *file = self.local(file)?;
        }
        let run = RunOrder {
            command,
            job: order.lease.job.clone(),
            threads: order.row.train_threads(order.devices),
            attempt: order.row.runs,
            into: self.stage(order, ArtifactName::Files)?,
        };
        let facts = self.ports.programs.run(&run, order.watch.as_ref())?;
        check_same(request)?; // A program may write to what it should read.
        self.seal(order, ArtifactName::Files)?;
        Ok(JobEvent::Ran(facts))
    }

    pub(super) fn ingest(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let request = &order.row.request;
        let source = request.source().ok_or_else(|| internal("ingest without a source"))?;
        let ingest = IngestOrder {
            source: self.local(&source.table)?,
            holdout: source.holdout.as_deref().map(|file| self.local(file)).transpose()?,
            metadata: source.metadata.clone(),
            seed: request.seed,
            into: self.stage(order, ArtifactName::Dataset)?,
        };
        check_same(request)?;
        let facts = self.ports.engine.ingest(&ingest, order.watch.as_ref())?;
        // It may have been written to while it was read.
        check_same(request)?;
        self.seal(order, ArtifactName::Dataset)?;
        Ok(JobEvent::Ingested(facts))
    }

    pub(super) fn profile(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let profile = ProfileOrder {
            dataset: self.folder(order, ArtifactName::Dataset)?,
            into: self.stage(order, ArtifactName::Profile)?,
        };
        self.ports.engine.profile(&profile, order.watch.as_ref())?;
        Ok(JobEvent::Profiled(self.seal(order, ArtifactName::Profile)?))
    }

    pub(super) fn plan(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let request = &order.row.request;
        let threads = order.row.train_threads(order.devices);
        let class = self.ports.engine.numerics_class(self.device, threads)?;
        let plan = PlanOrder {
            dataset: self.folder(order, ArtifactName::Dataset)?,
            model: request.model,
            length: request.length,
            overrides: request.overrides.clone(),
            seed: request.seed,
            threads,
            device: self.device,
        };
        let plan = self.ports.engine.plan(&plan, order.watch.as_ref())?;
        Ok(JobEvent::Planned(plan, class))
    }

    /// Takes the model of an earlier job, once it is seen to open: as a model of rows under
    /// conditions, or of rows that are completed, where that is asked for.
    pub(super) fn adopt_model(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let request = &order.row.request;
        let Goal::Generate { model_file, given, complete, .. } = &request.goal else {
            return Err(internal("a model is adopted only to generate"));
        };
        check_same(request)?;
        let model = std::fs::read(self.local(model_file)?).map_err(|error| {
            let said = format!("read model {}: {error}; name a model file", model_file.display());
            Fault::new(Code::ModelUnreadable, said)
        })?;
        let adopted = match complete {
            Some(table) => {
                let (engine, table) = (&self.ports.engine, self.local(table)?);
                let completed = engine.complete(&model, &table, order.watch.as_ref());
                completed.map(|(model, said, rows)| (model, said, Some(rows)))
            }
            None => self.conditioned(model, given),
        };
        let (model, said, rows) = adopted.map_err(|error| naming(model_file, error.into()))?;
        // It may have been written to while it was read.
        check_same(request)?;
        said.into_iter().for_each(|said| notice(order, said));
        let artifact = request.goal.adopts_into();
        Ok(JobEvent::Adopted(self.keep_model(order, artifact, &model)?, rows))
    }

    fn conditioned(&self, model: Vec<u8>, given: &Given) -> Result<Adopted, EngineError> {
        if given.is_nothing() {
            let _ = self.ports.engine.sampler(&model)?;
            return Ok((model, Vec::new(), None));
        }
        let (model, said) = self.ports.engine.given(&model, given)?;
        Ok((model, said, None))
    }

    /// Makes a model durable. Its digest is that of the file, so that anyone can check it.
    pub(super) fn seal_model(
        &self,
        order: &WorkOrder,
        model: &[u8],
        steps: Option<Steps>,
    ) -> Result<JobEvent, Halt> {
        Ok(JobEvent::Trained(self.keep_model(order, ArtifactName::Model, model)?, steps))
    }

    fn keep_model(
        &self,
        order: &WorkOrder,
        artifact: ArtifactName,
        model: &[u8],
    ) -> Result<Digest, Halt> {
        let staged = self.stage(order, artifact)?;
        write_file(&staged.join(MODEL_FILE), model)?;
        self.seal(order, artifact)?;
        Ok(Digest::of(model))
    }

    pub(super) fn judge(&self, order: &WorkOrder) -> Result<JobEvent, Halt> {
        let facts = match &order.row.request.goal {
            Goal::Evaluate { source, synthetic, .. } => self.compare(order, source, synthetic)?,
            _ => self.evaluate(order)?,
        };
        self.seal(order, ArtifactName::Report)?;
        Ok(JobEvent::Judged(facts))
    }

    /// Judges two tables as they stand in their files: no copy of them is made, so a job that is
    /// killed reads them again.
    fn compare(
        &self,
        order: &WorkOrder,
        source: &Source,
        synthetic: &Path,
    ) -> Result<ReportFacts, Halt> {
        let request = &order.row.request;
        let compare = CompareOrder {
            real: self.local(&source.table)?,
            synthetic: self.local(synthetic)?,
            holdout: source.holdout.as_deref().map(|file| self.local(file)).transpose()?,
            metadata: Metadata::with_target(source.metadata.clone(), source.target.as_deref())
                .map_err(|refusal| Fault::new(refusal.code, refusal.message))?,
            gates: request.gates,
            seed: request.seed,
            threads: request.threads,
            into: self.stage(order, ArtifactName::Report)?,
        };
        check_same(request)?;
        // What was noticed at reading stands in the report.
        let (facts, _) = self.ports.engine.compare(&compare, order.watch.as_ref())?;
        check_same(request)?;
        Ok(facts)
    }

    fn evaluate(&self, order: &WorkOrder) -> Result<ReportFacts, Halt> {
        let request = &order.row.request;
        let model = self.folder(order, ArtifactName::Model)?.join(MODEL_FILE);
        let evaluate = EvaluateOrder {
            dataset: self.folder(order, ArtifactName::Dataset)?,
            chunks: self.chunk_files(order)?,
            model: Some(model),
            target: request.source().and_then(|source| source.target.clone()),
            gates: request.gates,
            seed: request.seed,
            threads: request.threads,
            into: self.stage(order, ArtifactName::Report)?,
        };
        Ok(self.ports.engine.evaluate(&evaluate, order.watch.as_ref())?)
    }

    /// The files of all chunks, in order.
    pub(super) fn chunk_files(&self, order: &WorkOrder) -> Result<Vec<PathBuf>, Halt> {
        let rows = order.row.rows().unwrap_or_default();
        let chunks = &self.ports.chunks;
        let open = |no| match order.watch.stopped() {
            true => Err(Halt::Stopped(None)),
            false => self.carry("open chunk", chunks.open(&order.lease.job, no)),
        };
        partition(rows).map(|(no, _)| open(no)).collect()
    }
}

/// The engine knows only bytes: which file they are of is said here.
fn naming(model_file: &Path, halt: Halt) -> Halt {
    match halt {
        Halt::Failed(mut fault) if fault.code == Code::ModelUnreadable => {
            fault.message = format!("generate from {}: {}", model_file.display(), fault.message);
            Halt::Failed(fault)
        }
        other => other,
    }
}
