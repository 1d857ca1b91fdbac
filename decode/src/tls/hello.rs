//! ClientHello and ServerHello: the two messages that tell which secrets a connection has and how
//! they are used.
//!
//! What follows them is not read: which keys a record needs is found by trying, and proved by its
//! tag (`read_state`). An own reader of two fixed layouts, because a parser library would bring
//! every other message along.

use super::key_log::ClientRandom;
use super::suite::{Suite, Version};
use crate::bytes_at;

/// Bytes of a handshake message that is collected.
pub(super) const HELLO_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the header of a handshake message.
const HEADER_BYTES: usize = 4;
/// From the beginning of a hello to its random.
const RANDOM_AT: usize = HEADER_BYTES + 2;
/// The same to the length of its session identifier.
const SESSION_ID_AT: usize = RANDOM_AT + 32;

/// Extensions.
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446, section 4.1.3).
const HELLO_RETRY_REQUEST: Random = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The random of a hello.
pub(super) type Random = [u8; 32];

/// A hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// The client's. After a HelloRetryRequest it has the same random again.
    Client(ClientHello),
    /// The server's, unless it is a HelloRetryRequest.
    Server(ServerHello),
}

/// What matters of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) random: ClientRandom,
    /// Does early data follow, unless the server refuses?
    pub(super) offers_early_data: bool,
}

/// What matters of a ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) random: Random,
    /// `None` if it is not supported.
    pub(super) suite: Option<Suite>,
}

/// The way does not begin with a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoHello;

/// Collects the hello of one way.
#[derive(Debug, Default)]
pub(super) struct HelloReader(Vec<u8>);

impl HelloReader {
    /// Takes the body of a handshake record; answers with the hello once it is whole.
    pub(super) fn push(&mut self, body: &[u8]) -> Result<Option<Hello>, NoHello> {
        if self.0.len() + body.len() > HELLO_BYTES_MAX {
            return Err(NoHello);
        }
        self.0.extend_from_slice(body);
        loop {
            let Some([kind, len @ ..]) = bytes_at::array::<HEADER_BYTES>(&self.0, 0) else {
                return Ok(None);
            };
            let [high, middle, low] = len;
            let end = HEADER_BYTES + bytes_at::size(u32::from_be_bytes([0, high, middle, low]));
            let Some(message) = self.0.get(..end) else {
                return if end > HELLO_BYTES_MAX {
                    Err(NoHello)
                } else {
                    Ok(None)
                };
            };
            match kind {
                // HelloRequest of TLS 1.2.
                0 => {}
                1 => return client(message).map(Some).ok_or(NoHello),
                2 => match server(message).ok_or(NoHello)? {
                    hello if hello.random == HELLO_RETRY_REQUEST => {}
                    hello => return Ok(Some(Hello::Server(hello))),
                },
                _ => return Err(NoHello),
            }
            self.0.drain(..end);
        }
    }
}

fn client(message: &[u8]) -> Option<Hello> {
    let random = bytes_at::array(message, RANDOM_AT)?;
    let session_id_bytes = usize::from(bytes_at::u8(message, SESSION_ID_AT)?);
    let suites_at = SESSION_ID_AT + 1 + session_id_bytes;
    let compressions_at = suites_at + 2 + usize::from(bytes_at::be16(message, suites_at)?);
    let compressions_bytes = usize::from(bytes_at::u8(message, compressions_at)?);
    // Behind the compression methods: the length of the extensions.
    let extensions = message.get(compressions_at + 1 + compressions_bytes + 2..);
    let early_data = extension(extensions.unwrap_or_default(), EARLY_DATA);
    Some(Hello::Client(ClientHello {
        random,
        offers_early_data: early_data.is_some(),
    }))
}

fn server(message: &[u8]) -> Option<ServerHello> {
    let random = bytes_at::array(message, RANDOM_AT)?;
    let legacy_version = bytes_at::be16(message, HEADER_BYTES)?;
    let session_id_bytes = usize::from(bytes_at::u8(message, SESSION_ID_AT)?);
    let suite_at = SESSION_ID_AT + 1 + session_id_bytes;
    let suite = bytes_at::be16(message, suite_at)?;
    // Behind the suite: the compression method, and the length of the extensions.
    let extensions = message.get(suite_at + 5..).unwrap_or_default();
    let selected = extension(extensions, SUPPORTED_VERSIONS);
    let version = match selected.and_then(|body| bytes_at::be16(body, 0)) {
        Some(0x0304) => Some(Version::Tls13),
        None if legacy_version == 0x0303 => Some(Version::Tls12),
        _ => None,
    };
    let suite = Suite::from_id(suite).filter(|suite| Some(suite.version) == version);
    Some(ServerHello { random, suite })
}

/// The body of the extension of this kind.
fn extension(mut extensions: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let kind = bytes_at::be16(extensions, 0)?;
        let len = usize::from(bytes_at::be16(extensions, 2)?);
        let body = extensions.get(4..4 + len)?;
        if kind == wanted {
            return Some(body);
        }
        extensions = extensions.get(4 + len..)?;
    }
}

#[cfg(test)]
#[path = "hello_tests.rs"]
mod tests;
