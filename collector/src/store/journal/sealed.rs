//! Sealed segments on their way to the publisher.
//!
//! Bounded by the journal's size limit: the writer seals by age only while few wait. One that cannot be read waits
//! behind all others, and holds up none.

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
    /// Those that could not be read, longest ago first.
    unreadable: VecDeque<SegmentId>,
    publishing: Vec<SegmentId>,
    closed: bool,
}

impl SealedSegments {
    /// The oldest segment that may be read. Blocks until there is one; `None` when there will be no more.
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

    /// The segment that could not be read longest ago.
    pub fn next_unreadable(&self) -> Option<SegmentId> {
        let mut state = self.lock();
        let segment = state.unreadable.pop_front()?;
        state.publishing.push(segment);
        Some(segment)
    }

    /// A segment that was handed out cannot be read: others first.
    pub fn put_behind(&self, segment: SegmentId) {
        let mut state = self.lock();
        state.publishing.retain(|handed_out| *handed_out != segment);
        state.unreadable.push_back(segment);
    }

    /// Would [`Self::next`] have one at once that may be read?
    pub fn is_any_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Is there nothing else to be done than to try again what could not be read, and time for it?
    pub fn is_worth_a_pause(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && !state.unreadable.is_empty() && !state.closed
    }

    /// Segments that are not in Parquet yet.
    pub fn backlog(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.unreadable.len() + state.publishing.len()
    }

    /// Those of them that nothing but time keeps from it, as far as is known.
    pub fn readable(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.publishing.len()
    }

    pub(in crate::store) fn push(&self, segment: SegmentId) {
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

    /// No more segments will come: those that could not be read are handed out once more, behind the others.
    pub fn close(&self) {
        let state = &mut *self.lock();
        if !std::mem::replace(&mut state.closed, true) {
            state.waiting.append(&mut state.unreadable);
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic while holding the lock; if it did, the queue would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
