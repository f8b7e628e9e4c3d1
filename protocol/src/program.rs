//! Programs of the user's that run as jobs: what is asked of them, and what they leave.
//!
//! Nothing here starts anything. Behind the port [`Programs`] stands whoever can; the rule that
//! only listed programs run, and none by a shell, is kept there as well, so that a job that was
//! taken in under other settings is refused when its turn comes.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    code::Code, engine::EngineError, id::JobId, job::outcome::Failure, limits::FILE_NAME_BYTES_MAX,
    progress::Watch, refusal::Refusal, stage::Stage, unit::Millis,
};

/// The log of a program, among the files that it leaves.
pub const LOG_FILE: &str = "output.log";

/// What is to be run. No shell reads it: each argument arrives as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Files that it reads, by the environment variable that names each.
    #[serde(default)]
    pub datasets: BTreeMap<String, PathBuf>,
    /// How progress is read from its lines: a regular expression with the groups `done` and
    /// `total`, or `percent`.
    #[serde(default)]
    pub progress: Option<String>,
    /// How long it may take; then it is ended.
    pub limit: Millis,
}

/// Run this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrder {
    /// What.
    pub command: Command,
    /// For which job.
    pub job: JobId,
    /// Compute threads that it is asked to use.
    pub threads: u32,
    /// Which time it is begun, from 1: no two have the same number.
    pub attempt: u32,
    /// Staging folder: what it leaves stands here, beside its log.
    pub into: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// How it ended.
    pub end: ProgramEnd,
    /// Names of the files that are there; those of a failed one are its log alone.
    pub files: Vec<String>,
    /// The last lines that it wrote, where it failed; why its files are not taken, where they are
    /// not.
    pub last_lines: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "number")]
pub enum ProgramEnd {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended, since its time was over.
    TimeLimit,
    /// It was ended, since its folder took too much of the disk.
    TooMuch,
    /// It did its work, but what it left cannot be delivered.
    Refused,
}

impl fmt::Display for ProgramEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "ended with status {status}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimeLimit => f.write_str("was ended, because its time limit was over"),
            Self::TooMuch => f.write_str("was ended, because its folder took too much of the disk"),
            Self::Refused => f.write_str("left what cannot be delivered"),
        }
    }
}

impl RunFacts {
    /// Why the job has failed; none if the program did its work.
    pub fn failure(&self) -> Option<Failure> {
        if self.end == ProgramEnd::Status(0) {
            return None;
        }
        let said = match (self.end, self.last_lines.trim_end()) {
            (ProgramEnd::Refused, why) => why.to_owned(),
            (_, "") => "it wrote nothing".to_owned(),
            (_, lines) => format!("its last lines:\n{lines}"),
        };
        let message = format!("the program {}; see {LOG_FILE}; {said}", self.end);
        Some(Failure::new(Stage::Run, Code::ProgramFailed, message))
    }
}

/// Where programs are run.
pub trait Programs: Send + Sync {
    /// Refuses what may not or cannot be run, before any work.
    ///
    /// # Errors
    /// `ProgramNotAllowed`, and `BadRequest` for a pattern of progress that is none.
    fn check(&self, command: &Command) -> Result<(), Refusal>;

    /// Runs it to its end, and ends it with everything that it started once `watch` says so, or its
    /// time is over, or this process dies.
    ///
    /// # Errors
    /// As of `check`; `ProgramFailed` where it cannot be started or what it leaves cannot be taken.
    fn run(&self, order: &RunOrder, watch: &dyn Watch) -> Result<RunFacts, EngineError>;
}

/// The refusal of a program that is not listed.
pub fn not_allowed(command: &Command) -> Refusal {
    let message = format!(
        "cannot run {}: it is not among the programs that this server may run; whoever runs the \
         server lists them in `external_programs`",
        command.program.display()
    );
    Refusal::new(Code::ProgramNotAllowed, message)
}

/// The environment variable that names a dataset's file: `TGS_DATASET_TRIAL_A` of `trial-a`.
pub fn dataset_variable(dataset: &str) -> String {
    let plain = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_uppercase(),
        false => '_',
    };
    format!("TGS_DATASET_{}", dataset.chars().map(plain).collect::<String>())
}

/// Whether a file that a program leaves may keep its name: letters, digits and `.-_`, no point at
/// the beginning, so that it means the same in a path, an address and on every file system.
pub fn is_plain_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !name.starts_with('.')
        && (1..=FILE_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_the_same_everywhere() {
        for name in ["a", "model.onnx", "A-1_b.tar.gz", &"x".repeat(FILE_NAME_BYTES_MAX)] {
            assert!(is_plain_name(name), "{name}");
        }
        let long = "x".repeat(FILE_NAME_BYTES_MAX + 1);
        for name in ["", ".", "..", ".hidden", "a/b", "a b", "ä", "a\n", "a%2f", long.as_str()] {
            assert!(!is_plain_name(name), "{name}");
        }
    }

    #[test]
    fn a_dataset_has_a_variable_of_its_own() {
        assert_eq!(dataset_variable("trial"), "TGS_DATASET_TRIAL");
        assert_eq!(dataset_variable("trial-a.2"), "TGS_DATASET_TRIAL_A_2");
    }

    #[test]
    fn a_program_that_did_its_work_has_not_failed() {
        let facts = |end, lines: &str| {
            let last_lines = lines.to_owned();
            RunFacts { end, files: vec![LOG_FILE.to_owned()], last_lines }.failure()
        };
        assert_eq!(facts(ProgramEnd::Status(0), "done\n"), None);
        let failure = facts(ProgramEnd::Status(3), "no such column\n").expect("it failed");
        assert_eq!((failure.code, failure.stage), (Code::ProgramFailed, Stage::Run));
        assert_eq!(
            failure.message,
            "the program ended with status 3; see output.log; its last lines:\nno such column"
        );
        let failure = facts(ProgramEnd::Signal(9), "").expect("it failed");
        assert!(failure.message.contains("signal 9") && failure.message.contains("wrote nothing"));
    }
}
