//! Knows what was posted and what was acknowledged, and judges what is stored.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use http::StatusCode;
use twintap_e2e::artifacts;

use crate::batch::{Batch, mark, producer_id};
use crate::client::Answer;
use crate::collector::Place;

/// Outside of the collector: what happens to that cannot happen to this.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    batches: Mutex<BTreeMap<Batch, Told>>,
}

/// What the collector has said about a batch.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    is_acknowledged: bool,
    /// Records that it said were new.
    stored: u64,
}

/// What is stored, record by record, in how many copies.
pub(crate) type Rows = HashMap<(String, u64), u64>;

/// What a comparison found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Records that were posted.
    pub(crate) records: u64,
    /// Records that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Acknowledged records that are not stored.
    pub(crate) lost: u64,
    /// Records that are stored more than once.
    pub(crate) repeated: u64,
}

impl Oracle {
    pub(crate) fn posted(&self, batch: Batch) {
        let mut batches = self.batches.lock().expect("no poster panicked");
        batches.entry(batch).or_default();
    }

    /// Notes an answer, and that it is one: a batch is taken whole or not at all.
    pub(crate) fn answered(&self, batch: Batch, answer: &Answer) {
        if answer.status != StatusCode::OK {
            assert!(answer.status.is_server_error(), "{batch:?}: {answer:?}");
            assert!(
                answer.retry_after >= Some(1) && !answer.code().is_empty(),
                "{batch:?}: says neither why nor when to come again: {answer:?}"
            );
            return;
        }
        let (stored, duplicates) = (answer.figure("stored"), answer.figure("duplicates"));
        assert_eq!(stored + duplicates, batch.records, "{batch:?}: {answer:?}");
        let mut batches = self.batches.lock().expect("no poster panicked");
        let told = batches.entry(batch).or_default();
        told.is_acknowledged = true;
        // Answers to the same batch may come in any order.
        told.stored += stored;
        let stored = told.stored;
        drop(batches);
        assert!(
            stored <= batch.records,
            "{batch:?} is stored again: {answer:?}"
        );
    }

    /// Notes that a batch was acknowledged in an earlier life of the data directory.
    pub(crate) fn was_acknowledged(&self, batch: Batch) {
        let mut batches = self.batches.lock().expect("no poster panicked");
        batches.entry(batch).or_default().is_acknowledged = true;
    }

    /// One that knows the same, of a copy of the data directory.
    pub(crate) fn replica(&self) -> Self {
        let batches = self.batches.lock().expect("no poster panicked").clone();
        Self {
            batches: Mutex::new(batches),
        }
    }

    /// Records acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        let batches = self.batches.lock().expect("no poster panicked");
        let acked = batches.iter().filter(|(_, told)| told.is_acknowledged);
        acked.map(|(batch, _)| batch.records).sum()
    }

    /// Batches that were posted and, so far, not acknowledged.
    pub(crate) fn unacknowledged(&self) -> Vec<Batch> {
        let batches = self.batches.lock().expect("no poster panicked");
        let open = batches.iter().filter(|(_, told)| !told.is_acknowledged);
        open.map(|(batch, _)| *batch).collect()
    }

    /// Compares with what is in a data directory that was drained; panics, with the seed's `what`,
    /// where anything is not as promised.
    pub(crate) fn judge(&self, place: &Place, what: &str) -> Verdict {
        let rows = read(place);
        let (verdict, damaged) = self.judge_rows(&rows, &place.visible_data_dir(), what);
        assert_eq!(damaged, 0, "{what}: stretches of the journal are damaged");
        check_fsck(place, rows.values().sum(), what);
        verdict
    }

    /// The same of rows that were read from `data_dir`; also, how many stretches of its journal were told to be
    /// damaged.
    pub(crate) fn judge_rows(&self, rows: &Rows, data_dir: &Path, what: &str) -> (Verdict, u64) {
        let verdict = self.compare(rows, what);
        assert_eq!(verdict.lost, 0, "{what}: acknowledged records are lost");
        assert_eq!(verdict.repeated, 0, "{what}: records are stored again");
        let damaged = check_accounting(data_dir, rows.values().sum(), what);
        (verdict, damaged)
    }

    fn compare(&self, rows: &Rows, what: &str) -> Verdict {
        let mut verdict = Verdict::default();
        let mut expected = 0;
        let batches = self.batches.lock().expect("no poster panicked");
        for (batch, told) in batches.iter() {
            let producer = hex(&producer_id(batch.producer));
            verdict.records += batch.records;
            for number in batch.numbers() {
                let copies = rows.get(&(producer.clone(), number)).copied().unwrap_or(0);
                expected += copies;
                verdict.acknowledged += u64::from(told.is_acknowledged);
                verdict.lost += u64::from(told.is_acknowledged && copies == 0);
                verdict.repeated += u64::from(copies > 1);
            }
        }
        let count: u64 = rows.values().sum();
        assert_eq!(
            count, expected,
            "{what}: records are stored that were never posted"
        );
        verdict
    }
}

