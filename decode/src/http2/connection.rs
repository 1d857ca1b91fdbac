//! Both ways of one connection.

use super::frame::{FrameHeader, FrameType, HEADER_BYTES, flags};
use super::hunt::{Found, HUNT_BYTES_MAX, Hunt};
use super::lane::{
    CONTINUATIONS_MAX, CONTROL_BYTES_MAX, DataFrame, HEADER_BLOCK_BYTES_MAX, Lane, OpenBlock, State,
};
use super::opening::{Opening, recognise};
use super::upgrade::UpgradeRequest;
use crate::exchange::{CallSink, ConnectionName, Joiner, Limits, Tally, Ways, opposite};
use crate::hpack::{HeaderBlock, KnownName};
use crate::stream::{ByteSink, Ending, Start, Way};

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Too little was captured to tell.
    Unknown,
    /// HTTP/2.
    Http2,
    /// TLS: what is inside cannot be seen.
    Encrypted,
    /// Neither.
    Other,
}

/// What happened on one connection beside its exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames read.
    pub frames: u64,
    /// Frames of unknown types.
    pub unknown_frames: u64,
    /// Frames that break a rule such that they cannot be read.
    pub malformed_frames: u64,
    /// Header blocks decoded.
    pub header_blocks: u64,
    /// Header blocks that were not captured as a whole, or are over a limit.
    pub damaged_header_blocks: u64,
    /// Gaps in the bytes.
    pub gaps: u64,
    /// Bytes in gaps.
    pub gap_bytes: u64,
    /// Times that the beginning of a frame had to be hunted for and was found.
    pub resyncs: u64,
    /// Captured bytes that were given up because nothing told what they were.
    pub unread_bytes: u64,
    /// PUSH_PROMISE frames.
    pub promises: u64,
}

/// Follows one connection. See the module's documentation.
#[derive(Debug)]
pub struct Connection<S> {
    lanes: Ways<Lane>,
    joiner: Joiner<S>,
    protocol: Protocol,
    stream_id_newest: u32,
    /// Was a table uncertain after the last header block?
    was_uncertain: bool,
    counters: Counters,
}

impl<S: CallSink> Connection<S> {
    /// A connection of which nothing was seen yet.
    pub fn new(name: ConnectionName, limits: Limits, sink: S) -> Self {
        Self {
            lanes: Ways::new(Lane::new(true), Lane::new(true)),
            joiner: Joiner::new(name, limits, sink),
            protocol: Protocol::Unknown,
            stream_id_newest: 0,
            was_uncertain: false,
            counters: Counters::default(),
        }
    }

    /// What it turned out to be so far.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What became of its streams so far.
    pub fn tally(&self) -> Tally {
        self.joiner.tally()
    }

    /// What else happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Tells which way the client sends, where the capture may not.
    pub fn hint_client(&mut self, way: Way) {
        self.joiner.set_client(way);
    }

    /// Gives the sink back.
    pub fn into_sink(self) -> S {
        self.joiner.into_sink()
    }

