//! One call as lines of path and value, by part.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use twintap_decode::grpc::{decode_binary, is_true_binary};

use crate::call::{Call, Direction, Header};
use crate::compare::contents::{self, Contents, Line};
use crate::compare::{Place, Schema, answer_blocks, code_text};

/// What a call carried.
#[derive(Default)]
pub(super) struct Parts {
    /// What there is once.
    pub(super) single: BTreeMap<Place, Contents>,
    /// Messages of both directions.
    pub(super) streams: BTreeMap<Place, Stream>,
}

/// The messages of one direction.
#[derive(Default)]
pub(super) struct Stream {
    /// Those that were captured whole.
    pub(super) messages: Vec<Contents>,
    /// How many there were, captured or not; `None` if that is not known.
    pub(super) count: Option<usize>,
}

impl Stream {
    fn of(call: &Call, direction: &Direction, messages: Vec<Contents>) -> Self {
        let count = match (call.incomplete, direction.truncated) {
            (true, _) => None,
            (false, true) => direction
                .messages_count
                .and_then(|count| usize::try_from(count).ok()),
            (false, false) => Some(direction.messages.len()),
        };
        Self { messages, count }
    }
}

/// The parts of `call`. `is_one_block`: is the metadata of its answer compared as one block?
pub(super) fn of(call: &Call, schema: Option<&Schema>, is_one_block: bool) -> Parts {
    let (response, trailers) = match is_one_block {
        true => (Vec::new(), answer_blocks(call)),
        false => (vec![&*call.response_metadata], vec![&*call.trailers]),
    };
    let metadata = [
        (Place::RequestMetadata, vec![&*call.request_metadata]),
        (Place::ResponseMetadata, response),
        (Place::Trailers, trailers),
    ];
    let metadata = metadata.map(|(place, blocks)| {
        let headers = blocks.into_iter().flatten();
        (place, lines(headers.map(header)))
    });
    let message = String::from_utf8_lossy(&call.status_message).into_owned();
    let message = (!message.is_empty()).then(|| (String::new(), message));
    let details = contents::of_status_details(call, schema);
    let status = [
        (Place::Status, lines([(String::new(), code_text(call))])),
        (Place::StatusMessage, lines(message)),
        (Place::StatusDetails, details),
    ];
    let streams = [
        (
            Place::RequestMessage,
            Stream::of(call, &call.request, contents::of_request(call, schema)),
        ),
        (
            Place::ResponseMessage,
            Stream::of(call, &call.response, contents::of_response(call, schema)),
        ),
    ];
    Parts {
        single: metadata.into_iter().chain(status).collect(),
        streams: streams.into(),
    }
}

fn lines(lines: impl IntoIterator<Item = (String, String)>) -> Contents {
    let line = |(path, value): (String, String)| Line {
        ends: vec![path.len()],
        path,
        value,
    };
    Contents {
        lines: lines.into_iter().map(line).collect(),
        ..Contents::default()
    }
}

/// A header as it is stored; bytes that stand for themselves in base64, as most peers write them.
fn header(header: &Header) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let is_bytes = header.name.ends_with(b"-bin") && is_true_binary(&header.value);
    let value = match (header.redacted, header.value.is_empty()) {
        (false, false) if is_bytes => {
            STANDARD_NO_PAD.encode(decode_binary(&header.value).unwrap_or_default())
        }
        (false, _) => text(&header.value),
        (true, true) => "(redacted)".to_owned(),
        (true, false) => format!("(redacted, keyed hash {})", text(&header.value)),
    };
    (text(&header.name), value)
}
