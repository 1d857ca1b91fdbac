//! One row of figures per family: printed, and kept for `docs/reliability.md`. Most tell of records
//! ([`Figures`]), some of what was looked for and must not be there ([`Sought`]).

use std::time::Duration;

use serde_json::json;
use twintap_e2e::figures;

use crate::oracle::Verdict;

/// What a family has shown.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Names the row.
    pub(crate) family: &'static str,
    /// What was done to the collector.
    pub(crate) fault: &'static str,
    pub(crate) seed: u64,
    /// How often.
    pub(crate) runs: u64,
    pub(crate) records: u64,
    pub(crate) acknowledged: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    /// The slowest start after a fault.
    pub(crate) worst_restart: Duration,
}

impl Figures {
    pub(crate) fn new(family: &'static str, fault: &'static str, seed: u64) -> Self {
        Self {
            family,
            fault,
            seed,
            runs: 0,
            records: 0,
            acknowledged: 0,
            lost: 0,
            repeated: 0,
            worst_restart: Duration::ZERO,
        }
    }

    /// Adds a scenario.
    pub(crate) fn add(&mut self, runs: u64, verdict: Verdict, restart: Duration) {
        self.runs += runs;
        self.records += verdict.records;
        self.acknowledged += verdict.acknowledged;
        self.lost += verdict.lost;
        self.repeated += verdict.repeated;
        self.worst_restart = self.worst_restart.max(restart);
    }

    /// Prints the row and puts it into `target/reliability.json`.
    pub(crate) fn keep(self) {
        eprintln!("{self:?}");
        let row = json!({
            "fault": self.fault,
            "seed": self.seed,
            "runs": self.runs,
            "records": self.records,
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "repeated": self.repeated,
            "worst_restart_ms": u64::try_from(self.worst_restart.as_millis()).unwrap_or(u64::MAX),
        });
        figures::keep("collector", self.family, row);
    }
}

/// What a family looked for, and must not have found.
#[derive(Debug)]
pub(crate) struct Sought {
    /// Names the row.
    pub(crate) family: &'static str,
    /// What was looked for, and where.
    pub(crate) what: &'static str,
    /// How often it was there to be found.
    pub(crate) planted: u64,
    /// Files and outputs that were searched.
    pub(crate) places: u64,
}

impl Sought {
    /// Prints the row and puts it into `target/reliability.json`: nothing was found, else the family
    /// would have failed.
    pub(crate) fn keep(self) {
        eprintln!("{self:?}");
        let row = json!({
            "sought": self.what,
            "planted": self.planted,
            "places": self.places,
        });
        figures::keep("sought", self.family, row);
    }
}
