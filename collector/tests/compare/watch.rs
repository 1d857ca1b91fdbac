//! `twintap compare --watch` on a directory that grows.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use twintap::call::{Call, Role};

use super::recording::{Recording, call};

/// The program, watching; killed when dropped.
struct Watcher {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watcher {
    fn of(recording: &Recording, grace: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_twintap"))
            .arg("compare")
            .arg(recording.path())
            .args(["--watch=0.05", "--watch-grace", grace, "--output", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next report: comes as soon as there is something to tell.
    fn report(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Reports until one has that many pairs.
    fn until_pairs(&mut self, pairs: u64) -> Value {
        loop {
            let report = self.report();
            if report["completeness"]["pairs"] == pairs {
                return report;
            }
        }
    }

    fn interrupt(mut self) -> i32 {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One side of call `number`, as if it had just begun.
fn now(number: u64, role: Role, text: &str) -> Call {
    Call {
        started_unix_ns: u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap(),
        ..call(number, role, text)
    }
}

#[test]
fn a_growing_directory_is_compared_again_and_late_partners_are_awaited() {
    let both = |number| {
        [
            now(number, Role::Primary, "x"),
            now(number, Role::Candidate, "x"),
        ]
    };
    let recording = Recording::new()
        .part([both(1).to_vec(), vec![now(2, Role::Primary, "x")]].concat())
        .dropped(0);
    let mut watcher = Watcher::of(&recording, "86400");
    let first = watcher.report();
    assert_eq!(first["completeness"]["pairs"], 1);
    assert_eq!(first["completeness"]["unpaired"]["awaiting_partner"], 1);
    assert_eq!(
        first["answer"]["exit_code"], 0,
        "nobody is missing yet: {first}"
    );
    // The partner comes in another part, and differs.
    let recording = recording.part(vec![now(2, Role::Candidate, "y")]);
    let second = watcher.until_pairs(2);
    assert_eq!(second["completeness"]["unpaired"], serde_json::json!({}));
    assert_eq!(second["answer"]["exit_code"], 1);
    assert_eq!(watcher.interrupt(), 1);
    assert!(
        recording.files("pairs").is_empty(),
        "watching writes no datasets"
    );
}

#[test]
fn after_its_grace_a_call_without_partner_is_unpaired() {
    let recording = Recording::new().part(vec![now(1, Role::Primary, "x")]);
    let mut watcher = Watcher::of(&recording, "0");
    let report = watcher.report();
    assert_eq!(report["completeness"]["unpaired"]["candidate_missing"], 1);
    assert_eq!(watcher.interrupt(), 4);
    // Nothing new has to come but time.
    let recording = Recording::new().part(vec![now(1, Role::Primary, "x")]);
    let mut watcher = Watcher::of(&recording, "0.5");
    let mut report = watcher.report();
    while report["completeness"]["unpaired"]["candidate_missing"] != 1 {
        assert_eq!(report["completeness"]["unpaired"]["awaiting_partner"], 1);
        report = watcher.report();
    }
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let recording = Recording::new();
    for arguments in [
        &["--watch", "--output", "html"][..],
        &["--watch=soon"],
        &["--watch=-1"],
        &["--watch-grace", "5"],
    ] {
        let output = recording.compare(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
