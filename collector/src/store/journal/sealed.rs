//! Sealed segments on their way to the publisher.
//!
//! Bounded by the journal's size limit: the writer seals by age only while the backlog is short.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::segment::SegmentId;

/// A queue of segments. One that was handed out counts as backlog until it is `finished`.
#[derive(Debug, Default)]
pub struct SealedSegments {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<SegmentId>,
    publishing: Vec<SegmentId>,
    closed: bool,
}

impl SealedSegments {
    /// The oldest segment. Blocks until there is one; `None` when there will be no more.
    pub fn next(&self) -> Option<SegmentId> {
        let mut state = self.lock();
        loop {
            if let Some(segment) = state.waiting.pop_front() {
                state.publishing.push(segment);
                return Some(segment);
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Would [`Self::next`] have one at once?
    pub fn is_any_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Segments that are not in Parquet yet.
    pub fn backlog(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.publishing.len()
    }

    pub(super) fn push(&self, segment: SegmentId) {
        self.lock().waiting.push_back(segment);
        self.changed.notify_one();
    }

    pub(super) fn finished(&self, sequence: u64) -> Option<SegmentId> {
        let mut state = self.lock();
        let index = state
            .publishing
            .iter()
            .position(|segment| segment.sequence == sequence)?;
        Some(state.publishing.swap_remove(index))
    }

    /// No more segments will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic while holding the lock; if it did, the queue would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
