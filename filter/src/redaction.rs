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

/// Always secret, though no part of the name says so.
const SECRET_NAMES: [&[u8]; 2] = [b"x-forwarded-client-cert", b"x-auth"];

/// Of these, which have a URL, the query and the fragment are secret: gRPC has neither, and what stands in one is not
/// ours to keep. So is all behind the scheme, if it begins with a user's name. Envoy and other proxies keep the URL
/// that a call came with in some of them.
const URL_NAMES: [&[u8]; 16] = [
    b":path",
    b"x-envoy-original-path",
    b"x-envoy-original-url",
    b"x-original-path",
    b"x-original-uri",
    b"x-original-url",
    b"x-forwarded-path",
    b"x-forwarded-uri",
    b"x-forwarded-url",
    b"x-request-uri",
    b"x-rewrite-url",
    b"referer",
    b"location",
    b"content-location",
    b"link",
    b"refresh",
];

/// A name is that of a secret if it contains one of these; here are those that begin with the letter `first`.
fn secret_parts(first: u8) -> &'static [&'static [u8]] {
    match first | 0x20 {
        b'a' => &[
            b"authorization",
            b"api-key",
            b"api_key",
            b"apikey",
            b"access-key",
            b"access_key",
            b"accesskey",
            b"auth-key",
            b"auth_key",
            b"authkey",
        ],
        b'c' => &[b"cookie", b"credential"],
        b'j' => &[b"jwt"],
        b'p' => &[b"passw", b"private-key", b"private_key", b"privatekey"],
        b's' => &[b"secret", b"session", b"signature", b"subscription-key"],
        b't' => &[b"token"],
        _ => &[],
    }
}

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
    let (start, rest) = value.split_at_checked(url_start_len(value)?)?;
    Some((start, Redacted::new(key, rest)))
}

/// Bytes of the URL in `value` up to its first secret; `None` if it has none.
fn url_start_len(value: &[u8]) -> Option<usize> {
    // Behind the `//` that nothing but a user's name or a host can follow yet.
    let mut authority = None;
    let mut before = 0;
    for (end, byte) in (1_usize..).zip(value) {
        match byte {
            b'?' | b'#' => return Some(end),
            b'@' if authority.is_some() => return authority,
            b'/' if before == b'/' => authority = Some(end),
            b'/' => authority = None,
            _ => {}
        }
        before = *byte;
    }
    None
}

fn contains_secret_part(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((first, behind)) = rest.split_first() {
        let found = secret_parts(*first).iter().any(|part| {
            rest.get(..part.len())
                .is_some_and(|p| p.eq_ignore_ascii_case(part))
        });
        if found {
            return true;
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
            "x-goog-api-key",
            "api-key",
            "ApiKey",
            "x-apikey",
            "x_api_key",
            "x-api-key-bin",
            "x-auth-key",
            "x-access-key",
            "private-key",
            "ocp-apim-subscription-key",
            "x-auth",
            "proxy-authorization",
            "x-serverless-authorization",
            "x-forwarded-authorization",
            "x-original-authorization",
            "x-ms-authorization-auxiliary",
            "grpc-authorization",
            "authorization-bin",
            "x-authorization",
            "x-goog-iap-jwt-assertion",
            "x-jwt-payload",
            "jwt",
            "cookie2",
            "x-amz-security-token",
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
            "idempotency-key",
            "www-authenticate",
            ":authority",
            "x-api-version",
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

    fn start<'v>(name: &str, value: &'v str) -> Option<&'v str> {
        kept(name.as_bytes(), value.as_bytes(), &Names::EMPTY, None)
            .map(|(start, _)| std::str::from_utf8(start).unwrap())
    }

    #[test]
    fn of_a_url_the_query_and_the_fragment_are_secrets() {
        for (value, expected) in [
            ("/a.B/C?token=x?", Some("/a.B/C?")),
            ("/a.B/C", None),
            ("https://a/b?c#d", Some("https://a/b?")),
            ("https://a/b#access_token=c?d", Some("https://a/b#")),
            ("</x?k=secret>; rel=next", Some("</x?")),
            ("5; url=/x?k=secret", Some("5; url=/x?")),
            ("", None),
        ] {
            for name in URL_NAMES {
                let name = std::str::from_utf8(name).unwrap().to_uppercase();
                assert_eq!(start(&name, value), expected, "{name}: {value}");
            }
        }
        assert_eq!(start("x-path", "/a.B/C?x"), None);
        assert_eq!(start("cookie", "a?b"), Some(""));
    }

    #[test]
    fn of_a_url_with_a_user_nothing_is_kept_behind_the_scheme() {
        for (value, expected) in [
            ("http://user:secret@host/path?query", Some("http://")),
            ("//user@host", Some("//")),
            ("http:///user@host", Some("http:///")),
            (
                "<http://a/b>, <http://u:p@c/d>",
                Some("<http://a/b>, <http://"),
            ),
            ("http://host/~user@path", None),
            ("http://host/path?to=a@b", Some("http://host/path?")),
            ("/a@b", None),
        ] {
            assert_eq!(start("x-forwarded-url", value), expected, "{value}");
        }
    }
}
