//! What of a request's headers identifies the call: pair id, request id, trace id.
//!
//! The filter records all headers; this only finds the strongest identity, on which sampling is
//! decided. The order and the normalisation are those of the collector's pairing.

/// Header that carries the pair id.
pub const PAIR_ID_HEADER: &[u8] = b"x-twintap-pair-id";
/// Header that marks replayed traffic.
pub const REPLAY_HEADER: &[u8] = b"x-twintap-replay";
/// Envoy's request id.
pub const REQUEST_ID_HEADER: &[u8] = b"x-request-id";
/// W3C Trace Context.
pub const TRACEPARENT_HEADER: &[u8] = b"traceparent";
/// B3, one header per part.
pub const B3_TRACE_ID_HEADER: &[u8] = b"x-b3-traceid";
/// B3, one header for all parts.
pub const B3_HEADER: &[u8] = b"b3";

/// Headers that may identify a call, strongest first.
pub const IDENTITY_HEADERS: [&[u8]; 5] = [
    PAIR_ID_HEADER,
    REQUEST_ID_HEADER,
    TRACEPARENT_HEADER,
    B3_HEADER,
    B3_TRACE_ID_HEADER,
];

/// Bytes of the longest pair id that is recorded as such; ids the filter stamps have 32. A longer one is only in
/// the metadata.
pub const PAIR_ID_BYTES_MAX: usize = 128;

/// Index of the hexadecimal digit in which Envoy packs its trace decision.
const TRACE_DECISION_INDEX: usize = 14;
const UUID_BYTES: usize = 36;
const TRACE_ID_BYTES: usize = 32;

/// The bytes by which every party knows the call, or `None` if `value` of header `name` names none.
pub fn identity<'b>(
    name: &[u8],
    value: &'b [u8],
    buffer: &'b mut [u8; UUID_BYTES],
) -> Option<&'b [u8]> {
    if value.is_empty() {
        return None;
    }
    match name {
        REQUEST_ID_HEADER => Some(normalize_request_id(value, buffer)),
        // version "-" trace id "-" ...
        TRACEPARENT_HEADER => value
            .get(3..TRACE_ID_BYTES.wrapping_add(3))
            .filter(|id| is_hex(id)),
        // trace id "-" span id "-" ...
        B3_HEADER => value
            .split(|byte| *byte == b'-')
            .next()
            .filter(|id| is_hex(id)),
        _ => Some(value),
    }
}

/// Replaces the digit that each Envoy on the way may rewrite, if `id` has the form of a UUID.
fn normalize_request_id<'b>(id: &'b [u8], buffer: &'b mut [u8; UUID_BYTES]) -> &'b [u8] {
    let Ok(uuid) = <&[u8; UUID_BYTES]>::try_from(id) else {
        return id;
    };
    let is_uuid = uuid.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    if !is_uuid {
        return id;
    }
    *buffer = *uuid;
    if let Some(digit) = buffer.get_mut(TRACE_DECISION_INDEX) {
        *digit = b'4';
    }
    buffer
}

fn is_hex(id: &[u8]) -> bool {
    id.len() >= 16 && id.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        identity(name, value, &mut [0; 36]).map(<[u8]>::to_vec)
    }

    #[test]
    fn request_ids_that_differ_only_in_the_trace_decision_are_one() {
        let old = id(REQUEST_ID_HEADER, b"f5a88b34-0a41-4bf4-8c3e-0123456789ab");
        let new = id(REQUEST_ID_HEADER, b"f5a88b34-0a41-9bf4-8c3e-0123456789ab");
        assert_eq!(old, new);
    }

    #[test]
    fn a_request_id_that_is_no_uuid_is_left_alone() {
        assert_eq!(id(REQUEST_ID_HEADER, b"abc").unwrap(), b"abc");
        let odd = b"aaaaaaaaaaaaaa9aaaaaaaaaaaaaaaaaaaaa";
        assert_eq!(id(REQUEST_ID_HEADER, odd).unwrap(), odd);
    }

    #[test]
    fn of_a_trace_context_only_the_trace_id_counts() {
        let trace = b"0af7651916cd43dd8448eb211c80319c";
        let header = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(id(TRACEPARENT_HEADER, header).unwrap(), trace);
        assert_eq!(
            id(
                B3_HEADER,
                b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"
            )
            .unwrap(),
            trace
        );
    }

    #[test]
    fn broken_identities_are_none() {
        for (name, value) in [
            (PAIR_ID_HEADER, &b""[..]),
            (TRACEPARENT_HEADER, b"00-xyz"),
            (
                TRACEPARENT_HEADER,
                b"00-0af7651916cd43dd8448eb211c80319\xff-b7ad6b7169203331-01",
            ),
            (B3_HEADER, b"0"),
        ] {
            assert_eq!(id(name, value), None);
        }
    }
}
