//! From an order to a request: datasets become files that the house keeps, results get a folder.

use std::{collections::BTreeMap, path::PathBuf};

use tgs_protocol::{
    code::Code,
    dataset::DatasetVersion,
    desk::DeskError,
    gate::Gates,
    job::origin::Origin,
    kept::{self, Kept},
    metadata::Metadata,
    model::may_be_sampled,
    program::{Command, dataset_variable},
    request::{Goal, JobRequest, Output, Source, parse_budget},
    residency::Residency,
    store::ArtifactName,
    unit::{Millis, Rows},
    wire::{
        DatasetRef, EvaluateOrder, ExternalOrder, GenerateOrder, JobOrder, LearnOrder,
        SynthesizeOrder, TableFormat, TrainOrder,
    },
};

use crate::{desk::Desk, store_call::answer};

/// An order as a request.
pub struct Ordered {
    pub request: JobRequest,
    /// What it is made from.
    pub origin: Origin,
    /// Regions that it may not leave: those that were asked for and that all that it reads may be
    /// in.
    pub regions: Residency,
}

/// What is asked of the desk.
pub async fn request(desk: &Desk, order: JobOrder) -> Result<Ordered, DeskError> {
    let mut regions = order.regions().clone();
    let walls = &mut regions;
    let (request, origin) = match order {
        JobOrder::Synthesize(order) => {
            let SynthesizeOrder { dataset, holdout, rows, format, gates, learn, .. } = order;
            let (source, origin) =
                source(desk, walls, (&dataset, holdout.as_ref()), &learn).await?;
            let output = output(desk, rows, format);
            (learned(desk, Goal::Synthesize { source, output }, gates, learn)?, origin)
        }
        JobOrder::Train(TrainOrder { dataset, holdout, learn, .. }) => {
            let (source, origin) =
                source(desk, walls, (&dataset, holdout.as_ref()), &learn).await?;
            let model_file = folder(desk).join("model.safetensors");
            let goal = Goal::Train { source, model_file };
            (learned(desk, goal, Gates::default(), learn)?, origin)
        }
        JobOrder::Generate(order) => generate(desk, walls, order).await?,
        JobOrder::Evaluate(order) => evaluate(desk, walls, order).await?,
        JobOrder::External(order) => external(desk, walls, order).await?,
    };
    Ok(Ordered { request, origin, regions })
}

fn learned(
    desk: &Desk,
    goal: Goal,
    gates: Gates,
    learn: LearnOrder,
) -> Result<JobRequest, DeskError> {
    Ok(JobRequest {
        goal,
        model: learn.model,
        length: learn.length()?,
        seed: learn.seed,
        threads: learn.threads.unwrap_or(desk.threads),
        devices: learn.devices.unwrap_or(1),
        overrides: learn.constants,
        gates,
        inputs: Vec::new(),
    })
}

async fn generate(
    desk: &Desk,
    walls: &mut Residency,
    order: GenerateOrder,
) -> Result<(JobRequest, Origin), DeskError> {
    let GenerateOrder { model, rows, seed, format, given, complete, .. } = order;
    let row = desk.row(&model).await?;
    may_be_sampled(&row)?;
    narrow(walls, &row.regions, &format!("model {model}"))?;
    let trained = desk.ports.artifacts.sizes(&model, ArtifactName::Model);
    if answer("look for a model", trained).await?.is_none() {
        return Err(DeskError::not_found("model", model.as_str()));
    }
    let model_file = Kept::Model(model.clone()).path();
    let mut origin = Origin { model_of: Some(model), ..Origin::default() };
    let complete = match complete {
        None => None,
        Some(named) => {
            let version = find(desk, walls, &named).await?;
            origin.dataset = Some((&version).into());
            Some(Kept::dataset(&version))
        }
    };
    let output = output(desk, rows, format);
    let goal = Goal::Generate { model_file, output, given, complete };
    let learn = LearnOrder { model: row.request.model, seed, ..LearnOrder::default() };
    Ok((learned(desk, goal, Gates::default(), learn)?, origin))
}

