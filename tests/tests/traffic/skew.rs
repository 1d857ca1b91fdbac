//! Filters one version older and newer than the collector, made of the golden batches: nothing has been
//! released yet that an older module could be taken from.
//!
//! Older: without the newest field of the contract. Newer minor: with fields of every wire type that
//! nobody knows yet in every message, and with enumerators that nobody knows. Newer major: refused with
//! a typed answer; what the filter then does is `collector_refusing_for_good_costs_no_call`.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use twintap_e2e::{Collector, figures, machine};
use twintap_record::{Message, RecordBatch, VERSION};

use crate::golden;

/// The contract's messages within messages, by field.
struct Level(&'static [(u64, &'static Level)]);

static LEAF: Level = Level(&[]);
static BLOCK: Level = Level(&[(1, &LEAF)]);
static COUNTERS: Level = Level(&[(4, &LEAF), (5, &LEAF)]);
static RECORD: Level = Level(&[
    (5, &BLOCK),
    (6, &LEAF),
    (7, &BLOCK),
    (8, &BLOCK),
    (9, &LEAF),
    (10, &BLOCK),
    (11, &LEAF),
]);
static BATCH: Level = Level(&[(5, &LEAF), (6, &COUNTERS), (15, &RECORD)]);

/// Fields 1000 to 1003: a varint, 8 bytes, a string, 4 bytes.
const UNKNOWN: &[u8] = b"\xc0\x3e\xff\x01\xc9\x3e12345678\xd2\x3e\x03new\xdd\x3e1234";
/// `Counters.acknowledged`, the newest field.
const NEWEST: u64 = 9;
/// An enumerator of no enumeration.
const UNKNOWN_VALUE: i32 = 77;

