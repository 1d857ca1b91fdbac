//! `twintap capture` at work, and whether it may work here at all.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use std::{env, fs};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use twintap_capture::PROGRAM;

use crate::process::Process;
use crate::{Stored, artifacts, wait};

const STARTED_WITHIN: Duration = Duration::from_secs(30);
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// Is live capture possible here? If not, says loudly that `test` is skipped, and why.
pub fn is_possible(test: &str) -> bool {
    let reason = artifacts::twintap_capture().and_then(|program| {
        let arguments = ["-i", "lo", "--duration-ms", "1"];
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    });
    reason.map_err(|reason| skip(test, &reason)).is_ok()
}

/// Says loudly that `test` is skipped; also where the output of tests that pass is not shown.
pub fn skip(test: &str, reason: &str) {
    let text = format!("\n*** SKIPPED, NOT TESTED: {test}: {reason}\n");
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// A running `twintap capture` with a data directory of its own; killed when dropped.
#[derive(Debug)]
pub struct LiveCapture {
    /// The process.
    pub process: Process,
    directory: TempDir,
}

/// `twintap`, without the harness's own variables.
pub fn twintap() -> Command {
    let mut command = Command::new(artifacts::twintap());
    without_own_variables(&mut command);
    command
}

fn without_own_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TWINTAP_") {
            command.env_remove(name);
        }
    }
}

impl LiveCapture {
    /// Starts `twintap capture` with these arguments, and waits until it captures.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::run(twintap(), arguments).await
    }

    /// As [`LiveCapture::start`], in a network namespace.
    pub async fn start_in(namespace: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]);
        command.arg(artifacts::twintap());
        without_own_variables(&mut command);
        Self::run(command, arguments).await
    }

    async fn run(mut command: Command, arguments: &[&str]) -> Self {
        let program = artifacts::twintap_capture().expect("was asked whether it is possible");
        let directory = tempfile::tempdir().expect("temporary directory");
        command
            .arg("capture")
            .args(arguments)
            .arg("--capture-program")
            .arg(program)
            .arg("--data-dir")
            .arg(directory.path().join("data"));
        let log = directory.path().join("twintap.log");
        let process = Process::start("twintap capture", &mut command, &log);
        let mut live = Self { process, directory };
        // It writes its accounting when the program has begun.
        wait::until_true("twintap captures", STARTED_WITHIN, async || {
            if let Some(status) = live.process.exited() {
                panic!("twintap capture ended with {status}:\n{}", live.log());
            }
            live.has_accounting()
        })
        .await;
        live
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What it has said.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Process id of its `twintap-capture`.
    pub fn program_pid(&self) -> u32 {
        let pid = self.process.child(PROGRAM);
        pid.unwrap_or_else(|| panic!("{PROGRAM} runs:\n{}", self.log()))
    }

    /// SIGINT, and waits for the end.
    pub async fn interrupt(&mut self) -> ExitStatus {
        self.process.signal(Signal::INT);
        self.process.ended(ENDED_WITHIN).await
    }

    /// Its accounting file.
    pub fn accounting(&self) -> Value {
        accounting(&self.data_dir())
    }

    /// What is in its dataset.
    pub fn stored(&self) -> Stored {
        Stored::read(&self.data_dir())
    }

    /// Parquet files in its dataset.
    pub fn parts_count(&self) -> usize {
        parts_count(&self.data_dir())
    }

    fn has_accounting(&self) -> bool {
        !accounting_files(&self.data_dir()).is_empty()
    }
}

/// Parquet files in the dataset of a data directory.
pub fn parts_count(data_dir: &Path) -> usize {
    let mut parts = files(&data_dir.join("calls"));
    parts.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    parts.len()
}

/// The one accounting file of a data directory.
pub fn accounting(data_dir: &Path) -> Value {
    let files = accounting_files(data_dir);
    assert_eq!(files.len(), 1, "{files:?}");
    let text = fs::read(&files[0]).expect("accounting is readable");
    serde_json::from_slice(&text).expect("accounting is JSON")
}

fn accounting_files(data_dir: &Path) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("accounting-") && name.ends_with(".json")
    };
    let mut all = files(data_dir);
    all.retain(is_one);
    all
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}
