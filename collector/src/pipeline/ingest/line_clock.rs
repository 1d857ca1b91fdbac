//! What time it is on a live line, for decoders that know no clock.
//!
//! Packets bring their times. When none come, time goes on all the same: a call that waits for what
//! can no longer come is to be told, and an idle connection to be given up. So the reader says how long
//! nothing came, and the line's time is the newest packet's plus that, less [`SLACK`]: what was captured
//! may still be on its way here.

use std::time::Duration;

use crate::sources::capture::LOOK_PAUSE;

/// How late a packet may come from whatever captures, in time of the line.
const SLACK: Duration = Duration::from_secs(1);
/// How often the time is told.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// The time of one line.
#[derive(Debug, Default)]
pub(super) struct LineClock {
    newest_unix_ns: u64,
    last_unix_ns: u64,
    silence: Duration,
    told_unix_ns: u64,
}

impl LineClock {
    /// A packet has come.
    #[inline]
    pub(super) fn packet(&mut self, unix_ns: u64) {
        // A time that is seen once is not believed.
        let agreed = unix_ns.min(self.last_unix_ns);
        self.last_unix_ns = unix_ns;
        self.newest_unix_ns = self.newest_unix_ns.max(agreed);
        self.silence = Duration::ZERO;
    }

    /// Nothing has come for [`LOOK_PAUSE`].
    pub(super) fn quiet(&mut self) {
        // Counted in pauses, not measured: of a process that was stopped, the pipe may be full.
        self.silence += LOOK_PAUSE;
    }

    /// The time, if it is to be told.
    pub(super) fn due(&mut self) -> Option<u64> {
        let newest = match self.silence {
            Duration::ZERO => self.newest_unix_ns,
            _ => self.newest_unix_ns.max(self.last_unix_ns),
        };
        let now = newest
            .saturating_add(nanoseconds(self.silence))
            .saturating_sub(nanoseconds(SLACK));
        let is_due = now >= self.told_unix_ns.saturating_add(nanoseconds(TELL_INTERVAL));
        if !is_due || newest == 0 {
            return None;
        }
        self.told_unix_ns = now;
        Some(now)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn after(packets: &[u64]) -> LineClock {
        let mut clock = LineClock::default();
        packets.iter().for_each(|time| clock.packet(*time));
        clock
    }

    #[test]
    fn time_goes_on_when_the_line_is_silent() {
        let mut clock = after(&[100 * SECOND]);
        for _ in 0..10 {
            clock.quiet();
        }
        assert_eq!(
            clock.due(),
            Some(100 * SECOND),
            "after a second, less the slack"
        );
        clock.quiet();
        assert_eq!(clock.due(), None, "not told more often than every second");
        for _ in 0..9 {
            clock.quiet();
        }
        assert_eq!(clock.due(), Some(101 * SECOND));
    }

    #[test]
    fn one_packet_of_a_strange_time_does_not_move_it() {
        let mut clock = after(&[100 * SECOND, 900_000 * SECOND, 101 * SECOND]);
        assert_eq!(clock.due(), Some(100 * SECOND));
    }

    #[test]
    fn before_the_first_packet_there_is_no_time() {
        let mut clock = after(&[]);
        for _ in 0..100 {
            clock.quiet();
        }
        assert_eq!(clock.due(), None);
    }
}
