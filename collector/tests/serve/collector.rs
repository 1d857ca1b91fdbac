//! The real program, started on a free port, ended when dropped.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use twintap::store::accounting::Accounting;
use twintap::store::parquet::{Dataset, Projection};

use super::client::{Answer, Client};

pub(crate) struct Collector {
    child: Child,
    pub(crate) address: SocketAddr,
    // Kept open: a closed pipe would be another test.
    log: BufReader<ChildStderr>,
}

impl Collector {
    pub(crate) fn start(data_dir: &Path, keys: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(["--set", "log_format=json", "--set", "disk_free_bytes_min=0"])
            .args(["--set", "log_level=warn,twintap::pipeline=info"]);
        for key in keys {
            command.args(["--set", key]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "twintap ended: {:?}",
                child.wait()
            );
            let entry: serde_json::Value = serde_json::from_str(&line).expect(&line);
            if let Some(address) = entry["fields"]["address"].as_str() {
                break address.parse().unwrap();
            }
        };
        Self {
            child,
            address,
            log,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    pub(crate) fn post(&self, batch: &[u8]) -> Answer {
        self.client().post(batch).unwrap()
    }

    pub(crate) fn metrics(&self) -> String {
        self.client().get("/metrics").unwrap().body
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Lets it open no more than `count` files from now on.
    pub(crate) fn limit_open_files(&self, count: u64) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let hard = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: Some(count),
            maximum: hard,
        };
        prlimit(pid, Resource::Nofile, limit).unwrap();
    }

    /// What it has logged since it listened, once it has ended.
    pub(crate) fn log(&mut self) -> String {
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        log
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// (first byte of the producer id, record number) of every call in Parquet, sorted.
pub(crate) fn stored(data_dir: &Path) -> Vec<(u8, u64)> {
    let dataset = Dataset::open(data_dir).unwrap();
    let mut ids: Vec<(u8, u64)> = dataset
        .calls_in_buckets(0..256, Projection::WithoutPayload)
        .map(|call| {
            let id = call.unwrap().id;
            (id.producer_id[0], id.record_number)
        })
        .collect();
    ids.sort_unstable();
    ids
}

pub(crate) fn accounting(data_dir: &Path) -> Accounting {
    Accounting::load(data_dir).unwrap()
}
