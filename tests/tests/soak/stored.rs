//! Judges the dataset: every call on both sides, exactly once and as planned, or missing.

use twintap_e2e::oracle::difference;
use twintap_e2e::traffic::Plan;
use twintap_e2e::{Collector, Stored};

use crate::load::{MIX, Made, is_aborted};

/// What [`difference`] looks at, and who it is of.
const COLUMNS: &str = "request_metadata_map['x-call'] as number, role, rpc_method, status_code, http_status, \
    trailers_only, request_body_bytes, response_body_bytes, request_body_digest, response_body_digest, \
    request_messages_count, response_messages_count, incomplete";
const ROLES: [&str; 2] = ["primary", "candidate"];
/// Of what is wrong: the rest is counted.
const TOLD_MAX: usize = 20;

/// What is in the dataset.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rows: u64,
    /// Calls on a side that are not there.
    pub(crate) missing: u64,
    /// Calls that are there on both sides.
    pub(crate) on_both_sides: u64,
    /// Calls that are there on one.
    pub(crate) on_one_side: u64,
    /// Of those that are there, those that their client aborted.
    pub(crate) aborted: u64,
    pub(crate) wrong_count: u64,
    /// The first of them, in words.
    pub(crate) wrong: Vec<String>,
}

impl Found {
    /// Reads the dataset of a collector that has ended.
    pub(crate) fn read(collector: &Collector, made: &Made) -> Self {
        let issued = usize::try_from(made.issued).expect("calls that fit into memory");
        let mut seen = vec![[0_u8; ROLES.len()]; issued];
        let mut found = Self::default();
        Stored::for_each(&collector.data_dir(), COLUMNS, |row| {
            found.rows += 1;
            let number = row["number"].as_str().and_then(|it| it.parse::<u64>().ok());
            let side = ROLES.iter().position(|role| row["role"] == **role);
            let (Some(number), Some(side)) = (number, side) else {
                return found.wrong(format!("neither call nor side: {row}"));
            };
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let Some(copies) = seen.get_mut(index) else {
                return found.wrong(format!("{number} was never called"));
            };
            copies[side] = copies[side].saturating_add(1);
            if copies[side] > 1 {
                found.wrong(format!("{number} is stored again as {}", ROLES[side]));
            }
            if is_aborted(number) {
                found.aborted += 1;
            } else if let Some(difference) = difference(&Plan::new(MIX, number), &row) {
                found.wrong(format!("{number}, {}: {difference}", ROLES[side]));
            }
        });
        for copies in &seen {
            let missing = copies.iter().filter(|copies| **copies == 0).count() as u64;
            found.missing += missing;
            found.on_both_sides += u64::from(missing == 0);
            found.on_one_side += u64::from(missing == 1);
        }
        found
    }

    fn wrong(&mut self, what: String) {
        self.wrong_count += 1;
        if self.wrong.len() < TOLD_MAX {
            self.wrong.push(what);
        }
    }
}
