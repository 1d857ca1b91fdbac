//! What two sides answer: messages by wire field, by type, as JSON; details of a status; metadata.

use bytes::Bytes;
use twintap::call::{Call, Header, Status};

use super::call::{answer, assert_consistent};
use super::script::Script;
use super::types;

/// Values of the first byte, modulo their number.
pub(crate) mod kinds {
    pub(crate) const WIRE: u8 = 0;
    pub(crate) const TYPED: u8 = 1;
    pub(crate) const JSON: u8 = 2;
    pub(crate) const DETAILS: u8 = 3;
    pub(crate) const METADATA: u8 = 4;
    pub(crate) const COUNT: u8 = 5;
}

/// `bytes` are what to take two payloads for, and these.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let kind = script.byte().unwrap_or(0) % kinds::COUNT;
    let mut side = || call(kind, script.payload().unwrap_or_default());
    let calls = [side(), side()];
    assert_consistent(Some(types::schema()), calls);
}

fn call(kind: u8, payload: &[u8]) -> Call {
    let bytes = Bytes::copy_from_slice(payload);
    match kind {
        kinds::WIRE => answer("unknown.v1.Unknown/Get", payload),
        kinds::TYPED => answer(types::METHOD, payload),
        kinds::JSON => Call {
            response_metadata: vec![header("content-type", "application/grpc+json".into())],
            ..answer("unknown.v1.Unknown/Get", payload)
        },
        kinds::DETAILS => Call {
            status: Some(Status(5)),
            status_message: bytes.clone(),
            status_details: bytes,
            ..answer(types::METHOD, b"")
        },
        _ => Call {
            response_metadata: vec![
                header("x-one", bytes.clone()),
                header("x-two-bin", bytes.clone()),
            ],
            trailers: vec![header("x-one", bytes.clone()), header("x-one", bytes)],
            ..answer(types::METHOD, b"")
        },
    }
}

fn header(name: &'static str, value: Bytes) -> Header {
    Header {
        name: name.into(),
        value,
        redacted: false,
    }
}
