//! Frames of one connection, whole or in pieces, to what they say of streams.

use super::connection::Connection;
use super::frame::{FrameHeader, FrameType, HEADER_BYTES, flags};
use super::lane::{CONTROL_BYTES_MAX, DataFrame, FRAME_BYTES_BELIEVED_MAX, State};
use crate::exchange::{CallSink, opposite};
use crate::stream::Way;

impl<S: CallSink> Connection<S> {
    /// Frames that lie in `bytes` as a whole, without copying; then the beginning of the next.
    #[inline]
    pub(super) fn frames<'a>(&mut self, at: u64, way: Way, mut bytes: &'a [u8]) -> &'a [u8] {
        let is_found = self.lanes.of(way).is_found;
        loop {
            let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
                self.lanes.of_mut(way).carry.extend_from_slice(bytes);
                return &[];
            };
            let header = FrameHeader::load(*header);
            if is_found && self.doubts(way, header) {
                self.lose_faith(at, way, bytes.len());
                return &[];
            }
            let Some((payload, rest)) = rest.split_at_checked(header.length as usize) else {
                self.begin(way, header);
                return rest;
            };
            self.counters.frames += 1;
            match header.kind {
                FrameType::Data => self.whole_data(at, way, header, payload),
                FrameType::WindowUpdate | FrameType::Ping => {}
                _ => self.payload(at, way, header, payload, 0),
            }
            bytes = rest;
        }
    }

    pub(super) fn header<'a>(&mut self, at: u64, way: Way, bytes: &'a [u8]) -> &'a [u8] {
        let lane = self.lanes.of_mut(way);
        let missing = HEADER_BYTES.saturating_sub(lane.carry.len());
        let (taken, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        lane.carry.extend_from_slice(taken);
        if let Some(header) = FrameHeader::peek(&lane.carry) {
            if lane.is_found && self.doubts(way, header) {
                self.lose_faith(at, way, rest.len());
                return &[];
            }
            self.lanes.of_mut(way).carry.clear();
            self.begin(way, header);
            if header.length == 0 {
                self.end_of_empty(at, way, header);
            }
        }
        rest
    }

    /// Is `header` none, because what was found behind a loss were no frames?
    #[cold]
    fn doubts(&self, way: Way, header: FrameHeader) -> bool {
        let is_open = || self.joiner.is_open(way, header.stream_id);
        let newest = self.stream_id_newest;
        self.lanes.of(way).doubts(header, newest, is_open)
    }

    /// A frame begins whose payload is not there yet.
    fn begin(&mut self, way: Way, header: FrameHeader) {
        self.counters.frames += 1;
        let lane = self.lanes.of_mut(way);
        lane.frame_bytes_max = lane
            .frame_bytes_max
            .max(header.length.min(FRAME_BYTES_BELIEVED_MAX));
        if !lane.is_found {
            lane.frame_bytes_allowed = lane.frame_bytes_allowed.max(header.length);
        }
        let left = header.length;
        lane.state = match header.kind {
            FrameType::Data => State::Data(DataFrame {
                stream_id: header.stream_id,
                end_stream: header.has(flags::END_STREAM),
                left,
                padding: (!header.has(flags::PADDED)).then_some(0),
            }),
            FrameType::Unknown => {
                self.counters.unknown_frames += 1;
                State::Skip { left }
            }
            FrameType::Priority | FrameType::WindowUpdate | FrameType::Ping => State::Skip { left },
            _ => State::Control { header, left },
        };
    }

    fn end_of_empty(&mut self, at: u64, way: Way, header: FrameHeader) {
        self.lanes.of_mut(way).state = State::Header;
        if header.kind == FrameType::Data {
            self.whole_data(at, way, header, &[]);
        } else {
            self.payload(at, way, header, &[], 0);
        }
    }

    #[inline]
    fn whole_data(&mut self, at: u64, way: Way, header: FrameHeader, payload: &[u8]) {
        let data = if header.has(flags::PADDED) {
            unpad(payload)
        } else {
            Some(payload)
        };
        if let Some(data) = data {
            self.deliver(at, way, header.stream_id, data);
        } else {
            self.malformed_data(at, way, header.stream_id, payload.len());
        }
        if header.has(flags::END_STREAM) {
            self.joiner.end_stream(at, way, header.stream_id);
        }
    }

    /// A frame with more padding than payload: what was meant nobody knows.
    fn malformed_data(&mut self, at: u64, way: Way, stream_id: u32, len: usize) {
        self.counters.malformed_frames += 1;
        if stream_id & 1 == 1 {
            // An empty one is no gap, and yet the message may be short of it.
            self.joiner.data_gap(at, way, stream_id, len.max(1) as u64);
        }
    }

    #[inline]
    fn deliver(&mut self, at: u64, way: Way, stream_id: u32, data: &[u8]) {
        let is_followed = stream_id & 1 == 1;
        if is_followed && !data.is_empty() {
            self.stream_id_newest = self.stream_id_newest.max(stream_id);
            let is_midway = self.lanes.of(way).is_midway;
            self.joiner.data(at, way, stream_id, data, is_midway);
        }
    }

    pub(super) fn data<'a>(
        &mut self,
        at: u64,
        way: Way,
        mut frame: DataFrame,
        bytes: &'a [u8],
    ) -> &'a [u8] {
        let (mut taken, rest) = split(bytes, frame.left);
        frame.left -= taken_count(taken);
        if frame.padding.is_none()
            && let Some((padding, behind)) = taken.split_first()
        {
            frame.padding = Some(u32::from(*padding));
            taken = behind;
            let behind = taken_count(behind).saturating_add(frame.left);
            if u32::from(*padding) > behind {
                self.malformed_data(at, way, frame.stream_id, behind as usize);
            }
        }
        // Of what is left behind `taken`, the last `padding` bytes are padding.
        let padding_taken = frame.padding.unwrap_or(0).saturating_sub(frame.left);
        let data = taken.len().saturating_sub(padding_taken as usize);
        self.deliver(
            at,
            way,
            frame.stream_id,
            taken.get(..data).unwrap_or_default(),
        );
        self.lanes.of_mut(way).state = if frame.left > 0 {
            State::Data(frame)
        } else {
            if frame.end_stream {
                self.joiner.end_stream(at, way, frame.stream_id);
            }
            State::Header
        };
        rest
    }

    pub(super) fn control<'a>(
        &mut self,
        at: u64,
        way: Way,
        header: FrameHeader,
        left: u32,
        bytes: &'a [u8],
    ) -> &'a [u8] {
        let (taken, rest) = split(bytes, left);
        let lane = self.lanes.of_mut(way);
        let room = CONTROL_BYTES_MAX.saturating_sub(lane.carry.len());
        lane.carry
            .extend_from_slice(taken.get(..room).unwrap_or(taken));
        let left = left - taken_count(taken);
        if left > 0 {
            lane.state = State::Control { header, left };
            return rest;
        }
        lane.state = State::Header;
        let payload = std::mem::take(&mut lane.carry);
        let missing = u64::from(header.length).saturating_sub(payload.len() as u64);
        self.payload(at, way, header, &payload, missing);
        let lane = self.lanes.of_mut(way);
        lane.carry = payload;
        lane.carry.clear();
        rest
    }

    /// The payload of a frame other than DATA; its last `missing` bytes are not there.
    pub(super) fn payload(
        &mut self,
        at: u64,
        way: Way,
        header: FrameHeader,
        payload: &[u8],
        missing: u64,
    ) {
        match header.kind {
            FrameType::Headers => {
                let fragment = headers_fragment(header, payload, missing > 0);
                self.fragment(at, way, header, fragment, missing, false);
            }
            FrameType::PushPromise => {
                self.counters.promises += 1;
                let payload = if header.has(flags::PADDED) {
                    unpad(payload)
                } else {
                    Some(payload)
                };
                let fragment = payload.and_then(|payload| payload.get(4..));
                self.fragment(at, way, header, fragment, missing, true);
            }
            FrameType::Continuation => self.continuation(at, way, header, payload, missing),
            _ if missing > 0 => {}
            FrameType::RstStream => {
                if let Ok(code) = <[u8; 4]>::try_from(payload)
                    && header.stream_id & 1 == 1
                {
                    self.joiner
                        .reset(at, way, header.stream_id, u32::from_be_bytes(code));
                }
            }
            FrameType::GoAway => {
                if let Some((last_id, _)) = payload.split_first_chunk() {
                    let last_id = u32::from_be_bytes(*last_id) & 0x7fff_ffff;
                    self.joiner.go_away(at, way, last_id);
                }
            }
            FrameType::Settings => self.settings(way, payload),
            FrameType::Unknown => self.counters.unknown_frames += 1,
            FrameType::Data | FrameType::Priority | FrameType::Ping | FrameType::WindowUpdate => {}
        }
    }

    /// SETTINGS of one way limit what the other sends.
    pub(super) fn settings(&mut self, way: Way, payload: &[u8]) {
        const HEADER_TABLE_SIZE: u16 = 1;
        const MAX_FRAME_SIZE: u16 = 5;
        let other = self.lanes.of_mut(opposite(way));
        for setting in payload.chunks_exact(6) {
            let Some((id, value)) = setting.split_first_chunk() else {
                continue;
            };
            let Some(value) = value.first_chunk() else {
                continue;
            };
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes(*id) {
                HEADER_TABLE_SIZE => other.decoder.allow_table_bytes(value),
                MAX_FRAME_SIZE => {
                    other.frame_bytes_max = other
                        .frame_bytes_max
                        .max(value.min(FRAME_BYTES_BELIEVED_MAX));
                    other.frame_bytes_allowed = other.frame_bytes_allowed.max(value);
                }
                _ => {}
            }
        }
    }
}

/// What of `bytes` belongs to a payload of which `left` bytes are to come, and what follows it.
pub(super) fn split(bytes: &[u8], left: u32) -> (&[u8], &[u8]) {
    bytes
        .split_at_checked(left as usize)
        .unwrap_or((bytes, &[]))
}

/// The length of a part that [`split`] made, which is at most a `u32`.
pub(super) fn taken_count(taken: &[u8]) -> u32 {
    u32::try_from(taken.len()).unwrap_or(u32::MAX)
}

/// The payload without the length of its padding and the padding.
fn unpad(payload: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}

/// What of the payload of a HEADERS frame is header block.
fn headers_fragment(header: FrameHeader, payload: &[u8], is_cut: bool) -> Option<&[u8]> {
    let mut fragment = match header.has(flags::PADDED) {
        // The padding is among what is missing.
        true if is_cut => payload.get(1..)?,
        true => unpad(payload)?,
        false => payload,
    };
    if header.has(flags::PRIORITY) {
        fragment = fragment.get(5..)?;
    }
    Some(fragment)
}
