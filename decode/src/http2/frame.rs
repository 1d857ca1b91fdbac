//! Frame headers (RFC 9113, section 4.1).
//!
//! ```text
//! ┌────────────────┬────────┬─────────┬───┬──────────────────────┐
//! │ Length (24)    │ Type 8 │ Flags 8 │ R │ Stream Identifier 31 │
//! └────────────────┴────────┴─────────┴───┴──────────────────────┘
//! ```

/// Bytes of a frame header.
pub(super) const HEADER_BYTES: usize = 9;

/// SETTINGS_MAX_FRAME_SIZE before anyone says otherwise.
pub(super) const FRAME_BYTES_DEFAULT: u32 = 16 * 1024;

/// What an endpoint sends first when it is the client (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameType {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// "Implementations MUST ignore and discard frames of unknown types."
    Unknown,
}

/// Flags, each with the frames that have it.
pub(super) mod flags {
    /// DATA, HEADERS.
    pub(crate) const END_STREAM: u8 = 0x1;
    /// SETTINGS, PING.
    pub(crate) const ACK: u8 = 0x1;
    /// HEADERS, PUSH_PROMISE, CONTINUATION.
    pub(crate) const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS, PUSH_PROMISE.
    pub(crate) const PADDED: u8 = 0x8;
    /// HEADERS.
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of payload.
    pub(super) length: u32,
    pub(super) kind: FrameType,
    pub(super) flags: u8,
    /// Without the reserved bit.
    pub(super) stream_id: u32,
    /// Is the reserved bit set?
    pub(super) is_reserved_set: bool,
}

impl FrameHeader {
    #[inline]
    pub(super) fn load([a, b, c, kind, flags, stream_id @ ..]: [u8; HEADER_BYTES]) -> Self {
        let stream_id = u32::from_be_bytes(stream_id);
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: match kind {
                0 => FrameType::Data,
                1 => FrameType::Headers,
                2 => FrameType::Priority,
                3 => FrameType::RstStream,
                4 => FrameType::Settings,
                5 => FrameType::PushPromise,
                6 => FrameType::Ping,
                7 => FrameType::GoAway,
                8 => FrameType::WindowUpdate,
                9 => FrameType::Continuation,
                _ => FrameType::Unknown,
            },
            flags,
            stream_id: stream_id & 0x7fff_ffff,
            is_reserved_set: stream_id >> 31 != 0,
        }
    }

    /// The header that `bytes` begin with.
    #[inline]
    pub(super) fn peek(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|header| Self::load(*header))
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Could a well-behaved peer have sent this? Rules of RFC 9113, section 6, on lengths, flags
    /// and streams. Unknown types could be anything, so they say nothing and count as no.
    pub(super) fn is_plausible(&self, frame_bytes_max: u32, stream_id_max: u32) -> bool {
        use FrameType::{
            Continuation, Data, GoAway, Headers, Ping, Priority, PushPromise, RstStream, Settings,
            Unknown, WindowUpdate,
        };
        let allowed_flags = match self.kind {
            Data => flags::END_STREAM | flags::PADDED,
            Headers => flags::END_STREAM | flags::END_HEADERS | flags::PADDED | flags::PRIORITY,
            PushPromise => flags::END_HEADERS | flags::PADDED,
            Settings | Ping => flags::ACK,
            Continuation => flags::END_HEADERS,
            Priority | RstStream | GoAway | WindowUpdate => 0,
            Unknown => return false,
        };
        let length = match self.kind {
            Data | Continuation => true,
            Headers => self.length > 0,
            Priority => self.length == 5,
            RstStream | WindowUpdate => self.length == 4,
            Settings if self.has(flags::ACK) => self.length == 0,
            Settings => self.length.is_multiple_of(6) && self.length <= 6 * 32,
            PushPromise => self.length > 4,
            Ping => self.length == 8,
            GoAway => self.length >= 8,
            Unknown => false,
        };
        let stream = match self.kind {
            Settings | Ping | GoAway => self.stream_id == 0,
            WindowUpdate => true,
            _ => self.stream_id != 0,
        };
        let id = self.stream_id <= stream_id_max && !self.is_reserved_set;
        self.flags & !allowed_flags == 0 && length && stream && id && self.length <= frame_bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plausible(bytes: [u8; HEADER_BYTES]) -> bool {
        FrameHeader::load(bytes).is_plausible(FRAME_BYTES_DEFAULT, 99)
    }

    #[test]
    fn a_header_loads_all_its_fields() {
        let header = FrameHeader::load([1, 2, 3, 1, 0x25, 0x80, 0, 1, 5]);
        assert_eq!(
            (header.length, header.kind),
            (0x01_0203, FrameType::Headers)
        );
        assert_eq!((header.flags, header.stream_id), (0x25, 0x105));
        assert!(header.is_reserved_set && header.has(flags::PRIORITY));
    }

    #[test]
    fn frames_of_a_grpc_peer_are_plausible() {
        for header in [
            [0, 0, 5, 0, 1, 0, 0, 0, 3],
            [0, 0, 40, 1, 0x25, 0, 0, 0, 3],
            [0, 0, 4, 3, 0, 0, 0, 0, 3],
            [0, 0, 18, 4, 0, 0, 0, 0, 0],
            [0, 0, 0, 4, 1, 0, 0, 0, 0],
            [0, 0, 8, 6, 1, 0, 0, 0, 0],
            [0, 0, 20, 7, 0, 0, 0, 0, 0],
            [0, 0, 4, 8, 0, 0, 0, 0, 0],
        ] {
            assert!(is_plausible(header), "{header:?}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_not_plausible() {
        for header in [
            [0; 9],
            [0, 0, 5, 0, 2, 0, 0, 0, 3],
            [0, 0, 5, 3, 0, 0, 0, 0, 3],
            [0, 0, 4, 3, 0, 0, 0, 0, 0],
            [0, 0, 5, 4, 0, 0, 0, 0, 0],
            [0, 0, 6, 4, 1, 0, 0, 0, 0],
            [0, 0, 5, 0, 1, 0x80, 0, 0, 3],
            [0, 0, 5, 0, 1, 0, 0, 0, 101],
            [0, 0x40, 1, 0, 1, 0, 0, 0, 3],
            [0, 0, 5, 10, 0, 0, 0, 0, 3],
        ] {
            assert!(!is_plausible(header), "{header:?}");
        }
    }
}
