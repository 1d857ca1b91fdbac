//! What is this connection? Told by the first bytes of each way.
//!
//! | first bytes | answer |
//! | --- | --- |
//! | the preface | HTTP/2, and this way is the client's |
//! | a SETTINGS frame | HTTP/2, and this way is the server's |
//! | an HTTP/1.1 request that asks to upgrade to h2c | HTTP/2 follows it |
//! | `HTTP/1.1 101` | HTTP/2 follows it |
//! | a TLS record | encrypted |
//! | a header of the PROXY protocol, version 1 or 2 | what follows it |
//! | anything else | not HTTP/2, or the middle of it if the capture began midway |

use super::frame::{FrameHeader, FrameType, HEADER_BYTES, PREFACE};
use super::upgrade::{self, UpgradeRequest};

/// Bytes of an HTTP/1.1 head that are looked at.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Bytes of an HTTP/1.1 request that asks to upgrade, body included: it waits here until the
/// preface has come.
const UPGRADE_BYTES_MAX: usize = 256 * 1024;

/// Answer of [`recognise`].
#[derive(Debug)]
pub(super) enum Opening {
    /// More bytes will tell.
    NeedMore,
    /// HTTP/2 frames begin after this many bytes.
    Http2 {
        /// Bytes before the first frame.
        skip: usize,
        /// Does the way belong to the client? `None` if that is not told.
        is_client: Option<bool>,
        /// The request that asked for HTTP/2, which is stream 1.
        upgrade: Option<Box<UpgradeRequest>>,
    },
    /// TLS records.
    Encrypted,
    /// Neither.
    Unknown,
}

/// What a header of the PROXY protocol, version 2, begins with.
const PROXY_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// And one of version 1, a line.
const PROXY_LINE: &[u8] = b"PROXY ";

/// Bytes of the longest such line.
const PROXY_LINE_BYTES_MAX: usize = 107;

/// Looks at all the bytes of a way so far.
pub(super) fn recognise(bytes: &[u8]) -> Opening {
    let Some(proxy_bytes) = proxy_header_bytes(bytes) else {
        return Opening::NeedMore;
    };
    match recognise_behind_proxy(bytes.get(proxy_bytes..).unwrap_or_default()) {
        Opening::Http2 {
            skip,
            is_client,
            upgrade,
        } => Opening::Http2 {
            skip: skip + proxy_bytes,
            is_client,
            upgrade,
        },
        other => other,
    }
}

/// Length of the header of the PROXY protocol that `bytes` begin with, 0 without one; `None` if more bytes will tell.
/// A load balancer sends it before all else.
fn proxy_header_bytes(bytes: &[u8]) -> Option<usize> {
    const FIXED_BYTES: usize = 16;
    if bytes.starts_with(PROXY_LINE) {
        let line = bytes.get(..PROXY_LINE_BYTES_MAX).unwrap_or(bytes);
        return match memchr::memmem::find(line, b"\r\n") {
            Some(end) => Some(end + 2),
            None if bytes.len() < PROXY_LINE_BYTES_MAX => None,
            None => Some(0),
        };
    }
    if bytes.starts_with(PROXY_SIGNATURE) {
        let length = bytes.get(FIXED_BYTES - 2..)?.first_chunk()?;
        let header_bytes = FIXED_BYTES + usize::from(u16::from_be_bytes(*length));
        return (bytes.len() >= header_bytes).then_some(header_bytes);
    }
    let is_begun = |header: &[u8]| !bytes.is_empty() && header.starts_with(bytes);
    (!is_begun(PROXY_LINE) && !is_begun(PROXY_SIGNATURE)).then_some(0)
}

fn recognise_behind_proxy(bytes: &[u8]) -> Opening {
    let http2 = |skip, is_client| Opening::Http2 {
        skip,
        is_client,
        upgrade: None,
    };
    if bytes.starts_with(PREFACE) {
        return http2(PREFACE.len(), Some(true));
    }
    if PREFACE.starts_with(bytes) {
        return Opening::NeedMore;
    }
    if let Some(header) = FrameHeader::peek(bytes) {
        if header.kind == FrameType::Settings && header.is_plausible(6 * 32, 0) {
            return http2(0, Some(false));
        }
    } else if looks_like_settings(bytes) {
        return Opening::NeedMore;
    }
    if let [record @ 0x14..=0x17, 3, ..] | [record @ 0x16] = *bytes {
        return match bytes {
            [_, _, 0..=4, ..] => Opening::Encrypted,
            [_, _, _, ..] => Opening::Unknown,
            _ if record == 0x16 => Opening::NeedMore,
            _ => Opening::Unknown,
        };
    }
    if !upgrade::looks_like_head(bytes) {
        return Opening::Unknown;
    }
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() < HEAD_BYTES_MAX {
            Opening::NeedMore
        } else {
            Opening::Unknown
        };
    };
    let (head, skip) = (bytes.get(..end).unwrap_or_default(), end + 4);
    if upgrade::is_switch(head) {
        return http2(skip, Some(false));
    }
    match UpgradeRequest::parse(head) {
        None => Opening::Unknown,
        Some(request) => {
            // The body, if any, was sent as HTTP/1.1, before the preface.
            let skip = skip.saturating_add(request.body_bytes);
            if skip > UPGRADE_BYTES_MAX {
                return Opening::Unknown;
            }
            let preface = bytes.get(skip..).unwrap_or_default();
            if preface.len() < PREFACE.len() && PREFACE.starts_with(preface) {
                return Opening::NeedMore;
            }
            if !preface.starts_with(PREFACE) {
                return Opening::Unknown;
            }
            let skip = skip + PREFACE.len();
            Opening::Http2 {
                skip,
                is_client: Some(true),
                upgrade: Some(Box::new(request)),
            }
        }
    }
}

