//! One line of JSON a call: what `twintap ingest --format ndjson` prints.
//!
//! Keys: `role`, `server` (address and port), `request_id`, `client_port`, `stream_id`, `method` (`:path`), `method_certainty`, `status`,
//! `status_certainty`, `request_sha256` and `response_sha256` (SHA-256 of each decompressed message,
//! in lower-case hexadecimal; null for one that is not whole or cannot be decompressed), `flags`.
//! What is not known is null, and its certainty says so.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use twintap_decode::grpc::{decompress, sniff_encoding};

use crate::call::{Call, Certainty, Direction, End, Message, Role};
use crate::store::hex::hex;

/// Most bytes of a decompressed message.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

#[derive(Serialize)]
struct Line<'a> {
    role: Option<&'static str>,
    server: Option<&'a str>,
    request_id: Option<&'a str>,
    client_port: Option<u16>,
    stream_id: Option<u32>,
    method: Option<String>,
    method_certainty: &'static str,
    status: Option<u32>,
    status_certainty: &'static str,
    request_sha256: Vec<Option<String>>,
    response_sha256: Vec<Option<String>>,
    flags: Vec<&'static str>,
}

/// Appends the line of `call` to `out`.
pub fn append(call: &Call, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let client = std::str::from_utf8(&call.client_address).unwrap_or_default();
    let request_id = std::str::from_utf8(&call.request_id).unwrap_or_default();
    let server = std::str::from_utf8(&call.server_address).unwrap_or_default();
    let line = Line {
        role: (call.role != Role::Unknown).then(|| call.role.as_str()),
        server: (!server.is_empty()).then_some(server),
        request_id: (!request_id.is_empty()).then_some(request_id),
        client_port: client
            .parse::<SocketAddr>()
            .ok()
            .map(|client| client.port()),
        stream_id: call.stream_id,
        method: method(call),
        method_certainty: call.method_certainty.as_str(),
        status: call.status.map(|status| status.0),
        status_certainty: call.status_certainty.as_str(),
        request_sha256: hashes(&call.request),
        response_sha256: hashes(&call.response),
        flags: flags(call),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.push(b'\n');
    Ok(())
}

/// The path if it is known; of an unknown one, what stands for it (`?3/#-5`).
fn method(call: &Call) -> Option<String> {
    match (call.rpc_method.as_str(), call.method_certainty) {
        ("", _) => None,
        (class, Certainty::Unknown | Certainty::Ambiguous) => Some(class.to_owned()),
        (method, _) => Some(format!("/{method}")),
    }
}

fn hashes(direction: &Direction) -> Vec<Option<String>> {
    let hash = |message| hash(message, &direction.encoding);
    direction.messages.iter().map(hash).collect()
}

fn hash(message: &Message, encoding: &[u8]) -> Option<String> {
    if message.bytes.len() as u64 != u64::from(message.declared_bytes) {
        return None;
    }
    let plain = if message.compressed {
        decompressed(&message.bytes, encoding)?
    } else {
        message.bytes.clone()
    };
    Some(hex(&Sha256::digest(&plain)))
}

/// The encoding may not have been captured; then the message's own mark tells.
fn decompressed(bytes: &Bytes, encoding: &[u8]) -> Option<Bytes> {
    let encoding = match encoding {
        b"" => sniff_encoding(bytes)?,
        encoding => encoding,
    };
    decompress(encoding, bytes, MESSAGE_BYTES_MAX).ok()
}

fn flags(call: &Call) -> Vec<&'static str> {
    let flags = [
        ("gap", call.gap),
        (
            "truncated",
            call.request.truncated || call.response.truncated,
        ),
        ("incomplete", call.incomplete),
        ("trailers_only", call.trailers_only),
        ("aborted", call.end == End::Aborted),
        ("open", call.end == End::Unknown),
    ];
    let set = flags.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(name, _)| name).collect()
}
