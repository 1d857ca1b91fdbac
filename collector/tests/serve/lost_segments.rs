//! Segments that a disk, or somebody, damaged or withholds after they were sealed: what is lost is told, before and
//! after, and nothing else is held up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::batches::Sender;
use super::collector::{Collector, accounting, stored};

/// A directory with two batches of 5 in a sealed segment and one in an open one, the former's path, and its size
/// with one batch.
fn sealed() -> (TempDir, PathBuf, u64) {
    let data = tempfile::tempdir().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let calls = data.path().join("calls");
    // In the way of Parquet.
    fs::write(&calls, "").unwrap();
    let keys = ["segment_records_max=10", "publish_interval=1h"];
    let collector = Collector::start(data.path(), &keys);
    let mut sender = Sender::new(7);
    assert_eq!(collector.post(&sender.encoded(5)).status, 200);
    let segment = segments(data.path()).remove(0);
    let size = fs::metadata(&segment).unwrap().len();
    for _ in 0..2 {
        assert_eq!(collector.post(&sender.encoded(5)).status, 200);
    }
    collector.kill();
    fs::remove_file(calls).unwrap();
    assert_eq!(segments(data.path()).len(), 2);
    (data, segment, size)
}

fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("journal")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn fsck(data_dir: &Path) -> (Option<i32>, String) {
    let mut twintap = Command::new(env!("CARGO_BIN_EXE_twintap"));
    let output = twintap.arg("fsck").arg(data_dir).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// What happens to the file of a sealed segment, whose size with one batch is given.
type Damage = fn(&Path, u64);

#[test]
fn what_a_sealed_segment_lost_is_told_before_and_after_the_rest_is_published() {
    let damages: [(&str, Damage, u64); 4] = [
        (
            "a flipped bit in its last frame",
            |path, _| spoil_end(path),
            5,
        ),
        ("cut between two frames", cut, 5),
        ("emptied", |path, _| cut(path, 0), 10),
        ("removed", |path, _| fs::remove_file(path).unwrap(), 10),
    ];
    for (what, damage, lost) in damages {
        let (data, segment, size) = sealed();
        assert_eq!(fsck(data.path()).0, Some(0), "{what}");
        damage(&segment, size);
        let gone = format!("{lost} acknowledged records are gone");
        let (code, told) = fsck(data.path());
        assert_eq!(code, Some(4), "{what}: {told}");
        assert!(told.contains(&gone), "{what}: {told}");
        let collector = Collector::start(data.path(), &[]);
        while segments(data.path()).len() > 1 {
            std::thread::yield_now();
        }
        let metrics = collector.metrics();
        assert!(
            metrics.contains("twintap_journal_damaged_total 1"),
            "{what}: {metrics}"
        );
        assert!(collector.stop().success());
        assert_eq!(stored(data.path()).len() as u64, 15 - lost, "{what}");
        assert_eq!(accounting(data.path()).damaged_stretches, 1, "{what}");
        let (code, told) = fsck(data.path());
        assert_eq!(code, Some(4), "{what}: {told}");
        assert!(told.contains(&gone), "{what}: {told}");
    }
}

fn spoil_end(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, size: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(size).unwrap();
}

/// A collector with so many sealed segments of 5 records, none of which is published while there is a file in the way
/// of `calls`.
fn unpublished(sender: &mut Sender, segments: usize) -> (TempDir, Collector) {
    let data = tempfile::tempdir().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(data.path().join("calls"), "").unwrap();
    let keys = [
        "segment_records_max=5",
        "publish_interval=10ms",
        "drain_timeout=20s",
    ];
    let collector = Collector::start(data.path(), &keys);
    for _ in 0..segments {
        assert_eq!(collector.post(&sender.encoded(5)).status, 200);
    }
    (data, collector)
}

#[test]
fn a_segment_that_is_removed_while_the_collector_runs_is_told_and_not_waited_for() {
    let (data, mut collector) = unpublished(&mut Sender::new(7), 2);
    fs::remove_file(segments(data.path()).remove(0)).unwrap();
    fs::remove_file(data.path().join("calls")).unwrap();
    let damaged = "twintap_journal_damaged_total 1";
    while segments(data.path()).len() > 1 || !collector.metrics().contains(damaged) {
        std::thread::yield_now();
    }
    collector.signal(Signal::TERM);
    assert!(collector.wait().success());
    let log = collector.log();
    assert!(log.contains("drained"), "{log}");
    assert_eq!(stored(data.path()).len(), 5);
    let accounting = accounting(data.path());
    assert_eq!(
        (accounting.damaged_stretches, accounting.total.journaled),
        (1, 5)
    );
    assert_eq!(fsck(data.path()).0, Some(4));
}

#[test]
fn a_segment_that_cannot_be_read_does_not_hold_up_the_end() {
    let (data, mut collector) = unpublished(&mut Sender::new(7), 2);
    let withheld = segments(data.path()).remove(0);
    fs::remove_file(&withheld).unwrap();
    fs::create_dir(&withheld).unwrap();
    fs::remove_file(data.path().join("calls")).unwrap();
    collector.signal(Signal::TERM);
    assert!(collector.wait().success());
    let log = collector.log();
    assert!(log.contains("not all is in Parquet"), "{log}");
    assert!(!log.contains("deadline"), "{log}");
    assert_eq!(stored(data.path()).len(), 5);
    let total = accounting(data.path()).total;
    assert_eq!((total.published, total.journaled), (5, 5));
}

#[test]
fn segments_that_cannot_be_read_hold_up_no_others_and_are_published_when_they_can() {
    let mut sender = Sender::new(7);
    let (data, collector) = unpublished(&mut sender, 4);
    // A folder can be opened, and not read.
    let withheld: Vec<_> = segments(data.path()).into_iter().take(2).collect();
    let elsewhere = |path: &Path| data.path().join(path.file_name().unwrap());
    for path in &withheld {
        fs::rename(path, elsewhere(path)).unwrap();
        fs::create_dir(path).unwrap();
    }
    fs::remove_file(data.path().join("calls")).unwrap();
    assert_eq!(collector.post(&sender.encoded(5)).status, 200);
    while segments(data.path()).len() > 3 || stored(data.path()).len() < 15 {
        std::thread::yield_now();
    }
    assert!(
        !collector
            .metrics()
            .contains("twintap_publish_errors_total 0")
    );
    for path in &withheld {
        fs::remove_dir(path).unwrap();
        fs::rename(elsewhere(path), path).unwrap();
    }
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()).len(), 25);
    assert_eq!(accounting(data.path()).damaged_stretches, 0);
}
