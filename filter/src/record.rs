//! One `Record`: its exact length first, then its bytes, once, where they are sent from.

use crate::capture::{End, Stream, kind};
use crate::flow::{Flow, REQUEST, RESPONSE, Route};
use crate::hashers::Hashers;
use crate::host::Map;
use crate::pages::Pages;
use crate::tape::{Kind, Tape};
use crate::wire::{Encoder, bytes_len, fixed64_len, nested_len, uint_len};

/// What is only known when the stream ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Nanoseconds from the start until the stream was destroyed.
    pub end_ns: u64,
    /// Sampling rate in force, parts per million.
    pub sampled_ppm: u32,
    /// `response.flags`.
    pub response_flags: u64,
    /// Bytes of encoded fields that the host's properties gave.
    pub facts_len: usize,
}

/// A stream about to be written.
#[derive(Debug)]
pub struct Record<'r, 'm> {
    stream: &'r Stream,
    ending: Ending,
    /// Encoded fields, copied as they are.
    facts: &'r [u8],
    pages: &'r Pages<'m>,
    number: u64,
    request: BodyLen,
    response: BodyLen,
    pair_id_len: usize,
    timing_len: usize,
}

/// Lengths within a `Body`.
#[derive(Clone, Copy, Debug)]
struct BodyLen {
    marks: usize,
    total: usize,
}

const BLOCKS: [(u32, Map); 2] = [(5, Map::RequestHeaders), (7, Map::RequestTrailers)];
const ANSWER_BLOCKS: [(u32, Map); 2] = [(8, Map::ResponseHeaders), (10, Map::ResponseTrailers)];

impl<'r, 'm> Record<'r, 'm> {
    /// Measures.
    pub fn new(
        stream: &'r Stream,
        ending: Ending,
        facts: &'r [u8],
        pages: &'r Pages<'m>,
        number: u64,
    ) -> Self {
        let tape = &stream.tape;
        let timing = &stream.timing;
        let timing_len = uint_len(1, timing.request_end_ns)
            .saturating_add(uint_len(2, timing.response_headers_ns))
            .saturating_add(uint_len(3, timing.response_end_ns))
            .saturating_add(uint_len(4, ending.end_ns));
        Self {
            stream,
            ending,
            facts,
            pages,
            number,
            request: body_len(&stream.request, tape.len(pages, REQUEST.marks)),
            response: body_len(&stream.response, tape.len(pages, RESPONSE.marks)),
            pair_id_len: tape.len(pages, Kind::PairId),
            timing_len,
        }
    }

    /// Bytes of the encoded `Record`.
    pub fn encoded_len(&self) -> usize {
        let stream = self.stream;
        let mut len = uint_len(1, self.number)
            .saturating_add(fixed64_len(2))
            .saturating_add(uint_len(3, u64::from(stream.shadow)))
            .saturating_add(bytes_len(4, self.pair_id_len))
            .saturating_add(nested_len(6, self.request.total))
            .saturating_add(nested_len(9, self.response.total))
            .saturating_add(nested_len(11, self.timing_len))
            .saturating_add(uint_len(12, u64::from(stream.attempt)))
            .saturating_add(uint_len(20, self.ending.response_flags))
            .saturating_add(uint_len(22, stream.end() as u64))
            .saturating_add(uint_len(23, u64::from(self.ending.sampled_ppm)));
        for (field, map) in BLOCKS.into_iter().chain(ANSWER_BLOCKS) {
            if stream.block(map).seen {
                len = len.saturating_add(nested_len(field, self.block_len(map)));
            }
        }
        len.saturating_add(self.facts.len())
    }

    /// Writes the `Record`.
    pub fn encode(&self, encoder: &mut Encoder<'_>, hashers: &mut Hashers<'_>) {
        let stream = self.stream;
        encoder.uint(1, self.number);
        encoder.fixed64(2, stream.started_ns);
        encoder.flag(3, stream.shadow);
        if self.pair_id_len > 0 {
            encoder.nested(4, self.pair_id_len);
            self.copy(encoder, Kind::PairId);
        }
        self.blocks(encoder, BLOCKS);
        self.body(encoder, 6, &stream.request, REQUEST, self.request, hashers);
        self.blocks(encoder, ANSWER_BLOCKS);
        self.body(
            encoder,
            9,
            &stream.response,
            RESPONSE,
            self.response,
            hashers,
        );
        encoder.nested(11, self.timing_len);
        encoder.uint(1, stream.timing.request_end_ns);
        encoder.uint(2, stream.timing.response_headers_ns);
        encoder.uint(3, stream.timing.response_end_ns);
        encoder.uint(4, self.ending.end_ns);
        encoder.uint(12, u64::from(stream.attempt));
        encoder.raw(self.facts);
        encoder.uint(20, self.ending.response_flags);
        encoder.uint(22, stream.end() as u64);
        encoder.uint(23, u64::from(self.ending.sampled_ppm));
    }

    fn block_len(&self, map: Map) -> usize {
        let block = self.stream.block(map);
        (block.len as usize)
            .saturating_add(uint_len(2, u64::from(block.omitted)))
            .saturating_add(uint_len(3, u64::from(block.end_stream)))
    }

    fn blocks(&self, encoder: &mut Encoder<'_>, blocks: [(u32, Map); 2]) {
        for (field, map) in blocks {
            let block = self.stream.block(map);
            if block.seen {
                encoder.nested(field, self.block_len(map));
                self.copy(encoder, kind(map));
                encoder.uint(2, u64::from(block.omitted));
                encoder.flag(3, block.end_stream);
            }
        }
    }

    fn body(
        &self,
        encoder: &mut Encoder<'_>,
        field: u32,
        flow: &Flow,
        route: Route,
        len: BodyLen,
        hashers: &mut Hashers<'_>,
    ) {
        encoder.nested(field, len.total);
        if flow.captured() > 0 {
            encoder.nested(1, flow.captured());
        }
        let start = encoder.used();
        self.copy(encoder, route.body);
        let digest = flow.digest(encoder.written_from(start), hashers);
        encoder.uint(2, flow.bytes());
        if flow.has_digest() {
            encoder.fixed64(3, digest.unwrap_or(0));
        }
        encoder.uint(4, flow.messages());
        encoder.uint(5, flow.cut() as u64);
        if len.marks > 0 {
            encoder.nested(6, len.marks);
            self.copy(encoder, route.marks);
        }
        encoder.flag(7, flow.ended());
    }

    fn copy(&self, encoder: &mut Encoder<'_>, kind: Kind) {
        let tape: &Tape = &self.stream.tape;
        tape.each(self.pages, kind, |run| encoder.raw(run));
    }
}

fn body_len(flow: &Flow, marks: usize) -> BodyLen {
    let digest = if flow.has_digest() { fixed64_len(3) } else { 0 };
    let total = bytes_len(1, flow.captured())
        .saturating_add(uint_len(2, flow.bytes()))
        .saturating_add(digest)
        .saturating_add(uint_len(4, flow.messages()))
        .saturating_add(uint_len(5, flow.cut() as u64))
        .saturating_add(bytes_len(6, marks))
        .saturating_add(uint_len(7, u64::from(flow.ended())));
    BodyLen { marks, total }
}

/// Is the end one where Envoy's flags and details say why?
pub fn wants_details(stream: &Stream) -> bool {
    stream.end() != End::Complete || stream.block(Map::ResponseHeaders).end_stream
}
