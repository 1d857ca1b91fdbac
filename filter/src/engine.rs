//! The filter itself: Envoy's callbacks over fixed memory and a [`Host`].
//!
//! Every callback looks its context up; one that is not known (not sampled, ended, never begun)
//! costs that look-up. No callback can fail, and none ever pauses a stream.

use crate::batch::{Slot, Slots};
use crate::block;
use crate::capture::{Block, Stream, Streams, kind};
use crate::config::Config;
use crate::connections::{Connection, Connections};
use crate::flow::{Arrival, REQUEST, RESPONSE, Route, Workspace};
use crate::hashers::{Hasher, Hashers};
use crate::host::{Host, Map, Metric, Refused};
use crate::pages::{LargePage, Pages, SmallPage};
use crate::random::Random;
use crate::root::{Phase, ROOTS_MAX, Root};
use crate::ship::FLUSH_BYTES;
use crate::table::{Entry, Table};

/// Bytes read at a time of a body that is not kept.
const PIECE_BYTES: usize = 64 * 1024;

/// All memory the filter works with. The lengths are the limits.
#[derive(Debug)]
pub struct Memory<'m> {
    /// Places for root contexts, at most [`crate::root::ROOTS_MAX`] are of use.
    pub roots: &'m mut [Root],
    /// Places for streams being recorded.
    pub streams: &'m mut [Stream],
    /// Context table; a power of two.
    pub table: &'m mut [Entry],
    /// Small pages.
    pub small: &'m mut [SmallPage],
    /// Large pages.
    pub large: &'m mut [LargePage],
    /// Running digests.
    pub hashers: &'m mut [Hasher],
    /// Cache of downstream connections; a power of two.
    pub connections: &'m mut [Connection],
    /// Batch slots.
    pub slots: &'m mut [Slot],
    /// Bytes of the batch slots, equally divided among them.
    pub slot_bytes: &'m mut [u8],
    /// Bytes of one batch slot.
    pub slot_bytes_each: usize,
    /// What the host writes that is not kept: header maps, the configuration, cut bodies.
    pub scratch: &'m mut [u8],
    /// A header block between the host's form and the record's.
    pub encoded: &'m mut [u8],
}

/// The filter.
#[derive(Debug)]
pub struct Engine<'m> {
    pub(crate) roots: &'m mut [Root],
    pub(crate) streams: Streams<'m>,
    pub(crate) table: Table<'m>,
    pub(crate) pages: Pages<'m>,
    pub(crate) hashers: Hashers<'m>,
    pub(crate) connections: Connections<'m>,
    pub(crate) slots: Slots<'m>,
    pub(crate) scratch: &'m mut [u8],
    pub(crate) encoded: &'m mut [u8],
    pub(crate) random: Random,
    /// Context created last and its root: what a stream that found no room belongs to.
    last_created: (u32, u8),
    roots_created: u32,
    /// Root contexts that found no place, as far as they are counted; 0 is none.
    refused: [u32; ROOTS_MAX],
}

impl<'m> Engine<'m> {
    /// Over zeroed memory.
    pub fn new(memory: Memory<'m>) -> Self {
        Self {
            roots: memory.roots,
            streams: Streams::new(memory.streams),
            table: Table::new(memory.table),
            pages: Pages::new(memory.small, memory.large),
            hashers: Hashers::new(memory.hashers),
            connections: Connections::new(memory.connections),
            slots: Slots::new(memory.slots, memory.slot_bytes, memory.slot_bytes_each),
            scratch: memory.scratch,
            encoded: memory.encoded,
            random: Random::new([0; 32]),
            last_created: (0, 0),
            roots_created: 0,
            refused: [0; ROOTS_MAX],
        }
    }

    /// A root context (`parent` is 0) or a stream's context was created.
    pub fn on_context_create(&mut self, context: u32, parent: u32) {
        if parent == 0 {
            self.create_root(context);
            return;
        }
        let Some(root) = self.root_index(parent) else {
            return;
        };
        if self.table.get(context).is_some() {
            self.forget(context);
        }
        self.last_created = (context, root);
        // A full table is noticed, and counted, at request headers.
        let _noted = self.table.insert(context, root, 0);
    }

