//! How many files and sockets the collector may have open.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::batches::Sender;
use super::collector::Collector;

/// `twintap serve`, started where `ulimit` has set `limits`.
fn serve(limits: &str, data_dir: &Path) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limits}; exec \"$@\""), "sh"]);
    shell.arg(env!("CARGO_BIN_EXE_twintap"));
    shell.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    shell.arg(data_dir).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn with_too_few_it_says_so_and_does_not_start() {
    let data = tempfile::tempdir().unwrap();
    for few in ["6", "63"] {
        let child = serve(&format!("ulimit -n {few}"), data.path());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        let expected = format!("twintap: {few} file descriptors are too few");
        assert!(told.contains(&expected), "{told}");
    }
}

#[test]
fn it_takes_all_that_the_system_lets_it_have() {
    let data = tempfile::tempdir().unwrap();
    let mut child = serve("ulimit -Sn 70; ulimit -Hn 200", data.path());
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut is_told = |what| log.any(|line| line.unwrap().contains(what));
    assert!(is_told("fewer file descriptors than connections_max needs"));
    assert!(is_told("listening"));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = limit.and_then(|line| line.split_whitespace().next());
    assert_eq!(soft, Some("200"), "{limits}");
}

#[test]
fn without_descriptors_the_open_segment_does_not_grow_without_end() {
    let data = tempfile::tempdir().unwrap();
    let keys = ["body_bytes_max=16KiB", "segment_bytes_max=16KiB"];
    let collector = Collector::start(data.path(), &keys);
    let mut client = collector.client();
    assert_eq!(client.get("/healthz").unwrap().status, 200);
    collector.limit_open_files(1);
    let mut sender = Sender::new(7);
    let mut posts = std::iter::repeat_with(|| client.post(&sender.encoded(20)).unwrap());
    let refused = posts.by_ref().take(100).find(|answer| answer.status != 200);
    let refused = refused.expect("refused before it has a hundred batches");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("segment_full"), "{refused:?}");
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    let journal = fs::read_dir(data.path().join("journal")).unwrap();
    let bytes: u64 = journal
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 40 << 10, "{bytes}");
    collector.limit_open_files(256);
    let mut again = std::iter::repeat_with(|| collector.post(&sender.encoded(20)));
    assert!(again.any(|answer| answer.status == 200));
    assert!(collector.stop().success());
}
