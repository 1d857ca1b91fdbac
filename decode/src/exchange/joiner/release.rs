//! Handing on what waited: blocks may be read again once a table is proved.

use std::collections::VecDeque;

use super::Joiner;
use crate::exchange::undecided::Undecided;
use crate::exchange::{CallSink, Exchange};
use crate::hpack::{HeaderBlock, Ticket};
use crate::stream::Way;

impl<S: CallSink> Joiner<S> {
    /// Hands on the exchanges that `choose` puts into the list.
    pub(super) fn release(
        &mut self,
        choose: impl FnOnce(&mut Undecided, &mut VecDeque<Box<Exchange>>),
    ) {
        let (before, mut ready) = (self.undecided.held_bytes(), VecDeque::new());
        choose(&mut self.undecided, &mut ready);
        self.share.settle(before, self.undecided.held_bytes());
        for exchange in ready {
            self.sink.call(exchange);
        }
    }

    /// A block of `way` was read again.
    pub(crate) fn revise(&mut self, way: Way, ticket: Ticket, revised: &HeaderBlock) {
        for stream in self.live.values_mut() {
            if stream.half_mut(way).revise(ticket, revised) {
                return;
            }
        }
        self.undecided.revise(way, ticket, revised);
    }

    /// Exchanges that waited for blocks to be read again need not wait longer.
    pub(crate) fn release_proved(&mut self) {
        self.release(|undecided, ready| undecided.release(ready, false));
    }
}
