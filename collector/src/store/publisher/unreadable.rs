//! When segments that cannot be read are tried again: while nothing else is to be done, after growing pauses, one a
//! pause. What is sealed meanwhile ends the pause. At the end each is tried once more.
//!
//! One whose file is not there twice is gone: once may be of the moment, where somebody moves it away and back.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{RETRY_PAUSE_MAX, RETRY_PAUSE_MIN};
use crate::store::journal::SealedSegments;
use crate::store::journal::segment::SegmentId;

/// When segments that cannot be read are tried again.
pub(super) struct Unreadable {
    /// So long nothing else was to be done since the last attempt.
    idle: Duration,
    /// Till so long, the next is made.
    delay: Duration,
    attempted: Option<SegmentId>,
    /// Those whose file was not there when they were last tried.
    absent: BTreeSet<SegmentId>,
}

impl Default for Unreadable {
    fn default() -> Self {
        Self {
            idle: Duration::ZERO,
            delay: RETRY_PAUSE_MIN,
            attempted: None,
            absent: BTreeSet::new(),
        }
    }
}

impl Unreadable {
    /// The next segment, or after a pause one that could not be read; `None` if there will be no more, or no time is left.
    pub(super) fn others_first(
        &mut self,
        sealed: &SealedSegments,
        pause: impl Fn(Duration) -> bool,
    ) -> Option<SegmentId> {
        while sealed.is_worth_a_pause() {
            if self.idle >= self.delay {
                self.idle = Duration::ZERO;
                self.delay = (self.delay * 2).min(RETRY_PAUSE_MAX);
                self.attempted = sealed.next_unreadable();
                return self.attempted;
            }
            if !pause(RETRY_PAUSE_MIN) {
                return None;
            }
            self.idle += RETRY_PAUSE_MIN;
        }
        sealed.next()
    }

    /// Others may be readable again, too, if this one is.
    pub(super) fn published(&mut self, segment: SegmentId) {
        self.absent.remove(&segment);
        if self.attempted == Some(segment) {
            let absent = std::mem::take(&mut self.absent);
            *self = Self {
                absent,
                ..Self::default()
            };
        }
    }

    /// Was its file not there now, nor when it was tried before?
    pub(super) fn is_gone(&mut self, segment: SegmentId, is_absent: bool) -> bool {
        let was_absent = self.absent.remove(&segment);
        if is_absent && !was_absent {
            self.absent.insert(segment);
        }
        is_absent && was_absent
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use uuid::Uuid;

    use super::*;

    const FIRST: SegmentId = segment(1);
    const SECOND: SegmentId = segment(2);

    const fn segment(sequence: u64) -> SegmentId {
        SegmentId {
            sequence,
            id: Uuid::nil(),
        }
    }

    #[test]
    fn others_end_the_pause_and_do_not_shorten_the_next() {
        let sealed = SealedSegments::default();
        sealed.push(FIRST);
        assert_eq!(sealed.next(), Some(FIRST));
        sealed.put_behind(FIRST);
        let mut unreadable = Unreadable::default();
        let paused = Cell::new(0);
        let mut next = |second_after: u32| {
            let pause = |pause: Duration| {
                assert_eq!(pause, RETRY_PAUSE_MIN);
                paused.set(paused.get() + 1);
                if paused.get() == second_after {
                    sealed.push(SECOND);
                }
                paused.get() < 1000
            };
            let next = unreadable.others_first(&sealed, pause)?;
            if next == FIRST {
                sealed.put_behind(FIRST);
            }
            Some((next, paused.get()))
        };
        assert_eq!(next(0), Some((FIRST, 1)));
        assert_eq!(next(2), Some((SECOND, 2)));
        assert_eq!(next(0), Some((FIRST, 3)), "after two pauses in all");
        assert_eq!(next(0), Some((FIRST, 7)));
        paused.set(999);
        assert_eq!(next(0), None, "no time is left");
    }

    #[test]
    fn at_the_end_each_is_tried_once_more_at_once() {
        let sealed = SealedSegments::default();
        for segment in [FIRST, SECOND] {
            sealed.push(segment);
            assert_eq!(sealed.next(), Some(segment));
            sealed.put_behind(segment);
        }
        let mut unreadable = Unreadable::default();
        let mut next = || {
            // As the journal's thread does with each duty.
            sealed.close();
            let next = unreadable.others_first(&sealed, |_| false);
            next.inspect(|segment| sealed.put_behind(*segment))
        };
        let tries = [(); 3].map(|()| next());
        assert_eq!(tries, [Some(FIRST), Some(SECOND), None]);
        assert_eq!(sealed.backlog(), 2);
    }

    #[test]
    fn gone_is_what_is_not_there_twice_in_a_row() {
        let mut unreadable = Unreadable::default();
        let tries = [true, false, true, true].map(|it| unreadable.is_gone(FIRST, it));
        assert_eq!(tries, [false, false, false, true]);
        assert!(!unreadable.is_gone(FIRST, true) && !unreadable.is_gone(SECOND, true));
        unreadable.published(FIRST);
        assert!(!unreadable.is_gone(FIRST, true) && unreadable.is_gone(SECOND, true));
    }

    #[test]
    fn what_can_be_read_again_makes_the_others_worth_a_try() {
        let sealed = SealedSegments::default();
        sealed.push(FIRST);
        let mut unreadable = Unreadable::default();
        let paused = Cell::new(0);
        let next = |unreadable: &mut Unreadable| {
            paused.set(0);
            let pause = |_| {
                paused.set(paused.get() + 1);
                true
            };
            let next = unreadable.others_first(&sealed, pause);
            sealed.put_behind(FIRST);
            (next, paused.get())
        };
        let tries = [(); 4].map(|()| next(&mut unreadable));
        assert_eq!(tries.map(|(_, pauses)| pauses), [0, 1, 2, 4]);
        unreadable.published(SECOND);
        assert_eq!(next(&mut unreadable), (Some(FIRST), 8));
        unreadable.published(FIRST);
        assert_eq!(next(&mut unreadable), (Some(FIRST), 1));
    }
}
