//! When segments that cannot be read are tried again: while nothing else is to be done, after growing pauses, one a
//! pause. What is sealed meanwhile ends the pause.

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
}

impl Default for Unreadable {
    fn default() -> Self {
        Self {
            idle: Duration::ZERO,
            delay: RETRY_PAUSE_MIN,
            attempted: None,
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
        while sealed.is_any_unreadable() && !sealed.is_any_waiting() {
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
        if self.attempted == Some(segment) {
            *self = Self::default();
        }
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
