//! How far an ingest is, for others to look at while it goes on.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// How far it is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the inputs, as they are stored, that were read.
    pub bytes_read: Arc<AtomicU64>,
    /// Packets read.
    pub packets: AtomicU64,
    /// Calls rebuilt, by what became of them; those of one batch after the other.
    pub calls: Mutex<CallCounts>,
}

impl Progress {
    /// What became of calls so far.
    pub fn call_counts(&self) -> CallCounts {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, counts: &CallCounts) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.add(counts);
    }
}

/// Is told that there is progress, now and then.
pub struct OnProgress(pub Box<dyn FnMut(&Progress)>);

impl std::fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnProgress")
    }
}

/// What became of calls. `written + excluded` is the number of calls rebuilt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Written.
    pub written: u64,
    /// Of methods that are not wanted.
    pub excluded: u64,
    /// Written, and flagged: something of them was not seen.
    pub incomplete: u64,
    /// Written, and bytes of them were lost.
    pub with_gap: u64,
}

impl CallCounts {
    pub(super) fn add(&mut self, other: &Self) {
        self.written += other.written;
        self.excluded += other.excluded;
        self.incomplete += other.incomplete;
        self.with_gap += other.with_gap;
    }
}
