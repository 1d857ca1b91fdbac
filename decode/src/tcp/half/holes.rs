//! What is missing, and when it is given up.

use super::{Half, Output};
use crate::stream::{ByteSink, Ending};
use crate::tcp::counters::GapReason;
use crate::tcp::pieces::Arrival;

impl Half {
    /// A hole that must or can be given up: why, and where it ends.
    pub(super) fn hole_to_give_up<S>(
        &self,
        now: Arrival,
        out: &Output<'_, S>,
    ) -> Option<(GapReason, u64)> {
        let (until, since) = match (self.pieces.first(), self.end) {
            (Some((first, piece)), _) => {
                let since = Arrival {
                    unix_ns: piece.unix_ns,
                    number: piece.arrival,
                };
                (first, since)
            }
            (None, Some((end, _, since))) if end > self.next => (end, since),
            _ => return None,
        };
        let limits = out.limits;
        let segments = now.number.saturating_sub(since.number);
        let age_ns = now.unix_ns.saturating_sub(since.unix_ns);
        let cost = self.pieces.cost();
        if cost > limits.waiting_bytes_max
            || cost > 0 && *out.waiting_total > limits.waiting_bytes_total_max
        {
            return Some((GapReason::Budget, until));
        }
        // Nothing acknowledges what came before a reset that was taken.
        let is_reset = matches!(self.end, Some((_, Ending::Reset, _)));
        match self.acked_position() {
            Some(acked) if acked >= until || is_reset => (segments >= limits.hole_segments_count
                || age_ns >= limits.hole_age_ns)
                .then_some((GapReason::Acknowledged, until)),
            Some(_) => None,
            None => (segments >= limits.blind_hole_segments_count
                || age_ns >= limits.blind_hole_age_ns)
                .then_some((GapReason::Unacknowledged, until)),
        }
    }

    pub(super) fn give_up<S: ByteSink>(
        &mut self,
        reason: GapReason,
        until: u64,
        out: &mut Output<'_, S>,
    ) {
        self.announce(out);
        self.skip(reason, until - self.next, out);
    }

    pub(super) fn skip<S: ByteSink>(
        &mut self,
        reason: GapReason,
        len: u64,
        out: &mut Output<'_, S>,
    ) {
        self.move_to(self.next + len);
        out.counters.gaps.add(reason, 1);
        out.counters.gap_bytes.add(reason, len);
        if let Some(sink) = out.sink.as_deref_mut() {
            sink.gap(out.unix_ns, out.way, len);
        }
    }
}
