//! The `grpc-status` and `grpc-message` trailers.

use bytes::Bytes;

/// Largest status number that is kept; the specification's end at 16.
const STATUS_MAX: u32 = i32::MAX.unsigned_abs();

/// Parses `grpc-status`: decimal digits, nothing else. `None` for `abc`, `-1`, an empty value and
/// numbers beyond 31 bits; numbers without a name in the specification are kept.
pub fn parse_status(value: &[u8]) -> Option<u32> {
    if value.is_empty() {
        return None;
    }
    let number = value.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    (number <= STATUS_MAX).then_some(number)
}

/// Decodes `grpc-message`. Broken escapes stay as they are: the specification forbids to discard
/// the message because of them. Nothing is copied if there is nothing to decode.
pub fn decode_status_message(value: &Bytes) -> Bytes {
    if memchr::memchr(b'%', value).is_none() {
        return value.clone();
    }
    percent_encoding::percent_decode(value)
        .collect::<Vec<u8>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_decimal_digits() {
        let cases: [(&str, Option<u32>); 11] = [
            ("0", Some(0)),
            ("16", Some(16)),
            ("007", Some(7)),
            ("99", Some(99)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("99999999999999999999", None),
            ("", None),
            ("abc", None),
            ("-1", None),
            (" 5", None),
        ];
        for (value, expected) in cases {
            assert_eq!(parse_status(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn broken_escapes_of_a_message_are_kept() {
        let cases: [(&str, &[u8]); 7] = [
            ("plain", b"plain"),
            ("", b""),
            ("a%20b%C3%A9", "a bé".as_bytes()),
            ("100%", b"100%"),
            ("%2", b"%2"),
            ("%zz%41", b"%zzA"),
            ("%ff", b"\xff"),
        ];
        for (value, expected) in cases {
            assert_eq!(
                decode_status_message(&Bytes::from(value)),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_message_without_escapes_is_not_copied() {
        let value = Bytes::from_static(b"not found");
        assert_eq!(decode_status_message(&value).as_ptr(), value.as_ptr());
    }
}
