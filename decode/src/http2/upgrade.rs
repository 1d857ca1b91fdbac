//! `Upgrade: h2c` (RFC 7540, section 3.2): the HTTP/1.1 request becomes stream 1.
//!
//! RFC 9113 took it out, and some clients still do it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::hpack::HeaderBlock;

/// An HTTP/1.1 request that asks to go on with HTTP/2.
#[derive(Debug)]
pub(super) struct UpgradeRequest {
    /// Its head as HTTP/2 would have it.
    pub(super) headers: HeaderBlock,
    /// The payload of a SETTINGS frame, from `HTTP2-Settings`.
    pub(super) settings: Vec<u8>,
    /// `Content-Length`.
    pub(super) body_bytes: usize,
}

/// Could these bytes begin an HTTP/1.1 head?
pub(super) fn looks_like_head(bytes: &[u8]) -> bool {
    let token = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    let rest = bytes.get(token..).unwrap_or_default();
    matches!(token, 1..=16) && matches!(rest.first(), None | Some(b' '))
        || b"HTTP/1.1 ".starts_with(bytes)
        || bytes.starts_with(b"HTTP/1.1 ")
}

/// Is this the answer that agrees to the upgrade?
pub(super) fn is_switch(head: &[u8]) -> bool {
    head.starts_with(b"HTTP/1.1 101")
}

impl UpgradeRequest {
    /// Parses a head without its last empty line; `None` unless it asks for h2c.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let mut request_line = lines.next()?.split(|byte| *byte == b' ');
        let (method, path) = (request_line.next()?, request_line.next()?);
        let (mut settings, mut body_bytes, mut is_h2c) = (Vec::new(), 0, false);
        let (mut authority, mut fields) = (&b""[..], Vec::new());
        for line in lines {
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            let (name, value) = line.split_at_checked(colon)?;
            let name = name.to_ascii_lowercase();
            let value = value.get(1..)?.trim_ascii();
            match &*name {
                b"host" => authority = value,
                b"upgrade" => is_h2c |= value.eq_ignore_ascii_case(b"h2c"),
                b"http2-settings" => settings = URL_SAFE_NO_PAD.decode(value).ok()?,
                b"connection" | b"transfer-encoding" => {}
                b"content-length" => {
                    body_bytes = std::str::from_utf8(value).ok()?.parse().ok()?;
                    fields.push((name, value));
                }
                _ => fields.push((name, value)),
            }
        }
        if !is_h2c {
            return None;
        }
        let pseudo: [(&[u8], &[u8]); 4] = [
            (b":method", method),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", authority),
        ];
        let fields = fields.iter().map(|(name, value)| (&**name, *value));
        let headers = HeaderBlock::from_fields(pseudo.into_iter().chain(fields));
        Some(Self {
            headers,
            settings,
            body_bytes,
        })
    }
}
