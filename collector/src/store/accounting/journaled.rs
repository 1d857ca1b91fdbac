//! The collector's figures as its journal has them, for whoever reads a directory that no collector uses.
//!
//! The file beside it is about a second older than the journal where the collector was killed, or is not there,
//! and does not know of damage that the next start will find.

use std::path::Path;
use std::time::Duration;

use super::Accounting;
use crate::store::journal;
use crate::store::journal::ledger::{Ledger, LedgerLimits};
use crate::store::journal::recovery::{RecoveryError, read};

/// Of a journal that is only read: nothing is forgotten, and while no collector runs, nothing comes. A filter
/// may still hold what has not come, and send it again to a collector that starts.
const LIMITS: LedgerLimits = LedgerLimits {
    producers_max: usize::MAX,
    producer_expiry: Duration::MAX,
    undelivered_grace: Duration::ZERO,
};

impl Accounting {
    /// What the journal of `data_dir` knows; `None` if it has no snapshot that can be read.
    pub fn of_journal(data_dir: &Path) -> Result<Option<Self>, RecoveryError> {
        let read = read(&journal::directory(data_dir), LIMITS)?;
        Ok(read.ledger.as_ref().map(Self::as_last_heard))
    }

    /// The collector's figures `file`, as they are by now, of a directory that nobody uses: what is damaged in the
    /// journal, and was not passed over yet, counts.
    pub(super) fn with_journal(
        file: Option<Self>,
        data_dir: &Path,
    ) -> Result<Option<Self>, RecoveryError> {
        let read = read(&journal::directory(data_dir), LIMITS)?;
        let newer = read.ledger.as_ref().map(Self::as_last_heard);
        let newer = newer.filter(|newer| file.is_some() || !newer.producers.is_empty());
        let mut accounting = newer.or(file);
        if read.damaged_unpublished > 0 {
            let accounting = accounting.get_or_insert_with(Self::default);
            let damaged = &mut accounting.damaged_stretches;
            *damaged = damaged.saturating_add(read.damaged_unpublished);
        }
        Ok(accounting)
    }

    /// Has the journal of `data_dir` all that its collector's file said?
    pub(super) fn is_in_journal(data_dir: &Path) -> bool {
        Self::of_journal(data_dir).is_ok_and(|known| known.is_some())
    }

    /// Records that the journal of `data_dir` should have, as far as it knows, or else as `file` says; and those
    /// that it has.
    pub(in crate::store) fn journaled(
        file: Option<&Self>,
        data_dir: &Path,
    ) -> Result<(u64, u64), RecoveryError> {
        let read = read(&journal::directory(data_dir), LIMITS)?;
        let told = file.map_or(0, |file| file.total.journaled);
        let expected = read.ledger.as_ref().map_or(told, Ledger::unpublished);
        Ok((expected, read.records_unpublished))
    }

    fn as_last_heard(ledger: &Ledger) -> Self {
        let entries = ledger.producers().map(|(_, entry)| entry);
        let newest = entries.map(|entry| entry.state.last_seen_unix_ns).max();
        Self::of(ledger, newest.unwrap_or(0))
    }
}
