//! `./dev services`: real servers for a person at work, started, shown and ended.

use std::{env, process::ExitCode};

use serde_json::Value;
use tgs_tests::services::{
    identity::Identity,
    standing::{Board, Wanted},
};

const USAGE: &str = "\
say what to do:
  ./dev services up [--nats 1|3] [--cql 1|2dc|3dc]  start NATS, Cassandra, or one of both
  ./dev services status     say what runs; exit status 1 if nothing does
  ./dev services down       end them and remove their data
  ./dev services variables  print what plain cargo needs to run tests with servers";

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(status) => status,
        Err(why) => {
            eprintln!("services: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> Result<ExitCode, String> {
    let (verb, words) = words.split_first().ok_or(USAGE)?;
    let board = Board::named()?;
    match verb.as_str() {
        "up" => {
            Wanted::read(words)?;
            show(&board.up(words)?);
        }
        "hold" => board.hold(&Wanted::read(words)?)?,
        "status" => match board.standing() {
            Some(said) => show(&said),
            None => return Ok(nothing_runs(&board)),
        },
        "down" => match board.down()? {
            true => println!("# ended"),
            false => println!("# nothing ran"),
        },
        _ => return Err(USAGE.to_owned()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines for a person are comments, so that a shell can `eval` the whole.
fn show(said: &Value) {
    for server in said["servers"].as_array().into_iter().flatten() {
        let word = |name: &str| server[name].as_str().unwrap_or_default();
        let process = Identity::from_json(&server["process"]);
        let state = match process.and_then(|it| it.state()) {
            Some('T') => "paused",
            Some(_) => "runs",
            None => "has ended",
        };
        let id = process.map(|it| it.id).unwrap_or_default();
        println!("# {}  {}  {state}, process {id}, {}", word("name"), word("at"), word("log"));
    }
    for (name, value) in said["variables"].as_object().into_iter().flatten() {
        println!("export {name}='{}'", value.as_str().unwrap_or_default());
    }
}

fn nothing_runs(board: &Board) -> ExitCode {
    match board.holder() {
        Some(holder) => println!("# not ready yet: process {} starts them", holder.id),
        None => println!("# nothing runs"),
    }
    ExitCode::from(1)
}