    /// Request headers: decides whether the call is recorded.
    pub fn on_request_headers<H: Host>(&mut self, host: &mut H, context: u32, end_stream: bool) {
        let root = match self.table.get(context) {
            // Begun already: headers come once.
            Some(entry) if entry.stream != 0 => return,
            Some(entry) => entry.root,
            None if self.last_created.0 == context => self.last_created.1,
            None => return,
        };
        self.last_created = (0, 0);
        if !self.begin(host, context, root, end_stream) {
            self.table.remove(context);
        }
        self.send(host, root, context, FLUSH_BYTES);
    }

    /// DATA of the request.
    pub fn on_request_body<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        size: usize,
        end_stream: bool,
    ) {
        self.on_body(host, context, size, end_stream, REQUEST);
    }

    /// DATA of the response.
    pub fn on_response_body<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        size: usize,
        end_stream: bool,
    ) {
        self.on_body(host, context, size, end_stream, RESPONSE);
    }

    /// A header block other than the request's headers. `count` is what the host says it holds.
    pub fn on_block<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        map: Map,
        count: u32,
        end_stream: bool,
    ) {
        let Some(number) = self.recorded(context) else {
            return;
        };
        let now_ns = host.now_ns();
        let read = host.map(map, self.scratch);
        let (Some(stream), pages) = (self.streams.get_mut(number), &mut self.pages) else {
            return;
        };
        let Some(root) = self.roots.get_mut(usize::from(stream.root)) else {
            return;
        };
        if !stream.awaits(map) {
            return;
        }
        let taken = read.and_then(|len| self.scratch.get(..len).ok_or(Refused::ODD));
        let block = match taken {
            Ok(bytes) => keep_block(stream, pages, &root.config, map, bytes, false, self.encoded),
            Err(_) => {
                root.counters.host_error();
                Block {
                    seen: true,
                    end_stream: false,
                    omitted: count,
                    len: 0,
                }
            }
        };
        let since_ns = now_ns.saturating_sub(stream.started_ns);
        stream.set_block(
            map,
            Block {
                end_stream,
                ..block
            },
            since_ns,
        );
    }

    /// A stream or a root context ends. `false` puts the end of a root off.
    pub fn on_done<H: Host>(&mut self, host: &mut H, context: u32) -> bool {
        match self.table.get(context) {
            Some(entry) if entry.stream != 0 => {
                self.finish(host, context);
                true
            }
            Some(_) => {
                self.table.remove(context);
                true
            }
            None => match self.root_index(context) {
                Some(root) => self.close(host, root),
                None => {
                    self.forget_refused(host, context);
                    true
                }
            },
        }
    }

    /// Counters of the root context `context`.
    pub fn counters(&self, context: u32) -> Option<crate::counters::Counters> {
        let index = usize::from(self.root_index(context)?);
        self.roots.get(index).map(|root| root.counters)
    }

    /// Contexts known, streams being recorded and pages in use: all 0 when nothing is open.
    pub fn held(&self) -> (usize, usize, u32) {
        (self.table.len(), self.streams.len(), self.pages.taken())
    }

    /// Number of the stream of `context`, if it is being recorded.
    pub(crate) fn recorded(&self, context: u32) -> Option<u16> {
        self.table
            .get(context)
            .map(|entry| entry.stream)
            .filter(|stream| *stream != 0)
    }

    /// Index of a root context.
    pub(crate) fn root_index(&self, context: u32) -> Option<u8> {
        let is_it = |root: &Root| root.context == context && root.phase != Phase::Free;
        self.roots
            .iter()
            .position(is_it)
            .and_then(|index| u8::try_from(index).ok())
    }

    /// The root with that index, to be read.
    pub(crate) fn at(&self, index: u8) -> Option<&Root> {
        self.roots.get(usize::from(index))
    }

    /// What the root with that index is doing.
    pub(crate) fn phase(&self, index: u8) -> Phase {
        self.at(index).map_or(Phase::Free, |root| root.phase)
    }

    /// The root with that index.
    pub(crate) fn root(&mut self, index: u8) -> Option<&mut Root> {
        self.roots.get_mut(usize::from(index))
    }

    /// Counts root context `context`, for which there is no place, as one with a refused configuration.
    pub(crate) fn refuse<H: Host>(&mut self, host: &mut H, context: u32) {
        if self.refused.contains(&context) {
            return;
        }
        let place = self.refused.iter_mut().find(|refused| **refused == 0);
        if let Some(place) = place
            && host.add(Metric::ConfigInvalid, 1).is_ok()
        {
            *place = context;
        }
    }

    /// Does the host keep this VM? It does not for roots that are ending, whatever they answered.
    pub(crate) fn has_future(&self) -> bool {
        let lives =
            |root: &Root| matches!(root.phase, Phase::Created | Phase::Active | Phase::Inert);
        self.roots.iter().any(lives) || self.refused.iter().any(|refused| *refused != 0)
    }

    /// That root context is gone.
    fn forget_refused<H: Host>(&mut self, host: &mut H, context: u32) {
        let place = self.refused.iter_mut().find(|refused| **refused == context);
        if let Some(place) = place.filter(|_| context != 0) {
            *place = 0;
            let _answered = host.add(Metric::ConfigInvalid, -1);
            self.give_up_without_future(host);
        }
    }

    pub(crate) fn create_root(&mut self, context: u32) {
        if context == 0 || self.root_index(context).is_some() {
            return;
        }
        if let Some(root) = self.roots.iter_mut().find(|root| root.phase == Phase::Free) {
            self.roots_created = self.roots_created.wrapping_add(1);
            *root = Root {
                context,
                served_by: context,
                number: self.roots_created,
                phase: Phase::Created,
                ..Root::FREE
            };
        }
    }

    /// Forgets a stream whose end the host never told.
    fn forget(&mut self, context: u32) {
        let Some(entry) = self.table.remove(context) else {
            return;
        };
        if let Some(stream) = self.streams.get_mut(entry.stream) {
            let number = stream.root_number;
            stream.release(&mut self.pages, &mut self.hashers);
            self.streams.end(entry.stream);
            // The place of a root that is gone may have been taken by another.
            let root = self.root(entry.root);
            if let Some(root) = root.filter(|root| root.number == number) {
                root.counters.drop_call(crate::counters::Dropped::HostError);
            }
        }
    }

    fn on_body<H: Host>(
        &mut self,
        host: &mut H,
        context: u32,
        size: usize,
        end_stream: bool,
        route: Route,
    ) {
        let Some(number) = self.recorded(context) else {
            return;
        };
        let now_ns = host.now_ns();
        let Some(stream) = self.streams.get_mut(number) else {
            return;
        };
        let Some(root) = self.roots.get_mut(usize::from(stream.root)) else {
            return;
        };
        let since_ns = now_ns.saturating_sub(stream.started_ns);
        let is_request = route.buffer == REQUEST.buffer;
        if size > 0 {
            let piece = PIECE_BYTES.min(self.scratch.len());
            let mut work = Workspace {
                pages: &mut self.pages,
                hashers: &mut self.hashers,
                scratch: self.scratch.get_mut(..piece).unwrap_or_default(),
            };
            let flow = if is_request {
                &mut stream.request
            } else {
                &mut stream.response
            };
            let limit = root.config.body_bytes_max;
            let arrival = Arrival {
                size,
                limit,
                since_start_ns: since_ns,
            };
            let failures = flow.take(host, route, arrival, &mut stream.tape, &mut work);
            if failures > 0 {
                root.counters.host_error();
            }
        }
        if end_stream && is_request {
            stream.request_ended(since_ns);
        } else if end_stream {
            stream.response_ended(since_ns);
        }
    }
}

/// Encodes a block and puts it on the stream's tape. With no memory left all of it is omitted.
pub(crate) fn keep_block(
    stream: &mut Stream,
    pages: &mut Pages<'_>,
    config: &Config,
    map: Map,
    bytes: &[u8],
    stamped: bool,
    scratch: &mut [u8],
) -> Block {
    let encoded = block::encode(bytes, config, stamped, scratch);
    let content = scratch.get(..encoded.len).unwrap_or_default();
    let (len, omitted) = if stream.tape.append(pages, kind(map), content) {
        (u32::try_from(encoded.len).unwrap_or(0), encoded.omitted)
    } else {
        (0, crate::headers::Pairs::new(bytes).left())
    };
    Block {
        seen: true,
        end_stream: false,
        omitted,
        len,
    }
}
