//! A crash leaves no core, whatever the limits under which the collector was started.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use twintap_e2e::live;

use crate::collector::Place;

/// Runs what follows where cores are as large as they like, in `folder`.
fn prefix(folder: &Path) -> Vec<String> {
    let script = format!(
        "cd '{}' && ulimit -c unlimited && exec \"$@\"",
        folder.display()
    );
    ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
}

/// What becomes of a program that has not refused.
fn others(folder: &Path) -> ExitStatus {
    let (shell, arguments) = (prefix(folder), ["sh", "-c", "kill -ABRT $$"]);
    let mut command = Command::new(&shell[0]);
    let status = command.args(&shell[1..]).args(arguments).status();
    status.expect("sh starts")
}

#[tokio::test]
async fn a_crash_leaves_no_core() {
    let place = Place::new(&[]);
    let folder = place.file("cores");
    fs::create_dir(&folder).expect("a folder");
    if !others(&folder).core_dumped() {
        live::skip("a crash leaves no core", "here no program leaves one");
        return;
    }
    let written = || fs::read_dir(&folder).expect("it is there").count();
    let before = written();
    let place = place.spawned_by(prefix(&folder));
    let (mut collector, _) = place.start().await;
    let status = collector.ended_by(Signal::ABORT).await;
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!status.core_dumped(), "{status}");
    assert_eq!(written(), before);
}
