//! The golden corpus stays readable, and what a newer minor version adds does no harm.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail as tests do"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use twintap_record::{Body, HeaderBlock, Message, PRODUCER_ID_LEN, RecordBatch, VERSION};

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    files.sort();
    files
}

/// What a reader must find, a line a fact.
fn told(batch: &RecordBatch) -> String {
    let mut text = String::new();
    let producer = batch.producer.clone().unwrap_or_default();
    let counters = batch.counters.clone().unwrap_or_default();
    let mut line = |what: String| writeln!(text, "{what}").unwrap();
    line(format!(
        "version {} sequence {}",
        batch.version, batch.batch_sequence
    ));
    line(format!("first record {}", batch.first_record_number));
    line(format!(
        "{:?} {:?} {:?}",
        producer.position(),
        producer.role(),
        producer.service
    ));
    line(format!(
        "observed {} recorded {} in flight {} refused {}",
        counters.observed, counters.recorded, counters.in_flight, counters.refused
    ));
    for reason in counters.skipped.iter().chain(&counters.dropped) {
        line(format!("{:?} {}", reason.reason(), reason.count));
    }
    for record in &batch.records {
        line(format!(
            "record {} at {}",
            record.number, record.started_unix_ns
        ));
        line(format!(
            "  shadow {} attempt {} pair id {:?}",
            record.shadow, record.attempt, record.pair_id
        ));
        line(format!(
            "  {:?} flags {:#x} {:?}",
            record.end(),
            record.response_flags,
            record.response_code_details
        ));
        line(format!(
            "  cluster {:?} route {:?} upstream {:?}",
            record.cluster_name, record.route_name, record.upstream_address
        ));
        line(format!(
            "  sampled {} {:?}",
            record.sampled_ppm, record.timing
        ));
        for (name, block) in [
            ("request headers", &record.request_headers),
            ("request trailers", &record.request_trailers),
            ("response headers", &record.response_headers),
            ("response trailers", &record.response_trailers),
        ] {
            line(format!("  {name}{}", told_block(block.as_ref())));
        }
        line(format!(
            "  request body {}",
            told_body(record.request_body.as_ref())
        ));
        line(format!(
            "  response body {}",
            told_body(record.response_body.as_ref())
        ));
    }
    text
}

fn told_block(block: Option<&HeaderBlock>) -> String {
    let Some(block) = block else {
        return " absent".into();
    };
    let mut text = format!(" omitted {} end {}", block.omitted_count, block.end_stream);
    for header in &block.headers {
        let mark = if header.redacted { " redacted" } else { "" };
        write!(text, "\n    {:?} = {:?}{mark}", header.name, header.value).unwrap();
    }
    text
}

fn told_body(body: Option<&Body>) -> String {
    let Some(body) = body else {
        return "absent".into();
    };
    format!(
        "{:?} of {} digest {:x?} messages {} {:?} marks {:?} end {}",
        body.captured,
        body.bytes_count,
        body.digest,
        body.messages_count,
        body.cut(),
        body.marks,
        body.end_stream
    )
}

#[test]
fn every_golden_batch_tells_what_it_told_when_it_was_written() {
    let files = corpus();
    assert!(files.len() >= 4, "the corpus is there");
    for file in files {
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let batch = RecordBatch::decode(bytes).unwrap();
        assert_eq!(batch.version, VERSION);
        assert_eq!(batch.producer_id.len(), PRODUCER_ID_LEN);
        let expectation = file.with_extension("txt");
        if std::env::var_os("TWINTAP_WRITE_CORPUS").is_some() {
            std::fs::write(&expectation, told(&batch)).unwrap();
        }
        let expected = std::fs::read_to_string(&expectation).unwrap();
        assert_eq!(told(&batch), expected, "{}", file.display());
    }
}

#[test]
fn fields_and_values_of_a_newer_minor_version_do_not_disturb_a_reader() {
    for file in corpus() {
        let bytes = std::fs::read(&file).unwrap();
        let known = RecordBatch::decode(&bytes[..]).unwrap();
        // Field 100, a string, behind the batch; field 101, a varint, within an extra record.
        let mut newer = bytes.clone();
        newer.extend_from_slice(&[0xa2, 0x06, 3, b'n', b'e', b'w']);
        assert_eq!(RecordBatch::decode(&newer[..]).unwrap(), known);
        newer.extend_from_slice(&[0x7a, 5, 0x08, 0x09, 0xa8, 0x06, 0x01]);
        let read = RecordBatch::decode(&newer[..]).unwrap();
        assert_eq!(read.records.len(), known.records.len() + 1);
        assert_eq!(read.records.last().unwrap().number, 9);
    }
}

#[test]
fn an_unknown_reason_keeps_its_number() {
    // counters { skipped { reason: 77, count: 3 } }
    let bytes = [0x32, 6, 0x2a, 4, 0x08, 77, 0x10, 3];
    let counters = RecordBatch::decode(&bytes[..]).unwrap().counters.unwrap();
    assert_eq!(
        (counters.skipped[0].reason, counters.skipped[0].count),
        (77, 3)
    );
}

#[test]
fn a_batch_cut_anywhere_is_an_error_or_a_shorter_batch_never_a_panic() {
    for file in corpus() {
        let bytes = std::fs::read(&file).unwrap();
        for len in 0..bytes.len() {
            if let Ok(batch) = RecordBatch::decode(&bytes[..len]) {
                assert!(batch.encoded_len() <= bytes.len());
            }
        }
    }
}
