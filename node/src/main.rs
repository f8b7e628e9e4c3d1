//! `tgs`: one binary, from a laptop to a cluster. This file only begins and ends a run.

mod command;
mod command_line;
mod configuration;
mod failure;
mod figures;
mod following;
mod home;
mod leaving;
mod memory;
mod screen;
mod signals;
mod terminal;
mod voice;
mod wiring;

use clap::Parser;

fn main() {
    memory::give_back_at_once();
    let arguments = command_line::Arguments::parse();
    let voice = arguments.voice();
    let status = command::run(arguments).unwrap_or_else(|failure| failure.tell(voice));
    leaving::leave(status)
}
