//! Segments of the journal, as the collector writes them.

use bytes::Bytes;
use prost::Message as _;
use twintap::store::journal::frame::{BatchMeta, Outcome, PublishedMeta};
use twintap::store::journal::ledger::LedgerSnapshot;
use twintap::store::journal::producer::ProducerState;
use twintap_record::Counters;

use super::Seeds;
use crate::properties::script::ScriptWriter;

const PRODUCER: [u8; 16] = [7; 16];

/// Kinds of frames, as the property numbers them.
const SNAPSHOT: u8 = 0;
const BATCH: u8 = 1;
const PUBLISHED: u8 = 2;

fn snapshot() -> Vec<u8> {
    let producer = ProducerState {
        producer_id: Bytes::from_static(&PRODUCER),
        seen_bounds: vec![1, 5, 9, 12],
        counters: Some(Counters {
            observed: 14,
            recorded: 12,
            ..Counters::default()
        }),
        batches: 3,
        received: 8,
        duplicates: 1,
        published: 4,
        last_seen_unix_ns: 1_785_578_400_000_000_000,
        ..ProducerState::default()
    };
    LedgerSnapshot {
        producers: vec![producer],
        forgotten: Some(ProducerState::default()),
        forgotten_count: 2,
        published_segments: vec![3],
        damaged_stretches: 1,
        ..LedgerSnapshot::default()
    }
    .encode_to_vec()
}

/// Figures as large as they can be, of two producers.
fn largest() -> Vec<u8> {
    let most = |id: &'static [u8; 16]| ProducerState {
        producer_id: Bytes::from_static(id),
        seen_bounds: vec![0, u64::MAX],
        counters: Some(Counters {
            recorded: u64::MAX,
            ..Counters::default()
        }),
        received: u64::MAX,
        published: u64::MAX,
        ..ProducerState::default()
    };
    LedgerSnapshot {
        producers: vec![most(&PRODUCER), most(&[8; 16])],
        forgotten: Some(most(&[9; 16])),
        forgotten_count: u64::MAX,
        damaged_stretches: u64::MAX,
        ..LedgerSnapshot::default()
    }
    .encode_to_vec()
}

fn batch(first: u64) -> Vec<u8> {
    BatchMeta {
        producer_id: Bytes::from_static(&PRODUCER),
        batch_sequence: first,
        first_record_number: first,
        records_count: 2,
        accepted: vec![first, first + 2],
        counters: None,
        received_unix_ns: 1_785_578_400_000_000_000,
    }
    .encode_to_vec()
}

fn published() -> Vec<u8> {
    let outcome = Outcome {
        producer_id: Bytes::from_static(&PRODUCER),
        published: 2,
        quarantined: 1,
    };
    PublishedMeta {
        segment_sequence: 9,
        outcomes: vec![outcome],
        damaged_stretches: 1,
        is_gone: false,
    }
    .encode_to_vec()
}

pub(super) fn segments() -> Seeds {
    let frames = || {
        ScriptWriter::default()
            .bytes(&[4, SNAPSHOT])
            .payload(&snapshot())
            .payload(b"")
            .bytes(&[BATCH])
            .payload(&batch(12))
            .payload(b"as received")
            .bytes(&[BATCH])
            .payload(&batch(20))
            .payload(b"TFRM, as frames begin")
            .bytes(&[PUBLISHED])
            .payload(&published())
            .payload(b"")
    };
    // Where, how many bytes, changed how.
    let changed = |writer: ScriptWriter, at: u16| writer.u16(at).bytes(&[3, 0x40]);
    vec![
        ("whole", frames().0),
        ("in_a_header", changed(frames(), 12).0),
        ("in_two_frames", changed(changed(frames(), 60), 200).0),
        ("cut", frames().u16(180).bytes(&[0, 0]).0),
        (
            "no_snapshot",
            ScriptWriter::default()
                .bytes(&[1, BATCH])
                .payload(&batch(1))
                .payload(b"")
                .0,
        ),
        (
            "largest",
            ScriptWriter::default()
                .bytes(&[3, SNAPSHOT])
                .payload(&largest())
                .payload(b"")
                .bytes(&[BATCH])
                .payload(&batch(u64::MAX - 2))
                .payload(b"")
                .bytes(&[PUBLISHED])
                .payload(&published())
                .payload(b"")
                .0,
        ),
        ("empty", vec![0]),
    ]
}
