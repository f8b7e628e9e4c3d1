//! One file per command; here they are told apart.

mod cert;
mod config;
mod elsewhere;
mod explain;
mod generate;
mod job;
mod learning;
mod node;
mod nodes;
mod profile;
mod report;
mod result;
mod resume;
mod server;
mod serving;
mod sim;
mod synth;
mod train;
mod up;
mod verdict;

use std::{future::Future, io::IsTerminal, str::FromStr};

use tgs_protocol::code::Code;
use tracing_subscriber::EnvFilter;

use crate::{
    command_line::{Arguments, Command, NodeArguments},
    configuration::{self, Settings},
    failure::Failure,
    leaving::ExitCode,
    numerics,
    terminal::AboveBar,
};

/// Runs what was typed; the exit status of a withheld table is not zero though nothing failed.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let settings = configuration::read(arguments.config())?;
    numerics::choose(settings.numerics);
    begin_log(&settings)?;
    let voice = arguments.voice();
    let home = arguments.home.as_deref();
    match arguments.command {
        Command::Synth(asked) => wait_for(synth::run(asked, home, &settings, voice)),
        Command::Train(asked) => wait_for(train::run(asked, home, &settings, voice)),
        Command::Generate(asked) => wait_for(generate::run(asked, home, &settings, voice)),
        Command::Resume(asked) => wait_for(resume::run(asked, home, &settings, voice)),
        Command::Up(asked) => wait_for(up::run(asked, home, &settings, voice)),
        Command::Node(NodeArguments { act: Some(act), .. }) => nodes::run(&act, voice),
        Command::Node(asked) => wait_for(node::run(&asked, home, &settings, voice)),
        Command::Job(asked) => server::run(&asked, voice),
        Command::Profile(asked) => profile::run(&asked, voice),
        Command::Report(asked) => report::run(&asked, voice),
        Command::Sim(asked) => sim::run(&asked, voice),
        Command::Explain(asked) => explain::run(&asked, voice),
        Command::Cert { act } => cert::run(&act, voice),
        Command::Config => config::run(home, &settings, voice),
    }
}

fn wait_for(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Internal, format!("start the runtime: {error}")))?;
    let outcome = runtime.block_on(work);
    // A thread that computes must not keep the process once the answer is known.
    runtime.shutdown_background();
    outcome
}

fn begin_log(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::from_str(&settings.log).map_err(|error| {
        let remedy = "set `log` to error, warn, info, debug or trace";
        Failure::new(Code::BadRequest, format!("read the setting `log`: {error}; {remedy}"))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| AboveBar);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if settings.log_json {
        log.json().init()
    } else {
        log.init()
    }
    Ok(())
}
