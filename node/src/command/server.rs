//! `tgs job`: orders jobs of a server and follows them.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tgs_protocol::{
    code::Code,
    event::Happening,
    figure::span,
    id::JobId,
    job::{Outcome, listing::StateClass},
    unit::Timestamp,
    wire::{JobView, PageView},
};

use crate::{
    client::{Ask, Client, Heard},
    command_line::{JobAct, JobArguments, Voice},
    failure::Failure,
    leaving::ExitCode,
    voice::say,
};

pub fn run(asked: &JobArguments, voice: Voice) -> Result<ExitCode, Failure> {
    let client = Client::new(&asked.server.server)?;
    match &asked.act {
        JobAct::Submit { order, key } => {
            let order = read(order)?;
            let view: JobView = client.ask("/v1/jobs", Ask::Post(&order, key.as_deref()))?;
            show(&view, voice);
        }
        JobAct::List { state, limit } => list(&client, state.as_deref(), *limit, voice)?,
        JobAct::Show { job } => show(&client.ask(&path(job, "")?, Ask::Get)?, voice),
        JobAct::Cancel { job } => {
            show(&client.ask(&path(job, ":cancel")?, Ask::Post(b"", None))?, voice);
        }
        JobAct::Resume { job } => {
            show(&client.ask(&path(job, ":resume")?, Ask::Post(b"", None))?, voice);
        }
        JobAct::Retry { job, key } => {
            let act = Ask::Post(b"", key.as_deref());
            show(&client.ask(&path(job, ":retry")?, act)?, voice);
        }
        JobAct::Watch { job } => return watch(&client, &JobId::new(job.clone()), voice),
    }
    Ok(ExitCode::SUCCESS)
}

/// The address of a job, which must look like one.
fn path(job: &str, act: &str) -> Result<String, Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !job.is_empty() && job.bytes().all(is_plain) {
        return Ok(format!("/v1/jobs/{job}{act}"));
    }
    let message = format!("look up job {job:?}: a job's name has only letters, digits, - and _");
    Err(Failure::new(Code::JobNotFound, message))
}

fn read(order: &Path) -> Result<Vec<u8>, Failure> {
    let read = match order == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => fs::read(order),
    };
    read.map_err(|error| {
        let message = format!("read the order {}: {error}; check the name", order.display());
        Failure::new(Code::BadRequest, message)
    })
}

fn list(client: &Client, state: Option<&str>, limit: usize, voice: Voice) -> Result<(), Failure> {
    let class = state.map(str::parse::<StateClass>).transpose();
    let class = class.map_err(super::learning::refused)?;
    let (mut left, mut token) = (limit, None::<String>);
    while left > 0 {
        let mut path = format!("/v1/jobs?page_size={}", left.min(1_000));
        if let Some(class) = class {
            path += &format!("&state={class}");
        }
        if let Some(token) = &token {
            path += &format!("&page_token={token}");
        }
        let page: PageView<JobView> = client.ask(&path, Ask::Get)?;
        left -= page.items.len().min(left);
        page.items.iter().for_each(|view| show(view, voice));
        token = page.next_page_token;
        if token.is_none() {
            break;
        }
    }
    Ok(())
}

fn show(view: &JobView, voice: Voice) {
    if voice == Voice::Json {
        let mut told = serde_json::to_value(view).unwrap_or_default();
        told["event"] = "job".into();
        return say!("{told}");
    }
    let state = view.stage.map_or_else(|| view.state.to_string(), |stage| stage.to_string());
    let why = match (&view.failure, &view.waiting, view.verdict) {
        (Some(failure), ..) => format!("{}: {}", failure.code, failure.message),
        (_, Some(waiting), _) => waiting_for(&json!(waiting)),
        (_, _, Some(verdict)) => format!("verdict {}", json!(verdict).as_str().unwrap_or_default()),
        _ => String::new(),
    };
    let line = format!("{}  {:<10}  {:<9}  {}", view.id, view.kind, state, why);
    say!("{}", line.trim_end());
    if let Some(because) = &view.estimate_because {
        say!("  {}", times_in_words(view, because));
    }
    if !view.regions.is_anywhere() {
        say!("  stays in {}", view.regions);
    }
    if let Some(tenant) = &view.tenant {
        say!("  of tenant {tenant}");
    }
    if !view.spot {
        say!("  stays off machines that may be taken away");
    }
    if view.losses > 0 {
        let took = span(seconds(view.lost_s));
        let times =
            if view.losses == 1 { "once".to_owned() } else { format!("{} times", view.losses) };
        say!("  a node that held it was lost {times}, which took {took}");
    }
    for entry in &view.timeline {
        say!("  {}  {}", entry.at.rfc3339(), entry.what);
    }
    for file in &view.files {
        say!("  {} ({} bytes)", file.name, file.size);
    }
}

/// What was thought of its time, and what came of that.
fn times_in_words(view: &JobView, because: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = |at: Timestamp| Duration::from_millis(at.get()).saturating_sub(now);
    let begins = view.expected_start.map(|at| format!("begins in about {}", span(until(at))));
    let thought = view.estimate_s.map(|time| format!("thought to take {}", span(seconds(time))));
    let ran = (view.ran_s > 0.0).then(|| format!("has run {}", span(seconds(view.ran_s))));
    let parts: Vec<_> = [begins, thought, ran].into_iter().flatten().collect();
    format!("{} ({because})", parts.join(", "))
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or_default()
}

fn waiting_for(waiting: &Value) -> String {
    let node = waiting["node"].as_str().unwrap_or("a node");
    let what = match waiting["for"].as_str() {
        Some("turn") => return format!("{} before it", waiting["ahead"]),
        Some("kept") => return format!("no node has room; {node} is kept for it"),
        Some("assigned") => return format!("{node} is to take it up"),
        Some("memory") => "memory",
        Some("disk") => "room on the disk",
        Some("no_node") => "a node that works",
        Some("region") => "a node in its regions",
        Some("only_spot") => "a machine that is not taken away",
        Some("gang") => "a node with as many devices as it needs",
        Some("rest") => "another try after one that failed",
        Some("quota") => "its tenant's other jobs: they have all devices that it may have",
        Some("numerics_class") => "room on nodes that compute as it began",
        Some("room") => "room on a node",
        _ => "a device",
    };
    format!("waits for {what}")
}

fn watch(client: &Client, job: &JobId, voice: Voice) -> Result<ExitCode, Failure> {
    path(job.as_str(), "")?;
    let outcome = client.watch(job, |heard| match (heard, voice) {
        (Heard::Event(event), Voice::Json) => say!("{}", json!(event)),
        (Heard::Event(event), Voice::Words) => match &event.what {
            Happening::Noted { what } => say!("{what}"),
            Happening::Planned { because, .. } => say!("plan: {because}"),
            Happening::Ended(outcome) => say!("ended: {outcome}"),
            _ => {}
        },
        (Heard::Progress(told), Voice::Json) => {
            say!("{}", json!({"type": "job.progress", "job": told["job"], "data": told["data"]}));
        }
        (Heard::Progress(_), _) | (Heard::Event(_), Voice::Quiet) => {}
    })?;
    Ok(match outcome {
        Outcome::Published { .. } => ExitCode::SUCCESS,
        other => ExitCode::from(other.code().map_or(1, Code::exit_status)),
    })
}
