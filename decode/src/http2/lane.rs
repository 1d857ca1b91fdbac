//! One way of a connection: where in the sequence of frames its bytes are.

use std::collections::VecDeque;

use super::frame::{FRAME_BYTES_DEFAULT, FrameHeader, FrameType};
use super::hunt::{Hunt, Plausibility};
use crate::hpack::Decoder;

/// Bytes of one header block, over all its frames.
pub(super) const HEADER_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// CONTINUATION frames of one header block.
pub(super) const CONTINUATIONS_MAX: u32 = 64;

/// Payload of a control frame that is kept until it is whole; of longer ones, the beginning.
pub(super) const CONTROL_BYTES_MAX: usize = HEADER_BLOCK_BYTES_MAX;

/// How far above the newest stream identifier one may be that a hunt believes in.
const STREAM_ID_AHEAD_MAX: u32 = 1 << 20;

/// Largest payload that SETTINGS or a frame make others believable by: more is what nobody sends.
pub(super) const FRAME_BYTES_BELIEVED_MAX: u32 = 1 << 20;

/// Largest DATA that is believed where its stream is open, whatever SETTINGS were seen: gRPC's C core allows it.
const DATA_BYTES_BELIEVED_MAX: u32 = 4 << 20;

/// One way of a connection.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) state: State,
    /// Bytes that wait for more: of the opening, of a frame header, of a control frame.
    pub(super) carry: Vec<u8>,
    pub(super) decoder: Decoder,
    /// The header block that CONTINUATION frames go on with.
    pub(super) open_block: Option<OpenBlock>,
    /// Did the capture begin in the middle?
    pub(super) is_midway: bool,
    /// Payload of the largest frame believed, from SETTINGS and from what was seen.
    pub(super) frame_bytes_max: u32,
    /// Payload that the receiver allows by its SETTINGS, or that a frame had before any was hunted for.
    pub(super) frame_bytes_allowed: u32,
    /// Was the beginning of a frame ever hunted for and found? Then what is read may be no frames.
    pub(super) is_found: bool,
    /// Bytes since the last was found.
    pub(super) found_bytes: u64,
    /// Segments that a hunt held, while they are read.
    pub(super) again: Option<VecDeque<(u64, Vec<u8>)>>,
}

/// Where the next byte belongs.
///
/// ```text
/// Opening ──recognised──▶ Header ⇄ Data, Control, Skip
///    │ midway                ▲  │ bytes lost over the end of a frame
///    └───────▶ Hunting ──found─┘▶ Hunting
///
/// Opening, Hunting ──something else, or nothing found──▶ Refused
/// ```
#[derive(Debug)]
pub(super) enum State {
    /// Before it is known what the connection is; `carry` has all bytes.
    Opening,
    /// Within a frame header, of which `carry` has the beginning.
    Header,
    /// Within the payload of a DATA frame.
    Data(DataFrame),
    /// Within the payload of another frame, of which `carry` has the beginning.
    Control { header: FrameHeader, left: u32 },
    /// Within a payload that nobody wants.
    Skip { left: u32 },
    /// Looking for where a frame begins.
    Hunting(Box<Hunt>),
    /// Not HTTP/2.
    Refused,
}

impl State {
    /// Bytes that the payload at hand has to come.
    pub(super) fn frame_left(&self) -> u64 {
        match self {
            Self::Data(frame) => u64::from(frame.left),
            Self::Control { left, .. } | Self::Skip { left } => u64::from(*left),
            Self::Opening | Self::Header | Self::Hunting(_) | Self::Refused => 0,
        }
    }
}

/// A DATA frame whose payload is not all there yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataFrame {
    pub(super) stream_id: u32,
    pub(super) end_stream: bool,
    /// Bytes of payload to come, padding included.
    pub(super) left: u32,
    /// Bytes of padding at the end; `None` if the byte that says so is still to come.
    pub(super) padding: Option<u32>,
}

/// A header block without END_HEADERS yet.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) head: BlockHead,
    pub(super) text: Vec<u8>,
    pub(super) continuations: u32,
}

/// What the first frame of a header block says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockHead {
    pub(super) stream_id: u32,
    pub(super) end_stream: bool,
    /// Is it that of a PUSH_PROMISE?
    pub(super) is_promise: bool,
}

impl Lane {
    pub(super) fn new(is_midway: bool) -> Self {
        Self {
            state: State::Opening,
            carry: Vec::new(),
            decoder: Decoder::new(is_midway),
            open_block: None,
            is_midway,
            frame_bytes_max: FRAME_BYTES_DEFAULT,
            // SETTINGS may have come before the capture.
            frame_bytes_allowed: if is_midway {
                FRAME_BYTES_BELIEVED_MAX
            } else {
                FRAME_BYTES_DEFAULT
            },
            is_found: false,
            found_bytes: 0,
            again: None,
        }
    }

    /// Was nothing seen on this way yet?
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self.state, State::Opening) && self.carry.is_empty()
    }

    /// Is `header` none, on a way where what was found behind a loss may have been no frame? It may be of a type of an
    /// extension; and where `is_open` says that its stream is, larger than SETTINGS allow, as far as they were seen.
    pub(super) fn doubts(
        &self,
        header: FrameHeader,
        stream_id_newest: u32,
        is_open: impl Fn() -> bool,
    ) -> bool {
        if header.length > self.frame_bytes_allowed {
            let is_believed = header.length <= DATA_BYTES_BELIEVED_MAX;
            return !(is_believed && header.kind == FrameType::Data && is_open());
        }
        let stream_id_max = self.plausibility(stream_id_newest).stream_id_max;
        header.kind != FrameType::Unknown
            && !header.is_plausible(self.frame_bytes_allowed, stream_id_max)
    }

    /// What a hunt on this way believes, given the newest stream identifier; 0 if none was seen.
    pub(super) fn plausibility(&self, stream_id_newest: u32) -> Plausibility {
        let stream_id_max = match stream_id_newest {
            0 => u32::MAX >> 1,
            newest => newest.saturating_add(STREAM_ID_AHEAD_MAX),
        };
        Plausibility {
            frame_bytes_max: self.frame_bytes_max,
            stream_id_max,
        }
    }
}
