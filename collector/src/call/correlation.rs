//! The key by which two sides of one call find each other.
//!
//! Best first: the pair id, `x-request-id` (the nibble that Envoy rewrites normalised), the trace
//! id. A request or trace id may be shared by several calls, so pairing puts method, request digest
//! and occurrence beside it; a pair id is one per request. Pure.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::Call;

/// Number of pairing buckets: the leading sort column of the dataset.
pub const PAIR_BUCKETS: u64 = 256;

/// Index of the hexadecimal digit in which Envoy packs the trace reason of a request id.
const TRACE_REASON_INDEX: usize = 14;

/// The strongest identity a call offers for pairing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CorrelationKey {
    /// `x-twintap-pair-id`.
    PairId(Bytes),
    /// `x-request-id`, nibble normalised.
    RequestId(Bytes),
    /// W3C or B3 trace id.
    TraceId([u8; 16]),
    /// Nothing: the call can only be found by method and request digest.
    None,
}

impl CorrelationKey {
    /// The strongest key of `call`.
    pub fn of(call: &Call) -> Self {
        if !call.pair_id.is_empty() {
            return Self::PairId(call.pair_id.clone());
        }
        if !call.request_id.is_empty() {
            return Self::RequestId(normalize_request_id(&call.request_id));
        }
        call.trace_id.map_or(Self::None, Self::TraceId)
    }

    /// The bytes that are hashed into a bucket.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::PairId(id) | Self::RequestId(id) => id,
            Self::TraceId(id) => id,
            Self::None => &[],
        }
    }
}

/// The bucket of `call`, below [`PAIR_BUCKETS`]. Both sides of a pair share it; calls without any
/// key are spread by method and request digest.
pub fn pair_bucket(call: &Call) -> u16 {
    pair_bucket_of(&CorrelationKey::of(call), call)
}

/// As [`pair_bucket`], for a `key` that was taken from `call` before.
pub fn pair_bucket_of(key: &CorrelationKey, call: &Call) -> u16 {
    let hash = match key {
        CorrelationKey::None => {
            xxh3_64(call.rpc_method.as_bytes()) ^ call.request.body_digest.unwrap_or(0)
        }
        key => xxh3_64(key.as_bytes()),
    };
    u16::try_from(hash % PAIR_BUCKETS).unwrap_or(0)
}

/// Replaces the digit that each Envoy may rewrite, if `id` has the form of a UUID.
pub fn normalize_request_id(id: &Bytes) -> Bytes {
    if !is_uuid(id) || id.get(TRACE_REASON_INDEX) == Some(&b'4') {
        return id.clone();
    }
    let mut normalized = id.to_vec();
    if let Some(digit) = normalized.get_mut(TRACE_REASON_INDEX) {
        *digit = b'4';
    }
    normalized.into()
}

/// Every request id that may stand for `id`, as some Envoy may have rewritten it: `id` alone, if it has
/// not the form of a UUID.
pub fn request_id_variants(id: &Bytes) -> Vec<Bytes> {
    if !is_uuid(id) {
        return vec![id.clone()];
    }
    let variant = |digit: &u8| {
        let mut variant = id.to_vec();
        if let Some(reason) = variant.get_mut(TRACE_REASON_INDEX) {
            *reason = *digit;
        }
        Bytes::from(variant)
    };
    b"0123456789abcdef".iter().map(variant).collect()
}

/// Has `text` the form of a UUID: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12?
pub fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_request_id(id: &'static str) -> Call {
        Call {
            request_id: Bytes::from_static(id.as_bytes()),
            ..Call::default()
        }
    }

    #[test]
    fn request_ids_that_differ_only_in_the_trace_reason_are_one_key() {
        let old = with_request_id("f5a88b34-0a41-4bf4-8c3e-0123456789ab");
        let new = with_request_id("f5a88b34-0a41-9bf4-8c3e-0123456789ab");
        assert_eq!(CorrelationKey::of(&old), CorrelationKey::of(&new));
        assert_eq!(pair_bucket(&old), pair_bucket(&new));
    }

    #[test]
    fn every_rewritten_request_id_is_a_variant() {
        let id = Bytes::from_static(b"f5a88b34-0a41-9bf4-8c3e-0123456789ab");
        let variants = request_id_variants(&id);
        assert!(variants.contains(&id) && variants.len() == 16);
        let plain = variants.iter().map(normalize_request_id);
        assert!(
            plain
                .into_iter()
                .all(|plain| plain == normalize_request_id(&id))
        );
        let no_uuid = Bytes::from_static(b"r-1");
        assert_eq!(request_id_variants(&no_uuid), [no_uuid]);
    }

    #[test]
    fn a_request_id_that_is_no_uuid_is_left_alone() {
        let old = with_request_id("aaaaaaaaaaaaaa4aaaaaaaaaaaaaaaaaaaaa");
        let new = with_request_id("aaaaaaaaaaaaaa9aaaaaaaaaaaaaaaaaaaaa");
        assert_ne!(CorrelationKey::of(&old), CorrelationKey::of(&new));
    }

    #[test]
    fn a_pair_id_wins_over_other_ids() {
        let call = Call {
            pair_id: Bytes::from_static(b"p"),
            ..with_request_id("f5a88b34-0a41-4bf4-8c3e-0123456789ab")
        };
        assert_eq!(
            CorrelationKey::of(&call),
            CorrelationKey::PairId(Bytes::from_static(b"p"))
        );
    }
}
