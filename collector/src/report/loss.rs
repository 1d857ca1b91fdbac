//! What was lost before it reached the dataset, from the collector's `accounting.json`.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::store::accounting::{Accounting, Recorder, Recorders};
use crate::store::data_dir;
use crate::store::parquet::{Dataset, ReadError};

/// Why nothing can be said of loss.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// The accounting cannot be read.
    #[error("failed to read the accounting of {}", path.display())]
    Accounting {
        /// The data directory.
        path: PathBuf,
        /// Which file, and what is wrong with it.
        source: io::Error,
    },
    /// The dataset cannot be read.
    #[error(transparent)]
    Dataset(#[from] ReadError),
}

/// Calls that were meant to be in the dataset and are not. The figures are of the whole data
/// directory: accounting does not know when a call that was lost took place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Dropped in the filter before they got a number, or not captured enough to be calls.
    pub dropped: u64,
    /// Refused for good by the collector.
    pub refused: u64,
    /// Numbered, and have not arrived. Where no collector runs, filters may still hold them for one that does.
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
    /// Not lost: in the dataset, and no accounting file knows who recorded them. What else was recorded, and
    /// lost, is unknown then.
    pub unaccounted: u64,
    /// Not lost: in the dataset, from ingests that did not come to their end.
    pub partly_ingested: u64,
    /// Ingests that did not come to their end, of whose calls nobody knows how many are missing.
    pub partial_ingests: u64,
    /// Calls that were written to the dataset.
    #[serde(skip)]
    pub(crate) published: u64,
    /// Who recorded, as far as the accounting told; `None` where a collector ran, which may have heard of others
    /// since.
    #[serde(skip)]
    pub(crate) recorders: Option<Recorders>,
}

impl Loss {
    /// Reads `data_dir`'s accounting; `None` if there is none: then loss is unknown. To be done before the
    /// dataset is opened: a call that is published in between is counted as missing, never as there.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, LossError> {
        let is_in_use = is_in_use(data_dir)?;
        let accountings = load(data_dir)?;
        let losses = accountings.iter().map(Self::of);
        let loss = losses.reduce(|left, right| left.and(&right));
        let recorders = (!is_in_use).then(|| Recorders::of(&accountings));
        Ok(loss.map(|loss| Self { recorders, ..loss }))
    }

    /// The same, beside the calls that there are in `dataset`, of all times if `is_all`.
    pub fn among(
        self,
        data_dir: &Path,
        dataset: &Dataset,
        is_all: bool,
    ) -> Result<Self, LossError> {
        // In this order: who gives up the lock has written all that there is to tell.
        let is_in_use = is_in_use(data_dir)?;
        let recorders = match self.recorders {
            // The journal is not read again: nobody wrote to it.
            Some(recorders) if !is_in_use => recorders,
            _ => Recorders::of(&load(data_dir)?),
        };
        let (mut accounted, mut partly_ingested, mut unaccounted) = (0, 0, 0);
        dataset.recorded(|recorded| {
            let sum = match recorders.recorder(&recorded.producer_id, recorded.is_of_run) {
                Recorder::Partial => &mut partly_ingested,
                Recorder::Accounted => &mut accounted,
                // The collector will tell of it in a moment; a run does before its first call.
                Recorder::Unknown if is_in_use && !recorded.is_of_run => return,
                Recorder::Unknown => &mut unaccounted,
            };
            *sum += recorded.calls;
        })?;
        Ok(Self {
            removed: match is_all {
                true => self.published.saturating_sub(accounted),
                false => 0,
            },
            unaccounted,
            partly_ingested,
            recorders: None,
            ..self
        })
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
            // How many of a part of an ingest there should be was not written.
            published: match accounting.is_partial {
                true => 0,
                false => total.published,
            },
            partial_ingests: u64::from(accounting.is_partial),
            // Not for the accounting to say.
            removed: 0,
            unaccounted: 0,
            partly_ingested: 0,
            recorders: None,
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
            unaccounted: add(self.unaccounted, other.unaccounted),
            partly_ingested: add(self.partly_ingested, other.partly_ingested),
            partial_ingests: add(self.partial_ingests, other.partial_ingests),
            recorders: None,
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

fn is_in_use(data_dir: &Path) -> Result<bool, LossError> {
    data_dir::is_in_use(data_dir).map_err(accounting_error(data_dir))
}

fn load(data_dir: &Path) -> Result<Vec<Accounting>, LossError> {
    match Accounting::load_all(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        all => all.map_err(accounting_error(data_dir)),
    }
}

fn accounting_error(data_dir: &Path) -> impl FnOnce(io::Error) -> LossError {
    let path = data_dir.to_owned();
    |source| LossError::Accounting { path, source }
}

/// The figures come from a file, so that no sum may overflow.
fn sum(figures: impl IntoIterator<Item = u64>) -> u64 {
    figures.into_iter().fold(0, u64::saturating_add)
}
