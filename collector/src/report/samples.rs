//! Calls for the tests of this stage, made of single wire fields.

use bytes::Bytes;

use crate::call::{Call, CallId, Direction, End, Message, Role, Status};

/// Field `number` with a text.
pub(super) fn text_field(number: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![number * 8 + 2, u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

/// Field `number` with a varint.
pub(super) fn varint_field(number: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![number * 8];
    let mut rest = value;
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// One message.
pub(super) fn direction(bytes: Vec<u8>) -> Direction {
    Direction {
        body_bytes: bytes.len() as u64 + 5,
        body_digest: Some(xxhash_rust::xxh3::xxh3_64(&bytes)),
        messages: vec![Message {
            declared_bytes: u32::try_from(bytes.len()).unwrap(),
            bytes: bytes.into(),
            ..Message::default()
        }],
        messages_count: Some(1),
        end_stream: true,
        ..Direction::default()
    }
}

/// A call answered with one message.
pub(super) fn call_with(role: Role, response: Vec<u8>) -> Call {
    Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: 1,
        },
        role,
        rpc_method: "shop.v1.Shop/GetItem".to_owned(),
        pair_id: Bytes::from_static(b"pair-1"),
        request: direction(Vec::new()),
        response: direction(response),
        status: Some(Status::OK),
        end: End::Complete,
        ..Call::default()
    }
}
