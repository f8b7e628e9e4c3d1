//! What may be typed. Data goes to stdout, messages to stderr; secrets are never flags.

mod given;
mod job;
mod serving;
mod sim;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};
use tgs_protocol::{code::Code, model::ModelName, residency::Residency};

pub use self::{
    given::{CompleteArguments, GivenArguments},
    job::{JobAct, JobArguments},
    serving::{CertAct, NamedNode, NodeAct, NodeArguments, UpArguments},
    sim::SimArguments,
};
use crate::{failure::Failure, leaving::ExitCode};

/// Synthetic copies of private tables, with a report that says whether they may be shared.
#[derive(Debug, Parser)]
#[command(name = "tgs", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = EXIT_STATUSES)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,

    /// Data folder: store, checkpoints, models. One process at a time works in it.
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// Speak JSON on stdout: one object per line; of synth, train, generate, resume and report the
    /// last one is the result.
    #[arg(long, global = true)]
    pub json: bool,

    /// Say nothing but results and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

const EXIT_STATUSES: &str = "\
Exit statuses: 0 done, 1 a fault of ours, 2 wrong use, 3 withheld by a gate, 4 bad data, \
5 store or disk, 6 device, 130 interrupted (`tgs resume` goes on).";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A table in; a synthetic table and its report out.
    Synth(SynthArguments),
    /// Only train: a table in, a model file out.
    Train(TrainArguments),
    /// Only sample: a model file in, a synthetic table out (without a report).
    Generate(GenerateArguments),
    /// Fill in what the rows of a table lack: a model file and the table in, the rows whole out.
    Complete(CompleteArguments),
    /// Go on with what was interrupted, to the same bytes.
    Resume(ResumeArguments),
    /// Look at a table: kinds with reasons, missing values, correlations, keys, personal data.
    Profile(ProfileArguments),
    /// Judge a synthetic table against a real one.
    Report(ReportArguments),
    /// Serve: jobs over REST, events, a start page; everything in the data folder.
    Up(UpArguments),
    /// Serve as one node of a cluster: jobs of all nodes, kept in one database.
    Node(NodeArguments),
    /// Make the keys that nodes of a cluster show each other.
    Cert {
        #[command(subcommand)]
        act: CertAct,
    },
    /// Order jobs of a server and follow them.
    Job(JobArguments),
    /// Try the rules of this program in made-up worlds, by seed: crashes, lost calls, wrong clocks.
    Sim(SimArguments),
    /// Say what an error means, why it comes and what to do.
    Explain(ExplainArguments),
    /// Show every setting and where its value comes from.
    Config,
}

/// Which server; its token comes from TGS_TOKEN, never from a flag.
#[derive(Debug, Args)]
pub struct ServerArguments {
    /// Where the server listens.
    #[arg(long, global = true, value_name = "URL", env = "TGS_SERVER")]
    #[arg(default_value = "http://127.0.0.1:7400")]
    pub server: String,
}

#[derive(Debug, Args)]
pub struct SynthArguments {
    #[command(flatten)]
    pub learn: LearnArguments,
    #[command(flatten)]
    pub release: ReleaseArguments,
    /// Folder for report.html, report.json and manifest.json [default: beside OUT, with .report for
    /// its ending: a.v1.csv → a.v1.report].
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// What a failed gate does.
    #[arg(long, value_enum, default_value_t = GatePolicy::Enforce)]
    pub gates: GatePolicy,
    #[command(flatten)]
    pub thresholds: GateArguments,
    /// Check the request and the paths, then stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Let this server do it, with the token in TGS_TOKEN: the table goes there, the result comes
    /// back. The same command once more goes on with the same job.
    #[arg(long, value_name = "URL", conflicts_with_all = ["dry_run", "samplers"])]
    pub server: Option<String>,
    /// Regions of the cluster that the table, and all that is made of it there, may not leave.
    #[arg(long, value_name = "REGION,…", requires = "server")]
    pub regions: Option<Residency>,
    /// Keep the job off machines of the cluster that may be taken away (spot machines).
    #[arg(long, requires = "server")]
    pub no_spot: bool,
}

