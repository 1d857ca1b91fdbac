//! One header block: from the host's map to the encoded `HeaderBlock.headers` of the record.
//!
//! Secrets are replaced here, before anything is kept. A header that does not fit the limits is
//! left out and counted; smaller ones behind it still count, so trailers stay readable.

use crate::config::Config;
use crate::correlation::PAIR_ID_HEADER;
use crate::headers::{Pair, Pairs};
use crate::redaction::kept;
use crate::wire::{Encoder, bytes_len, nested_len, uint_len};

/// Headers recorded of one block.
pub const HEADERS_MAX: u32 = 1024;
/// Encoded bytes recorded of one block.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// What was encoded of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Bytes written.
    pub len: usize,
    /// Headers left out.
    pub omitted: u32,
}

/// Encodes `map` into `into`. With `stamped`, the pair id the client sent is no part of the call.
pub fn encode(map: &[u8], config: &Config, stamped: bool, into: &mut [u8]) -> Encoded {
    let mut pairs = Pairs::new(map);
    let limit = into.len().min(BLOCK_BYTES_MAX);
    let mut encoder = Encoder::new(into);
    let (mut count, mut omitted) = (0_u32, 0_u32);
    for pair in pairs.by_ref() {
        if stamped && pair.name == PAIR_ID_HEADER {
            continue;
        }
        if count >= HEADERS_MAX || !header(&mut encoder, limit, pair, config) {
            omitted = omitted.saturating_add(1);
        } else {
            count = count.saturating_add(1);
        }
    }
    Encoded {
        len: encoder.used(),
        omitted: omitted.saturating_add(pairs.left()),
    }
}

/// Encodes one header; `false` if it does not fit.
fn header(encoder: &mut Encoder<'_>, limit: usize, pair: Pair<'_>, config: &Config) -> bool {
    let key = config.redaction_key.as_ref();
    if let Some((value, hash)) = kept(pair.name, pair.value, &config.redact_headers, key) {
        return write(encoder, limit, pair.name, value, hash.as_bytes(), true);
    }
    write(encoder, limit, pair.name, pair.value, b"", false)
}

/// Writes one `Header` whose value is `value` and `more`.
fn write(
    encoder: &mut Encoder<'_>,
    limit: usize,
    name: &[u8],
    value: &[u8],
    more: &[u8],
    redacted: bool,
) -> bool {
    let value_len = value.len().saturating_add(more.len());
    let len = bytes_len(1, name.len())
        .saturating_add(bytes_len(2, value_len))
        .saturating_add(uint_len(3, u64::from(redacted)));
    if encoder.used().saturating_add(nested_len(1, len)) > limit {
        return false;
    }
    encoder.nested(1, len);
    encoder.bytes(1, name);
    if value_len > 0 {
        encoder.nested(2, value_len);
        encoder.raw(value);
        encoder.raw(more);
    }
    encoder.flag(3, redacted);
    true
}
