//! What identifies a call: where the collector finds an id in a header, the filter has sampled by the same.

use bytes::Bytes;
use twintap::call::{Recorder, from_record, normalize_request_id};
use twintap_filter::correlation::{
    B3_HEADER, B3_TRACE_ID_HEADER, IDENTITY_HEADERS, PAIR_ID_HEADER, REQUEST_ID_HEADER,
    TRACEPARENT_HEADER, identity,
};
use twintap_record::{Header, HeaderBlock, Producer, Record};

use super::script::Script;

/// `bytes` are which header, and its value.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let which = usize::from(script.byte().unwrap_or(0)) % IDENTITY_HEADERS.len();
    let name = IDENTITY_HEADERS[which];
    let value = Bytes::copy_from_slice(bytes.get(1..).unwrap_or_default());
    let mut buffer = [0; 36];
    let ours = identity(name, &value, &mut buffer);
    let record = Record {
        request_headers: Some(HeaderBlock {
            headers: vec![Header {
                name: Bytes::from_static(name),
                value: value.clone(),
                redacted: false,
            }],
            ..HeaderBlock::default()
        }),
        ..Record::default()
    };
    let call = from_record(&Recorder::new([7; 16], &Producer::default()), record);
    match name {
        PAIR_ID_HEADER if !call.pair_id.is_empty() => assert_eq!(ours.unwrap(), call.pair_id),
        REQUEST_ID_HEADER if !call.request_id.is_empty() => {
            assert_eq!(ours.unwrap(), normalize_request_id(&call.request_id));
        }
        TRACEPARENT_HEADER | B3_HEADER | B3_TRACE_ID_HEADER => {
            let Some(theirs) = call.trace_id else { return };
            let ours = std::str::from_utf8(ours.unwrap()).unwrap();
            assert_eq!(
                u128::from_str_radix(ours, 16).unwrap().to_be_bytes(),
                theirs
            );
        }
        _ => {}
    }
}