    fn take(&mut self, at: u64, way: Way, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let lane = self.lanes.of_mut(way);
            bytes = match &mut lane.state {
                State::Header if lane.carry.is_empty() => self.frames(at, way, bytes),
                State::Header => self.header(at, way, bytes),
                State::Data(frame) => {
                    let frame = *frame;
                    self.data(at, way, frame, bytes)
                }
                State::Control { header, left } => {
                    let (header, left) = (*header, *left);
                    self.control(at, way, header, left, bytes)
                }
                State::Skip { left } => {
                    let (taken, rest) = split(bytes, *left);
                    *left -= taken_count(taken);
                    if *left == 0 {
                        lane.state = State::Header;
                    }
                    rest
                }
                State::Opening => {
                    self.opening(at, way, bytes);
                    &[]
                }
                State::Hunting(_) => {
                    self.hunt(at, way, bytes);
                    &[]
                }
                State::Refused => &[],
            };
        }
    }

    /// Frames that lie in `bytes` as a whole, without copying; then the beginning of the next.
    #[inline]
    fn frames<'a>(&mut self, at: u64, way: Way, mut bytes: &'a [u8]) -> &'a [u8] {
        loop {
            let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
                self.lanes.of_mut(way).carry.extend_from_slice(bytes);
                return &[];
            };
            let header = FrameHeader::load(*header);
            let Some((payload, rest)) = rest.split_at_checked(header.length as usize) else {
                self.begin(way, header);
                return rest;
            };
            self.counters.frames += 1;
            if header.kind == FrameType::Data {
                self.whole_data(at, way, header, payload);
            } else {
                self.payload(at, way, header, payload, 0);
            }
            bytes = rest;
        }
    }

    fn header<'a>(&mut self, at: u64, way: Way, bytes: &'a [u8]) -> &'a [u8] {
        let lane = self.lanes.of_mut(way);
        let missing = HEADER_BYTES.saturating_sub(lane.carry.len());
        let (taken, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        lane.carry.extend_from_slice(taken);
        if let Some(header) = FrameHeader::peek(&lane.carry) {
            lane.carry.clear();
            self.begin(way, header);
            if header.length == 0 {
                self.end_of_empty(at, way, header);
            }
        }
        rest
    }

    /// A frame begins whose payload is not there yet.
    fn begin(&mut self, way: Way, header: FrameHeader) {
        self.counters.frames += 1;
        let lane = self.lanes.of_mut(way);
        lane.frame_bytes_max = lane.frame_bytes_max.max(header.length.min(1 << 20));
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
            self.counters.malformed_frames += 1;
        }
        if header.has(flags::END_STREAM) {
            self.joiner.end_stream(at, way, header.stream_id);
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

    fn data<'a>(&mut self, at: u64, way: Way, mut frame: DataFrame, bytes: &'a [u8]) -> &'a [u8] {
        let (mut taken, rest) = split(bytes, frame.left);
        frame.left -= taken_count(taken);
        if frame.padding.is_none()
            && let Some((padding, behind)) = taken.split_first()
        {
            frame.padding = Some(u32::from(*padding));
            taken = behind;
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

    fn control<'a>(
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
    fn payload(&mut self, at: u64, way: Way, header: FrameHeader, payload: &[u8], missing: u64) {
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
    fn settings(&mut self, way: Way, payload: &[u8]) {
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
                    other.frame_bytes_max = other.frame_bytes_max.max(value.min(1 << 20))
                }
                _ => {}
            }
        }
    }

    /// The first fragment of a header block; `None` if the frame could not be read.
    fn fragment(
        &mut self,
        at: u64,
        way: Way,
        header: FrameHeader,
        fragment: Option<&[u8]>,
        missing: u64,
        is_promise: bool,
    ) {
        self.abandon_block(at, way, 0);
        let Some(fragment) = fragment else {
            self.counters.malformed_frames += 1;
            self.lanes
                .of_mut(way)
                .decoder
                .lose(u64::from(header.length));
            return;
        };
        let end_stream = header.has(flags::END_STREAM) && !is_promise;
        let stream_id = header.stream_id;
        if header.has(flags::END_HEADERS) {
            self.block(
                at, way, stream_id, fragment, missing, end_stream, is_promise,
            );
            return;
        }
        let block = OpenBlock {
            stream_id,
            end_stream,
            is_promise,
            text: fragment.to_vec(),
            continuations: 0,
        };
        self.lanes.of_mut(way).open_block = Some(block);
        if missing > 0 {
            self.abandon_block(at, way, missing);
        }
    }

    fn continuation(
        &mut self,
        at: u64,
        way: Way,
        header: FrameHeader,
        payload: &[u8],
        missing: u64,
    ) {
        let lane = self.lanes.of_mut(way);
        let Some(block) = lane
            .open_block
            .as_mut()
            .filter(|b| b.stream_id == header.stream_id)
        else {
            // The rest of a block whose beginning was lost or given up.
            self.counters.damaged_header_blocks += 1;
            lane.decoder.lose(u64::from(header.length));
            return;
        };
        block.continuations += 1;
        let too_long = block.text.len() + payload.len() > HEADER_BLOCK_BYTES_MAX
            || block.continuations > CONTINUATIONS_MAX;
        if too_long || missing > 0 {
            if !too_long {
                block.text.extend_from_slice(payload);
            }
            let missing = if too_long {
                payload.len() as u64
            } else {
                missing
            };
            self.abandon_block(at, way, missing);
            return;
        }
        block.text.extend_from_slice(payload);
        if header.has(flags::END_HEADERS)
            && let Some(block) = lane.open_block.take()
        {
            let OpenBlock {
                stream_id,
                end_stream,
                is_promise,
                text,
                ..
            } = block;
            self.block(at, way, stream_id, &text, 0, end_stream, is_promise);
        }
    }

    /// The rest of the open header block, `missing` bytes or more, will not come.
    fn abandon_block(&mut self, at: u64, way: Way, missing: u64) {
        if let Some(block) = self.lanes.of_mut(way).open_block.take() {
            let OpenBlock {
                stream_id,
                end_stream,
                is_promise,
                text,
                ..
            } = block;
            self.block(
                at,
                way,
                stream_id,
                &text,
                missing.max(1),
                end_stream,
                is_promise,
            );
        }
    }

    /// A header block; its last `missing` bytes are not there.
    #[allow(
        clippy::too_many_arguments,
        reason = "what a header block is, said once"
    )]
    fn block(
        &mut self,
        at: u64,
        way: Way,
        stream_id: u32,
        text: &[u8],
        missing: u64,
        end_stream: bool,
        is_promise: bool,
    ) {
        self.counters.header_blocks += 1;
        let expected = self.joiner.expected(way, stream_id, end_stream);
        let lane = self.lanes.of_mut(way);
        let block = lane.decoder.decode(text, missing, expected);
        self.counters.damaged_header_blocks += u64::from(block.defect().is_some());
        for (ticket, revised) in lane.decoder.take_revised() {
            self.joiner.revise(way, ticket, &revised);
        }
        let is_uncertain = self.is_uncertain();
        if self.was_uncertain && !is_uncertain {
            self.joiner.release_proved();
        }
        self.was_uncertain = is_uncertain;
        let is_followed = stream_id & 1 == 1 && !is_promise;
        if !is_followed {
            return;
        }
        if self.joiner.client().is_none() {
            self.learn_client(way, &block);
        }
        self.stream_id_newest = self.stream_id_newest.max(stream_id);
        let is_midway = self.lanes.of(way).is_midway;
        self.joiner
            .headers(at, way, stream_id, block, end_stream, is_midway);
    }

    /// May blocks that were read be read again?
    fn is_uncertain(&self) -> bool {
        [Way::Forward, Way::Reverse]
            .into_iter()
            .any(|way| self.lanes.of(way).decoder.is_uncertain())
    }

    fn learn_client(&mut self, way: Way, block: &HeaderBlock) {
        let has = |name| block.find(name).is_some();
        if has(KnownName::METHOD) || has(KnownName::PATH) || has(KnownName::SCHEME) {
            self.joiner.set_client(way);
        } else if has(KnownName::STATUS) || has(KnownName::GRPC_STATUS) {
            self.joiner.set_client(opposite(way));
        }
    }

    fn opening(&mut self, at: u64, way: Way, bytes: &[u8]) {
        let lane = self.lanes.of_mut(way);
        lane.carry.extend_from_slice(bytes);
        match recognise(&lane.carry) {
            Opening::NeedMore => {}
            Opening::Http2 {
                skip,
                is_client,
                upgrade,
            } => {
                self.protocol = Protocol::Http2;
                let carry = std::mem::take(&mut lane.carry);
                lane.state = State::Header;
                // The first frame was seen, so the first header block will be.
                if lane.is_midway {
                    lane.decoder = crate::hpack::Decoder::new(false);
                    lane.is_midway = false;
                }
                if let Some(is_client) = is_client {
                    self.joiner
                        .set_client(if is_client { way } else { opposite(way) });
                }
                if let Some(request) = upgrade {
                    let end = skip.saturating_sub(super::frame::PREFACE.len());
                    let body = carry.get(end.saturating_sub(request.body_bytes)..end);
                    self.upgrade(at, way, *request, body.unwrap_or_default());
                }
                self.take(at, way, carry.get(skip..).unwrap_or_default());
            }
            Opening::Encrypted => self.refuse(way, Protocol::Encrypted),
            Opening::Unknown if lane.is_midway => {
                let carry = std::mem::take(&mut lane.carry);
                lane.state = State::Hunting(Box::default());
                self.hunt(at, way, &carry);
            }
            Opening::Unknown => self.refuse(way, Protocol::Other),
        }
    }

    fn upgrade(&mut self, at: u64, way: Way, request: UpgradeRequest, body: &[u8]) {
        self.settings(way, &request.settings);
        self.stream_id_newest = self.stream_id_newest.max(1);
        self.joiner.upgraded(at, way, request.headers, body);
    }

    fn refuse(&mut self, way: Way, protocol: Protocol) {
        let lane = self.lanes.of_mut(way);
        self.counters.unread_bytes += lane.carry.len() as u64;
        lane.carry = Vec::new();
        lane.state = State::Refused;
        if self.protocol == Protocol::Unknown {
            self.protocol = protocol;
        }
    }

    fn hunt(&mut self, at: u64, way: Way, bytes: &[u8]) {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        let rules = lane.plausibility(newest);
        let State::Hunting(hunt) = &mut lane.state else {
            return;
        };
        if let Some(found) = hunt.push(at, bytes, &rules) {
            self.resume(way, found);
        } else if self.protocol != Protocol::Http2 && hunt.lost_bytes() > HUNT_BYTES_MAX as u64 {
            self.counters.unread_bytes += hunt.lost_bytes();
            self.refuse(way, Protocol::Other);
        }
    }

    /// A frame was found behind lost bytes: header blocks may have been among those.
    fn resume(&mut self, way: Way, found: Found) {
        let lane = self.lanes.of_mut(way);
        lane.decoder.lose(found.lost_bytes);
        lane.state = State::Header;
        self.counters.resyncs += 1;
        self.protocol = Protocol::Http2;
        for (at, bytes) in found.segments {
            self.take(at, way, &bytes);
        }
    }

    /// `len` bytes were lost of which nothing is known.
    fn lose_place(&mut self, at: u64, way: Way, len: u64) {
        self.abandon_block(at, way, 1);
        self.joiner.suspect(way);
        let lane = self.lanes.of_mut(way);
        self.counters.unread_bytes += lane.carry.len() as u64;
        lane.carry.clear();
        lane.state = State::Hunting(Box::new(Hunt::after_loss(len)));
    }

    fn lose(&mut self, at: u64, way: Way, len: u64) {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        match &mut lane.state {
            State::Refused => {}
            State::Opening | State::Header => {
                let carried = lane.carry.len() as u64;
                self.lose_place(at, way, len.saturating_add(carried));
            }
            State::Skip { left } => match u32::try_from(len).ok().filter(|len| len <= left) {
                Some(len) => {
                    *left -= len;
                    if *left == 0 {
                        lane.state = State::Header;
                    }
                }
                None => {
                    let rest = len.saturating_sub(u64::from(*left));
                    self.lose_place(at, way, rest);
                }
            },
            State::Data(frame) => {
                let frame = *frame;
                self.lose_data(at, way, frame, len);
            }
            State::Control { header, left } => {
                let (header, left) = (*header, *left);
                lane.state = State::Skip { left };
                let payload = std::mem::take(&mut lane.carry);
                self.payload(at, way, header, &payload, u64::from(left));
                self.lose(at, way, len);
            }
            State::Hunting(_) => {
                let rules = lane.plausibility(newest);
                let State::Hunting(hunt) = &mut lane.state else {
                    return;
                };
                if let Some(found) = hunt.gap(len, &rules) {
                    self.resume(way, found);
                    self.lose(at, way, len);
                } else {
                    self.joiner.suspect(way);
                }
            }
        }
    }

    fn lose_data(&mut self, at: u64, way: Way, mut frame: DataFrame, len: u64) {
        let within = u32::try_from(len).unwrap_or(u32::MAX).min(frame.left);
        // Without the byte that says how much padding there is, the frame may be all data.
        let data_left = frame.left.saturating_sub(frame.padding.unwrap_or(0));
        let data = if frame.padding.is_some() {
            within.min(data_left)
        } else {
            u32::MAX
        };
        if frame.stream_id & 1 == 1 {
            self.joiner
                .data_gap(at, way, frame.stream_id, u64::from(data));
        }
        frame.padding.get_or_insert(0);
        frame.left -= within;
        if frame.left > 0 {
            self.lanes.of_mut(way).state = State::Data(frame);
            return;
        }
        if frame.end_stream {
            self.joiner.end_stream(at, way, frame.stream_id);
        }
        self.lanes.of_mut(way).state = State::Header;
        let rest = len.saturating_sub(u64::from(within));
        if rest > 0 {
            self.lose_place(at, way, rest);
        }
    }
}

