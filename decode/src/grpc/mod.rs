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
