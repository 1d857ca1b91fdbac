//! Hostile batches that are protobuf, and how many records each holds.

use http::StatusCode;
use twintap_record::{Message, RecordBatch};

use crate::batch::Batch;

/// Default of `body_bytes_max`, and room for the envelope.
const BODY_BYTES: usize = (4 << 20) - 4096;
/// Default of `batch_records_max`.
const RECORDS_MAX: u64 = 16_384;

/// Field numbers of the contract.
mod field {
    pub(super) const COUNTERS: u32 = 6;
    pub(super) const UNKNOWN: u32 = 90;
    pub(super) const RECORD: u32 = 15;
    pub(super) const NUMBER: u32 = 1;
    pub(super) const REQUEST_HEADERS: u32 = 5;
    pub(super) const REQUEST_BODY: u32 = 6;
    pub(super) const HEADERS: u32 = 1;
    pub(super) const CAPTURED: u32 = 1;
    pub(super) const MARKS: u32 = 6;
    pub(super) const DROPPED: u32 = 4;
}

/// A kind of batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// The batch with this index, from 0.
    pub(super) body: fn(u64) -> Vec<u8>,
    /// Records of each.
    pub(super) records: u64,
    /// How it is answered.
    pub(super) answer: StatusCode,
}

/// What a filter sends.
pub(super) const ORDINARY: Kind = Kind {
    name: "ordinary batches",
    body: |index| {
        let batch = Batch {
            producer: 0,
            sequence: index + 1,
            records: RECORDS_MAX,
            message_bytes: 0,
        };
        batch.encode().into()
    },
    records: RECORDS_MAX,
    answer: StatusCode::OK,
};

pub(super) const HOSTILE: &[Kind] = &[
    Kind {
        name: "records of a number each",
        body: |index| {
            let numbers = index * RECORDS_MAX + 1..=(index + 1) * RECORDS_MAX;
            batch(index, &numbers.map(number).collect::<Vec<_>>(), &[])
        },
        records: RECORDS_MAX,
        answer: StatusCode::OK,
    },
    Kind {
        name: "records of no byte",
        body: |index| {
            let records = (0..RECORDS_MAX).map(|_| vec![]);
            batch(index, &records.collect::<Vec<_>>(), &[])
        },
        records: RECORDS_MAX,
        answer: StatusCode::OK,
    },
    Kind {
        name: "headers of no byte",
        body: |index| {
            let headers = bytes(field::HEADERS, &[]).repeat(BODY_BYTES / 2);
            one(index, &bytes(field::REQUEST_HEADERS, &headers))
        },
        records: 1,
        answer: StatusCode::OK,
    },
    Kind {
        name: "gRPC messages of no byte",
        body: |index| {
            let body = bytes(field::CAPTURED, &vec![0; BODY_BYTES]);
            one(index, &bytes(field::REQUEST_BODY, &body))
        },
        records: 1,
        answer: StatusCode::OK,
    },
    Kind {
        name: "arrivals of no byte",
        body: |index| {
            let body = bytes(field::MARKS, &vec![0; BODY_BYTES]);
            one(index, &bytes(field::REQUEST_BODY, &body))
        },
        records: 1,
        answer: StatusCode::OK,
    },
    Kind {
        name: "unknown fields of no byte",
        body: |index| one(index, &bytes(field::UNKNOWN, &[]).repeat(BODY_BYTES / 3)),
        records: 1,
        answer: StatusCode::OK,
    },
    Kind {
        name: "unknown groups within groups",
        body: |index| {
            let begin = varint(u64::from(field::UNKNOWN) << 3 | 3);
            one(index, &begin.repeat(BODY_BYTES / 2))
        },
        records: 1,
        answer: StatusCode::OK,
    },
    Kind {
        name: "counters of no byte",
        body: |index| {
            let reasons = bytes(field::DROPPED, &[]).repeat(BODY_BYTES / 2);
            batch(index, &[], &bytes(field::COUNTERS, &reasons))
        },
        records: 0,
        answer: StatusCode::BAD_REQUEST,
    },
];

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).expect("seven bits") | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
    bytes
}

fn bytes(number: u32, content: &[u8]) -> Vec<u8> {
    let key = varint(u64::from(number) << 3 | 2);
    [key, varint(content.len() as u64), content.to_vec()].concat()
}

fn number(number: u64) -> Vec<u8> {
    [varint(u64::from(field::NUMBER) << 3), varint(number)].concat()
}

/// A batch of these records, and of whatever else.
fn batch(index: u64, records: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
    let envelope = Batch {
        producer: 0,
        sequence: index + 1,
        records: 0,
        message_bytes: 0,
    };
    let envelope = RecordBatch {
        first_record_number: index * RECORDS_MAX + 1,
        counters: None,
        ..RecordBatch::decode(envelope.encode()).expect("it was encoded here")
    };
    let records = records.iter().map(|record| bytes(field::RECORD, record));
    let records: Vec<u8> = records.flatten().collect();
    [&envelope.encode_to_vec(), more, &records].concat()
}

/// A batch of one record with this content behind its number.
fn one(index: u64, content: &[u8]) -> Vec<u8> {
    let record = [&number(index * RECORDS_MAX + 1), content].concat();
    batch(index, &[record], &[])
}
