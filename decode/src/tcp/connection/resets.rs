//! Resets: which are believed at once, and what becomes of the others.
//!
//! A reset behind what its receiver expects does nothing but cost it an acknowledgment, which is
//! why it is ignored here. One ahead may be the same; or the bytes before it were lost, or are
//! captured later. So it waits for them, or for what tells that the connection goes on; if nothing
//! at all comes, it was taken.

use super::{Conversation, Shared};
use crate::link::Side;
use crate::stream::ByteSink;
use crate::tcp::Connections;
use crate::tcp::counters::TcpCounters;
use crate::tcp::pieces::Arrival;

/// A reset that may or may not be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubted {
    sender: Side,
    seq: u32,
    ack: Option<u32>,
    arrival: Arrival,
    /// Has anything but resets come since?
    is_contradicted: bool,
}

impl Doubted {
    pub(super) fn new(sender: Side, seq: u32, ack: Option<u32>, arrival: Arrival) -> Self {
        Self {
            sender,
            seq,
            ack,
            arrival,
            is_contradicted: false,
        }
    }

    fn is_as(self, other: Self) -> bool {
        (self.sender, self.seq) == (other.sender, other.seq)
    }
}

impl<S: ByteSink> Conversation<S> {
    /// Takes a reset.
    pub(super) fn reset(&mut self, reset: Doubted, counters: &mut TcpCounters) {
        let doubted = self.doubted;
        let (own, ..) = self.halves(reset.sender);
        if own.takes_reset_at(reset.seq) {
            return self.end_by(reset);
        }
        let is_ahead = own.is_ahead(reset.seq);
        match doubted {
            // Resets are often sent several times.
            Some(known) if known.is_as(reset) => {}
            Some(known) if is_ahead && known.is_contradicted => {
                self.ignore_reset(counters);
                self.doubted = Some(reset);
            }
            None if is_ahead => self.doubted = Some(reset),
            _ => self.ignore_reset(counters),
        }
    }

    /// Counts one that is not taken; on a connection that is over, none is looked for.
    pub(super) fn ignore_reset(&self, counters: &mut TcpCounters) {
        counters.ignored_resets += u64::from(!self.is_over());
    }

    /// Something else than a reset has come.
    pub(super) fn contradict_reset(&mut self) {
        if let Some(doubted) = &mut self.doubted {
            doubted.is_contradicted = true;
        }
    }

    /// Decides about a reset that is doubted, if anything has become clear.
    pub(super) fn settle_doubt<C: Connections<Sink = S>>(
        &mut self,
        now: Arrival,
        shared: &mut Shared<'_, C>,
    ) {
        let Some(doubted) = self.doubted else {
            return;
        };
        let (own, ..) = self.halves(doubted.sender);
        if own.takes_reset_at(doubted.seq) {
            self.doubted = None;
            self.end_by(doubted);
            return;
        }
        let (limits, since) = (shared.limits, doubted.arrival);
        let is_due = now.number.saturating_sub(since.number) >= limits.hole_segments_count
            || now.unix_ns.saturating_sub(since.unix_ns) >= limits.hole_age_ns;
        if is_due {
            self.end_doubt(shared.counters);
        }
    }

    /// Decides about a reset that is doubted by what is known.
    pub(super) fn end_doubt(&mut self, counters: &mut TcpCounters) {
        match self.doubted.take() {
            Some(doubted) if doubted.is_contradicted => counters.ignored_resets += 1,
            Some(doubted) => self.end_by(doubted),
            None => {}
        }
    }

    fn end_by(&mut self, reset: Doubted) {
        let (own, other, _) = self.halves(reset.sender);
        own.reset(reset.seq, reset.arrival);
        other.reset_by_peer(reset.ack, reset.arrival);
    }
}
