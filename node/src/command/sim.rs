//! `tgs sim`: the rules of this program in made-up worlds, many at a time, one told in words, or a
//! failing one made small.

mod many;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::{Value, json};
use tgs_protocol::{code::Code, figure};
use tgs_simulations::{
    scenario::Scenario,
    shrink::{Small, shrink},
    world::{Course, Entry, Flaw, Violation, narrate},
};

use crate::{
    command_line::{SimArguments, Voice},
    failure::Failure,
    leaving::ExitCode,
    voice::say,
};

pub fn run(asked: &SimArguments, voice: Voice) -> Result<ExitCode, Failure> {
    let flaw: Option<Flaw> = asked.flaw.as_deref().map(flaw).transpose()?;
    if let Some(file) = &asked.replay {
        return one(
            &scenario(file)?,
            asked,
            &format!("tgs sim --replay {}", file.display()),
            voice,
        );
    }
    let again = |seed: u64| {
        let flaw = flaw.map_or_else(String::new, |flaw| format!(" --flaw {flaw}"));
        let nodes = asked.nodes.map_or_else(String::new, |nodes| format!(" --nodes {nodes}"));
        format!("tgs sim --seed {seed}{nodes}{flaw}")
    };
    if let Some(seed) = asked.seed {
        return one(&world(asked, seed, flaw), asked, &again(seed), voice);
    }
    let found = many::live(asked, flaw, voice)?;
    let worlds = figure::count(found.worlds);
    let events = figure::count(found.events);
    let Some((seed, course)) = found.failed else {
        match voice {
            Voice::Json => say!(
                "{}",
                json!({"event": "simulated", "worlds": found.worlds, "events": found.events})
            ),
            _ => say!("{worlds} worlds, {events} events: no promise was broken"),
        }
        return Ok(ExitCode::SUCCESS);
    };
    if asked.shrink || asked.log.is_some() {
        return one(&world(asked, seed, flaw), asked, &again(seed), voice);
    }
    failed(&course, &again(seed), voice)
}

/// The world of a seed, as large as was asked for.
fn world(asked: &SimArguments, seed: u64, flaw: Option<Flaw>) -> Scenario {
    let sized = |nodes| Scenario::of_size(seed, nodes);
    asked.nodes.map_or_else(|| Scenario::of_seed(seed), sized).with_flaw(flaw)
}

/// Lives one world and tells it.
fn one(
    scenario: &Scenario,
    asked: &SimArguments,
    again: &str,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let (mut log, tells) = (log_to(asked.log.as_deref())?, !asked.shrink);
    let mut written = Ok(());
    let course = narrate(scenario, &mut |entry| {
        if let Some(log) = &mut log
            && written.is_ok()
        {
            written = writeln!(log, "{} {entry}", entry.no);
        }
        if tells {
            tell(entry, voice);
        }
    });
    let flushed = log.map_or(Ok(()), |mut log| log.flush());
    written.and(flushed).map_err(|error| cannot("write the log", asked.log.as_deref(), &error))?;
    if asked.shrink {
        return made_small(scenario, voice);
    }
    if course.violation.is_some() {
        return failed(&course, again, voice);
    }
    match voice {
        Voice::Json => say!("{}", summary("lived", &course)),
        Voice::Quiet => {}
        Voice::Words => {
            for (job, end) in &course.ends {
                say!("{job}: {end}");
            }
            let (events, faults) = (figure::count(course.events), course.faults.len());
            say!("{events} events, {faults} faults: no promise was broken");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of a story.
fn tell(entry: &Entry, voice: Voice) {
    match voice {
        _ if !entry.matters => {}
        Voice::Words => say!("{entry}"),
        Voice::Json => {
            say!("{}", json!({"event": "told", "at_ms": entry.at_ms, "what": entry.words}))
        }
        Voice::Quiet => {}
    }
}

/// Makes a failing world small, tells its story and writes it down.
fn made_small(scenario: &Scenario, voice: Voice) -> Result<ExitCode, Failure> {
    let Some(Small { scenario, course, worlds }) = shrink(scenario) else {
        say!("no promise is broken in this world");
        return Ok(ExitCode::SUCCESS);
    };
    if voice == Voice::Words {
        let (orders, nodes) = (scenario.orders.len(), scenario.nodes.len());
        let faults = course.faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        say!(
            "made small by living {worlds} worlds: {orders} orders, {nodes} nodes, {}",
            match faults.len() {
                0 => "no faults".to_owned(),
                _ => format!("faults {}", faults.join(", ")),
            }
        );
    }
    narrate(&scenario, &mut |entry| tell(entry, voice));
    let file = format!("sim-{}.json", scenario.seed);
    let text = format!("{:#}\n", scenario.to_json());
    fs::write(&file, text).map_err(|error| cannot("write", Some(Path::new(&file)), &error))?;
    failed(&course, &format!("tgs sim --replay {file}"), voice)
}

/// A promise was broken: which, how, and how to see it again.
fn failed(course: &Course, again: &str, voice: Voice) -> Result<ExitCode, Failure> {
    let Some(Violation { at_ms, invariant, facts }) = &course.violation else {
        return Ok(ExitCode::SUCCESS);
    };
    if voice == Voice::Json {
        let mut told = summary("broken", course);
        (told["invariant"], told["facts"]) = (json!(invariant.id()), json!(facts));
        (told["at_ms"], told["again"]) = (json!(at_ms), json!(again));
        say!("{told}");
    }
    let (id, promise) = (invariant.id(), invariant.promise());
    let message = format!("{id} is broken ({promise}): {facts}; see it again with `{again}`");
    Err(Failure::new(Code::Internal, message))
}

fn summary(event: &str, course: &Course) -> Value {
    let faults: Vec<_> = course.faults.iter().map(ToString::to_string).collect();
    json!({
        "event": event, "events": course.events, "lasted_ms": course.lasted_ms,
        "log": format!("{:016x}", course.log), "ends": course.ends, "faults": faults,
    })
}

fn flaw(name: &str) -> Result<Flaw, Failure> {
    name.parse().map_err(|error| Failure::new(Code::BadRequest, format!("read --flaw: {error}")))
}

fn scenario(file: &Path) -> Result<Scenario, Failure> {
    let text = fs::read_to_string(file).map_err(|error| cannot("read", Some(file), &error))?;
    let wrong = |error: &dyn std::fmt::Display| {
        let place = file.display();
        let remedy = "take a file that `tgs sim --shrink` wrote";
        Failure::new(Code::BadRequest, format!("read the world in {place}: {error}; {remedy}"))
    };
    let json: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    Scenario::from_json(&json).map_err(|error| wrong(&error))
}

fn log_to(file: Option<&Path>) -> Result<Option<BufWriter<File>>, Failure> {
    let open =
        |file| File::create(file).map_err(|error| cannot("write the log", Some(file), &error));
    Ok(file.map(open).transpose()?.map(BufWriter::new))
}

fn cannot(act: &str, file: Option<&Path>, error: &std::io::Error) -> Failure {
    let place = file.unwrap_or(Path::new("")).display();
    Failure::new(Code::CannotWrite, format!("{act} {place}: {error}; name another file"))
}
