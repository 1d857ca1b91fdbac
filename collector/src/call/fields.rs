//! What header blocks say about a call: the fields that become columns of their own.
//!
//! Of repeated names the first counts. Nothing is guessed: what does not parse leaves its field
//! empty and sets `incomplete`.

use bytes::Bytes;
use twintap_decode::grpc::{decode_binary, decode_status_message, is_grpc_type, parse_status};
use twintap_record::PAIR_ID_HEADER;

use super::trace_id::{TraceId, from_b3, from_b3_trace_id, from_traceparent};
use super::{Header, Status};

/// What the request's headers say about the call; of repeated names, the first.
#[derive(Default)]
pub(super) struct RequestFields {
    pub(super) path: Bytes,
    pub(super) authority: Bytes,
    pub(super) pair_id: Bytes,
    pub(super) request_id: Bytes,
    pub(super) trace_id: Option<TraceId>,
    pub(super) encoding: Bytes,
}

impl RequestFields {
    pub(super) fn find(headers: &[Header]) -> Self {
        let mut fields = Self::default();
        let (mut b3, mut b3_trace_id) = (None, None);
        for Header { name, value, .. } in headers {
            match &**name {
                b":path" => set_first(&mut fields.path, value),
                b":authority" => set_first(&mut fields.authority, value),
                b"x-request-id" => set_first(&mut fields.request_id, value),
                b"grpc-encoding" => set_first(&mut fields.encoding, value),
                b"traceparent" => fields.trace_id = fields.trace_id.or(from_traceparent(value)),
                b"b3" => b3 = b3.or(from_b3(value)),
                b"x-b3-traceid" => b3_trace_id = b3_trace_id.or(from_b3_trace_id(value)),
                name if name == PAIR_ID_HEADER.as_bytes() => set_first(&mut fields.pair_id, value),
                _ => {}
            }
        }
        fields.trace_id = fields.trace_id.or(b3).or(b3_trace_id);
        fields
    }
}

/// What the response's first block says about the call.
#[derive(Default)]
pub(super) struct ResponseFields {
    pub(super) http_status: Option<u16>,
    pub(super) encoding: Bytes,
    pub(super) has_grpc_status: bool,
    /// Does it say that its body is something else, such as a proxy's error page? Not if a `grpc-status` follows.
    pub(super) has_other_content: bool,
}

impl ResponseFields {
    pub(super) fn find(headers: &[Header]) -> Self {
        let mut fields = Self::default();
        let mut content_type = None;
        for Header {
            name,
            value,
            redacted,
        } in headers
        {
            match &**name {
                b":status" => {
                    fields.http_status = parse_status(value).and_then(|code| code.try_into().ok());
                }
                b"grpc-encoding" => set_first(&mut fields.encoding, value),
                b"grpc-status" => fields.has_grpc_status = true,
                b"content-type" if content_type.is_none() => {
                    content_type = Some(*redacted || value.is_empty() || is_grpc_type(value));
                }
                _ => {}
            }
        }
        fields.has_other_content = content_type == Some(false);
        fields
    }
}

/// How the call ended, by the block that carries its status.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) status: Option<Status>,
    pub(super) message: Bytes,
    pub(super) details: Bytes,
}

impl Outcome {
    pub(super) fn find(block: &[Header], incomplete: &mut bool) -> Self {
        let mut outcome = Self::default();
        let mut status_value: Option<&Bytes> = None;
        for Header { name, value, .. } in block {
            match &**name {
                b"grpc-status" => match status_value {
                    None => {
                        status_value = Some(value);
                        outcome.status = parse_status(value).map(Status);
                        *incomplete |= outcome.status.is_none();
                    }
                    Some(first) => *incomplete |= first != value,
                },
                b"grpc-message" if outcome.message.is_empty() => {
                    outcome.message = decode_status_message(value);
                }
                b"grpc-status-details-bin" if outcome.details.is_empty() => {
                    let details = decode_binary(value);
                    *incomplete |= details.is_none();
                    outcome.details = details.unwrap_or_default();
                }
                _ => {}
            }
        }
        outcome
    }
}

fn set_first(field: &mut Bytes, value: &Bytes) {
    if field.is_empty() {
        field.clone_from(value);
    }
}

/// `:path` without its leading slash and without a query, which gRPC does not have.
pub(super) fn rpc_method(path: &[u8], incomplete: &mut bool) -> String {
    let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
    let method = path.strip_prefix(b"/").unwrap_or(path);
    let method = String::from_utf8_lossy(method);
    *incomplete |= method.is_empty() || matches!(method, std::borrow::Cow::Owned(_));
    method.into_owned()
}

/// An id, which must be UTF-8 to count.
pub(super) fn text_id(id: Bytes, incomplete: &mut bool) -> Bytes {
    if std::str::from_utf8(&id).is_ok() {
        return id;
    }
    *incomplete = true;
    Bytes::new()
}
