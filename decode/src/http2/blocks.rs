//! Header blocks: fragments of HEADERS, PUSH_PROMISE and CONTINUATION, put together and decoded.

use super::connection::Connection;
use super::frame::{FrameHeader, flags};
use super::lane::{BlockHead, CONTINUATIONS_MAX, HEADER_BLOCK_BYTES_MAX, OpenBlock};
use crate::exchange::{CallSink, opposite};
use crate::hpack::{HeaderBlock, KnownName};
use crate::stream::Way;

impl<S: CallSink> Connection<S> {
    /// The first fragment of a header block; `None` if the frame could not be read.
    pub(super) fn fragment(
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
        let head = BlockHead {
            stream_id: header.stream_id,
            end_stream: header.has(flags::END_STREAM) && !is_promise,
            is_promise,
        };
        if header.has(flags::END_HEADERS) {
            self.block(at, way, head, fragment, missing);
            return;
        }
        let block = OpenBlock {
            head,
            text: fragment.to_vec(),
            continuations: 0,
        };
        self.lanes.of_mut(way).open_block = Some(block);
        if missing > 0 {
            self.abandon_block(at, way, missing);
        }
    }

    pub(super) fn continuation(
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
            .filter(|block| block.head.stream_id == header.stream_id)
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
            self.block(at, way, block.head, &block.text, 0);
        }
    }

    /// The rest of the open header block, `missing` bytes or more, will not come.
    pub(super) fn abandon_block(&mut self, at: u64, way: Way, missing: u64) {
        if let Some(block) = self.lanes.of_mut(way).open_block.take() {
            self.block(at, way, block.head, &block.text, missing.max(1));
        }
    }

    /// A header block; its last `missing` bytes are not there.
    fn block(&mut self, at: u64, way: Way, head: BlockHead, text: &[u8], missing: u64) {
        let BlockHead {
            stream_id,
            end_stream,
            is_promise,
        } = head;
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
}
