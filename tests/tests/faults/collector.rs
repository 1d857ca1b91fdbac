//! `twintap serve` where it may be killed, refused things or put on another file system.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use twintap_e2e::process::Process;
use twintap_e2e::{artifacts, http1, machine};

use crate::client::Client;
use crate::full_or;
use crate::oracle::{Oracle, without_variables};

/// From start to ready: promised, and in reduced runs, whose machine may have a slow disk.
const READY_WITHIN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(20)];
/// A machine so busy that the program cannot even say its version in this time proves nothing about
/// the promise; then a restart may take as many times longer as that does.
const VERSION_WITHIN: Duration = Duration::from_millis(100);
/// Nothing that waits for the collector waits longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Whatever is cut short in a case, what settles it has time to drain, on any disk.
const SETTLING: &str = "drain_timeout=50s";
const PROBE_INTERVAL: Duration = Duration::from_millis(2);

/// A data directory, and how to run programs where it is.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    keys: Vec<String>,
    /// Program and arguments before every program that is run, for example `nsenter`.
    prefix: Vec<String>,
    /// The data directory as those programs see it, if not as this process does.
    inside: Option<PathBuf>,
    /// Where this process sees the root of the others' file system.
    root: PathBuf,
    /// Where it listens, if that cannot be read from its log.
    listen: Option<SocketAddr>,
    _machine: machine::Hold,
}

impl Place {
    /// A temporary folder, for a collector with these configuration keys (`KEY=VALUE`).
    pub(crate) fn new(keys: &[&str]) -> Self {
        Self::holding(machine::shared(), keys)
    }

    /// The same, for what leaves others neither a disk nor memory: there are no others.
    pub(crate) fn alone(keys: &[&str]) -> Self {
        Self::holding(machine::alone(), keys)
    }

    fn holding(machine: machine::Hold, keys: &[&str]) -> Self {
        Self {
            directory: tempfile::tempdir().expect("temporary directory"),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            prefix: vec![],
            inside: None,
            root: PathBuf::from("/"),
            listen: None,
            _machine: machine,
        }
    }

    /// The same, seen through `prefix`, where it is at `inside`, below `root` of this process.
    pub(crate) fn within(mut self, prefix: Vec<String>, inside: PathBuf, root: PathBuf) -> Self {
        (self.prefix, self.inside, self.root) = (prefix, Some(inside), root);
        self
    }

    /// The same, with one more configuration key.
    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }

    /// The same, with `prefix` before every program.
    pub(crate) fn spawned_by(mut self, prefix: Vec<String>) -> Self {
        self.prefix = prefix;
        self
    }

    /// The same, listening there.
    pub(crate) fn listening_on(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Its data directory, for programs made with [`Place::command`].
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.inside
            .clone()
            .unwrap_or_else(|| self.directory.path().join("data"))
    }

    /// Its data directory, for this process.
    pub(crate) fn visible_data_dir(&self) -> PathBuf {
        let inside = self.data_dir();
        self.root.join(inside.strip_prefix("/").unwrap_or(&inside))
    }

    /// A file beside the data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `program`, run where the data directory is.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some((first, rest)) = self.prefix.split_first() else {
            return Command::new(program);
        };
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }

    /// Starts a collector here; does not wait for anything. `tracer` goes before the program.
    pub(crate) fn spawn(&self, tracer: &[String]) -> Collector {
        self.spawn_with(tracer, &[])
    }

    /// The same, with these configuration keys instead of its own.
    fn spawn_with(&self, tracer: &[String], keys: &[&str]) -> Collector {
        let mut command = match tracer.split_first() {
            None => self.command(&artifacts::twintap()),
            Some((first, rest)) => {
                let mut command = self.command(Path::new(first));
                command.args(rest).arg(artifacts::twintap());
                command
            }
        };
        without_variables(&mut command);
        let listen = self
            .listen
            .map_or("127.0.0.1:0".to_owned(), |address| address.to_string());
        command
            .args(["serve", "--listen", &listen, "--data-dir"])
            .arg(self.data_dir())
            .args(["--set", "log_format=json"]);
        // The last of two is in force.
        for key in self
            .keys
            .iter()
            .map(String::as_str)
            .chain(keys.iter().copied())
        {
            command.args(["--set", key]);
        }
        let log = self.file("twintap.log");
        let log_begins = fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let started = Instant::now();
        let process = Process::start("twintap serve", &mut command, &log);
        Collector {
            process,
            log,
            log_begins,
            started,
            address: self.listen,
        }
    }

    /// Starts a collector and waits until it is ready. Also: how long that took.
    pub(crate) async fn start(&self) -> (Collector, Duration) {
        let mut collector = self.spawn(&[]);
        let took = collector.started().await;
        (collector, took)
    }

    /// As [`Place::start`], and it must not take longer than is promised.
    pub(crate) async fn restart(&self) -> (Collector, Duration) {
        let mut collector = self.spawn(&[]);
        let took = collector.restarted().await;
        (collector, took)
    }

    /// The whole `oracle` check: a fresh collector takes what was not acknowledged, and drains.
    pub(crate) async fn settle(&self, oracle: &Oracle) -> Duration {
        let mut collector = self.spawn_with(&[], &[SETTLING]);
        let took = collector.restarted().await;
        let mut client = collector.client();
        for batch in oracle.unacknowledged() {
            let answer = client.post(batch, oracle).await;
            let answer = answer.unwrap_or_else(|error| panic!("{error:#}:\n{}", collector.log()));
            assert!(answer.status.is_success(), "{answer:?}");
        }
        drop(client);
        collector.drain().await;
        took
    }
}

