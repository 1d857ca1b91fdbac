//! Segments with records that must not hold up the others.

use std::fs;

use twintap_record::{Header, HeaderBlock, RecordBatch, VERSION};

use uuid::Uuid;

use super::*;
use crate::store::journal::frame::{encode, segment_header};
use crate::store::parquet::{Dataset, Projection};

const HOUR_NS: u64 = 3_600_000_000_000;
const RECEIVED_NS: u64 = 1_795_255_200_000_000_000;
const SEGMENT: SegmentId = SegmentId {
    sequence: 1,
    id: Uuid::from_u128(7),
};

/// A record that started at `started_unix_ns` and has a header of `header_bytes`.
fn record(number: u64, started_unix_ns: u64, header_bytes: usize) -> Record {
    let header = Header {
        name: Bytes::from_static(b"x-padding"),
        value: vec![b'a'; header_bytes].into(),
        redacted: false,
    };
    Record {
        number,
        started_unix_ns,
        request_headers: Some(HeaderBlock {
            headers: vec![header],
            ..HeaderBlock::default()
        }),
        ..Record::default()
    }
}

/// A data directory whose journal has one segment, with `records` numbered from 1.
fn journaled(records: Vec<Record>) -> tempfile::TempDir {
    let data_dir = tempfile::tempdir().unwrap();
    let count = records.len() as u64;
    let body = RecordBatch {
        version: VERSION,
        producer_id: vec![9; PRODUCER_ID_LEN].into(),
        first_record_number: 1,
        records,
        ..RecordBatch::default()
    }
    .encode_to_vec();
    let meta = BatchMeta {
        producer_id: vec![9; PRODUCER_ID_LEN].into(),
        first_record_number: 1,
        records_count: u32::try_from(count).unwrap(),
        accepted: vec![1, 1 + count],
        received_unix_ns: RECEIVED_NS,
        ..BatchMeta::default()
    }
    .encode_to_vec();
    let mut segment = segment_header().to_vec();
    let offset = segment.len() as u64;
    segment.extend(encode(SEGMENT.id, offset, Kind::Batch, &meta, &body).unwrap());
    segment.extend(body);
    let journal = journal::directory(data_dir.path());
    fs::create_dir_all(&journal).unwrap();
    fs::write(journal.join(SEGMENT.file_name()), segment).unwrap();
    data_dir
}

fn publish(
    data_dir: &Path,
    settings: WriteSettings,
    metrics: &Arc<Metrics>,
) -> Result<PublishedMeta, PublishError> {
    Publisher::new(data_dir, settings, Arc::clone(metrics)).publish(SEGMENT, &mut Vec::new())
}

