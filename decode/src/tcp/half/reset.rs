//! Where a reset is believed, what it ends, and bytes behind an end.

use super::{Half, State};
use crate::stream::Ending;
use crate::tcp::counters::TcpCounters;
use crate::tcp::pieces::Arrival;
use crate::tcp::sequence;

/// Bytes behind the end of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    Nothing,
    /// There are some. They were sent before the reset came, or the other end did not take it.
    Doubtful,
    /// There are some that the other end took, so that the way did not end there.
    Lost,
}

impl Half {
    /// Does the other end believe a reset at `seq`? It must lie exactly where that end expects the
    /// next byte (RFC 9293 section 3.10.7.4, RFC 5961 section 3.2). That is what is next here, or
    /// what it has acknowledged or got last, where the capture lacks something.
    pub(in crate::tcp) fn takes_reset_at(&self, seq: u32) -> bool {
        if matches!(self.state, State::Silent | State::Settling) || self.acked == Some(seq) {
            return true;
        }
        let position = self.position(seq);
        let is_at_end = |end: u64| position == end || position == end + 1;
        position == self.next
            || position == self.seen_until()
            || self.end.is_some_and(|(end, ..)| is_at_end(end))
            || self.state == State::Ended && is_at_end(self.next)
    }

    /// Does `seq` lie behind everything that was captured?
    pub(in crate::tcp) fn is_ahead(&self, seq: u32) -> bool {
        self.end.is_none() && self.state != State::Ended && self.position(seq) > self.seen_until()
    }

    /// The sender resets the connection at `seq`.
    pub(in crate::tcp) fn reset(&mut self, seq: u32, arrival: Arrival) {
        self.reset_at(Some(seq), arrival);
    }

    /// The other end resets the connection. It says where it has come to, or not.
    pub(in crate::tcp) fn reset_by_peer(&mut self, ack: Option<u32>, arrival: Arrival) {
        self.is_reset_by_peer |= self.end.is_none() && self.state != State::Ended;
        self.reset_at(ack, arrival);
    }

    fn reset_at(&mut self, seq: Option<u32>, arrival: Arrival) {
        if self.state == State::Silent {
            self.state = State::Ended;
            return;
        }
        let seq = seq.filter(|seq| sequence::is_near(*seq, self.next_seq));
        let position = seq.map_or(self.next, |seq| self.position(seq));
        // What waits was sent before: it is handed on, with gaps. So was what is acknowledged.
        let sent_until = self.seen_until().max(self.taken_until());
        self.ends_at(position.max(sent_until), Ending::Reset, arrival);
    }

    /// Bytes came behind the end. After a reset of the other end that is to be expected for a
    /// while; otherwise the way did not end there.
    pub(super) fn goes_beyond(&mut self, counters: &mut TcpCounters) {
        if !self.is_reset_by_peer {
            self.lose_beyond(counters);
        } else if self.beyond == Beyond::Nothing {
            self.beyond = Beyond::Doubtful;
        }
    }

    /// Bytes behind the end belonged to the connection.
    pub(super) fn lose_beyond(&mut self, counters: &mut TcpCounters) {
        if self.beyond != Beyond::Lost {
            self.beyond = Beyond::Lost;
            counters.outlived += 1;
        }
    }

    /// The other end goes on: has it taken bytes behind the end?
    pub(in crate::tcp) fn note_heard(&mut self, counters: &mut TcpCounters) {
        // One more may be a FIN.
        let has_taken = |acked| acked > self.next + 1;
        if self.beyond == Beyond::Doubtful && self.acked_position().is_some_and(has_taken) {
            self.lose_beyond(counters);
        }
    }

    /// Up to where the other end has taken bytes, as far as it said so. One more byte than what was seen may as well
    /// be a FIN that was not captured.
    pub(super) fn taken_until(&self) -> u64 {
        let acked = self.acked_position().unwrap_or(self.next);
        if acked > self.seen_until() + 1 {
            acked
        } else {
            self.next
        }
    }

    /// Where the captured bytes end.
    fn seen_until(&self) -> u64 {
        self.pieces
            .end()
            .map_or(self.next, |end| end.max(self.next))
    }
}
