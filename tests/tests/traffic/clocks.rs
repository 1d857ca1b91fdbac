//! Recorders whose clocks are a day off, or are set by a day while they record: every record is stored
//! once, under the hour of its start or, if that is not believed, of its receipt; pairs are what they
//! would have been; and `compare` says how far the clocks are apart.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use twintap_e2e::{Collector, Stored, artifacts, figures, machine};
use twintap_record::{Counters, Message, Position, Record, RecordBatch, Role};

use crate::golden;

const PAIRS: u64 = 300;
const BATCH_RECORDS: u64 = 20;
const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;
/// Calls of a recorder are this far apart.
const STEP_NS: u64 = 1_000_000;

/// A recorder: whose calls, and by how many seconds its clock is off at a call.
struct Recorder {
    role: Role,
    pod: &'static str,
    off_s: fn(u64) -> i64,
}

impl Recorder {
    fn started_unix_ns(&self, now_ns: u64, number: u64) -> u64 {
        (now_ns + number * STEP_NS).saturating_add_signed((self.off_s)(number) * SECOND_NS)
    }

    /// Batch `index`, of which each record is `model` but for number, start and pair id.
    fn batch(&self, index: u64, now_ns: u64, model: &RecordBatch) -> Vec<u8> {
        let first = index * BATCH_RECORDS + 1;
        let record = |number: u64| Record {
            number,
            started_unix_ns: self.started_unix_ns(now_ns, number),
            pair_id: format!("pair-{number}").into(),
            ..model.records[0].clone()
        };
        let mut producer = model.producer.clone().unwrap_or_default();
        producer.position = Position::Inbound.into();
        producer.role = self.role.into();
        producer.pod_name = self.pod.to_owned();
        producer.node_id = self.pod.to_owned();
        let recorded = first + BATCH_RECORDS - 1;
        let batch = RecordBatch {
            producer_id: [self.role as u8; 16].to_vec().into(),
            batch_sequence: index + 1,
            first_record_number: first,
            producer: Some(producer),
            counters: Some(Counters {
                observed: recorded,
                recorded,
                ..Counters::default()
            }),
            records: (first..=recorded).map(record).collect(),
            ..model.clone()
        };
        batch.encode_to_vec()
    }
}

/// Records of both, in batches by turns, each batch twice, with a kill -9 between.
async fn record(recorders: &[Recorder; 2], now_ns: u64) -> (Stored, Value) {
    let (_, model) = golden::batches()
        .into_iter()
        .find(|(name, _)| name.contains("unary"))
        .expect("a unary call in the corpus");
    let mut collector = Collector::start().await;
    let batches = PAIRS / BATCH_RECORDS;
    for index in 0..batches {
        for again in [0, 1] {
            for recorder in recorders {
                let batch = recorder.batch(index, now_ns, &model);
                let (status, answer) = golden::post(collector.address(), batch).await;
                assert!(status.is_success(), "{answer}");
                assert_eq!(answer["duplicates"], again * BATCH_RECORDS, "{answer}");
            }
            if index == batches / 2 {
                collector.kill();
                collector.restart().await;
            }
        }
    }
    let (stored, directory) = collector.into_stored().await;
    let mut command = Command::new(artifacts::twintap());
    command.args(["compare", "--output", "json"]);
    command.arg(directory.path().join("data"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TWINTAP_") {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("twintap starts");
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (stored, report)
}

fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_nanos()).expect("before 2554")
}

/// Hour since the epoch of the folder that a row is in.
fn hour(row: &Value) -> i64 {
    let date = row["dt"].as_str().expect("a date");
    let parts: Vec<i64> = date
        .split('-')
        .map(|part| part.parse().expect("digits"))
        .collect();
    let [year, month, day] = parts[..] else {
        panic!("{date}");
    };
    // Days from civil, of the proleptic Gregorian calendar.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    let hour = row["hh"]
        .as_i64()
        .or_else(|| row["hh"].as_str()?.parse().ok());
    days * 24 + hour.expect("an hour")
}

async fn clocks_may_be_off(
    family: &str,
    what: &str,
    old: fn(u64) -> i64,
    new: fn(u64) -> i64,
    shift_s: Option<i64>,
) {
    let _machine = machine::shared();
    let recorders = [
        Recorder {
            role: Role::Primary,
            pod: "old-1",
            off_s: old,
        },
        Recorder {
            role: Role::Candidate,
            pod: "new-1",
            off_s: new,
        },
    ];
    let now_ns = now_ns();
    let (stored, report) = record(&recorders, now_ns).await;
    let now_hour = (now_ns as i64) / (3600 * SECOND_NS);
    assert_eq!(stored.rows.len() as u64, 2 * PAIRS, "each once");
    for (recorder, role) in recorders.iter().zip(["primary", "candidate"]) {
        let mut rows = stored.with("role", role).rows;
        rows.sort_by_key(|row| row["record_number"].as_u64());
        for (row, number) in rows.iter().zip(1..) {
            assert_eq!(row["record_number"], number, "{role}");
            let started_us = recorder.started_unix_ns(now_ns, number) / 1000;
            assert_eq!(row["started_at"], started_us, "{role}, {number}");
            let own_hour = (started_us as i64) / (3600 * 1_000_000);
            let is_own = hour(row) == own_hour;
            // A start a day ahead may be one too far to be believed, and the hour may end meanwhile.
            let is_receipt = (now_hour..=now_hour + 1).contains(&hour(row));
            let is_ahead = (recorder.off_s)(number) >= DAY_S;
            assert!(
                is_own || is_ahead && is_receipt,
                "{role}, {number}: {row:#}"
            );
        }
    }
    let completeness = &report["completeness"];
    assert_eq!(completeness["pairs"], PAIRS, "{completeness:#}");
    assert_eq!(
        completeness["unpaired"],
        serde_json::json!({}),
        "{completeness:#}"
    );
    let clocks = &completeness["clocks"][0];
    assert_eq!(clocks["pairs"], PAIRS, "{completeness:#}");
    if let Some(shift_s) = shift_s {
        let told_s = clocks["start_shift_us"].as_i64().expect("a shift") / 1_000_000;
        // Told to two digits.
        assert!((told_s - shift_s).abs() <= shift_s.abs() / 50, "{clocks:#}");
    }
    figures::keep(
        "alike",
        family,
        json!({ "what": what, "records": 2 * PAIRS, "stored": stored.rows.len() }),
    );
}

#[tokio::test]
async fn a_candidate_whose_clock_is_a_day_ahead_is_paired_and_the_day_is_told() {
    let what = "the candidate's clock is a day ahead: all paired, the day is told";
    clocks_may_be_off("clock ahead", what, |_| 0, |_| DAY_S, Some(DAY_S)).await;
}

#[tokio::test]
async fn a_candidate_whose_clock_is_a_day_behind_is_paired_and_the_day_is_told() {
    let what = "the candidate's clock is a day behind: all paired, the day is told";
    clocks_may_be_off("clock behind", what, |_| 0, |_| -DAY_S, Some(-DAY_S)).await;
}

#[tokio::test]
async fn clocks_that_are_set_by_a_day_between_records_change_no_pair() {
    let jumping = |number| [0, DAY_S, -DAY_S][(number % 3) as usize];
    let other = |number| [DAY_S, -DAY_S, 0, 0][(number % 4) as usize];
    let what = "both clocks are set by a day between records, time and again: all paired";
    clocks_may_be_off("clocks set", what, jumping, other, None).await;
}