/// Every record, through DuckDB; every file, through pyarrow. Wrong marks are found here.
fn read(place: &Place) -> Rows {
    let mut command = place.command(&artifacts::python());
    let output = command
        .arg(artifacts::script("identities.py"))
        .arg(place.data_dir())
        .output()
        .expect("python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "identities.py: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    checked(text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [producer, number, found] = words[..] else {
            panic!("identities.py: {line}");
        };
        let number = number.parse().expect("a record number");
        (producer.to_owned(), number, found.to_owned())
    }))
}

/// Counts producers in hexadecimal digits with record numbers; each mark must be the right one.
pub(crate) fn checked(found: impl Iterator<Item = (String, u64, String)>) -> Rows {
    let producers = (0..PRODUCERS_MAX).map(|known| (hex(&producer_id(known)), known));
    let producers: HashMap<String, u64> = producers.collect();
    let mut rows = Rows::new();
    for (producer, number, found) in found {
        let known = producers.get(&producer);
        let known = known.unwrap_or_else(|| panic!("nobody is producer {producer}"));
        assert_eq!(found, mark(*known, number), "record {number} of {known}");
        *rows.entry((producer, number)).or_default() += 1;
    }
    rows
}

/// Producers that any family has.
const PRODUCERS_MAX: u64 = 64;

/// Our own reader decodes every value.
fn check_fsck(place: &Place, count: u64, what: &str) {
    let mut command = place.command(&artifacts::twintap());
    without_variables(&mut command);
    let output = command
        .arg("fsck")
        .arg(place.data_dir())
        .args(["--output", "json"])
        .output()
        .expect("twintap starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: fsck: {text}{errors}");
    let found: serde_json::Value = serde_json::from_str(&text).expect("fsck prints JSON");
    assert_eq!(found["calls"].as_u64(), Some(count), "{what}: fsck: {text}");
}

/// Returns how many stretches of the journal were damaged.
fn check_accounting(data_dir: &Path, count: u64, what: &str) -> u64 {
    let text = std::fs::read(data_dir.join("accounting.json"));
    let file: serde_json::Value =
        serde_json::from_slice(&text.expect("accounting is written")).expect("it is JSON");
    let figure = |name: &str| file["total"][name].as_u64().unwrap_or_default();
    assert_eq!(
        figure("received"),
        figure("stored") + figure("duplicates") + figure("quarantined"),
        "{what}: {file:#}"
    );
    assert_eq!(figure("stored"), count, "{what}: {file:#}");
    for nothing in ["journaled", "quarantined"] {
        assert_eq!(figure(nothing), 0, "{what}: {nothing}: {file:#}");
    }
    file["damaged_stretches"].as_u64().expect("it is told")
}

/// The harness's own variables would be read as configuration keys.
pub(crate) fn without_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TWINTAP_") {
            command.env_remove(name);
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_oracle_sees_what_is_lost_and_what_is_repeated() {
    let (place, oracle) = (Place::new(&[]), Oracle::default());
    let (mut collector, _) = place.start().await;
    let batch = Batch {
        producer: 0,
        sequence: 1,
        records: 5,
        message_bytes: 0,
    };
    let answer = collector.client().post(batch, &oracle).await;
    assert!(answer.is_ok_and(|answer| answer.status == StatusCode::OK));
    collector.drain().await;
    let verdict = oracle.judge(&place, "as it is");
    assert_eq!((verdict.acknowledged, verdict.lost), (5, 0));

    let part = format!("{}/calls/v1/*/*", place.data_dir().display());
    let shell = |script: String| {
        let status = Command::new("sh").args(["-c", &script]).status();
        assert!(status.expect("sh starts").success(), "{script}");
    };
    shell(format!("cd {part} && cp part-*.parquet part-copy.parquet"));
    let verdict = oracle.compare(&read(&place), "a copy");
    assert_eq!((verdict.lost, verdict.repeated), (0, 5));
    shell(format!("cd {part} && rm *.parquet"));
    let verdict = oracle.compare(&read(&place), "nothing");
    assert_eq!((verdict.lost, verdict.repeated), (5, 0));
}