#[derive(Debug, Args)]
pub struct TrainArguments {
    #[command(flatten)]
    pub learn: LearnArguments,
    /// Where the model file goes.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

#[derive(Debug, Args)]
#[command(mut_arg("rows", |rows| rows.required(true).help("Rows to make")))]
pub struct GenerateArguments {
    /// A model file written by `tgs train`, or found in the data folder.
    pub model_file: PathBuf,
    #[command(flatten)]
    pub release: ReleaseArguments,
    #[command(flatten)]
    pub given: GivenArguments,
    /// Another seed gives other rows of the same model.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Limits that the report is judged by.
#[derive(Debug, Args)]
pub struct GateArguments {
    /// One gate, as NAME=THRESHOLD, NAME=THRESHOLD:LEVEL or NAME=:LEVEL; a level is off, warn or
    /// block. May be repeated; the report shows it.
    #[arg(long = "gate", value_name = "NAME=THRESHOLD")]
    pub each: Vec<String>,
}

/// What to learn from, and how.
#[derive(Debug, Args)]
pub struct LearnArguments {
    /// The table: CSV, Parquet, JSON lines or Excel; gzip and zstd are seen through.
    pub table: PathBuf,
    /// Which generator.
    #[arg(long, value_enum, default_value_t = ModelChoice::Tabgraph)]
    pub model: ModelChoice,
    /// Same seed, same bytes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Train about this long (90s, 5m, 1h30m); turned into a number of steps once, and shown.
    #[arg(long, value_name = "TIME", group = "length")]
    pub budget: Option<String>,
    /// Passes over the training rows.
    #[arg(long, value_name = "N", group = "length")]
    pub epochs: Option<u64>,
    /// Optimiser steps.
    #[arg(long, value_name = "N", group = "length")]
    pub steps: Option<u64>,
    /// Compute threads of training; a part of the job, since bits depend on it.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub threads: u32,
    /// Devices of one node that share the training, each with so many threads; for `--server`,
    /// where a node has several. No byte depends on it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub devices: u32,
    /// Corrections of inferred kinds, as JSON (docs/guide/metadata.md).
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
    /// Rows never trained on, for the report [default: a fifth of the table is kept aside].
    #[arg(long, value_name = "FILE")]
    pub holdout: Option<PathBuf>,
    /// Column to predict in the utility measure [default: chosen from the table].
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// A constant of the model, as KEY=VALUE; may be repeated (docs/guide/constants.md).
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub constants: Vec<String>,
}

/// What to release.
#[derive(Debug, Args)]
pub struct ReleaseArguments {
    /// Rows to make [default: as many as the table has, without those of a holdout file].
    #[arg(short = 'n', long = "rows", value_name = "ROWS")]
    pub rows: Option<u64>,
    /// The synthetic table: .csv, .jsonl (also .gz, .zst) or .parquet.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Sampler threads, 0: one per core; the bytes do not depend on it [default: from the
    /// configuration].
    #[arg(long, value_name = "N")]
    pub samplers: Option<usize>,
}

#[derive(Debug, Args)]
pub struct ResumeArguments {
    /// Which job [default: every interrupted one, oldest first].
    pub job: Option<String>,
    /// Only say which jobs are interrupted.
    #[arg(long, conflicts_with = "job")]
    pub list: bool,
    /// Sampler threads, as of `tgs synth`.
    #[arg(long, value_name = "N")]
    pub samplers: Option<usize>,
    /// End them instead: their copy of the table and everything half done is removed.
    #[arg(long, conflicts_with = "list")]
    pub cancel: bool,
}

#[derive(Debug, Args)]
pub struct ProfileArguments {
    /// The table.
    pub table: PathBuf,
    /// Corrections of inferred kinds, as JSON.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Its code, as DATA-0003 [default: list them all].
    pub code: Option<String>,
}

#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The real table.
    pub real: PathBuf,
    /// The synthetic table.
    pub synthetic: PathBuf,
    /// Real rows the generator never saw; without them privacy is measured less sharply.
    #[arg(long, value_name = "FILE")]
    pub holdout: Option<PathBuf>,
    /// Folder for report.html and report.json.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Corrections of inferred kinds, as JSON.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
    /// Column to predict in the utility measure.
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    #[command(flatten)]
    pub thresholds: GateArguments,
    /// Seed of subsamples and folds.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Compute threads.
    #[arg(long, default_value_t = 2)]
    pub threads: u32,
}

/// Generators by the names users type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelChoice {
    /// Tokenizer and diffusion: best quality, minutes on a CPU.
    Tabgraph,
    /// Chain of trees: good quality, seconds on a CPU.
    Seqtree,
    /// The published two-stage constants, for comparison; slow.
    Original,
    /// Column after column: good quality, a minute or two on a CPU.
    Autoregressive,
    /// A generator that learns against a critic, for comparison.
    Ctgan,
    /// A variational auto-encoder of rows, for comparison.
    Tvae,
    /// The best of a few, tried in turn within the budget; ten minutes without one.
    Auto,
}

