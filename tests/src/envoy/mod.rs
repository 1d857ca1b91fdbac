//! A real Envoy on loopback.
//!
//! Every port is chosen by the kernel and asked back from Envoy, so that tests run side by side.
//! [`Envoy::start`] returns when `/ready` says so. Dropping it kills the process.

mod admin;
mod bootstrap;
mod filter;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

pub use admin::Stats;
pub use bootstrap::{Bootstrap, Listener, Mirror, Route, Secured};
pub use filter::Filter;

use crate::process::Process;
use crate::{artifacts, http1, wait};

/// Cold start includes compiling the module.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Words in Envoy's log that mean a module or its VM failed.
const WASM_FAILURES: [&str; 6] = [
    "Function: ",
    "in-VM backtrace",
    "Plugin configured to fail",
    "Wasm VM failed",
    "Failed to load Wasm",
    "wasm_fail_stream",
];

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    /// The process, for its CPU time and memory.
    pub process: Process,
    name: String,
    admin: SocketAddr,
    directory: TempDir,
    module_may_fail: bool,
}

impl Envoy {
    /// Starts Envoy with `bootstrap` and waits until it is ready.
    pub async fn start(bootstrap: Bootstrap) -> Self {
        let mut envoy = Self::start_initializing(bootstrap).await;
        envoy.ready().await;
        envoy
    }

    /// Starts Envoy with `bootstrap` and waits only until its admin port answers.
    pub async fn start_initializing(bootstrap: Bootstrap) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let at = |file: &str| directory.path().join(file);
        fs::write(at("listeners.json"), bootstrap.listeners_json()).expect("listeners written");
        fs::write(at("envoy.json"), bootstrap.json(directory.path())).expect("bootstrap written");
        let mut command = Command::new(artifacts::envoy());
        command
            .arg("--config-path")
            .arg(at("envoy.json"))
            .arg("--admin-address-path")
            .arg(at("admin"))
            .args(["--concurrency", &bootstrap.concurrency.to_string()])
            .args([
                "--log-level",
                "warning",
                "--component-log-level",
                "wasm:info",
            ])
            .args(["--drain-time-s", &bootstrap.drain_time_s.to_string()])
            .args([
                "--parent-shutdown-time-s",
                &(bootstrap.drain_time_s + 1).to_string(),
            ])
            // Neither base id nor shared memory: any number of Envoys side by side.
            .arg("--disable-hot-restart");
        let mut process = Process::start("envoy", &mut command, &at("envoy.log"));
        let admin = admin_answers(&mut process, &at("admin")).await;
        Self {
            process,
            name: bootstrap.name,
            admin,
            directory,
            module_may_fail: false,
        }
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) {
        let admin = self.admin;
        wait::until("envoy is ready", READY_WITHIN, async || {
            assert_runs(&mut self.process);
            let (status, _) = http1::get(admin, "/ready").await.ok()?;
            status.is_success().then_some(())
        })
        .await;
    }

    /// Its state, as `/ready` tells it: `LIVE`, or one before or after it.
    pub async fn state(&self) -> String {
        let (_, body) = http1::get(self.admin, "/ready")
            .await
            .expect("admin answers");
        String::from_utf8_lossy(&body).trim().to_owned()
    }

    /// Its module is meant to fail.
    #[must_use]
    pub fn with_failing_module(mut self) -> Self {
        self.module_may_fail = true;
        self
    }

    /// Its name: the node id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its admin port accepts connections.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Where the listener called `name` accepts connections.
    pub async fn address(&self, name: &str) -> SocketAddr {
        admin::listener_address(self.admin, name).await
    }

    /// All statistics now.
    pub async fn stats(&self) -> Stats {
        admin::stats(self.admin).await
    }

    /// Body of a `GET` on the admin port.
    pub async fn admin(&self, path: &str) -> String {
        let (status, body) = http1::get(self.admin, path).await.expect("admin answers");
        assert!(status.is_success(), "admin {path}: {status}");
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Replaces all listeners, as a mesh's control plane does, and waits until they are in force.
    pub async fn update_listeners(&self, bootstrap: &Bootstrap) {
        let before = self
            .stats()
            .await
            .counter("listener_manager.lds.update_success");
        let next = self.directory.path().join("listeners.next");
        fs::write(&next, bootstrap.listeners_json()).expect("listeners written");
        fs::rename(&next, self.directory.path().join("listeners.json")).expect("listeners moved");
        wait::until_true("listener update is accepted", READY_WITHIN, async || {
            self.stats()
                .await
                .counter("listener_manager.lds.update_success")
                > before
        })
        .await;
    }

    /// Lines of the log that tell of a failed module; must be none.
    pub fn wasm_failures(&self) -> Vec<String> {
        let log = self.process.log();
        let failed = |line: &&str| WASM_FAILURES.iter().any(|words| line.contains(words));
        log.lines().filter(failed).map(str::to_owned).collect()
    }
}

impl Drop for Envoy {
    /// A failed module makes the test fail, whatever else it looked at.
    fn drop(&mut self) {
        let failures = self.wasm_failures();
        if !std::thread::panicking() && !self.module_may_fail {
            assert!(
                failures.is_empty(),
                "{}: module failed: {failures:#?}",
                self.name
            );
        }
    }
}

async fn admin_answers(process: &mut Process, admin_file: &Path) -> SocketAddr {
    wait::until("envoy's admin port answers", READY_WITHIN, async || {
        assert_runs(process);
        let admin: SocketAddr = fs::read_to_string(admin_file).ok()?.trim().parse().ok()?;
        http1::get(admin, "/ready").await.ok().map(|_| admin)
    })
    .await
}

fn assert_runs(process: &mut Process) {
    if let Some(status) = process.exited() {
        panic!("envoy ended with {status}:\n{}", process.log());
    }
}
