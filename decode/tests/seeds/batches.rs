//! Batches, as filters send them and as they might.

use bytes::Bytes;
use twintap_record::{
    Body, Counters, Header, HeaderBlock, Message, Producer, Record, RecordBatch, VERSION,
};

pub(crate) fn batches() -> Vec<(&'static str, Vec<u8>)> {
    let heartbeat = RecordBatch {
        version: VERSION,
        producer_id: Bytes::from_static(&[7; 16]),
        batch_sequence: 1,
        counters: Some(Counters {
            observed: 3,
            recorded: 2,
            ..Counters::default()
        }),
        ..RecordBatch::default()
    };
    let calls = RecordBatch {
        first_record_number: 5,
        producer: Some(Producer {
            service: "shop".into(),
            ..Producer::default()
        }),
        records: (5..8).map(record).collect(),
        ..heartbeat.clone()
    };
    let mut newer = calls.encode_to_vec();
    // Field 100, two bytes; field 101, a fixed64.
    newer.extend([0xa2, 0x06, 2, 1, 2]);
    newer.extend([0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]);
    let twice = [calls.encode_to_vec(), heartbeat.encode_to_vec()].concat();
    vec![
        ("calls", calls.encode_to_vec()),
        ("heartbeat", heartbeat.encode_to_vec()),
        ("newer", newer),
        ("fields_twice", twice),
    ]
}

fn record(number: u64) -> Record {
    let header = |name: &'static str, value: &'static str| Header {
        name: name.into(),
        value: value.into(),
        redacted: false,
    };
    Record {
        number,
        request_headers: Some(HeaderBlock {
            headers: vec![header(":path", "/a.A/B"), header("x-mark", "1")],
            ..HeaderBlock::default()
        }),
        request_body: Some(Body {
            captured: Bytes::from_static(&[0, 0, 0, 0, 1, 9]),
            bytes_count: 6,
            messages_count: 1,
            ..Body::default()
        }),
        response_trailers: Some(HeaderBlock {
            headers: vec![header("grpc-status", "0")],
            ..HeaderBlock::default()
        }),
        ..Record::default()
    }
}
