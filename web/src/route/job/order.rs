//! From an order to a request: datasets become files that the house keeps, results get a folder.

use std::{collections::BTreeMap, path::PathBuf};

use actix_web::http::StatusCode;
use tgs_protocol::{
    code::Code,
    dataset::DatasetVersion,
    gate::Gates,
    job::{JobRow, origin::Origin, retry},
    kept::{self, Kept},
    metadata::Metadata,
    model::may_be_sampled,
    program::{Command, dataset_variable},
    request::{Goal, JobRequest, Output, Source, parse_budget},
    unit::{Millis, Rows},
    wire::{
        DatasetRef, EvaluateOrder, ExternalOrder, GenerateOrder, JobOrder, LearnOrder,
        SynthesizeOrder, TableFormat, TrainOrder,
    },
};

use crate::{house::House, problem::Problem};

/// What is asked of the desk, and what it is made from.
pub async fn request(house: &House, order: JobOrder) -> Result<(JobRequest, Origin), Problem> {
    match order {
        JobOrder::Synthesize(order) => {
            let SynthesizeOrder { dataset, holdout, rows, format, gates, learn, .. } = order;
            let (source, origin) = source(house, &dataset, holdout.as_ref(), &learn).await?;
            let output = output(house, rows, format);
            Ok((learned(house, Goal::Synthesize { source, output }, gates, learn)?, origin))
        }
        JobOrder::Train(TrainOrder { dataset, holdout, learn, .. }) => {
            let (source, origin) = source(house, &dataset, holdout.as_ref(), &learn).await?;
            let model_file = folder(house).join("model.safetensors");
            let goal = Goal::Train { source, model_file };
            Ok((learned(house, goal, Gates::default(), learn)?, origin))
        }
        JobOrder::Generate(order) => generate(house, order).await,
        JobOrder::Evaluate(order) => evaluate(house, order).await,
        JobOrder::External(order) => external(house, order).await,
    }
}

fn learned(
    house: &House,
    goal: Goal,
    gates: Gates,
    learn: LearnOrder,
) -> Result<JobRequest, Problem> {
    Ok(JobRequest {
        goal,
        model: learn.model,
        length: learn.length()?,
        seed: learn.seed,
        threads: learn.threads.unwrap_or(house.threads),
        overrides: learn.constants,
        gates,
        inputs: Vec::new(),
    })
}

async fn generate(house: &House, order: GenerateOrder) -> Result<(JobRequest, Origin), Problem> {
    let GenerateOrder { model, rows, seed, format, .. } = order;
    let row = house.desk.show(&model).await?;
    may_be_sampled(&row)?;
    if house.desk.model_file(&model).await?.is_none() {
        return Err(Problem::not_found("model", model.as_str()));
    }
    let model_file = Kept::Model(model.clone()).path();
    let output = output(house, Some(rows), format);
    let goal = Goal::Generate { model_file, output };
    let learn = LearnOrder { model: row.request.model, seed, ..LearnOrder::default() };
    let origin = Origin { model_of: Some(model), ..Origin::default() };
    Ok((learned(house, goal, Gates::default(), learn)?, origin))
}

/// What a job asked for that failed or was cancelled, with a folder of its own. Whether rows may be
/// drawn from its model is asked anew.
pub async fn retried(house: &House, row: &JobRow) -> Result<JobRequest, Problem> {
    let again = retry::retried(row, &folder(house));
    let again = again.map_err(|refusal| {
        Problem::with_status(StatusCode::CONFLICT, refusal.code, refusal.message)
    })?;
    if let Goal::Generate { .. } = &again.goal {
        let Some(model) = &row.origin.model_of else {
            let message = "it does not say whose model it draws from; order it anew";
            let message = format!("cannot retry job {}: {message}", row.id);
            return Err(Problem::with_status(StatusCode::CONFLICT, Code::BadRequest, message));
        };
        may_be_sampled(&house.desk.show(model).await?)?;
    }
    Ok(again)
}

async fn evaluate(house: &House, order: EvaluateOrder) -> Result<(JobRequest, Origin), Problem> {
    let EvaluateOrder { dataset, synthetic, holdout, gates, .. } = order;
    let EvaluateOrder { seed, threads, metadata, target, .. } = order;
    let learn = LearnOrder { seed, threads, metadata, target, ..LearnOrder::default() };
    let (source, mut origin) = source(house, &dataset, holdout.as_ref(), &learn).await?;
    let judged = find(house, &synthetic).await?;
    origin.synthetic = Some((&judged).into());
    let synthetic = Kept::dataset(&judged);
    let report = folder(house).join("report");
    let goal = Goal::Evaluate { source, synthetic, report };
    Ok((learned(house, goal, gates, learn)?, origin))
}

async fn external(house: &House, order: ExternalOrder) -> Result<(JobRequest, Origin), Problem> {
    let ExternalOrder { program, arguments, datasets, progress, time_limit, .. } = order;
    let mut files = BTreeMap::new();
    for named in &datasets {
        let file = Kept::dataset(&find(house, named).await?);
        let variable = dataset_variable(named.dataset.as_str());
        if files.insert(variable.clone(), file).is_some() {
            let message = format!("cannot hand over {named}: {variable} names another dataset");
            return Err(Problem::new(Code::BadRequest, message));
        }
    }
    let limit = Millis(parse_budget(&time_limit)?.saturating_mul(1_000));
    let command = Command { program, arguments, datasets: files, progress, limit };
    let goal = Goal::External { command, folder: folder(house) };
    let request = learned(house, goal, Gates::default(), LearnOrder::default())?;
    Ok((request, Origin::default()))
}

async fn source(
    house: &House,
    dataset: &DatasetRef,
    holdout: Option<&DatasetRef>,
    learn: &LearnOrder,
) -> Result<(Source, Origin), Problem> {
    let version = find(house, dataset).await?;
    let mut origin = Origin { dataset: Some((&version).into()), ..Origin::default() };
    let holdout = match holdout {
        None => None,
        Some(named) => {
            let aside = find(house, named).await?;
            if aside.digest == version.digest {
                let message = format!(
                    "cannot keep {named} aside: it holds what {dataset} holds, and rows that \
                     train cannot judge; name a dataset of other rows, or none"
                );
                return Err(Problem::new(Code::BadRequest, message));
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

/// The version that is meant.
async fn find(house: &House, named: &DatasetRef) -> Result<DatasetVersion, Problem> {
    let versions = house.datasets.versions(&named.dataset).await?;
    let is_meant = |it: &DatasetVersion| named.version.is_none_or(|version| it.version == version);
    let found = versions.into_iter().find(is_meant);
    found.ok_or_else(|| Problem::not_found("dataset", &named.to_string()))
}

fn output(house: &House, rows: Option<u64>, format: TableFormat) -> Output {
    Output::in_folder(&folder(house), rows.map(Rows), format.output())
}

/// A folder that no other job delivers to.
fn folder(house: &House) -> PathBuf {
    kept::results().join(house.ids.name())
}
