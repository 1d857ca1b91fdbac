//! One direction of an exchange.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::grpc::{Body, BodyLimits, is_grpc_type};
use crate::hpack::{HeaderBlock, KnownName};

/// A receiver allows the sender of a body to go on (WINDOW_UPDATE) for each message of a stream of
/// them, or for so many bytes: a quarter of the window that a sender begins with.
const UPDATED_BYTES_MIN: u64 = 16 * 1024;

/// One direction of an exchange: the request, or the response.
#[derive(Debug, Default)]
pub struct HalfStream {
    /// The header block it began with; absent for Trailers-Only that lost its mark `:status`.
    pub headers: Option<HeaderBlock>,
    /// When that was captured.
    pub headers_at_unix_ns: Option<u64>,
    /// The header block it ended with, if that is another one.
    pub trailers: Option<HeaderBlock>,
    /// Messages and their bytes.
    pub body: Body,
    /// When END_STREAM was captured.
    pub end_at_unix_ns: Option<u64>,
    /// 1xx responses before the headers.
    pub interim_count: u32,
    /// Were bytes of the connection lost while this half was open, so that it may lack some?
    pub may_lack_bytes: bool,
    /// Were bytes of the connection lost, or not captured, before anything was captured of this half? Then its
    /// beginning may be among them, unless it is captured later.
    pub(super) may_lack_beginning: bool,
    /// Were bytes of the opposite way lost, so that WINDOW_UPDATE or RST_STREAM for this half may be
    /// among them, though nothing of the other half is?
    pub(super) may_lack_updates: bool,
    /// Was anything captured of it?
    pub(super) is_seen: bool,
    /// gRPC-Web text: characters that do not fill a group of four yet.
    text: Option<Vec<u8>>,
}

impl HalfStream {
    pub(super) fn take_headers(&mut self, at: u64, block: HeaderBlock) {
        self.headers_at_unix_ns = Some(at);
        let content_type = block
            .find_value(KnownName::CONTENT_TYPE)
            .unwrap_or_default();
        if content_type.starts_with(b"application/grpc-web-text") {
            self.text = Some(Vec::new());
        }
        // Nothing of a half comes before the block that opens it.
        self.may_lack_beginning &= !block.is_opening();
        self.headers = Some(block);
    }

    /// Does it say that its body is something else, such as a proxy's error page? What has a `grpc-status` is none.
    pub(super) fn is_other_answer(&self) -> bool {
        let blocks = [&self.headers, &self.trailers];
        let mut blocks = blocks.into_iter().flatten();
        let headers = self.headers.as_ref();
        let content_type = headers.and_then(|block| block.find_value(KnownName::CONTENT_TYPE));
        let is_other =
            |content_type: &[u8]| !content_type.is_empty() && !is_grpc_type(content_type);
        content_type.is_some_and(is_other)
            && blocks.all(|block| block.find(KnownName::GRPC_STATUS).is_none())
    }

    /// Is it gRPC-Web, by its type of content? So may be what lacks its headers.
    pub fn may_be_web(&self) -> bool {
        let Some(headers) = &self.headers else {
            return true;
        };
        headers
            .find_value(KnownName::CONTENT_TYPE)
            .is_none_or(|content_type| content_type.starts_with(b"application/grpc-web"))
    }

    #[inline]
    pub(super) fn data(&mut self, at: u64, bytes: &[u8], limits: &BodyLimits) {
        let Some(text) = &mut self.text else {
            self.body.push(at, bytes, limits);
            return;
        };
        text.extend(bytes.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let whole = text.len() - text.len() % 4;
        // Each flush of the sender is padded on its own, so padding may be anywhere.
        for group in text.drain(..whole).collect::<Vec<_>>().chunks(4) {
            match STANDARD.decode(group) {
                Ok(decoded) => self.body.push(at, &decoded, limits),
                Err(_) => self.body.gap(at, 3, limits),
            }
        }
    }

    pub(super) fn gap(&mut self, at: u64, len: u64, limits: &BodyLimits) {
        self.may_lack_bytes = true;
        let len = if self.text.is_some() {
            len.div_ceil(4) * 3
        } else {
            len
        };
        self.body.gap(at, len, limits);
    }

    /// Is it likely that the receiver sent frames about it, beside those of its own half?
    pub(super) fn is_updated(&self) -> bool {
        let is_one = self.body.messages_count().is_some_and(|count| count < 2);
        !is_one || self.body.bytes_count() >= UPDATED_BYTES_MIN || self.end_at_unix_ns.is_none()
    }

    /// Was the block captured that opens it?
    pub(super) fn has_opening(&self) -> bool {
        self.headers.as_ref().is_some_and(HeaderBlock::is_opening)
    }

    /// May its end have been lost?
    pub(super) fn may_lack_end(&self) -> bool {
        self.end_at_unix_ns.is_none() && (self.may_lack_bytes || self.may_lack_beginning)
    }

    /// Bytes of memory that bodies and header blocks hold.
    #[inline]
    pub(super) fn kept_bytes(&self) -> usize {
        let of = |block: &Option<HeaderBlock>| block.as_ref().map_or(0, HeaderBlock::kept_bytes);
        self.body.kept_bytes() + of(&self.headers) + of(&self.trailers)
    }

    /// Bytes of this way were lost, perhaps of any stream; says whether some of this half may be
    /// among them. After its end there were none, and before its beginning it will tell.
    pub(super) fn suspect(&mut self) -> bool {
        if self.end_at_unix_ns.is_some() {
            return false;
        }
        if self.is_seen {
            self.may_lack_bytes = true;
            self.body.suspect();
        } else {
            self.may_lack_beginning = true;
        }
        self.is_seen
    }
}
