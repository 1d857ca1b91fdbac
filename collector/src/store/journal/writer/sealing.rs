//! When the open segment is sealed, and what becomes of it where no next one can be begun.
//!
//! Then it goes on taking batches until it is full and could not be sealed [`SEALS_FAILED_MAX`] times; after that it
//! takes none until a next one can be begun. What is in it is durable, and published after the next start, if not before.
//!
//! A sequence is never used twice: it says which segment was published. What was begun of a segment and
//! cannot be taken back ends the journal, as a start would take it for the newest.

use tracing::{info, warn};

use super::{Writer, segment_uuid};
use crate::store::journal::segment::{NotBegun, OpenSegment, SegmentId};

/// While so many sealed segments wait for the publisher, none is sealed for its age: fewer and larger ones are
/// published faster.
const BACKLOG_SEGMENTS_MIN: usize = 2;
/// Attempts in a row that fail, after which a full segment takes nothing more: one may be of the moment.
const SEALS_FAILED_MAX: u32 = 2;

impl Writer {
    /// Is the open segment full, or old enough while the publisher keeps up, or does nothing else make room?
    pub(super) fn is_seal_due(&self) -> bool {
        let age = self.clock.monotonic().saturating_sub(self.segment_opened);
        let is_old = self.segment_records > 0
            && age >= self.settings.publish_interval
            && self.sealed.readable() < BACKLOG_SEGMENTS_MIN;
        let makes_room =
            self.is_full() && self.sealed.readable() == 0 && self.segment.batch_bytes() > 0;
        self.is_size_due() || is_old || makes_room || (self.draining && self.segment_records > 0)
    }

    fn is_size_due(&self) -> bool {
        self.segment.batch_bytes() >= self.settings.segment_bytes_max
            || self.segment_records >= self.settings.segment_records_max
    }

    /// Is the open segment full, and could not be sealed time and again?
    pub(super) fn is_overdue(&self) -> bool {
        self.seals_failed >= SEALS_FAILED_MAX && self.is_size_due()
    }

    /// Hands the open segment to the publisher and begins the next.
    pub(super) fn seal(&mut self) {
        let id = SegmentId {
            sequence: self.next_sequence,
            id: segment_uuid(self.clock.unix_ns()),
        };
        self.next_sequence += 1;
        self.ledger
            .sealed(self.segment.id.sequence, self.segment_records);
        match OpenSegment::create(self.disk.as_mut(), id, &self.ledger.snapshot()) {
            Ok(next) => self.replace(next),
            Err(NotBegun { error, leftover }) => {
                // The open segment goes on; the next round tries again.
                self.seals_failed = self.seals_failed.saturating_add(1);
                self.disk_failed();
                warn!(%error, "failed to begin a journal segment");
                if let Some(error) = leftover {
                    self.poison("take back a segment that could not be begun", &error);
                }
            }
        }
    }

    fn replace(&mut self, next: OpenSegment) {
        let full = std::mem::replace(&mut self.segment, next);
        info!(
            segment = %full.id.id, bytes = full.bytes(), records = self.segment_records,
            "sealed a journal segment"
        );
        self.segment_records = 0;
        self.seals_failed = 0;
        self.segment_opened = self.clock.monotonic();
        self.sealed_bytes += full.bytes();
        self.sizes.push((full.id.sequence, full.bytes()));
        self.sealed.push(full.id);
    }
}
