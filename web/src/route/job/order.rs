//! From an order to a request: datasets become files of the data folder, results get a folder.

use std::path::PathBuf;

use tgs_protocol::{
    code::Code,
    dataset::DatasetVersion,
    engine::OutputFormat,
    gate::Gates,
    job::{JobState, Outcome},
    metadata::Metadata,
    request::{Goal, JobRequest, Output, Source},
    unit::Rows,
    wire::{DatasetRef, GenerateOrder, JobOrder, LearnOrder, SynthesizeOrder, TrainOrder},
};

use crate::{house::House, problem::Problem};

/// What is asked of the desk.
pub async fn request(house: &House, order: JobOrder) -> Result<JobRequest, Problem> {
    match order {
        JobOrder::Synthesize(order) => {
            let SynthesizeOrder { dataset, holdout, rows, format, gates, learn, .. } = order;
            let source = source(house, &dataset, holdout.as_ref(), &learn).await?;
            let output = output(house, rows, &format)?;
            learned(house, Goal::Synthesize { source, output }, gates, learn)
        }
        JobOrder::Train(TrainOrder { dataset, holdout, learn, .. }) => {
            let source = source(house, &dataset, holdout.as_ref(), &learn).await?;
            let model_file = folder(house).join("model.safetensors");
            learned(house, Goal::Train { source, model_file }, Gates::default(), learn)
        }
        JobOrder::Generate(order) => generate(house, order).await,
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

async fn generate(house: &House, order: GenerateOrder) -> Result<JobRequest, Problem> {
    let GenerateOrder { model, rows, seed, format, .. } = order;
    let row = house.desk.show(&model).await?;
    let has_ended =
        matches!(row.state, JobState::Ended(Outcome::Published { .. } | Outcome::Withheld { .. }));
    let file = house.desk.model_file(&model).await?.filter(|_| has_ended);
    let Some(model_file) = file else {
        let message = format!("job {model} has left no model; name one that trained and ended");
        return Err(Problem::new(Code::NoSuchThing, message));
    };
    let output = output(house, Some(rows), &format)?;
    let goal = Goal::Generate { model_file, output };
    let learn = LearnOrder { model: row.request.model, seed, ..LearnOrder::default() };
    learned(house, goal, Gates::default(), learn)
}

async fn source(
    house: &House,
    dataset: &DatasetRef,
    holdout: Option<&DatasetRef>,
    learn: &LearnOrder,
) -> Result<Source, Problem> {
    let version = find(house, dataset).await?;
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
            Some(house.datasets.file(&aside).await?)
        }
    };
    let target = learn.target.clone();
    let metadata = Metadata::with_target(learn.metadata.clone(), target.as_deref())?;
    Ok(Source { table: house.datasets.file(&version).await?, holdout, metadata, target })
}

/// The version that is meant.
async fn find(house: &House, named: &DatasetRef) -> Result<DatasetVersion, Problem> {
    let versions = house.datasets.versions(&named.dataset).await?;
    let is_meant = |it: &DatasetVersion| named.version.is_none_or(|version| it.version == version);
    let found = versions.into_iter().find(is_meant);
    found.ok_or_else(|| Problem::not_found("dataset", &named.to_string()))
}

fn output(house: &House, rows: Option<u64>, format: &str) -> Result<Output, Problem> {
    let name = format!("table.{}", format.trim_start_matches('.'));
    let format = OutputFormat::of_name(&name)?;
    let folder = folder(house);
    let table = folder.join(format!("table{format}"));
    Ok(Output { rows: rows.map(Rows), table, format, report: folder.join("report") })
}

/// A folder that no other job delivers to.
fn folder(house: &House) -> PathBuf {
    house.results.join(house.ids.name())
}
