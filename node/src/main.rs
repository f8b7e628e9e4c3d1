//! `tgs`: one binary, from a laptop to a cluster. This file only begins and ends a run.

mod command;
mod command_line;
mod configuration;
mod failure;
mod figures;
mod following;
mod home;
mod memory;
mod signals;
mod terminal;
mod voice;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    memory::give_back_at_once();
    let arguments = command_line::Arguments::parse();
    let voice = arguments.voice();
    match command::run(arguments) {
        Ok(status) => status,
        Err(failure) => failure.tell(voice),
    }
}