async fn evaluate(
    desk: &Desk,
    walls: &mut Residency,
    order: EvaluateOrder,
) -> Result<(JobRequest, Origin), DeskError> {
    let EvaluateOrder { dataset, synthetic, holdout, gates, .. } = order;
    let EvaluateOrder { seed, threads, metadata, target, .. } = order;
    let learn = LearnOrder { seed, threads, metadata, target, ..LearnOrder::default() };
    let (source, mut origin) = source(desk, walls, (&dataset, holdout.as_ref()), &learn).await?;
    let judged = find(desk, walls, &synthetic).await?;
    origin.synthetic = Some((&judged).into());
    let synthetic = Kept::dataset(&judged);
    let report = folder(desk).join("report");
    let goal = Goal::Evaluate { source, synthetic, report };
    Ok((learned(desk, goal, gates, learn)?, origin))
}

async fn external(
    desk: &Desk,
    walls: &mut Residency,
    order: ExternalOrder,
) -> Result<(JobRequest, Origin), DeskError> {
    let ExternalOrder { program, arguments, datasets, progress, time_limit, .. } = order;
    let mut files = BTreeMap::new();
    for named in &datasets {
        let file = Kept::dataset(&find(desk, walls, named).await?);
        let variable = dataset_variable(named.dataset.as_str());
        if files.insert(variable.clone(), file).is_some() {
            let message = format!("cannot hand over {named}: {variable} names another dataset");
            return Err(DeskError::new(Code::BadRequest, message));
        }
    }
    let limit = Millis(parse_budget(&time_limit)?.saturating_mul(1_000));
    let command = Command { program, arguments, datasets: files, progress, limit };
    let goal = Goal::External { command, folder: folder(desk) };
    let request = learned(desk, goal, Gates::default(), LearnOrder::default())?;
    Ok((request, Origin::default()))
}

async fn source(
    desk: &Desk,
    walls: &mut Residency,
    (dataset, holdout): (&DatasetRef, Option<&DatasetRef>),
    learn: &LearnOrder,
) -> Result<(Source, Origin), DeskError> {
    let version = find(desk, walls, dataset).await?;
    let mut origin = Origin { dataset: Some((&version).into()), ..Origin::default() };
    let holdout = match holdout {
        None => None,
        Some(named) => {
            let aside = find(desk, walls, named).await?;
            if aside.digest == version.digest {
                let message = format!(
                    "cannot keep {named} aside: it holds what {dataset} holds, and rows that \
                     train cannot judge; name a dataset of other rows, or none"
                );
                return Err(DeskError::new(Code::BadRequest, message));
            }
            origin.holdout = Some((&aside).into());
            Some(Kept::dataset(&aside))
        }
    };
    let target = learn.target.clone();
    let metadata = Metadata::with_target(learn.metadata.clone(), target.as_deref())?;
    let table = Kept::dataset(&version);
    Ok((Source { table, holdout, metadata, target }, origin))
}

/// The version that is meant; the job stays where it may be.
async fn find(
    desk: &Desk,
    walls: &mut Residency,
    named: &DatasetRef,
) -> Result<DatasetVersion, DeskError> {
    let versions = desk.ports.datasets.versions(&named.dataset);
    let versions = answer("list versions", versions).await?;
    let is_meant = |it: &DatasetVersion| named.version.is_none_or(|version| it.version == version);
    let found = versions.into_iter().find(is_meant);
    let found = found.ok_or_else(|| DeskError::not_found("dataset", &named.to_string()))?;
    narrow(walls, &found.regions, &format!("dataset {named}"))?;
    Ok(found)
}

/// From now on the job stays where what it reads may be as well.
fn narrow(walls: &mut Residency, of: &Residency, what: &str) -> Result<(), DeskError> {
    let Some(both) = walls.and(of) else {
        let message = format!(
            "take the order: {what} may be in {of} only, and the order or what else it reads in \
             {walls} only; leave `regions` out, or read what may be in the same region"
        );
        return Err(DeskError::new(Code::OutsideRegion, message));
    };
    *walls = both;
    Ok(())
}

fn output(desk: &Desk, rows: Option<u64>, format: TableFormat) -> Output {
    Output::in_folder(&folder(desk), rows.map(Rows), format.output())
}

/// A folder that no other job delivers to.
fn folder(desk: &Desk) -> PathBuf {
    kept::results().join(desk.ports.ids.name())
}
