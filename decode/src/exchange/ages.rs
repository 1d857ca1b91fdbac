//! Open streams in the order in which they were opened, so that the oldest is found at once.

use std::collections::VecDeque;

/// Streams that are over and still in the queue, beside as many as are open.
const GONE_MAX: usize = 64;

/// Streams, oldest first; among them some that are over, which are passed by.
#[derive(Debug, Default)]
pub(super) struct Ages {
    queue: VecDeque<u32>,
    /// So many of the oldest were told to keep no more bytes.
    spilled_count: usize,
    steps: u64,
}

impl Ages {
    /// A stream was opened.
    #[inline]
    pub(super) fn opened(&mut self, stream_id: u32) {
        self.queue.push_back(stream_id);
    }

    /// Are there many in the queue that are over, if `live_count` are open?
    #[inline]
    pub(super) fn is_long(&self, live_count: usize) -> bool {
        self.queue.len() > live_count.saturating_mul(2).saturating_add(GONE_MAX)
    }

    /// Takes the oldest that is open.
    pub(super) fn take_oldest(&mut self, is_live: impl Fn(u32) -> bool) -> Option<u32> {
        loop {
            let stream_id = self.queue.pop_front()?;
            self.spilled_count = self.spilled_count.saturating_sub(1);
            self.steps += 1;
            if is_live(stream_id) {
                return Some(stream_id);
            }
        }
    }

    /// The oldest that is open and was not named here before.
    pub(super) fn next_to_spill(&mut self, is_live: impl Fn(u32) -> bool) -> Option<u32> {
        loop {
            let stream_id = *self.queue.get(self.spilled_count)?;
            self.spilled_count += 1;
            self.steps += 1;
            if is_live(stream_id) {
                return Some(stream_id);
            }
        }
    }

    /// Streams that were looked at so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes out those that are over.
    #[cold]
    pub(super) fn forget_gone(&mut self, is_live: impl Fn(u32) -> bool) {
        let (mut at, mut spilled_count) = (0, 0);
        self.steps += self.queue.len() as u64;
        self.queue.retain(|stream_id| {
            let stays = is_live(*stream_id);
            spilled_count += usize::from(stays && at < self.spilled_count);
            at += 1;
            stays
        });
        self.spilled_count = spilled_count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_is_open_comes_first() {
        let mut ages = Ages::default();
        for id in [1, 5, 3, 7] {
            ages.opened(id);
        }
        assert_eq!(ages.next_to_spill(|id| id != 1), Some(5));
        assert_eq!(ages.next_to_spill(|_| true), Some(3));
        assert_eq!(ages.take_oldest(|id| id != 1), Some(5));
        assert_eq!(ages.next_to_spill(|_| true), Some(7));
        assert_eq!(ages.next_to_spill(|_| true), None);
        assert_eq!(ages.take_oldest(|id| id != 3), Some(7));
        assert_eq!(ages.take_oldest(|_| true), None);
    }

    #[test]
    fn streams_that_are_over_are_forgotten_in_few_steps() {
        let mut ages = Ages::default();
        for id in 0..100_000 {
            ages.opened(id);
            if ages.is_long(1) {
                ages.forget_gone(|live| live == id);
            }
        }
        assert!(ages.queue.len() <= 66 && ages.steps() < 400_000);
    }
}
