//! One run of `tgs` as a real process with its own data folder.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The release binary: TGS_BIN, or the one beside this test's own executable.
///
/// # Panics
/// When it was not built; the message says how.
pub fn binary() -> PathBuf {
    let named = env::var_os("TGS_BIN").map(PathBuf::from);
    let beside = || {
        let own = env::current_exe().expect("a running program has a file");
        // Programs stand in release itself, tests in release/deps.
        let mut folders = own.ancestors().skip(1).take(2).map(|folder| folder.join("tgs"));
        folders.find(|path| path.is_file()).unwrap_or_else(|| own.with_file_name("tgs"))
    };
    let path = named.unwrap_or_else(beside);
    assert!(path.is_file(), "{} is missing: run `./dev build` first", path.display());
    path
}

/// A file of the repository.
pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `tgs` with these words, a data folder of its own, and nothing of the tester's settings.
pub fn tgs<S: AsRef<OsStr>>(home: &Path, words: &[S]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TGS_") {
            command.env_remove(name);
        }
    }
    // Jobs of tests are short, and whoever goes on after a loss is to find checkpoints.
    command.env("TGS_LOST_AFTER_MINUTES", "0.5");
    // A folder that holds no configuration.
    command.env("XDG_CONFIG_HOME", home.join("no-configuration"));
    command.args(words).arg("--home").arg(home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run<S: AsRef<OsStr>>(home: &Path, words: &[S]) -> Finished {
    let output = tgs(home, words).output().expect("the binary was found and can be started");
    Finished::from(output)
}

/// Starts `tgs up` or `tgs node` with settings that it cannot start with: the last line that it
/// says, as JSON, and all of it.
///
/// # Panics
/// When it starts all the same, or says no JSON.
pub fn refusal(home: &Path, command: &str, settings: &[(&str, &str)]) -> (Value, String) {
    let mut program = tgs(home, &[command, "--json"]);
    let ended = program.envs(settings.iter().copied()).output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_ne!(ended.status.code(), Some(0), "{settings:?}: {said}");
    let last = serde_json::from_str(said.lines().last().unwrap_or_default());
    (last.unwrap_or_else(|_| panic!("{settings:?}: {said}")), said)
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    /// Checks the exit status; shows everything the run said when it differs.
    ///
    /// # Panics
    /// When the status differs.
    #[must_use]
    pub fn expect_status(self, wanted: i32) -> Self {
        let Self { status, stdout, stderr } = &self;
        assert_eq!(*status, Some(wanted), "\nstdout:\n{stdout}\nstderr:\n{stderr}");
        assert!(!stderr.contains("panicked at"), "a panic reached the user:\n{stderr}");
        self
    }
}