/// Could these few bytes begin a SETTINGS frame?
fn looks_like_settings(bytes: &[u8]) -> bool {
    let pattern: [std::ops::RangeInclusive<u8>; HEADER_BYTES] = [
        0..=0,
        0..=0,
        0..=192,
        4..=4,
        0..=0,
        0..=0,
        0..=0,
        0..=0,
        0..=0,
    ];
    bytes.len() < HEADER_BYTES
        && bytes
            .iter()
            .zip(&pattern)
            .all(|(byte, range)| range.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_recognised_however_it_is_cut() {
        for cut in 0..PREFACE.len() {
            assert!(
                matches!(recognise(&PREFACE[..cut]), Opening::NeedMore),
                "{cut}"
            );
        }
        let answer = recognise(&[PREFACE, &[0; 3]].concat());
        assert!(matches!(
            answer,
            Opening::Http2 {
                skip: 24,
                is_client: Some(true),
                ..
            }
        ));
    }

    #[test]
    fn a_header_of_the_proxy_protocol_is_passed() {
        let addresses = [127, 0, 0, 1, 127, 0, 0, 1, 0, 80, 0, 80];
        let binary = [PROXY_SIGNATURE, &[0x21, 0x11, 0, 12], &addresses].concat();
        for header in [&b"PROXY TCP4 10.0.0.1 10.0.0.2 80 81\r\n"[..], &binary] {
            let bytes = [header, PREFACE].concat();
            for cut in 1..bytes.len() {
                assert!(
                    matches!(recognise(&bytes[..cut]), Opening::NeedMore),
                    "{cut}"
                );
            }
            let Opening::Http2 {
                skip,
                is_client: Some(true),
                ..
            } = recognise(&bytes)
            else {
                panic!("not recognised");
            };
            assert_eq!(skip, bytes.len());
            let tls = [header, &[0x16, 3, 1, 2, 0, 1]].concat();
            assert!(matches!(recognise(&tls), Opening::Encrypted));
        }
        let endless = [PROXY_LINE, &[b'x'; HEAD_BYTES_MAX]].concat();
        assert!(matches!(recognise(&endless), Opening::Unknown));
    }

    #[test]
    fn settings_are_the_servers_first_frame() {
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        for cut in 1..HEADER_BYTES {
            assert!(
                matches!(recognise(&settings[..cut]), Opening::NeedMore),
                "{cut}"
            );
        }
        let answer = recognise(&settings);
        assert!(matches!(
            answer,
            Opening::Http2 {
                skip: 0,
                is_client: Some(false),
                ..
            }
        ));
    }

    #[test]
    fn tls_is_encrypted() {
        assert!(matches!(recognise(&[0x16]), Opening::NeedMore));
        assert!(matches!(
            recognise(&[0x16, 3, 1, 2, 0, 1]),
            Opening::Encrypted
        ));
        assert!(matches!(
            recognise(&[0x17, 3, 3, 0, 32]),
            Opening::Encrypted
        ));
    }

    #[test]
    fn what_is_neither_is_unknown() {
        for bytes in [
            &b"SSH-2.0-OpenSSH"[..],
            b"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\xff",
        ] {
            assert!(matches!(recognise(bytes), Opening::Unknown), "{bytes:?}");
        }
        let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(matches!(recognise(get), Opening::Unknown));
        assert!(matches!(recognise(&get[..20]), Opening::NeedMore));
    }

    #[test]
    fn an_upgrade_is_followed_past_its_head() {
        let head = b"POST /a.A/B HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
            Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\n";
        let bytes = [&head[..], b"xy", PREFACE].concat();
        let Opening::Http2 {
            skip,
            is_client: Some(true),
            upgrade: Some(request),
        } = recognise(&bytes)
        else {
            panic!("not recognised");
        };
        assert_eq!((skip, request.body_bytes), (bytes.len(), 2));
        assert!(matches!(
            recognise(&bytes[..bytes.len() - 1]),
            Opening::NeedMore
        ));
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n";
        let answer = recognise(switch);
        assert!(matches!(
            answer,
            Opening::Http2 {
                is_client: Some(false),
                ..
            }
        ));
        assert!(matches!(
            recognise(b"HTTP/1.1 200 OK\r\n\r\n"),
            Opening::Unknown
        ));
    }

    #[test]
    fn an_upgrade_with_an_endless_body_is_unknown() {
        let head =
            b"POST / HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 18446744073709551615\r\n\r\n";
        assert!(matches!(recognise(head), Opening::Unknown));
    }
}
