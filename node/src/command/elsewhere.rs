//! `tgs synth --server`: the main job on a server. The table goes there, the result comes back; in
//! between this process only looks on, so it may be ended and started again.

use std::path::Path;

use serde_json::{Value, json};
use tgs_protocol::{
    code::Code,
    dataset::DatasetName,
    digest::Digest,
    engine::ReportFacts,
    event::{Event, Happening},
    job::{Outcome, action::Tidings, listing::StateClass},
    model::TrainingLength,
    progress::{Progress, ProgressUnit},
    request::{Goal, JobRequest, Output, Source},
    residency::Residency,
    stage::Stage,
    wire::{DatasetRef, JobOrder, JobView, LearnOrder, SynthesizeOrder, TableFormat},
};
use tokio::sync::oneshot;

use super::result::{self, JobEnd};
use crate::{
    client::{Ask, Client, Heard},
    command_line::Voice,
    failure::Failure,
    leaving::ExitCode,
    screen::Screen,
    signals, terminal,
};

/// Orders a job once more after one that failed or was cancelled, at most so often.
const ATTEMPTS_MAX: u32 = 1_000;

/// Where in a cluster the job is to run.
pub struct Wish {
    /// Regions that the table, and all that is made of it, may not leave.
    pub regions: Residency,
    /// Machines that may be taken away will do.
    pub spot: bool,
}

/// Hands the table in, orders the job, shows it until it ends, and fetches what it made.
pub async fn run(
    server: &str,
    request: JobRequest,
    wish: Wish,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut stop = signals::listen()?;
    let client = Client::new(server)?;
    let screen = Screen::open(terminal::display(voice))?;
    let (tell, told) = oneshot::channel();
    // A thread of its own: whoever asks to stop does not wait for an answer of the server.
    std::thread::spawn(move || {
        let ended = to_its_end(&client, (&request, &wish), &screen);
        let _ = tell.send((ended, request, screen));
    });
    tokio::select! {
        told = told => {
            let Ok((ended, request, screen)) = told else {
                return Err(Failure::new(Code::Internal, "follow the job: its thread is gone"));
            };
            screen.close().await;
            tell_end(&request, &ended?, voice)
        }
        () = stop.asked() => {
            let message = "no longer following; what the server was told to do goes on there, and \
                           the same command fetches it";
            Err(Failure::new(Code::Interrupted, message))
        }
    }
}

fn to_its_end(
    client: &Client,
    (request, wish): (&JobRequest, &Wish),
    screen: &Screen,
) -> Result<(JobView, Outcome), Failure> {
    let (source, output) = parts(request)?;
    let hand_in = |file: &Path| hand_in(client, file, &wish.regions, screen);
    let dataset = hand_in(&source.table)?;
    let holdout = source.holdout.as_deref().map(hand_in).transpose()?;
    // The job stays where what it reads may be.
    let asked = order_of(request, (source, output), (dataset, holdout), wish.spot);
    let view = order(client, &asked)?;
    screen.began(&view.id);
    if view.state == StateClass::Waiting {
        screen.tidings(Tidings::Notice("it waits for its turn at the server".to_owned()));
    }
    let outcome = client.watch(&view.id, |heard| show(heard, screen))?;
    screen.ended(&outcome);
    let view: JobView = client.ask(&format!("/v1/jobs/{}", view.id), Ask::Get)?;
    fetch(client, &view, output)?;
    Ok((view, outcome))
}

fn parts(request: &JobRequest) -> Result<(&Source, &Output), Failure> {
    match &request.goal {
        Goal::Synthesize { source, output } => Ok((source, output)),
        _ => Err(Failure::new(Code::Internal, "order a job of a server: it is no synthesis")),
    }
}

fn hand_in(
    client: &Client,
    file: &Path,
    regions: &Residency,
    screen: &Screen,
) -> Result<DatasetRef, Failure> {
    client.hand_in(file, &dataset_name(file)?, regions, |done, total| {
        let told = Progress::of(Stage::Ingest, done, Some(total), ProgressUnit::Bytes);
        screen.progress(Progress { note: Some("handing the table in".to_owned()), ..told });
    })
}

