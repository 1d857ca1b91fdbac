//! Which header values are secrets, and what stands in their place.
//!
//! A secret becomes the first 128 bits of its HMAC-SHA-256 in hexadecimal: equal values stay equal,
//! the value does not survive. Without a key it becomes nothing, since a plain hash of a short
//! secret can be reversed by trying. In doubt a value counts as a secret. Not here: secrets inside
//! message payloads, which only who has a descriptor can find (the collector, at ingest).

use crate::hmac::Hmac;
use crate::methods::Names;

/// Bytes of a hash as it is recorded: 128 bits in hexadecimal.
pub const HASH_BYTES: usize = 32;

/// Always secret.
const SECRET_NAMES: [&[u8]; 8] = [
    b"authorization",
    b"proxy-authorization",
    b"cookie",
    b"set-cookie",
    b"x-api-key",
    b"x-amz-security-token",
    b"x-goog-iap-jwt-assertion",
    b"x-forwarded-client-cert",
];

/// Secret if the name contains one of these.
const SECRET_PARTS: [&[u8]; 6] = [
    b"token",
    b"secret",
    b"passw",
    b"session",
    b"credential",
    b"signature",
];

/// Of these, which have a URL, what follows the `?` is secret: gRPC has no queries, and what stands in one is not
/// ours to keep. Envoy and other proxies keep the path that a call came with in some of them.
const URL_NAMES: [&[u8]; 8] = [
    b":path",
    b"x-envoy-original-path",
    b"x-forwarded-uri",
    b"x-original-uri",
    b"x-original-url",
    b"x-rewrite-url",
    b"referer",
    b"location",
];

/// Is the value of the header called `name` a secret? `more` are names from the configuration.
pub fn is_secret(name: &[u8], more: &Names) -> bool {
    if name.first() == Some(&b':') {
        return false;
    }
    SECRET_NAMES
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
        || contains_secret_part(name)
        || more.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// What is kept of a header's value: how much of it as it is, and what stands for the rest; `None` if
/// nothing in it is a secret.
pub fn kept<'v>(
    name: &[u8],
    value: &'v [u8],
    more: &Names,
    key: Option<&Hmac>,
) -> Option<(&'v [u8], Redacted)> {
    if is_secret(name, more) {
        return Some((b"", Redacted::new(key, value)));
    }
    if !URL_NAMES.iter().any(|url| name.eq_ignore_ascii_case(url)) {
        return None;
    }
    let at = value.iter().position(|byte| *byte == b'?')?;
    let (path, query) = value.split_at_checked(at.saturating_add(1))?;
    Some((path, Redacted::new(key, query)))
}

fn contains_secret_part(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((first, behind)) = rest.split_first() {
        // One test for most bytes: only these letters begin a part.
        if matches!(first | 0x20, b't' | b's' | b'p' | b'c') {
            let found = SECRET_PARTS.iter().any(|part| {
                rest.get(..part.len())
                    .is_some_and(|p| p.eq_ignore_ascii_case(part))
            });
            if found {
                return true;
            }
        }
        rest = behind;
    }
    false
}

/// What stands for a secret value: [`HASH_BYTES`] of hash, or nothing without a key.
#[derive(Clone, Copy, Debug)]
pub struct Redacted {
    hex: [u8; HASH_BYTES],
    len: usize,
}

impl Redacted {
    /// Of `value`, under `key`.
    pub fn new(key: Option<&Hmac>, value: &[u8]) -> Self {
        let mut redacted = Self {
            hex: [0; HASH_BYTES],
            len: 0,
        };
        if let Some(key) = key {
            let mac = key.mac(value);
            let (pairs, _) = redacted.hex.as_chunks_mut::<2>();
            for ([high, low], byte) in pairs.iter_mut().zip(mac) {
                (*high, *low) = (hex_digit(byte >> 4), hex_digit(byte & 0x0f));
            }
            redacted.len = HASH_BYTES;
        }
        redacted
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.hex.get(..self.len).unwrap_or_default()
    }
}

/// The lower-case hexadecimal digit of `nibble`, which is below 16.
pub fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        nibble.wrapping_add(b'0')
    } else {
        nibble.wrapping_add(b'a' - 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tell_of_secrets_are_found() {
        for name in [
            "authorization",
            "Authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x-forwarded-client-cert",
            "x-csrf-token",
            "my-secret-bin",
            "x-password",
            "x-session-id",
            "aws-credentials",
            "x-hub-signature-256",
            "token",
            "x-toketoken",
            "X-PASSWD",
        ] {
            assert!(is_secret(name.as_bytes(), &Names::EMPTY), "{name}");
        }
    }

    #[test]
    fn ordinary_names_are_no_secrets() {
        for name in [
            ":path",
            "content-type",
            "grpc-timeout",
            "user-agent",
            "te",
            "x-request-id",
            "traceparent",
            "x-toke",
            "grpc-status-details-bin",
            "secre",
            "",
        ] {
            assert!(!is_secret(name.as_bytes(), &Names::EMPTY), "{name}");
        }
    }

    #[test]
    fn a_configured_name_matches_as_a_whole() {
        let mut more = Names::EMPTY;
        more.push(b"x-user").unwrap();
        assert!(is_secret(b"X-User", &more));
        assert!(!is_secret(b"x-user-id", &more));
    }

    #[test]
    fn equal_values_stay_equal_and_without_a_key_nothing_is_kept() {
        let key = Hmac::new(b"k");
        let hash = Redacted::new(Some(&key), b"Bearer abc");
        assert_eq!(
            hash.as_bytes(),
            Redacted::new(Some(&key), b"Bearer abc").as_bytes()
        );
        assert_ne!(
            hash.as_bytes(),
            Redacted::new(Some(&key), b"Bearer abd").as_bytes()
        );
        let other = Hmac::new(b"l");
        assert_ne!(
            hash.as_bytes(),
            Redacted::new(Some(&other), b"Bearer abc").as_bytes()
        );
        assert_eq!(hash.as_bytes().len(), 32);
        assert_eq!(Redacted::new(None, b"Bearer abc").as_bytes(), b"");
    }

    #[test]
    fn of_a_path_the_query_is_a_secret() {
        let kept =
            |name: &[u8], value| kept(name, value, &Names::EMPTY, None).map(|(kept, _)| kept);
        assert_eq!(kept(b":path", b"/a.B/C?token=x?"), Some(&b"/a.B/C?"[..]));
        assert_eq!(kept(b":path", b"/a.B/C"), None);
        let original = kept(b"x-envoy-original-path", b"/api/a.B/C?token=x");
        assert_eq!(original, Some(&b"/api/a.B/C?"[..]));
        assert_eq!(
            kept(b"Referer", b"https://a/b?c"),
            Some(&b"https://a/b?"[..])
        );
        assert_eq!(kept(b"x-path", b"/a.B/C?x"), None);
        assert_eq!(kept(b"cookie", b"a?b"), Some(&b""[..]));
    }
}