fn numbers(data_dir: &Path) -> Vec<u64> {
    let dataset = Dataset::open(data_dir).unwrap();
    let calls = dataset.calls_in_buckets(0..256, Projection::Everything);
    let mut numbers: Vec<u64> = calls.map(|call| call.unwrap().id.record_number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn records_that_the_encoder_refuses_are_set_aside_and_the_others_published() {
    let records = (1..=20).map(|number| {
        let is_large = [3, 4, 17].contains(&number);
        record(number, RECEIVED_NS, if is_large { 5000 } else { 10 })
    });
    let data_dir = journaled(records.collect());
    let settings = WriteSettings {
        row_bytes_max: 1000,
        ..WriteSettings::default()
    };
    let meta = publish(data_dir.path(), settings, &Arc::default()).unwrap();
    let outcome = &meta.outcomes[0];
    assert_eq!((outcome.published, outcome.quarantined), (17, 3));
    let stored = numbers(data_dir.path());
    assert_eq!(stored.len(), 17);
    assert!(!stored.iter().any(|number| [3, 4, 17].contains(number)));
    let file = data_dir
        .path()
        .join(format!("quarantine/{}.jsonl", SEGMENT.id));
    let lines = fs::read_to_string(file).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.contains("the limit is 1000"), "{lines}");
}

#[test]
fn an_end_of_a_segment_that_cannot_be_read_is_a_damaged_stretch() {
    let damaged = |damage: fn(&mut Vec<u8>)| {
        let data_dir = journaled(vec![record(1, RECEIVED_NS, 10)]);
        let path = journal::directory(data_dir.path()).join(SEGMENT.file_name());
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let metrics: Arc<Metrics> = Arc::default();
        let meta = publish(data_dir.path(), WriteSettings::default(), &metrics).unwrap();
        let told = format!("twintap_journal_damaged_total {}", meta.damaged_stretches);
        assert!(metrics.render().contains(&told));
        meta.damaged_stretches
    };
    assert_eq!(damaged(|_| ()), 0);
    assert_eq!(damaged(|bytes| *bytes.last_mut().unwrap() ^= 1), 1);
    assert_eq!(damaged(|bytes| bytes.truncate(bytes.len() - 1)), 1);
}

#[test]
fn settings_that_the_encoder_refuses_set_nothing_aside() {
    let data_dir = journaled(vec![record(1, RECEIVED_NS, 10)]);
    let settings = WriteSettings {
        zstd_level: 99,
        ..WriteSettings::default()
    };
    let error = publish(data_dir.path(), settings, &Arc::default()).unwrap_err();
    assert!(matches!(error, PublishError::Parquet(_)), "{error}");
    assert!(!data_dir.path().join(quarantine::DIRECTORY).exists());
}

#[test]
fn starts_all_over_time_do_not_make_a_file_each() {
    let far = (1..=300).map(|number| record(number, number * 1000 * HOUR_NS, 10));
    let near = (301..=310).map(|number| record(number, RECEIVED_NS - HOUR_NS, 10));
    let data_dir = journaled(far.chain(near).collect());
    let metrics: Arc<Metrics> = Arc::default();
    publish(data_dir.path(), WriteSettings::default(), &metrics).unwrap();
    let dataset = Dataset::open(data_dir.path()).unwrap();
    assert_eq!((dataset.paths().count(), dataset.rows()), (2, 310));
    let calls = dataset.calls_in_buckets(0..256, Projection::Everything);
    let earliest = calls.map(|call| call.unwrap().started_unix_ns).min();
    assert_eq!(earliest, Some(1000 * HOUR_NS), "the call keeps its start");
    assert!(
        metrics
            .render()
            .contains("twintap_records_refiled_total 300")
    );
}

#[test]
fn a_record_of_more_headers_than_any_filter_records_is_not_decoded() {
    let with = |count| {
        let mut record = record(7, RECEIVED_NS, 1);
        let block = record.request_headers.get_or_insert_default();
        block.headers = vec![Header::default(); count];
        decode_record(7, record.encode_to_vec().into())
    };
    assert!(with(RECORD_HEADERS_MAX).is_ok());
    let reason = with(RECORD_HEADERS_MAX + 1).unwrap_err();
    assert_eq!(reason, "record has 16385 headers, more than 16384");
}

#[test]
fn memory_of_one_segment_serves_the_next() {
    let larger = journaled(vec![record(1, RECEIVED_NS, 5000)]);
    let smaller = journaled(vec![record(1, RECEIVED_NS, 10), record(2, RECEIVED_NS, 10)]);
    let mut buffer = Vec::new();
    let mut publish = |data_dir: &Path| {
        let publisher = Publisher::new(data_dir, WriteSettings::default(), Arc::default());
        publisher.publish(SEGMENT, &mut buffer).unwrap();
        (buffer.as_ptr(), buffer.capacity())
    };
    let first = publish(larger.path());
    assert!(first.1 > 5000, "{first:?}");
    assert_eq!(publish(smaller.path()), first);
    assert_eq!(numbers(larger.path()), [1]);
    assert_eq!(numbers(smaller.path()), [1, 2]);
}
