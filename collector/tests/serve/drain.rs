//! How the collector ends.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::batches::Sender;
use super::client::post_head;
use super::collector::{Collector, stored};

#[test]
fn a_request_in_flight_is_finished_before_the_end() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(data.path(), &[]);
    let batch = Sender::new(7).encoded(3);
    let mut client = collector.client();
    assert_eq!(client.get("/healthz").unwrap().status, 200);
    let half = batch.len() / 2;
    // 100-continue shows that the request has begun.
    let head = post_head(batch.len()).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    client.send(head.as_bytes()).unwrap();
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(&batch[..half]).unwrap();
    collector.signal(Signal::TERM);
    client.send(&batch[half..]).unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    assert!(client.is_closed());
    assert!(collector.wait().success());
    assert_eq!(stored(data.path()).len(), 3);
}

#[test]
fn a_second_signal_ends_at_once_with_130() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(data.path(), &[]);
    let mut client = collector.client();
    let head = post_head(10).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    client.send(head.as_bytes()).unwrap();
    assert_eq!(client.answer().unwrap().status, 100);
    collector.signal(Signal::INT);
    // Two signals at once may be seen as one: repeat until it is gone.
    while collector.is_running() {
        collector.signal(Signal::INT);
        std::thread::yield_now();
    }
    assert_eq!(collector.wait().code(), Some(130));
}

#[test]
fn the_drain_deadline_leaves_the_rest_durable() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(data.path(), &["drain_timeout=50ms"]);
    let batch = Sender::new(7).encoded(3);
    assert_eq!(collector.post(&batch).status, 200);
    let mut stuck = collector.client();
    let head = post_head(10).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    stuck.send(head.as_bytes()).unwrap();
    assert_eq!(stuck.answer().unwrap().status, 100);
    collector.signal(Signal::TERM);
    assert!(collector.wait().success());
    let again = Collector::start(data.path(), &[]);
    assert!(again.stop().success());
    assert_eq!(stored(data.path()).len(), 3);
}

#[test]
fn a_request_that_does_not_end_keeps_nothing_acknowledged_from_parquet() {
    let data = tempfile::tempdir().unwrap();
    let keys = ["drain_timeout=4s", "publish_interval=1h"];
    let mut collector = Collector::start(data.path(), &keys);
    assert_eq!(collector.post(&Sender::new(7).encoded(3)).status, 200);
    let mut stuck = collector.client();
    let head = post_head(10).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    stuck.send(head.as_bytes()).unwrap();
    assert_eq!(stuck.answer().unwrap().status, 100);
    collector.signal(Signal::TERM);
    assert!(collector.wait().success());
    assert!(collector.log().contains("drained"));
    assert_eq!(stored(data.path()).len(), 3);
}

#[test]
fn a_directory_that_is_removed_ends_it_with_3_and_nothing_more_is_acknowledged() {
    for removed in [".", "journal", "twintap.json"] {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("data");
        let mut collector = Collector::start(&data, &[]);
        let mut sender = Sender::new(7);
        let mut client = collector.client();
        assert_eq!(client.post(&sender.encoded(1)).unwrap().status, 200);
        match removed {
            // Files may be added meanwhile.
            "." => while data.exists() && std::fs::remove_dir_all(&data).is_err() {},
            "twintap.json" => std::fs::remove_file(data.join(removed)).unwrap(),
            folder => std::fs::remove_dir_all(data.join(folder)).unwrap(),
        }
        // It may have found out before, and ended.
        if let Ok(answer) = client.post(&sender.encoded(1)) {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(
                !answer.head.contains("x-twintap-acknowledged"),
                "{answer:?}"
            );
        }
        assert_eq!(collector.wait().code(), Some(3), "{removed}");
        let log = collector.log();
        assert!(log.contains("was removed or moved"), "{log}");
        assert!(!log.contains("drained"), "{log}");
    }
}

#[test]
fn a_directory_that_is_moved_while_it_drains_ends_it_with_3() {
    let parent = tempfile::tempdir().unwrap();
    let (data, moved) = (parent.path().join("data"), parent.path().join("moved"));
    std::fs::create_dir(&data).unwrap();
    // In the way of Parquet.
    std::fs::write(data.join("calls"), "").unwrap();
    let keys = ["publish_interval=1h", "drain_timeout=20s"];
    let mut collector = Collector::start(&data, &keys);
    assert_eq!(collector.post(&Sender::new(7).encoded(3)).status, 200);
    collector.signal(Signal::TERM);
    while std::fs::read_dir(data.join("journal")).unwrap().count() < 2 {
        std::thread::yield_now();
    }
    std::fs::rename(&data, &moved).unwrap();
    assert_eq!(collector.wait().code(), Some(3));
    let log = collector.log();
    assert!(log.contains("was removed or moved"), "{log}");
    assert!(!log.contains("stays in the journal until"), "{log}");
    std::fs::remove_file(moved.join("calls")).unwrap();
    assert!(Collector::start(&moved, &[]).stop().success());
    assert_eq!(stored(&moved).len(), 3);
}

#[test]
fn what_cannot_be_sealed_is_not_called_drained() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(data.path(), &["publish_interval=1h"]);
    assert_eq!(collector.post(&Sender::new(7).encoded(3)).status, 200);
    collector.limit_open_files(1);
    collector.signal(Signal::TERM);
    assert!(collector.wait().success());
    let log = collector.log();
    assert!(log.contains("stays in the journal"), "{log}");
    assert!(!log.contains("drained"), "{log}");
    assert!(Collector::start(data.path(), &[]).stop().success());
    assert_eq!(stored(data.path()).len(), 3);
}

/// Is SIGHUP ignored by this test, and so by what it starts?
fn ignores_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 << (Signal::HUP.as_raw() - 1) != 0)
}

#[test]
fn a_hang_up_ends_it_and_loses_nothing_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let mut collector = Collector::start(data.path(), &[]);
    assert_eq!(collector.post(&Sender::new(7).encoded(3)).status, 200);
    collector.signal(Signal::HUP);
    if ignores_hang_ups() {
        // As programs do under nohup, it goes on.
        assert_eq!(collector.post(&Sender::new(8).encoded(1)).status, 200);
        assert!(collector.stop().success());
        return;
    }
    assert_eq!(collector.wait().signal(), Some(Signal::HUP.as_raw()));
    let again = Collector::start(data.path(), &[]);
    assert!(again.stop().success());
    assert_eq!(stored(data.path()), [(7, 1), (7, 2), (7, 3)]);
}
