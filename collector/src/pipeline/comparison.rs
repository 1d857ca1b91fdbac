//! A run of `compare`: reads the dataset pass by pass, pairs, compares each pair, and adds up the report.
//!
//! ```text
//! Dataset ──▶ passes: pairs ──▶ compare ──▶ Aggregate ──▶ Report
//!                                  └──────▶ pairs, differences (Parquet), if they are wanted
//! ```
//!
//! Memory: the calls of a few passes of [`passes`], a batch of rows for each of the three that are read at a
//! time, the layouts of up to 512 parts (160 KiB each), plus the sums (at most
//! [`GROUPS_MAX`](crate::report::aggregate::GROUPS_MAX) groups).

mod results;

use std::path::PathBuf;

use uuid::Uuid;

use super::passes::{self, pair_dataset};
use super::selection::Selection;
use crate::compare::{self, Schema};
use crate::pair::{self, Pairing};
use crate::report::rows::time_text;
use crate::report::{Aggregate, CoverageSums, Loss, Report, Scope, Thresholds};
use crate::store::data_dir;
use crate::store::parquet::{Dataset, Projection};
use results::Results;

/// What to compare, and how.
#[derive(Debug)]
pub struct Comparison {
    /// Where the calls are.
    pub data_dir: PathBuf,
    /// Which of them are looked at.
    pub selection: Selection,
    /// How to pair them.
    pub pairing: pair::Settings,
    /// How to compare a pair.
    pub comparing: compare::Settings,
    /// What the answer is measured by.
    pub thresholds: Thresholds,
    /// Memory for calls, about.
    pub memory_bytes_max: u64,
    /// Under which id the results are written.
    pub run_id: Uuid,
    /// Are the `pairs` and `differences` datasets written?
    pub writes_datasets: bool,
}

/// What is there at a moment.
#[derive(Debug)]
pub struct Snapshot {
    dataset: Dataset,
    loss: Option<Loss>,
}

impl Snapshot {
    /// Is it the same as `other`? Parts never change: other ones come.
    pub fn is_same(&self, other: &Self) -> bool {
        self.loss == other.loss && self.dataset.paths().eq(other.dataset.paths())
    }

    /// Rows that a run reads.
    pub fn rows(&self) -> u64 {
        self.dataset.rows()
    }
}

impl Comparison {
    /// Looks at what there is now.
    pub fn open(&self) -> anyhow::Result<Snapshot> {
        let data_dir = &self.data_dir;
        data_dir::refuse_newer(data_dir)?;
        let loss = Loss::load(data_dir)?;
        let dataset = Dataset::open_within(data_dir, self.selection.widened_ns())?;
        Ok(Snapshot { dataset, loss })
    }

    /// Compares what is there. Partners of calls that started at `awaiting_from_ns` or later may still come;
    /// `seen` is told of rows that were read.
    pub fn run(
        &self,
        snapshot: &Snapshot,
        awaiting_from_ns: Option<u64>,
        seen: impl FnMut(u64),
    ) -> anyhow::Result<Report> {
        let Snapshot { dataset, loss } = snapshot;
        let is_all = self.selection.widened_ns() == (0..u64::MAX);
        let loss = loss.clone();
        let loss = loss.map(|loss| loss.among(&self.data_dir, dataset, is_all));
        let loss = loss.transpose()?;
        dataset.verify()?;
        let mut aggregate = self.aggregate();
        let mut results = Results::create(&self.data_dir, self.run_id, self.writes_datasets)?;
        let reading = passes::Settings {
            memory_bytes_max: self.memory_bytes_max,
            projection: Projection::Everything,
            pairing: pair::Settings {
                awaiting_from_ns,
                ..self.pairing.clone()
            },
        };
        pair_dataset(
            dataset,
            &reading,
            |call| self.selection.may_want(call),
            seen,
            |pairing| self.pass(pairing, &mut aggregate, &mut results),
        )?;
        results.finish()?;
        let schema = self.comparing.schema.as_ref();
        let knows = |method: &str| schema.is_some_and(|schema| schema.knows(method));
        let thresholds = self.thresholds.clone();
        Ok(aggregate.into_report(
            self.run_id.to_string(),
            self.scope(),
            loss,
            thresholds,
            knows,
        ))
    }

    fn aggregate(&self) -> Aggregate {
        let schema = self.comparing.schema.as_ref();
        let coverage = schema
            .map(|schema| CoverageSums::new(schema.pool().clone(), self.selection.method.clone()));
        coverage
            .map_or_else(Aggregate::default, Aggregate::with_coverage)
            .with_drift(schema.and_then(Schema::drift))
            .with_rules(&self.comparing.rules)
            .with_schema(schema.cloned())
    }

    fn scope(&self) -> Scope {
        Scope {
            data_dir: self.data_dir.display().to_string(),
            since: self.selection.since_ns.map(time_text),
            until: self.selection.until_ns.map(time_text),
            method: self.selection.method.clone(),
            writes_datasets: self.writes_datasets,
            has_descriptors: self.comparing.schema.is_some(),
            ..Scope::default()
        }
    }

    /// Compares the pairs of a pass.
    fn pass(
        &self,
        pairing: &Pairing,
        aggregate: &mut Aggregate,
        results: &mut Results,
    ) -> anyhow::Result<()> {
        aggregate.add_pass(pairing);
        for pair in &pairing.pairs {
            if !self.selection.is_in_range(&pair.primary) {
                continue;
            }
            let verdict = compare::compare(&pair.primary, &pair.candidate, &self.comparing);
            aggregate.add_pair(pair, &verdict);
            results.push_pair(pair, &verdict)?;
        }
        for unpaired in &pairing.unpaired {
            if self.selection.is_in_range(&unpaired.call) {
                aggregate.add_unpaired(unpaired);
                results.push_unpaired(unpaired)?;
            }
        }
        Ok(())
    }
}
