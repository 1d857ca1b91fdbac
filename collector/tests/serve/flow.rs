//! From POST to Parquet, and the figures on the way.

use super::batches::Sender;
use super::collector::{Collector, accounting, stored};
use twintap::report::Loss;

#[test]
fn records_are_in_parquet_exactly_once_however_often_they_come() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    let mut sender = Sender::new(7);
    let batches: Vec<Vec<u8>> = (1..=5).map(|count| sender.encoded(count)).collect();
    for index in [1, 0, 0, 4, 2, 1, 3, 4] {
        let answer = collector.post(&batches[index]);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(collector.stop().success());
    let expected: Vec<(u8, u64)> = (1..=15).map(|number| (7, number)).collect();
    assert_eq!(stored(data.path()), expected);

    let total = accounting(data.path()).total;
    assert_eq!(total.received, 15 + 1 + 2 + 5);
    assert_eq!(
        (total.stored, total.published, total.journaled),
        (15, 15, 0)
    );
    assert_eq!((total.duplicates, total.quarantined), (8, 0));
    assert_eq!((total.undelivered, total.pending), (0, 0));
}

#[test]
fn duplicates_are_known_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let mut sender = Sender::new(7);
    let batch = sender.encoded(3);
    let first = Collector::start(data.path(), &[]);
    assert_eq!(first.post(&batch).body, r#"{"stored":3,"duplicates":0}"#);
    assert!(first.stop().success());
    let second = Collector::start(data.path(), &[]);
    assert_eq!(second.post(&batch).body, r#"{"stored":0,"duplicates":3}"#);
    assert!(second.stop().success());
    assert_eq!(stored(data.path()).len(), 3);
    assert_eq!(accounting(data.path()).total.duplicates, 3);
}

#[test]
fn a_record_that_never_came_is_undelivered() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &["undelivered_grace=1ms"]);
    let mut sender = Sender::new(7);
    let _lost = sender.encoded(4);
    assert_eq!(collector.post(&sender.encoded(2)).status, 200);
    assert_eq!(collector.post(&sender.encoded(0)).status, 200);
    assert!(collector.stop().success());
    let total = accounting(data.path()).total;
    assert_eq!(total.undelivered + total.pending, 4);
    assert_eq!(
        total.recorded,
        total.stored + total.undelivered + total.pending
    );
}

#[test]
fn a_record_that_has_not_arrived_when_the_collector_is_killed_may_arrive_later() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &["publish_interval=1h"]);
    let mut sender = Sender::new(7);
    let under_way = sender.encoded(4);
    assert_eq!(collector.post(&sender.encoded(2)).status, 200);
    collector.kill();
    let loss = Loss::load(data.path()).unwrap().unwrap();
    assert_eq!((loss.undelivered, loss.not_yet_in_dataset), (4, 2));
    let collector = Collector::start(data.path(), &[]);
    assert_eq!(collector.post(&under_way).status, 200);
    assert!(collector.stop().success());
    assert_eq!(Loss::load(data.path()).unwrap().unwrap().calls(), 0);
}

#[test]
fn what_was_recorded_before_a_fresh_directory_is_not_lost() {
    let (old, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut sender = Sender::new(7);
    let collector = Collector::start(old.path(), &[]);
    for _ in 0..9 {
        assert_eq!(collector.post(&sender.encoded(4)).status, 200);
        sender.acknowledged();
    }
    assert!(collector.stop().success());
    let keys = ["undelivered_grace=1ms"];
    for records in [2, 0] {
        let collector = Collector::start(data.path(), &keys);
        assert_eq!(collector.post(&sender.encoded(records)).status, 200);
        assert!(collector.stop().success());
        let total = accounting(data.path()).total;
        assert_eq!((total.recorded, total.stored), (38, 2));
        assert_eq!(total.recorded_before, 36, "also after a restart");
        assert_eq!((total.undelivered, total.pending), (0, 0));
    }
    let loss = Loss::load(data.path()).unwrap().unwrap();
    assert_eq!((loss.calls(), loss.recorded_before), (0, 36));
}

#[test]
fn a_record_that_cannot_be_decoded_is_set_aside_and_its_neighbours_are_kept() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    let mut body = Sender::new(7).encoded(2);
    // A third record: its request headers (field 4) claim more bytes than there are.
    body.extend([15 << 3 | 2, 4, 0x08, 3, 0x22, 100]);
    assert_eq!(collector.post(&body).status, 200);
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()), [(7, 1), (7, 2)]);
    let total = accounting(data.path()).total;
    assert_eq!((total.received, total.stored, total.quarantined), (3, 2, 1));
    let files: Vec<_> = std::fs::read_dir(data.path().join("quarantine"))
        .unwrap()
        .collect();
    let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    assert!(text.contains("\"record_number\":3"), "{text}");
}

#[test]
fn metrics_and_health_answer() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    assert_eq!(collector.post(&Sender::new(7).encoded(2)).status, 200);
    assert_eq!(collector.client().get("/healthz").unwrap().status, 200);
    assert_eq!(collector.client().get("/readyz").unwrap().status, 200);
    let metrics = collector.metrics();
    assert!(
        metrics.contains("twintap_records_total{outcome=\"stored\"} 2"),
        "{metrics}"
    );
    assert!(
        metrics.contains("twintap_journal_sync_seconds_count"),
        "{metrics}"
    );
}

#[test]
fn a_second_collector_on_the_same_directory_exits_with_3() {
    let data = tempfile::tempdir().unwrap();
    let _first = Collector::start(data.path(), &[]);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(3));
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert!(stderr.contains("in use by another collector"), "{stderr}");
}

#[test]
fn numbers_of_a_gap_that_was_given_up_are_refused_and_not_acknowledged() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    let mut sender = Sender::new(7);
    let batches: Vec<_> = (0..600).map(|_| sender.encoded(1)).collect();
    let mut client = collector.client();
    let mut acknowledged = 0;
    let odd = batches.iter().step_by(2);
    let even = batches.iter().skip(1).step_by(2);
    for batch in odd.chain(even) {
        let answer = client.post(batch).unwrap();
        match answer.status {
            200 => acknowledged += 1,
            _ => {
                assert_eq!(answer.status, 409, "{answer:?}");
                assert!(answer.body.contains("\"given_up\""), "{answer:?}");
            }
        }
    }
    assert!((300..600).contains(&acknowledged), "{acknowledged}");
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()).len(), acknowledged);
    let total = accounting(data.path()).total;
    assert_eq!((total.stored, total.duplicates), (acknowledged as u64, 0));
    assert_eq!(
        total.recorded,
        total.stored + total.undelivered + total.pending
    );
}
