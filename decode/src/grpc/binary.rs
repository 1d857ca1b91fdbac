//! Values of `-bin` metadata: base64, with or without padding.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// "Implementations MUST accept padded and un-padded values"; trailing bits are not looked at.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A `-bin` value that is not base64 begins with it, and the bytes themselves follow.
const TRUE_BINARY: u8 = 0;

/// Is this `-bin` value the bytes themselves? Peers of gRPC's C core agree on that by a setting of their own
/// (0xfe03, `GRPC_ALLOW_TRUE_BINARY_METADATA`).
pub fn is_true_binary(value: &[u8]) -> bool {
    value.first() == Some(&TRUE_BINARY)
}

/// Decodes a `-bin` value; `None` if it is neither base64 nor the bytes themselves.
pub fn decode_binary(value: &[u8]) -> Option<Bytes> {
    match value.split_first() {
        Some((&TRUE_BINARY, bytes)) => Some(Bytes::copy_from_slice(bytes)),
        _ => decode_base64(value),
    }
}

/// Decodes base64; `None` if it is none.
pub fn decode_base64(value: &[u8]) -> Option<Bytes> {
    BASE64.decode(value).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_and_unpadded_values_decode_alike() {
        for value in ["CAUSAm5v", "CAUSAm5vIQ==", "CAUSAm5vIQ"] {
            let expected: &[u8] = if value.len() == 8 {
                b"\x08\x05\x12\x02no"
            } else {
                b"\x08\x05\x12\x02no!"
            };
            assert_eq!(
                decode_binary(value.as_bytes()).as_deref(),
                Some(expected),
                "{value}"
            );
        }
        assert_eq!(decode_binary(b"").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn bytes_themselves_stand_behind_a_nul() {
        let expected = decode_binary(b"CAUSAm5v");
        assert_eq!(decode_binary(b"\0\x08\x05\x12\x02no"), expected);
        assert_eq!(decode_binary(b"\0").as_deref(), Some(&b""[..]));
        assert_eq!(
            decode_binary(b"\0\0,\xff ").as_deref(),
            Some(&b"\0,\xff "[..])
        );
        assert_eq!(decode_base64(b"\0AAA"), None);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for value in ["*", "AAAA=AAA", "A", "AA=A", "AA-_", "AA AA", "\u{e9}AAA"] {
            assert_eq!(decode_binary(value.as_bytes()), None, "{value}");
        }
    }
}
