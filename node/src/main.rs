//! `tgs`: one binary, from a laptop to a cluster. This file only begins and ends a run.

mod client;
mod command;
mod command_line;
mod configuration;
mod descriptors;
mod failure;
mod following;
mod history;
mod home;
mod leaving;
mod log;
mod memory;
mod numerics;
mod screen;
mod secret;
mod signals;
mod terminal;
mod token;
mod voice;
mod wiring;

fn main() {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == wiring::KEEPER) {
        leaving::leave(wiring::keep_program(words));
    }
    leaving::leave(run().unwrap_or_else(|status| status))
}

fn run() -> Result<leaving::ExitCode, leaving::ExitCode> {
    let arguments = command_line::Arguments::read()?;
    let voice = arguments.voice();
    command::run(arguments).map_err(|failure| failure.tell(voice))
}
