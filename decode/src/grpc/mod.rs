//! gRPC over HTTP/2: length-prefixed messages, status trailers, message compression.
//!
//! Names as in the gRPC protocol specification, "gRPC over HTTP2". What is broken is reported and
//! stepped over, so that one bad byte costs one value and never the call. Not here: protobuf.

mod binary;
mod body;
mod decompress;
mod messages;
mod status;

pub use binary::{decode_base64, decode_binary, is_true_binary};
pub use body::{Body, BodyLimits, BodyMessage, Damage, MESSAGES_MAX};
pub use decompress::{DecompressError, decompress, sniff_encoding};
pub use messages::{LengthPrefixedMessage, MessageSplitter, PREFIX_LEN, Step, Tail};
pub use status::{decode_status_message, parse_status};

/// Does a `content-type` say that it is gRPC, of whatever kind?
pub fn is_grpc_type(content_type: &[u8]) -> bool {
    const PREFIX: &[u8] = b"application/grpc";
    let start = content_type.get(..PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
