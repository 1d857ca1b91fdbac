//! Where the bytes of a segment belong: delivered already, next, later, after the end, or nowhere.

use super::{Chunk, Half, Output, State};
use crate::bytes_at;
use crate::stream::ByteSink;
use crate::tcp::counters::DiscardReason;
use crate::tcp::pieces::Arrival;

/// Keep-alive probes come after at least a second of silence (`TCP_KEEPIDLE`); half of it is far
/// more than packets are captured out of order by.
const PROBE_AGE_MIN_NS: u64 = 500_000_000;

impl Half {
    /// Puts the bytes of a segment where they belong.
    pub(super) fn place<S: ByteSink>(
        &mut self,
        start: u64,
        chunk: &Chunk<'_>,
        out: &mut Output<'_, S>,
    ) {
        let mut at = start;
        let mut bytes = chunk.bytes;
        if self.state != State::Settling && at < self.next {
            let behind = usize::try_from(self.next - at).unwrap_or(usize::MAX);
            let (old, new) = bytes.split_at_checked(behind).unwrap_or((bytes, &[]));
            let old_len = bytes_at::count(old.len());
            if at < self.first {
                out.counters
                    .discarded_bytes
                    .add(DiscardReason::BeforeStart, old_len);
            } else {
                out.counters.duplicate_bytes += old_len;
            }
            (at, bytes) = (self.next, new);
        }
        let end = match (self.state, self.end) {
            (State::Ended, _) => self.next,
            (_, Some((end, ..))) => end,
            _ => u64::MAX,
        };
        let room = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        if let Some((inside, beyond)) = bytes.split_at_checked(room) {
            let count = bytes_at::count(beyond.len());
            out.counters
                .discarded_bytes
                .add(DiscardReason::AfterEnd, count);
            // A single byte may be a probe's.
            if count > 0 && chunk.bytes.len() > 1 {
                self.goes_beyond(out.counters);
            }
            bytes = inside;
        }
        if bytes.len() == 1
            && chunk.bytes.len() == 1
            && self.may_be_probe(at, chunk.arrival.unix_ns)
        {
            out.counters.discarded_bytes.add(DiscardReason::Probe, 1);
            bytes = &[];
        }
        if at == self.next && self.state != State::Settling && !bytes.is_empty() {
            let until = self.first_waiting().unwrap_or(u64::MAX);
            let len = usize::try_from(until - at).unwrap_or(usize::MAX);
            let (free, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
            if !free.is_empty() {
                self.announce(out);
                self.deliver(free, out);
            }
            (at, bytes) = (self.next, rest);
        }
        if !bytes.is_empty() {
            self.wait(at, bytes, chunk.arrival, out);
        }
    }

    /// A byte that the other end has had for a while may be sent again only to see whether it is
    /// there, and then it can be any byte. (Had it just now, the two were captured out of order.)
    fn may_be_probe(&self, at: u64, unix_ns: u64) -> bool {
        at >= self.next
            && self.acked_position().is_some_and(|acked| at < acked)
            && unix_ns.saturating_sub(self.acked_unix_ns) >= PROBE_AGE_MIN_NS
    }

    fn wait<S: ByteSink>(
        &mut self,
        at: u64,
        bytes: &[u8],
        arrival: Arrival,
        out: &mut Output<'_, S>,
    ) {
        self.account(out, |half, out| {
            let known = out.counters.duplicate_bytes + out.counters.differing_bytes;
            half.pieces.insert(at, bytes, arrival, out.counters);
            let seen = out.counters.duplicate_bytes + out.counters.differing_bytes - known;
            // Of copies that differ, one waited.
            let waited = out.counters.waiting_bytes + bytes_at::count(bytes.len());
            out.counters.waiting_bytes = waited - seen;
        });
    }
}