/// What a failed gate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GatePolicy {
    /// A failed blocking gate withholds the table.
    Enforce,
    /// Failed gates are only said in the report; the table is released all the same.
    Warn,
}

impl From<ModelChoice> for ModelName {
    fn from(choice: ModelChoice) -> Self {
        match choice {
            ModelChoice::Tabgraph => Self::Tabgraph,
            ModelChoice::Seqtree => Self::Seqtree,
            ModelChoice::Original => Self::Original,
            ModelChoice::Autoregressive => Self::Autoregressive,
            ModelChoice::Ctgan => Self::Ctgan,
            ModelChoice::Tvae => Self::Tvae,
            ModelChoice::Auto => Self::Auto,
        }
    }
}

/// How results and messages are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// Progress on the terminal, results in words.
    Words,
    /// Results in words only.
    Quiet,
    /// One JSON object per line on stdout.
    Json,
}

impl Arguments {
    /// Reads the command line of this process. What is mistyped is told in words, or, for a program
    /// that asked for JSON, as one object; the exit status is that of clap.
    ///
    /// # Errors
    /// The exit status, when nothing is left to be done.
    pub fn read() -> Result<Self, ExitCode> {
        let typed: Vec<OsString> = env::args_os().collect();
        let wants_json = wants_json(&typed);
        Self::try_parse_from(typed).map_err(|error| match mistyped(&error, wants_json) {
            Some(failure) => failure.tell(Voice::Json),
            None => error.exit(),
        })
    }

    /// The file of settings that was named.
    pub fn config(&self) -> Option<&Path> {
        match &self.command {
            Command::Node(asked) => asked.config.as_deref(),
            _ => None,
        }
    }

    /// How this run speaks.
    pub fn voice(&self) -> Voice {
        match (self.json, self.quiet) {
            (true, _) => Voice::Json,
            (false, true) => Voice::Quiet,
            (false, false) => Voice::Words,
        }
    }
}

/// Whether a program listens, told from words that clap could not read.
fn wants_json(typed: &[OsString]) -> bool {
    let words = typed.iter().skip(1).take_while(|word| *word != "--");
    words.into_iter().any(|word| word == "--json")
}

/// What a program is told of a command line that cannot be read; none for people, and where help
/// was asked for.
fn mistyped(error: &clap::Error, wants_json: bool) -> Option<Failure> {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_help || !wants_json {
        return None;
    }
    let text = error.render().to_string();
    let told = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = told.trim_start_matches("error: ").split_whitespace().collect();
    let message = format!("read the command line: {}; see `tgs --help`", words.join(" "));
    Some(Failure::new(Code::BadRequest, message))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_program_is_told_of_a_mistyped_line_in_one_object() {
        for (typed, told) in [
            (&["tgs", "synth", "a.csv", "--json", "--ro", "5", "-o", "b.csv"][..], Some("'--ro'")),
            (&["tgs", "--json", "resum"], Some("'resum'")),
            (&["tgs", "synth", "--json"], Some("<TABLE>")),
            (&["tgs", "resum"], None),
            (&["tgs", "resum", "--", "--json"], None),
            (&["tgs", "--json", "--help"], None),
        ] {
            let words: Vec<OsString> = typed.iter().map(OsString::from).collect();
            let error = Arguments::try_parse_from(&words).expect_err("it is mistyped");
            let failure = mistyped(&error, wants_json(&words));
            let message = failure.as_ref().map(|failure| failure.message.as_str());
            assert_eq!(message.is_some(), told.is_some(), "{typed:?}: {message:?}");
            let (message, told) = (message.unwrap_or_default(), told.unwrap_or_default());
            assert!(message.contains(told) && !message.contains('\n'), "{typed:?}: {message}");
        }
        let _: fn() -> Result<Arguments, ExitCode> = Arguments::read;
    }

    #[test]
    fn where_a_job_may_run_is_said_to_a_server_alone() {
        for wish in [&["--no-spot"][..], &["--regions", "eu"]] {
            let here = [&["tgs", "synth", "a.csv", "-o", "b.csv"][..], wish].concat();
            assert!(Arguments::try_parse_from(&here).is_err(), "{wish:?}");
            let there = [&here[..], &["--server", "http://127.0.0.1:7400"]].concat();
            assert!(Arguments::try_parse_from(&there).is_ok(), "{wish:?}");
        }
    }

    #[test]
    fn lengths_exclude_each_other() {
        let typed = ["tgs", "synth", "a.csv", "-o", "b.csv", "--steps", "5", "--epochs", "2"];
        assert!(Arguments::try_parse_from(typed).is_err());
    }
}
