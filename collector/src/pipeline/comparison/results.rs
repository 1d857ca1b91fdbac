//! The `pairs` and `differences` datasets of a run, if they are wanted.

use std::path::Path;

use anyhow::Context as _;
use uuid::Uuid;

use crate::compare::Verdict;
use crate::pair::{Pair, Unpaired};
use crate::report::rows;
use crate::store::parquet::{DifferencesWriter, PairsWriter};

/// Writers of both; none if they are not wanted.
pub(super) struct Results(Option<(PairsWriter, DifferencesWriter)>);

impl Results {
    pub(super) fn create(data_dir: &Path, run_id: Uuid, are_wanted: bool) -> anyhow::Result<Self> {
        if !are_wanted {
            return Ok(Self(None));
        }
        let pairs = PairsWriter::create(data_dir, run_id)
            .context("failed to write what is found (--no-write leaves that out)")?;
        let differences = DifferencesWriter::create(data_dir, run_id)?;
        Ok(Self(Some((pairs, differences))))
    }

    pub(super) fn push_pair(&mut self, pair: &Pair, verdict: &Verdict) -> anyhow::Result<()> {
        let Some((pairs, differences)) = &mut self.0 else {
            return Ok(());
        };
        pairs.push(rows::pair_row(pair, verdict))?;
        for row in rows::difference_rows(pair, verdict) {
            differences.push(row)?;
        }
        Ok(())
    }

    pub(super) fn push_unpaired(&mut self, unpaired: &Unpaired) -> anyhow::Result<()> {
        if let Some((pairs, _)) = &mut self.0 {
            pairs.push(rows::unpaired_row(unpaired))?;
        }
        Ok(())
    }

    /// Puts both in place.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        if let Some((pairs, differences)) = self.0 {
            differences.finish()?;
            pairs.finish()?;
        }
        Ok(())
    }
}
