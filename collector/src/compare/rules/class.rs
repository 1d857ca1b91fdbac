//! Kinds of values that differ by nature: ids, times, hashes, tokens.

use jiff::Timestamp;
use serde::Deserialize;

use crate::call::is_uuid;
use crate::compare::is_epoch;
use crate::compare::leaf::Leaf;

/// What a value has to look like on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 8-4-4-4-12 hexadecimal digits, in braces, after `urn:uuid:`, or without hyphens; 16 bytes.
    Uuid,
    /// A `Timestamp`, RFC 3339, or a whole number of seconds, milliseconds, microseconds or
    /// nanoseconds since the epoch, of 2010 to 2060.
    Timestamp,
    /// 32, 40, 56, 64, 96 or 128 hexadecimal digits, with an optional `name:` or `name-` before
    /// them, or as many bytes.
    Hash,
    /// At least 16 characters of `A-Z a-z 0-9 - . _ ~ + / =` without a space, digits and letters
    /// mixed: bearer tokens, cursors, base64.
    Token,
    /// A number, also as text.
    Number,
}

/// Digits of the hashes in use: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
const HASH_DIGITS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// Characters of a hash's name, such as `sha256`.
const HASH_NAME_CHARS_MAX: usize = 16;

/// Characters of a token at least.
const TOKEN_CHARS_MIN: usize = 16;

impl Class {
    /// Every class, the narrowest first.
    pub const ALL: [Self; 5] = [
        Self::Uuid,
        Self::Hash,
        Self::Timestamp,
        Self::Token,
        Self::Number,
    ];

    /// As rules files spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Timestamp => "timestamp",
            Self::Hash => "hash",
            Self::Token => "token",
            Self::Number => "number",
        }
    }

    /// Is `value` one of these?
    pub(in crate::compare) fn holds(self, value: &Leaf<'_>) -> bool {
        match (self, value) {
            (Self::Uuid, Leaf::Text(text)) => is_uuid_text(text),
            (Self::Uuid, Leaf::Bytes(bytes)) => bytes.len() == 16,
            (Self::Timestamp, Leaf::Instant(_)) => true,
            (Self::Timestamp, Leaf::Text(text)) => {
                text.parse::<Timestamp>().is_ok() || text.parse().is_ok_and(is_time)
            }
            (Self::Timestamp, Leaf::Integer(number)) => is_time(*number),
            (Self::Hash, Leaf::Text(text)) => is_hash_text(text),
            (Self::Hash, Leaf::Bytes(bytes)) => HASH_DIGITS.contains(&(bytes.len() * 2)),
            (Self::Token, Leaf::Text(text)) => is_token(text),
            (Self::Number, Leaf::Integer(_)) => true,
            (Self::Number, Leaf::Float(number)) => number.is_finite(),
            (Self::Number, Leaf::Text(text)) => text.parse::<f64>().is_ok_and(f64::is_finite),
            _ => false,
        }
    }
}

fn is_uuid_text(text: &str) -> bool {
    let bare = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let bare = bare
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(bare);
    is_uuid(bare.as_bytes()) || bare.len() == 32 && is_hexadecimal(bare)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_hash_text(text: &str) -> bool {
    let (name, digits) = text.rsplit_once([':', '-']).unwrap_or(("", text));
    let is_name =
        name.len() <= HASH_NAME_CHARS_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name && HASH_DIGITS.contains(&digits.len()) && is_hexadecimal(digits)
}

fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    text.len() >= TOKEN_CHARS_MIN
        && text.bytes().all(allowed)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Seconds, milliseconds, microseconds or nanoseconds.
fn is_time(number: i128) -> bool {
    [1, 1_000, 1_000_000, 1_000_000_000]
        .into_iter()
        .any(|in_second| is_epoch(number, in_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_say() {
        let uuid = "2f1d3a60-9d0c-4c9e-8f8e-0a7c2b6c1d11";
        let sha256 = "a".repeat(64);
        for (class, text) in [
            (Class::Uuid, uuid),
            (Class::Uuid, "{2f1d3a60-9d0c-4c9e-8f8e-0a7c2b6c1d11}"),
            (Class::Uuid, "2f1d3a609d0c4c9e8f8e0a7c2b6c1d11"),
            (Class::Timestamp, "2026-08-01T10:00:00.5+02:00"),
            (Class::Timestamp, "1750000000123"),
            (Class::Hash, "sha256:0123456789abcdef0123456789abcdef"),
            (Class::Hash, &sha256),
            (Class::Token, "eyJhbGciOiJIUzI1NiJ9.e30"),
            (Class::Number, "-1.5e3"),
        ] {
            assert!(class.holds(&Leaf::Text(text)), "{class:?} {text}");
        }
    }

    #[test]
    fn ordinary_values_are_of_no_class() {
        for text in [
            "bob@example.com:0cc175b9c0f1b6a831c399e269772661",
            "Berlin",
            "",
            "a blue ceramic mug",
            "2026",
            "deadbeef",
            "NaN",
        ] {
            for class in [Class::Uuid, Class::Timestamp, Class::Hash, Class::Token] {
                assert!(!class.holds(&Leaf::Text(text)), "{class:?} {text}");
            }
        }
        assert!(!Class::Number.holds(&Leaf::Text("NaN")));
        // An id of ten digits.
        for number in [42, 9_000_000_001] {
            assert!(!Class::Timestamp.holds(&Leaf::Integer(number)), "{number}");
        }
    }
}
