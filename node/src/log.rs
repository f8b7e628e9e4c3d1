//! The log of this process: lines for people or machines, and what it warned of lately for
//! operators who do not read them.

use std::{
    fmt::{Debug, Write},
    io::IsTerminal,
    str::FromStr,
    sync::{Arc, LazyLock},
};

use tgs_actors::warnings::Warnings;
use tgs_protocol::code::Code;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
    registry,
    util::SubscriberInitExt,
};

use crate::{configuration::Settings, failure::Failure, terminal::AboveBar};

/// Of the process, as its log is.
static WARNINGS: LazyLock<Arc<Warnings>> = LazyLock::new(Arc::default);

/// What this process warned of lately.
pub fn warnings() -> Arc<Warnings> {
    WARNINGS.clone()
}

/// Begins it, once.
pub fn begin(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::from_str(&settings.log).map_err(|error| {
        let remedy = "set `log` to error, warn, info, debug or trace";
        Failure::new(Code::BadRequest, format!("read the setting `log`: {error}; {remedy}"))
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| AboveBar)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = if settings.log_json { lines.json().boxed() } else { lines.boxed() };
    // Whatever the lines leave out.
    let gathered = Gather.with_filter(LevelFilter::WARN);
    registry().with(lines.with_filter(filter)).with(gathered).init();
    Ok(())
}

/// Gathers what is warned of.
struct Gather;

impl<S: Subscriber> Layer<S> for Gather {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let from = event.metadata().target();
        if !from.starts_with("tgs") {
            return; // What a library warns of, we say in our words if it matters.
        }
        let mut words = Words::default();
        event.record(&mut words);
        WARNINGS.note(from, &words.what, &words.with);
    }
}

/// The words of one event.
#[derive(Default)]
struct Words {
    what: String,
    with: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.what, "{value:?}"),
            name if self.with.is_empty() => write!(self.with, "{name}={value:?}"),
            name => write!(self.with, ", {name}={value:?}"),
        };
    }
}
