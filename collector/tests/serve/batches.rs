//! Batches as the filter sends them.

use bytes::Bytes;
use twintap_record::{
    Counters, Header, HeaderBlock, Message, Producer, Record, RecordBatch, VERSION,
};

/// 2026-01-01T00:00:00Z.
const STARTED_UNIX_NS: u64 = 1_767_225_600_000_000_000;

/// One filter instance.
pub(crate) struct Sender {
    id: [u8; 16],
    sequence: u64,
    next_number: u64,
    acknowledged: u64,
}

impl Sender {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            id: [seed; 16],
            sequence: 0,
            next_number: 1,
            acknowledged: 0,
        }
    }

    /// The next batch, of `count` records.
    pub(crate) fn batch(&mut self, count: u64) -> RecordBatch {
        let first = self.next_number;
        self.sequence += 1;
        self.next_number += count;
        let recorded = self.next_number - 1;
        RecordBatch {
            version: VERSION,
            producer_id: Bytes::copy_from_slice(&self.id),
            batch_sequence: self.sequence,
            first_record_number: first,
            producer: Some(Producer {
                service: "shop".into(),
                ..Producer::default()
            }),
            counters: Some(Counters {
                observed: recorded,
                recorded,
                acknowledged: self.acknowledged,
                ..Counters::default()
            }),
            records: (first..first + count).map(record).collect(),
        }
    }

    /// All batches so far were acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        self.acknowledged = self.next_number - 1;
    }

    pub(crate) fn encoded(&mut self, count: u64) -> Vec<u8> {
        self.batch(count).encode_to_vec()
    }
}

pub(crate) fn record(number: u64) -> Record {
    let header = |name: &'static str, value: &'static str| Header {
        name: name.into(),
        value: value.into(),
        redacted: false,
    };
    Record {
        number,
        started_unix_ns: STARTED_UNIX_NS.wrapping_add(number),
        request_headers: Some(HeaderBlock {
            headers: vec![
                header(":path", "/shop.Cart/Add"),
                header(":authority", "shop"),
            ],
            ..HeaderBlock::default()
        }),
        ..Record::default()
    }
}
