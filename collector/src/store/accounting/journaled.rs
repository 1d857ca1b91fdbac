//! The collector's figures as its journal has them, for whoever reads a directory that no collector uses.
//!
//! The file beside it is about a second older than the journal where the collector was killed, or is not there,
//! and does not know of damage that the next start will find.

use std::path::Path;
use std::time::Duration;

use super::Accounting;
use crate::store::journal;
use crate::store::journal::ledger::LedgerLimits;
use crate::store::journal::recovery::{RecoveryError, damaged_unpublished, read_ledger};

/// Of a journal that is only read: nothing is forgotten, and nothing will come any more.
const LIMITS: LedgerLimits = LedgerLimits {
    producers_max: usize::MAX,
    producer_expiry: Duration::MAX,
    undelivered_grace: Duration::ZERO,
};

impl Accounting {
    /// What the journal of `data_dir` knows; `None` if it has no snapshot that can be read.
    pub fn of_journal(data_dir: &Path) -> Result<Option<Self>, RecoveryError> {
        let dir = journal::directory(data_dir);
        let Some(ledger) = read_ledger(&dir, LIMITS)? else {
            return Ok(None);
        };
        let newest = ledger
            .producers()
            .map(|(_, entry)| entry.state.last_seen_unix_ns);
        Ok(Some(Self::of(&ledger, newest.max().unwrap_or(0))))
    }

    /// The collector's figures `file`, as they are by now, of a directory that nobody uses: what is damaged in the
    /// journal, and was not passed over yet, counts.
    pub(super) fn with_journal(
        file: Option<Self>,
        data_dir: &Path,
    ) -> Result<Option<Self>, RecoveryError> {
        let damaged = damaged_unpublished(&journal::directory(data_dir), LIMITS)?;
        let newer = Self::of_journal(data_dir)?;
        let newer = newer.filter(|newer| file.is_some() || !newer.producers.is_empty());
        let mut accounting = newer.or(file);
        if damaged > 0 {
            let accounting = accounting.get_or_insert_with(Self::default);
            accounting.damaged_stretches = accounting.damaged_stretches.saturating_add(damaged);
        }
        Ok(accounting)
    }
}