/// Writes a message anew, each message in it with `added` behind its fields, without those fields that
/// `is_kept` says no to.
fn rewrite(
    mut message: &[u8],
    level: &'static Level,
    is_kept: fn(&'static Level, u64) -> bool,
    added: &[u8],
) -> Vec<u8> {
    let mut written = vec![];
    while !message.is_empty() {
        let whole = message;
        let tag = varint(&mut message);
        let nested = level.0.iter().find(|(field, _)| *field == tag >> 3);
        let content = match tag & 7 {
            0 => {
                varint(&mut message);
                &[]
            }
            1 => message.split_off(..8).expect("8 bytes"),
            2 => {
                let length = usize::try_from(varint(&mut message)).expect("a length");
                message.split_off(..length).expect("these bytes")
            }
            5 => message.split_off(..4).expect("4 bytes"),
            other => panic!("wire type {other}"),
        };
        if !is_kept(level, tag >> 3) {
            continue;
        }
        match nested {
            Some((_, inner)) => {
                let content = rewrite(content, inner, is_kept, added);
                write_varint(&mut written, tag);
                write_varint(&mut written, content.len() as u64);
                written.extend(content);
            }
            None => written.extend(&whole[..whole.len() - message.len()]),
        }
    }
    written.extend(added);
    written
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = *bytes.split_off_first().expect("a byte");
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// One version of a filter: its batches, made of those of today.
type Version = fn(RecordBatch) -> Vec<u8>;

fn today(batch: RecordBatch) -> Vec<u8> {
    batch.encode_to_vec()
}

fn older(batch: RecordBatch) -> Vec<u8> {
    let is_kept =
        |level: &'static Level, field| !(std::ptr::eq(level, &COUNTERS) && field == NEWEST);
    rewrite(&batch.encode_to_vec(), &BATCH, is_kept, &[])
}

fn newer(batch: RecordBatch) -> Vec<u8> {
    rewrite(&batch.encode_to_vec(), &BATCH, |_, _| true, UNKNOWN)
}

/// With enumerators that nobody knows wherever there is one.
fn with_unknown_values(mut batch: RecordBatch) -> RecordBatch {
    if let Some(producer) = &mut batch.producer {
        producer.position = UNKNOWN_VALUE;
        producer.role = UNKNOWN_VALUE;
    }
    if let Some(counters) = &mut batch.counters {
        let reasons = counters.dropped.iter_mut().chain(&mut counters.skipped);
        reasons.for_each(|reason| reason.reason = UNKNOWN_VALUE);
    }
    for record in &mut batch.records {
        record.end = UNKNOWN_VALUE;
        let bodies = [&mut record.request_body, &mut record.response_body];
        for body in bodies.into_iter().flatten() {
            body.cut = UNKNOWN_VALUE;
        }
    }
    batch
}

/// The batch as another producer's.
fn of(mut batch: RecordBatch, version: usize, file: usize) -> RecordBatch {
    let id = [version as u8; 15].into_iter().chain([file as u8]);
    batch.producer_id = id.collect::<Vec<u8>>().into();
    batch
}

/// A row without whose it is.
fn told(row: &Value) -> Value {
    let mut row = row.clone();
    row.as_object_mut().expect("a row").remove("producer_id");
    row
}

#[tokio::test]
async fn batches_of_the_versions_before_and_behind_are_stored_alike() {
    let _machine = machine::shared();
    let collector = Collector::start().await;
    let versions: [Version; 3] = [today, older, newer];
    let mut records = 0;
    for (file, (name, batch)) in golden::batches().into_iter().enumerate() {
        for (version, write) in versions.iter().enumerate() {
            let bytes = write(of(batch.clone(), version, file));
            for new in [batch.records.len(), 0] {
                let (status, answer) = golden::post(collector.address(), bytes.clone()).await;
                assert_eq!(status, StatusCode::OK, "{name}, {version}: {answer}");
                assert_eq!(answer["stored"], new, "{name}, {version}: {answer}");
            }
        }
        records += batch.records.len();
    }
    assert!(records > 0, "the corpus is empty");
    let (stored, directory) = collector.into_stored_whole().await;
    drop(directory);
    assert_eq!(stored.rows.len(), records * versions.len());
    let rows_of = |version: u8| {
        let rows = stored.rows.iter();
        let id = |row: &Value| {
            row["producer_id"]
                .as_str()
                .unwrap_or_default()
                .replace('-', "")
        };
        let mut rows: Vec<_> = rows
            .filter(|row| id(row).starts_with(&format!("{version:02x}")))
            .map(|row| {
                (
                    id(row)[30..].to_owned(),
                    row["record_number"].as_u64(),
                    told(row),
                )
            })
            .collect();
        rows.sort_by_key(|(file, number, _)| (file.clone(), *number));
        rows
    };
    let today = rows_of(0);
    assert_eq!(today.len(), records);
    assert_eq!(rows_of(1), today, "older");
    assert_eq!(rows_of(2), today, "newer");
    let what = "golden batches as this version writes them, as one before (less is said) and one behind (more is): \
                the same rows, again is a duplicate";
    let posted = records * versions.len();
    let row = json!({ "what": what, "records": posted, "stored": stored.rows.len() });
    figures::keep("alike", "versions", row);
}

#[tokio::test]
async fn values_that_nobody_knows_yet_cost_no_record_and_no_count() {
    let _machine = machine::shared();
    let collector = Collector::start().await;
    let mut records = 0;
    for (file, (name, batch)) in golden::batches().into_iter().enumerate() {
        records += batch.records.len() as u64;
        let batch = with_unknown_values(of(batch, 9, file));
        let (status, answer) = golden::post(collector.address(), newer(batch)).await;
        assert_eq!(status, StatusCode::OK, "{name}: {answer}");
    }
    let mut collector = collector;
    collector.drain().await;
    let accounting = collector.accounting();
    accounting.assert_identity();
    assert_eq!(accounting.figure("stored"), records, "{accounting}");
    assert_eq!(accounting.figure("quarantined"), 0, "{accounting}");
    let what = "golden batches with values that this version does not know, in every enumeration";
    let row = json!({ "what": what, "records": records, "stored": accounting.figure("stored") });
    figures::keep("alike", "unknown values", row);
}

#[tokio::test]
async fn a_newer_major_version_is_refused_in_so_many_words_and_nothing_of_it_is_kept() {
    let _machine = machine::shared();
    let mut collector = Collector::start().await;
    for (file, (name, batch)) in golden::batches().into_iter().enumerate() {
        let mut major = of(batch.clone(), 1, file);
        major.version = VERSION + 1;
        let (status, answer) = golden::post(collector.address(), newer(major)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert_eq!(answer["code"], "unsupported_version", "{name}");
        let reason = answer["reason"].as_str().unwrap_or_default();
        assert!(
            reason.contains(&format!("version {}", VERSION + 1)),
            "{reason}"
        );
        // The same connection's next batch may be of another filter.
        let bytes: Bytes = today(of(batch, 2, file)).into();
        let (status, answer) = golden::post(collector.address(), bytes).await;
        assert_eq!(status, StatusCode::OK, "{name}: {answer}");
    }
    let metrics = collector.metrics().await;
    let refused = "twintap_requests_refused_total{reason=\"unsupported_version\"}";
    let count = golden::batches().len();
    assert!(metrics.contains(&format!("{refused} {count}")), "{metrics}");
    collector.drain().await;
    let stored: usize = golden::batches()
        .iter()
        .map(|(_, batch)| batch.records.len())
        .sum();
    assert_eq!(collector.accounting().figure("stored"), stored as u64);
}
