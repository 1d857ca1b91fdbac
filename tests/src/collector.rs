//! The real collector: `twintap serve` on a data directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;
use std::{env, fs};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::stored::Stored;
use crate::{artifacts, http1, loopback, wait};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// The filters' longest back-off, the collector's grace for late batches, and time to write.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

/// A running collector; killed when dropped.
#[derive(Debug)]
pub struct Collector {
    process: Option<Process>,
    address: SocketAddr,
    keys: Vec<String>,
    directory: TempDir,
}

impl Collector {
    /// Starts `twintap serve` and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(vec![]).await
    }

    /// The same, with these configuration keys, as `KEY=VALUE`.
    pub async fn start_with(keys: Vec<String>) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut collector = Self {
            process: None,
            address: loopback::own(),
            keys,
            directory,
        };
        collector.restart().await;
        collector
    }

    /// Where it accepts batches; the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The process, for signals, memory and the like.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the collector runs")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it (again) on the same address and data directory, and waits until it is ready.
    pub async fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(artifacts::twintap());
        command
            .arg("serve")
            .args(["--listen", &self.address.to_string()])
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(["--publish-interval", "1s"]);
        for key in &self.keys {
            command.args(["--set", key]);
        }
        // The harness's own variables would be read as configuration keys.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TWINTAP_") {
                command.env_remove(name);
            }
        }
        let log = self.directory.path().join("twintap.log");
        let mut process = Process::start("twintap serve", &mut command, &log);
        wait::until_true("collector is ready", READY_WITHIN, async || {
            if let Some(status) = process.exited() {
                panic!("twintap serve ended with {status}:\n{}", process.log());
            }
            // With TLS only those who have its authority can ask.
            if self.keys.iter().any(|key| key.starts_with("tls_")) {
                return process.log().contains("listening");
            }
            let answer = http1::get(self.address, "/readyz").await;
            answer.is_ok_and(|(status, _)| status.is_success())
        })
        .await;
        self.process = Some(process);
    }

    /// SIGTERM: the collector finishes what it has and ends.
    pub async fn drain(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the collector runs");
        let status = process.terminate(DRAINED_WITHIN).await;
        assert!(
            status.success(),
            "twintap serve ended with {status}:\n{}",
            process.log()
        );
        status
    }

    /// Drains, and reads what is in the dataset.
    pub async fn into_stored(mut self) -> (Stored, TempDir) {
        self.drain().await;
        (Stored::read(&self.data_dir()), self.directory)
    }

    /// The same, with every column.
    pub async fn into_stored_whole(mut self) -> (Stored, TempDir) {
        self.drain().await;
        (Stored::read_whole(&self.data_dir()), self.directory)
    }

    /// What it says became of every call: `accounting.json`, `total`.
    pub fn accounting(&self) -> Accounting {
        let text = fs::read(self.data_dir().join("accounting.json")).unwrap_or_default();
        let file: Value = serde_json::from_slice(&text).unwrap_or_default();
        Accounting(file["total"].clone())
    }

    /// Waits until the filters have told of this many streams, all ended, and all recorded ones
    /// are stored; checks the accounting identity.
    pub async fn settled(&self, observed: u64) -> Accounting {
        let what = format!("accounting tells of {observed} streams, all ended and delivered");
        let within = SETTLED_WITHIN;
        let settled = wait::until_or(
            &what,
            within,
            || format!("{:#}", self.accounting().0),
            async || {
                let now = self.accounting();
                let settled = now.figure("observed") >= observed
                    && now.figure("in_flight") == 0
                    && now.figure("pending") == 0;
                settled.then_some(now)
            },
        );
        let accounting = settled.await;
        assert_eq!(
            accounting.figure("observed"),
            observed,
            "streams that reached the filters"
        );
        accounting.assert_identity();
        accounting
    }

    /// Every file in its data directory, and its log.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = vec![];
        let mut directories = vec![self.directory.path().to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                } else if let Ok(bytes) = fs::read(&path) {
                    files.push((path, bytes));
                }
            }
        }
        files
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        read(&self.directory.path().join("twintap.log"))
    }

    /// Its `/metrics`.
    pub async fn metrics(&self) -> String {
        let (_, body) = http1::get(self.address, "/metrics")
            .await
            .expect("metrics answer");
        String::from_utf8_lossy(&body).into_owned()
    }
}

/// Figures of `accounting.json`.
#[derive(Clone, Debug, Default)]
pub struct Accounting(Value);

impl std::fmt::Display for Accounting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

impl Accounting {
    /// One figure; a figure by reason is summed up.
    pub fn figure(&self, name: &str) -> u64 {
        match &self.0[name] {
            Value::Object(reasons) => reasons.values().filter_map(Value::as_u64).sum(),
            number => number.as_u64().unwrap_or(0),
        }
    }

    /// A figure for this reason.
    pub fn by_reason(&self, name: &str, reason: &str) -> u64 {
        self.0[name][reason].as_u64().unwrap_or(0)
    }

    /// A figure by reason, as JSON has it.
    pub fn reasons(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// Panics unless both identities hold exactly.
    pub fn assert_identity(&self) {
        let sum = |names: &[&str]| names.iter().map(|name| self.figure(name)).sum::<u64>();
        let accounted = sum(&["recorded", "in_flight", "dropped", "skipped"]);
        assert_eq!(
            self.figure("observed"),
            accounted,
            "in the filters: {:#}",
            self.0
        );
        let hop = sum(&[
            "stored",
            "quarantined",
            "refused",
            "recorded_before",
            "undelivered",
            "pending",
        ]);
        assert_eq!(self.figure("recorded"), hop, "on the way: {:#}", self.0);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
