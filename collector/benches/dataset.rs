//! How many records one core turns into durable Parquet a second.
//!
//! `cargo bench -p twintap --bench dataset [-- <rounds>]`. Each round takes encoded batches as the
//! filter ships them, decodes them, makes calls, and writes one part. Times are CPU time of the
//! process, so that a busy machine changes little; the best round counts.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod realistic;

use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use twintap::call::{Call, Recorder, from_record};
use twintap::store::parquet::{Dataset, Projection, WriteSettings, write_part};
use twintap_record::{Message, RecordBatch};
use uuid::Uuid;

const RECORDS_PER_PART: usize = 65_536;
const RECORDS_PER_BATCH: usize = 512;

fn main() {
    let mut arguments = std::env::args()
        .filter(|argument| argument != "--bench")
        .skip(1);
    let rounds: usize = arguments.next().map_or(5, |rounds| rounds.parse().unwrap());
    for (name, body_bytes, records) in [
        ("1 KiB", 512, RECORDS_PER_PART),
        ("16 KiB", 8192, RECORDS_PER_PART / 8),
    ] {
        run(name, body_bytes, records, rounds);
    }
}

fn run(name: &str, body_bytes: usize, records: usize, rounds: usize) {
    let batches = realistic::batches(body_bytes, records, RECORDS_PER_BATCH);
    let encoded: usize = batches.iter().map(Bytes::len).sum();
    let mut best = [Duration::MAX; 5];
    let mut parquet_bytes = 0;
    for _ in 0..rounds {
        let root = tempfile::tempdir().unwrap();
        let (decode, decoded) = timed(|| {
            let decoded: Vec<RecordBatch> = batches
                .iter()
                .map(|batch| RecordBatch::decode(batch.clone()).unwrap())
                .collect();
            decoded
        });
        let (convert, calls) = timed(|| calls(decoded));
        let (write, published) = timed(|| {
            write_part(calls, root.path(), Uuid::nil(), &WriteSettings::default()).unwrap()
        });
        assert_eq!(published.rows, records as u64);
        parquet_bytes = published.bytes;
        let (read, _) = timed(|| {
            let dataset = Dataset::open(root.path()).unwrap();
            let calls = dataset.calls_in_buckets(0..256, Projection::Everything);
            assert_eq!(calls.map(Result::unwrap).count(), records);
        });
        for (best, now) in
            best.iter_mut()
                .zip([decode, convert, write, decode + convert + write, read])
        {
            *best = now.min(*best);
        }
    }
    println!(
        "{name} per record ({} B encoded, {} B of Parquet):",
        encoded / records,
        parquet_bytes / records as u64
    );
    let stages = [
        "decode batch",
        "from_record",
        "write_part",
        "all three",
        "read back",
    ];
    for (stage, time) in stages.iter().zip(best) {
        let per_record_us = time.as_secs_f64() * 1e6 / records as f64;
        println!(
            "  {stage:14} {per_record_us:7.3} us/record {:9.0} records/s",
            1e6 / per_record_us
        );
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let now = || {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    };
    let before = now();
    let result = work();
    (now() - before, result)
}

fn calls(batches: Vec<RecordBatch>) -> Vec<Call> {
    let mut calls = Vec::with_capacity(RECORDS_PER_PART);
    for batch in batches {
        let recorder = Recorder::new([7; 16], &batch.producer.unwrap());
        calls.extend(
            batch
                .records
                .into_iter()
                .map(|record| from_record(&recorder, record)),
        );
    }
    calls
}
