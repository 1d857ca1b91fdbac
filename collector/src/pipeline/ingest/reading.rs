//! The reading end: inputs to chunks of work, and what was read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use twintap_decode::capture::{Damage, Packet, Problem, Secrets};

use super::line_clock::LineClock;
use super::order::Order;
use super::rebuilder::{Rebuilder, Work};
use super::shards::Shards;
use super::{Ingested, OnProgress, Progress};
use crate::sources::capture::{Chunk, Chunks, Heard, Input, Sorter, Source};

/// Damaged records that are told one by one; the others are counted.
const DAMAGES_TOLD_MAX: usize = 20;

/// The reading end.
pub(super) struct Reading {
    pub(super) sorter: Sorter,
    pub(super) shards: Arc<Shards<Rebuilder>>,
    pub(super) shards_count: usize,
    /// Does it work too?
    pub(super) helps: bool,
    pub(super) ingested: Ingested,
    /// Is nobody left to work?
    pub(super) is_over: bool,
    pub(super) stop: Arc<AtomicBool>,
    /// Does `stop` end reading, or only the writer of what is read?
    pub(super) ends_at_stop: bool,
    /// Of a live capture.
    pub(super) line: Option<LineClock>,
    pub(super) order: Order,
    pub(super) progress: Arc<Progress>,
    pub(super) on_progress: OnProgress,
}

/// What was read before an input.
struct SoFar {
    packets: u64,
    problems: u64,
    unreadable: u64,
}

impl Reading {
    /// Reads `inputs`, one after the other.
    pub(super) fn all(&mut self, inputs: Vec<Source>) {
        let mut chunks = Chunks::default();
        for source in inputs {
            // What its writer still has counts, so that is the end of a pipe.
            self.ends_at_stop = !matches!(source, Source::Pipe { .. });
            let before = self.so_far();
            let name = source.name();
            let bytes_read = Arc::clone(&self.progress.bytes_read);
            let input = Input::open(source, bytes_read, Arc::clone(&self.stop));
            let read = input.and_then(|mut input| {
                self.line = input.is_live().then(LineClock::default);
                let (counters, read) = chunks.read(&mut input, &mut *self);
                self.ingested.reader.merge(&counters);
                read
            });
            self.ingested.input_errors.extend(read.err());
            self.note_refusal(before);
            self.order.end_input(name);
            if self.is_over() {
                break;
            }
        }
    }

    fn so_far(&self) -> SoFar {
        let ingested = &self.ingested;
        SoFar {
            packets: ingested.reader.packets,
            problems: ingested.problems(),
            unreadable: ingested.unreadable_inputs + ingested.input_errors.len() as u64,
        }
    }

    /// Was nothing read of the input since `before`, because nothing could be?
    fn note_refusal(&mut self, before: SoFar) {
        let now = self.so_far();
        if now.packets == before.packets && now.unreadable > before.unreadable {
            self.ingested.refusals += now.problems - before.problems;
        }
    }

    /// Until there is room for more.
    fn make_room(&self) {
        if self.helps {
            self.shards.help();
        } else {
            self.shards.wait();
        }
    }

    pub(super) fn finish(mut self) -> Ingested {
        for index in 0..self.shards_count {
            self.shards.push(index, Work::End);
        }
        self.shards.end();
        self.ingested.link = self.sorter.counters();
        self.ingested.unwanted_segments = self.sorter.unwanted_segments();
        self.ingested.fragments = self.sorter.fragment_counters();
        self.ingested.out_of_order = self.order.finish();
        self.ingested
    }
}

impl Heard for Reading {
    fn packet(&mut self, chunk: &[u8], packet: &Packet<'_>) {
        if let Some(line) = &mut self.line {
            line.packet(packet.unix_ns);
        }
        self.order.packet(packet.unix_ns);
        self.sorter.packet(chunk, packet);
    }

    fn damage(&mut self, input: &str, damage: Damage) {
        let is_end = matches!(damage.problem, Problem::Truncated { .. });
        // Not even a file header: whatever should have written it did not.
        let is_empty = is_end && damage.offset == 0;
        let is_unreadable = is_empty || !damage.problem.can_continue() && !is_end;
        self.ingested.unreadable_inputs += u64::from(is_unreadable);
        if is_unreadable || self.ingested.damages.len() < DAMAGES_TOLD_MAX {
            self.ingested.damages.push((input.to_owned(), damage));
        }
    }

    fn secrets(&mut self, secrets: Secrets<'_>) {
        if secrets.kind != Secrets::TLS_KEY_LOG {
            self.ingested.foreign_secrets += 1;
            return;
        }
        self.ingested.secrets += 1;
        let lines: Arc<[u8]> = secrets.bytes.into();
        for index in 0..self.shards_count {
            self.is_over |= !self.shards.push(index, Work::Secrets(Arc::clone(&lines)));
        }
        self.make_room();
    }

    fn chunk(&mut self, chunk: &Chunk) {
        let packets = self.sorter.counters().packets;
        self.progress.packets.store(packets, Ordering::Relaxed);
        (self.on_progress.0)(&self.progress);
        let now_unix_ns = self.line.as_mut().and_then(LineClock::due);
        for index in 0..self.shards_count {
            let parcels = self.sorter.take(index);
            if parcels.is_empty() && now_unix_ns.is_none() {
                continue;
            }
            let chunk = Arc::clone(chunk);
            let work = Work::Segments {
                chunk,
                parcels,
                now_unix_ns,
            };
            self.is_over |= !self.shards.push(index, work);
        }
        self.make_room();
    }

    fn quiet(&mut self) {
        if let Some(line) = &mut self.line {
            line.quiet();
        }
        self.chunk(&Chunk::default());
    }

    fn is_over(&mut self) -> bool {
        self.ingested.is_stopped = self.stop.load(Ordering::Relaxed);
        self.is_over || self.ingested.is_stopped && self.ends_at_stop
    }
}
