//! Batches whose every byte follows from producer and numbers, so that nothing is kept to send one
//! again or to know what must be stored.

use bytes::Bytes;
use twintap_record::{
    Body, Counters, Header, HeaderBlock, Message, Producer, Record, RecordBatch, VERSION,
};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// Request header whose value tells one record from every other.
pub(crate) const MARK_HEADER: &str = "x-mark";

/// 2026-01-01T00:00:00Z.
const STARTED_UNIX_NS: u64 = 1_767_225_600_000_000_000;

/// What stands before a gRPC message.
const PREFIX_BYTES: usize = 5;
/// Longer messages repeat it.
const PATTERN_WORDS: u64 = 4_096;

/// One batch of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Batch {
    pub(crate) producer: u64,
    /// From 1.
    pub(crate) sequence: u64,
    pub(crate) records: u64,
    /// Length of the request's message in each record; 0: there is none.
    pub(crate) message_bytes: u32,
}

impl Batch {
    /// Numbers of its records; all batches of a producer are of one size.
    pub(crate) fn numbers(self) -> std::ops::Range<u64> {
        let first = (self.sequence - 1) * self.records + 1;
        first..first + self.records
    }

    /// As the filter sends it.
    pub(crate) fn encode(self) -> Bytes {
        let numbers = self.numbers();
        let recorded = numbers.end - 1;
        let batch = RecordBatch {
            version: VERSION,
            producer_id: Bytes::copy_from_slice(&producer_id(self.producer)),
            batch_sequence: self.sequence,
            first_record_number: numbers.start,
            producer: Some(Producer {
                service: "shop".into(),
                ..Producer::default()
            }),
            counters: Some(Counters {
                observed: recorded,
                recorded,
                ..Counters::default()
            }),
            records: numbers.map(|number| self.record(number)).collect(),
        };
        batch.encode_to_vec().into()
    }

    fn record(self, number: u64) -> Record {
        let header = |name: &'static str, value: Bytes| Header {
            name: name.into(),
            value,
            redacted: false,
        };
        Record {
            number,
            started_unix_ns: STARTED_UNIX_NS + number,
            request_headers: Some(HeaderBlock {
                headers: vec![
                    header(":path", "/shop.Cart/Add".into()),
                    header(":authority", "shop".into()),
                    header("content-type", "application/grpc".into()),
                    header(MARK_HEADER, mark(self.producer, number).into()),
                ],
                ..HeaderBlock::default()
            }),
            request_body: (self.message_bytes > 0).then(|| self.body(number)),
            ..Record::default()
        }
    }

    /// One gRPC message, of a pattern of its own.
    fn body(self, number: u64) -> Body {
        let seed = xxh3_64_with_seed(&number.to_le_bytes(), self.producer);
        let word = |word: u64| xxh3_64_with_seed(&word.to_le_bytes(), seed).to_le_bytes();
        let pattern: Vec<u8> = (0..PATTERN_WORDS).flat_map(word).collect();
        let length = usize::try_from(self.message_bytes).expect("it fits into memory");
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + length);
        bytes.push(0);
        bytes.extend(self.message_bytes.to_be_bytes());
        while bytes.len() < PREFIX_BYTES + length {
            let missing = PREFIX_BYTES + length - bytes.len();
            bytes.extend_from_slice(&pattern[..missing.min(pattern.len())]);
        }
        Body {
            bytes_count: bytes.len() as u64,
            captured: bytes.into(),
            messages_count: 1,
            ..Body::default()
        }
    }
}

/// The producer's id in batches.
pub(crate) fn producer_id(producer: u64) -> [u8; 16] {
    xxh3_128(&producer.to_le_bytes()).to_be_bytes()
}

/// The value of [`MARK_HEADER`] of a record.
pub(crate) fn mark(producer: u64, number: u64) -> String {
    let hash = xxh3_128(format!("{producer}/{number}").as_bytes());
    format!("{hash:032x}")
}
