//! What was lost before it reached the dataset, from the collector's `accounting.json`.

use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;

use crate::store::accounting::Accounting;

/// Calls that were meant to be in the dataset and are not. The figures are of the whole data
/// directory: accounting does not know when a call that was lost took place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Dropped in the filter before they got a number, or not captured enough to be calls.
    pub dropped: u64,
    /// Refused for good by the collector.
    pub refused: u64,
    /// Numbered, and never arrived.
    pub undelivered: u64,
    /// Arrived, and could not be decoded.
    pub quarantined: u64,
    /// Stretches of the journal that were damaged, and gaps of captures; the number of calls in them is
    /// unknown.
    pub damaged_stretches: u64,
    /// Written to the dataset, and not there any more.
    pub removed: u64,
    /// Not lost, but not in the dataset yet: numbered and on their way, or in the journal.
    pub not_yet_in_dataset: u64,
    /// Not lost: recorded before the directory first heard of their recorder.
    pub recorded_before: u64,
    /// Not ended when the recorders last told: nothing is known of them yet.
    pub in_flight: u64,
    /// Calls that were written to the dataset.
    #[serde(skip)]
    pub(crate) published: u64,
}

impl Loss {
    /// Reads `data_dir`'s accounting; `None` if there is none: then loss is unknown.
    pub fn load(data_dir: &Path) -> std::io::Result<Option<Self>> {
        let accountings = match Accounting::load_all(data_dir) {
            Ok(accountings) => accountings,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let losses = accountings.iter().map(Self::of);
        Ok(losses.reduce(|left, right| left.and(&right)))
    }

    /// The same, of a dataset in which all files together have `rows` calls.
    pub fn among(self, rows: u64) -> Self {
        Self {
            removed: self.published.saturating_sub(rows),
            ..self
        }
    }

    fn of(accounting: &Accounting) -> Self {
        let total = &accounting.total;
        Self {
            dropped: sum(total.dropped.values().copied()),
            refused: total.refused,
            undelivered: total.undelivered,
            quarantined: total.quarantined,
            damaged_stretches: accounting.damaged_stretches,
            not_yet_in_dataset: total.pending.saturating_add(total.journaled),
            recorded_before: total.recorded_before,
            in_flight: total.in_flight,
            published: total.published,
            // Not for the accounting to say.
            removed: 0,
        }
    }

    fn and(&self, other: &Self) -> Self {
        let add = u64::saturating_add;
        Self {
            dropped: add(self.dropped, other.dropped),
            refused: add(self.refused, other.refused),
            undelivered: add(self.undelivered, other.undelivered),
            quarantined: add(self.quarantined, other.quarantined),
            damaged_stretches: add(self.damaged_stretches, other.damaged_stretches),
            not_yet_in_dataset: add(self.not_yet_in_dataset, other.not_yet_in_dataset),
            recorded_before: add(self.recorded_before, other.recorded_before),
            in_flight: add(self.in_flight, other.in_flight),
            published: add(self.published, other.published),
            removed: add(self.removed, other.removed),
        }
    }

    /// Calls known to be lost, those that are merely not there or not ended yet included: the dataset lacks
    /// them all the same. A damaged stretch counts as one call at least.
    pub fn calls(&self) -> u64 {
        sum([
            self.dropped,
            self.refused,
            self.undelivered,
            self.quarantined,
            self.damaged_stretches,
            self.removed,
            self.not_yet_in_dataset,
            self.in_flight,
        ])
    }
}

/// The figures come from a file, so that no sum may overflow.
fn sum(figures: impl IntoIterator<Item = u64>) -> u64 {
    figures.into_iter().fold(0, u64::saturating_add)
}
