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

use std::future::Future;

use tgs_protocol::code::Code;

use crate::{
    command_line::{Arguments, Command, NodeArguments},
    configuration,
    failure::Failure,
    leaving::ExitCode,
    log, numerics,
};

/// Runs what was typed; the exit status of a withheld table is not zero though nothing failed.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let settings = configuration::read(arguments.config())?;
    numerics::choose(settings.numerics);
    log::begin(&settings)?;
    let voice = arguments.voice();
    let home = arguments.home.as_deref();
    match arguments.command {
        Command::Synth(asked) => wait_for(synth::run(asked, home, &settings, voice)),
        Command::Train(asked) => wait_for(train::run(asked, home, &settings, voice)),
        Command::Generate(asked) => wait_for(generate::run(asked, home, &settings, voice)),
        Command::Complete(asked) => wait_for(generate::complete(asked, home, &settings, voice)),
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