impl<S: CallSink> ByteSink for Connection<S> {
    fn start(&mut self, _at_unix_ns: u64, way: Way, start: Start) {
        *self.lanes.of_mut(way) = Lane::new(start == Start::Midway);
    }

    fn bytes(&mut self, at_unix_ns: u64, way: Way, bytes: &[u8]) {
        self.take(at_unix_ns, way, bytes);
        self.joiner.advance(at_unix_ns, way);
    }

    fn gap(&mut self, at_unix_ns: u64, way: Way, len: u64) {
        self.counters.gaps += 1;
        self.counters.gap_bytes = self.counters.gap_bytes.saturating_add(len);
        if len > 0 {
            self.lose(at_unix_ns, way, len);
        }
    }

    fn end(&mut self, at_unix_ns: u64, way: Way, ending: Ending) {
        // What a hunt holds may be proved by nothing coming behind it.
        self.lose_at_end(at_unix_ns, way);
        self.joiner.end(at_unix_ns, way, ending);
    }
}

impl<S: CallSink> Connection<S> {
    fn lose_at_end(&mut self, at: u64, way: Way) {
        let newest = self.stream_id_newest;
        let lane = self.lanes.of_mut(way);
        let rules = lane.plausibility(newest);
        if let State::Hunting(hunt) = &mut lane.state
            && self.protocol == Protocol::Http2
            && let Some(found) = hunt.gap(0, &rules)
        {
            self.resume(way, found);
        }
        self.abandon_block(at, way, 1);
    }
}

/// What of `bytes` belongs to a payload of which `left` bytes are to come, and what follows it.
fn split(bytes: &[u8], left: u32) -> (&[u8], &[u8]) {
    bytes
        .split_at_checked(left as usize)
        .unwrap_or((bytes, &[]))
}

/// The length of a part that [`split`] made, which is at most a `u32`.
fn taken_count(taken: &[u8]) -> u32 {
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
