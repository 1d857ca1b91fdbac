//! Whether the journal can take a batch: flags its thread sets and everyone reads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::Refusal;

/// Why the journal takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody can say what is on the disk behind what was acknowledged.
    Disk,
    /// The directory was removed or moved, and what was acknowledged with it.
    Removed,
}

/// State of the journal. Poison is for ever, the others come and go.
#[derive(Debug, Default)]
pub struct Health {
    failure: OnceLock<Failure>,
    poison: Notify,
    disk_full: AtomicBool,
    disk_low: AtomicBool,
    journal_full: AtomicBool,
    segment_full: AtomicBool,
}

impl Health {
    /// Can a batch be taken? A full disk is no reason not to try: that is how it is noticed that
    /// there is room again.
    pub fn check(&self) -> Result<(), Refusal> {
        self.check_poison()?;
        if self.is_disk_low() {
            Err(Refusal::DiskLow)
        } else if self.journal_full.load(Ordering::Acquire) {
            Err(Refusal::JournalFull)
        } else if self.segment_full.load(Ordering::Acquire) {
            Err(Refusal::SegmentFull)
        } else {
            Ok(())
        }
    }

    /// Should traffic be sent here?
    pub fn ready(&self) -> Result<(), Refusal> {
        self.check()?;
        if self.disk_full.load(Ordering::Acquire) {
            Err(Refusal::DiskFull)
        } else {
            Ok(())
        }
    }

    /// Returns when the journal has failed for good.
    pub async fn poisoned(&self) -> Failure {
        loop {
            let notified = self.poison.notified();
            match self.failure() {
                Some(failure) => return failure,
                None => notified.await,
            }
        }
    }

    pub(super) fn check_poison(&self) -> Result<(), Refusal> {
        match self.failure() {
            Some(_) => Err(Refusal::JournalFailed),
            None => Ok(()),
        }
    }

    /// Why the journal takes nothing more, if so.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.get().copied()
    }

    /// The first failure counts.
    pub(super) fn poison(&self, failure: Failure) {
        self.failure.get_or_init(|| failure);
        self.poison.notify_waiters();
    }

    /// Returns what it was.
    pub(super) fn set_disk_full(&self, full: bool) -> bool {
        self.disk_full.swap(full, Ordering::AcqRel)
    }

    /// Returns what it was.
    pub(super) fn set_disk_low(&self, low: bool) -> bool {
        self.disk_low.swap(low, Ordering::AcqRel)
    }

    pub(super) fn set_journal_full(&self, full: bool) {
        self.journal_full.store(full, Ordering::Release);
    }

    pub(super) fn set_segment_full(&self, full: bool) {
        self.segment_full.store(full, Ordering::Release);
    }

    pub(super) fn is_disk_low(&self) -> bool {
        self.disk_low.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_ready_and_still_tried() {
        let health = Health::default();
        health.set_disk_full(true);
        assert_eq!(health.ready(), Err(Refusal::DiskFull));
        assert_eq!(health.check(), Ok(()));
    }

    #[test]
    fn a_full_journal_is_known_before_a_batch_is_read() {
        let health = Health::default();
        health.set_journal_full(true);
        assert_eq!(health.check(), Err(Refusal::JournalFull));
        health.set_journal_full(false);
        assert_eq!(health.ready(), Ok(()));
    }
}