/// How long a restart may take on this machine at this moment.
pub(crate) fn ready_limit() -> Duration {
    let started = Instant::now();
    let output = Command::new(artifacts::twintap()).arg("--version").output();
    assert!(output.expect("twintap starts").status.success());
    let limit = full_or(READY_WITHIN[0], READY_WITHIN[1]);
    limit.mul_f64((started.elapsed().as_secs_f64() / VERSION_WITHIN.as_secs_f64()).max(1.0))
}

/// One run of the collector; killed when dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) process: Process,
    log: PathBuf,
    log_begins: u64,
    started: Instant,
    address: Option<SocketAddr>,
}

impl Collector {
    /// Waits until it is ready, and says how long that took; `Err` if it ended instead.
    pub(crate) async fn ready(&mut self) -> Result<Duration, ExitStatus> {
        loop {
            if let Some(status) = self.process.exited() {
                return Err(status);
            }
            self.address = self.address.or_else(|| self.logged_address());
            if let Some(address) = self.address
                && let Ok((status, _)) = http1::get(address, "/readyz").await
                && status.is_success()
            {
                return Ok(self.started.elapsed());
            }
            let waited = self.started.elapsed();
            assert!(waited < PATIENCE, "not ready:\n{}", self.log());
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// As [`Collector::ready`]; it must not end instead.
    async fn started(&mut self) -> Duration {
        let ready = self.ready().await;
        ready.unwrap_or_else(|status| panic!("ended with {status}:\n{}", self.log()))
    }

    /// As [`Collector::started`], and it must not take longer than is promised.
    async fn restarted(&mut self) -> Duration {
        let took = self.started().await;
        let limit = ready_limit();
        assert!(took <= limit, "ready after {took:?}, allowed {limit:?}");
        took
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it has been ready")
    }

    /// What this run has said.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let begins = usize::try_from(self.log_begins).expect("a file in memory");
        String::from_utf8_lossy(&bytes[begins..]).into_owned()
    }

    /// Lines of its log that are for somebody's attention.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let is_one = |line: &&str| {
            let parsed: Option<Value> = serde_json::from_str(line).ok();
            parsed.is_none_or(|line| line["level"] != "INFO")
        };
        log.lines().filter(is_one).map(str::to_owned).collect()
    }

    /// SIGTERM, and waits for its end, which must be a good one.
    pub(crate) async fn drain(&mut self) {
        let status = self.ended_by(Signal::TERM).await;
        assert!(status.success(), "ended with {status}:\n{}", self.log());
    }

    /// Sends a signal and waits for its end.
    pub(crate) async fn ended_by(&mut self, signal: Signal) -> ExitStatus {
        if self.process.exited().is_none() {
            self.process.signal(signal);
        }
        self.process.ended(PATIENCE).await
    }

    /// SIGTERM to the program that the tracer started, and waits for the end of both. A traced program
    /// may have gone by itself.
    pub(crate) async fn terminate_traced(&mut self, program: Option<u32>) {
        let program = program.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(program) = program {
            kill_process(program, Signal::TERM).ok();
        }
        self.process.ended(PATIENCE).await;
    }

    fn logged_address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let mut lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find_map(|line| line["fields"]["address"].as_str()?.parse().ok())
    }
}
