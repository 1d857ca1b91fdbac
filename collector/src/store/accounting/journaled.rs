//! The collector's figures as its journal has them, for whoever reads a directory that no collector uses.
//!
//! The file beside it is about a second older than the journal where the collector was killed, or is not there,
//! and does not know of damage that the next start will find.

use std::io;
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

    /// Brings the collector's figures `file` up to date, of a directory that nobody uses, and makes up for a file that
    /// cannot be read, if the journal has a snapshot: what is damaged in it, and was not passed over yet, counts.
    pub(super) fn renew(
        file: &mut io::Result<Option<Self>>,
        data_dir: &Path,
    ) -> Result<(), RecoveryError> {
        let read = read(&journal::directory(data_dir), LIMITS)?;
        if let Some(newer) = read.ledger.as_ref().map(Self::as_last_heard)
            && !(newer.is_blank() && matches!(file, Ok(None)))
        {
            *file = Ok(Some(newer));
        }
        if let Ok(accounting) = file
            && read.damaged_unpublished > 0
        {
            let accounting = accounting.get_or_insert_with(Self::default);
            let damaged = &mut accounting.damaged_stretches;
            *damaged = damaged.saturating_add(read.damaged_unpublished);
        }
        Ok(())
    }

    /// Was no producer ever heard of, and nothing found damaged?
    pub fn is_blank(&self) -> bool {
        self.producers.is_empty() && self.forgotten_count == 0 && self.damaged_stretches == 0
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

#[cfg(test)]
mod tests {
    use std::fs;

    use uuid::Uuid;

    use super::*;
    use crate::store::accounting::FILE_NAME;
    use crate::store::data_dir::DataDir;
    use crate::store::fsck;
    use crate::store::journal::disk::DirDisk;
    use crate::store::journal::ledger::LedgerSnapshot;
    use crate::store::journal::producer::ProducerState;
    use crate::store::journal::segment::{OpenSegment, SegmentId};

    /// A data directory whose collector has ended and left `snapshot` in its journal.
    fn left(snapshot: &LedgerSnapshot) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path()).unwrap());
        let mut disk = DirDisk::open(&journal::directory(dir.path())).unwrap();
        let id = SegmentId {
            sequence: 1,
            id: Uuid::from_u128(7),
        };
        OpenSegment::create(&mut disk, id, snapshot).unwrap();
        dir
    }

    #[test]
    fn a_journal_that_has_forgotten_every_producer_still_tells_what_they_sent_and_what_was_lost() {
        let dir = left(&LedgerSnapshot {
            forgotten: Some(ProducerState {
                received: 3,
                published: 3,
                ..ProducerState::default()
            }),
            forgotten_count: 1,
            damaged_stretches: 1,
            ..LedgerSnapshot::default()
        });
        let file = dir.path().join(FILE_NAME);
        let checked = fsck::check(dir.path(), None, |_| ()).unwrap();
        assert!(checked.findings.iter().any(|found| found.path == file));
        for is_torn in [false, true] {
            if is_torn {
                fs::write(&file, "").unwrap();
            }
            let all = Accounting::load_all(dir.path()).unwrap();
            let told = all.iter().map(|it| (it.total.stored, it.damaged_stretches));
            assert_eq!(told.collect::<Vec<_>>(), [(3, 1)], "torn: {is_torn}");
        }
    }

    #[test]
    fn a_collector_that_heard_of_nobody_has_nothing_to_tell() {
        let dir = left(&LedgerSnapshot::default());
        assert!(Accounting::load_all(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn why_the_journal_cannot_make_up_for_a_torn_file_is_told() {
        let dir = left(&LedgerSnapshot::default());
        fs::write(dir.path().join(FILE_NAME), "").unwrap();
        let segment = fs::read_dir(journal::directory(dir.path())).unwrap().next();
        let segment = segment.unwrap().unwrap().path();
        fs::remove_file(&segment).unwrap();
        fs::create_dir(&segment).unwrap();
        let error = Accounting::load_all(dir.path()).unwrap_err().to_string();
        assert!(error.contains(".segment"), "{error}");
    }
}
