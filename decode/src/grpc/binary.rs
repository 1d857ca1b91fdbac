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

/// Decodes a `-bin` value; `None` if it is not base64.
pub fn decode_binary(value: &[u8]) -> Option<Bytes> {
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
    fn what_is_not_base64_is_refused() {
        for value in ["*", "AAAA=AAA", "A", "AA=A", "AA-_", "AA AA", "\u{e9}AAA"] {
            assert_eq!(decode_binary(value.as_bytes()), None, "{value}");
        }
    }
}
