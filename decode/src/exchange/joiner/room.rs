//! Staying within the limits on open streams, on the bytes they keep, and on queues.
//!
//! What has to go goes oldest first: exchanges that only wait for evidence are handed on, then open
//! streams keep no bodies any more, then they are given up.

use super::Joiner;
use crate::exchange::undecided::Undecided;
use crate::exchange::{CallSink, ExchangeEnd};

impl<S: CallSink> Joiner<S> {
    /// What a stream kept `before` is `now`: beyond the limits something has to go.
    #[inline]
    pub(super) fn settle(&mut self, at: u64, before: usize, now: usize) {
        self.share.settle(before, now);
        if self.share.is_over(self.limits.kept_bytes_max) {
            self.keep_less(at);
        }
    }

    #[cold]
    fn keep_less(&mut self, at: u64) {
        self.release(Undecided::drain);
        let bytes_max = self.limits.kept_bytes_max;
        while self.share.is_over(bytes_max) {
            let is_live = |id| self.live.contains_key(&id);
            let Some(id) = self.ages.next_to_spill(is_live) else {
                break;
            };
            if let Some(stream) = self.live.get_mut(&id) {
                stream.request.body.spill();
                stream.response.body.spill();
                let (before, now) = stream.settle();
                self.share.settle(before, now);
                self.tally.spilled_streams += 1;
            }
        }
        while self.share.is_over(bytes_max) && self.evict(at) {}
    }

    /// Finishes the oldest stream, if any is open.
    pub(super) fn evict(&mut self, at: u64) -> bool {
        let is_live = |id| self.live.contains_key(&id);
        let Some(id) = self.ages.take_oldest(is_live) else {
            return false;
        };
        self.tally.evicted_calls += 1;
        self.finish(at, id, ExchangeEnd::Evicted);
        true
    }

    /// Keeps the queues as bounded as the streams, whatever the clock does: what is in them and no
    /// longer live goes.
    pub(super) fn forget_gone(&mut self) {
        let queued_max = self.limits.streams_max.saturating_mul(2).saturating_add(64);
        for queue in [&mut self.closing, &mut self.complete] {
            if queue.len() > queued_max {
                queue.retain(|(_, id)| self.live.contains_key(id));
            }
        }
    }
}
