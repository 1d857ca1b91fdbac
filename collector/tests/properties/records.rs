//! A batch to calls, as the publisher makes them: each claims no more than its record had, and comes
//! back equal from Parquet.

use bytes::Bytes;
use twintap::call::{Direction, Recorder, from_record};
use twintap_decode::envelope::{parse, split};
use twintap_record::{Body, Message as _, Record};

use super::parquet::assert_writable;

/// Few, so that short inputs reach it.
const RECORDS_MAX: u32 = 16;

/// Bytes of a message's prefix.
const PREFIX_BYTES: usize = 5;

/// `bytes` are a batch.
pub(crate) fn check(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let Ok(envelope) = parse(&body, RECORDS_MAX) else {
        return;
    };
    let (producer, records) = split(&body).unwrap();
    let recorder = Recorder::new(envelope.producer_id, &producer);
    let mut calls = Vec::new();
    for (number, encoded) in envelope.numbers().zip(records) {
        // Others are set aside.
        let Some(record) = Record::decode(encoded)
            .ok()
            .filter(|it| it.number == number)
        else {
            continue;
        };
        let call = from_record(&recorder, record.clone());
        assert_eq!(
            (call.id.producer_id, call.id.record_number),
            (envelope.producer_id, number)
        );
        assert_bounded(&call.request, record.request_body.as_ref());
        assert_bounded(&call.response, record.response_body.as_ref());
        calls.push(call);
    }
    assert_writable(calls);
}

fn assert_bounded(direction: &Direction, body: Option<&Body>) {
    let captured = body.map_or(0, |body| body.captured.len());
    let of_message = |bytes: usize| bytes + PREFIX_BYTES;
    let messages = direction.messages.iter();
    let bytes: usize = messages
        .map(|message| of_message(message.bytes.len()))
        .sum();
    assert!(bytes <= captured, "more than was captured");
    assert!(direction.body_bytes >= captured as u64);
    let count = direction.messages.len() as u64;
    assert!(direction.messages_count.is_none_or(|all| all >= count));
}