fn order_of(
    request: &JobRequest,
    (source, output): (&Source, &Output),
    (dataset, holdout): (DatasetRef, Option<DatasetRef>),
    spot: bool,
) -> JobOrder {
    let (budget, epochs, steps) = match request.length {
        TrainingLength::Default => (None, None, None),
        TrainingLength::BudgetSeconds(seconds) => (Some(format!("{seconds}s")), None, None),
        TrainingLength::Epochs(epochs) => (None, Some(epochs), None),
        TrainingLength::Steps(steps) => (None, None, Some(steps)),
    };
    let learn = LearnOrder {
        model: request.model,
        seed: request.seed,
        budget,
        epochs,
        steps,
        threads: Some(request.threads),
        devices: Some(request.devices).filter(|devices| *devices > 1),
        constants: request.overrides.clone(),
        metadata: source.metadata.clone(),
        target: source.target.clone(),
    };
    JobOrder::Synthesize(SynthesizeOrder {
        dataset,
        holdout,
        rows: output.rows.map(|rows| rows.get()),
        // The name of the output file was read as one of them.
        format: TableFormat::of(output.format).unwrap_or_default(),
        gates: request.gates,
        learn,
        priority: Default::default(),
        regions: Residency::default(),
        tenant: None,
        spot,
    })
}

/// Orders it. The same order is the same job, unless that failed or was cancelled: then it is
/// ordered anew.
fn order(client: &Client, order: &JobOrder) -> Result<JobView, Failure> {
    let order = json!(order);
    for attempt in 1..=ATTEMPTS_MAX {
        let key = key_of(&order, attempt);
        let body = order.to_string().into_bytes();
        let view: JobView = client.ask("/v1/jobs", Ask::Post(&body, Some(&key)))?;
        if !matches!(view.state, StateClass::Failed | StateClass::Cancelled) {
            return Ok(view);
        }
    }
    let message = "order the job: it failed or was cancelled again and again; see `tgs job list`";
    Err(Failure::new(Code::Internal, message))
}

/// What happens there, as it would be shown if it happened here.
fn show(heard: Heard, screen: &Screen) {
    match heard {
        Heard::Progress(told) => {
            if let Ok(progress) = serde_json::from_value(told["data"].clone()) {
                screen.progress(progress);
            }
        }
        Heard::Event(Event { what, .. }) => match what {
            Happening::StageBegan { stage } => {
                screen.tidings(Tidings::StageBegan { stage, again: false });
            }
            Happening::Planned { because, .. } => screen.tidings(Tidings::PlanMade(because)),
            _ => {}
        },
    }
}

/// Brings what it delivered to where it was asked for.
fn fetch(client: &Client, view: &JobView, output: &Output) -> Result<(), Failure> {
    for file in &view.files {
        let to = match file.name.starts_with("table.") {
            true => output.table.clone(),
            false => output.report.join(&file.name),
        };
        client.fetch(&format!("/v1/jobs/{}/files/{}", view.id, file.name), file.digest, &to)?;
    }
    Ok(())
}

fn tell_end(
    request: &JobRequest,
    (view, outcome): &(JobView, Outcome),
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let report = view.verdict.map(|verdict| ReportFacts { verdict, reasons: view.reasons.clone() });
    let end = JobEnd {
        job: &view.id,
        request,
        rows: view.rows,
        report,
        planned_steps: view.planned_steps,
        steps: view.trained_steps,
    };
    result::tell_end(&end, outcome, voice)
}

/// What a dataset may be called after a file: `Trial data (2).csv` → `Trial-data-2`.
fn dataset_name(file: &Path) -> Result<DatasetName, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let plain: String = stem.chars().map(plain).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let mut called = words.join("-");
    called.truncate(80);
    let called = if called.is_empty() { "table".to_owned() } else { called };
    Ok(called.parse()?)
}

/// The order of a job as it is sent, and a key that the same order always has: sent again after a
/// lost answer or by a second run, it is the same job.
fn key_of(order: &Value, attempt: u32) -> String {
    let digest = Digest::of(order.to_string().as_bytes());
    format!("tgs-synth-{digest}-{attempt}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_are_called_after_files() {
        for (file, name) in [
            ("/a/trial.csv", "trial"),
            ("Trial data (2).csv.gz", "Trial-data-2"),
            ("../é.parquet", "table"),
            (".hidden.csv", "hidden"),
        ] {
            assert_eq!(dataset_name(Path::new(file)).expect(file).as_str(), name);
        }
        let long = format!("{}.csv", "x".repeat(200));
        assert_eq!(dataset_name(Path::new(&long)).expect("a name").as_str().len(), 80);
    }
}
