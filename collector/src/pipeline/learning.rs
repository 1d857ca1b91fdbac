//! A run of `rules suggest`: reads the dataset pass by pass, and learns what the old service differs from
//! itself in.
//!
//! ```text
//! Dataset ──▶ passes ──▶ pairs with the candidate, pairs with a second run, repeats ──▶ Learner ──▶ Learned
//! ```
//!
//! Memory as of [`comparison`](super::comparison): the calls of a few passes, and the bounded tables of
//! [`crate::noise`].

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::passes::{self, pair_dataset};
use super::selection::Selection;
use crate::call::{Call, Role};
use crate::compare::{self, Verdict};
use crate::noise::{Learned, Learner, Repeats, Source, Thresholds};
use crate::pair::{self, Pair, Pairing, Reason, Unpaired, pair_calls};
use crate::store::parquet::{Dataset, Projection};

/// What to learn from, and how.
#[derive(Debug)]
pub struct Learning {
    /// Which calls are looked at.
    pub selection: Selection,
    /// How to pair them.
    pub pairing: pair::Settings,
    /// How to compare a pair.
    pub comparing: compare::Settings,
    /// When a difference is noise.
    pub thresholds: Thresholds,
    /// Memory for calls, about.
    pub memory_bytes_max: u64,
}

/// What is kept from pass to pass.
#[derive(Default)]
struct Kept {
    learner: Learner,
    repeats: Repeats,
}

impl Learning {
    /// What is learned, and whether there was any call to learn from. `seen` is told of rows that were read.
    pub fn run(&self, dataset: &Dataset, seen: impl FnMut(u64)) -> anyhow::Result<(Learned, bool)> {
        let mut kept = Kept::default();
        let reading = passes::Settings {
            memory_bytes_max: self.memory_bytes_max,
            projection: Projection::Everything,
            pairing: self.pairing.clone(),
        };
        let has_calls = AtomicBool::new(false);
        let is_wanted = |call: &Call| {
            let is_wanted = self.selection.may_want(call);
            has_calls.fetch_or(is_wanted, Relaxed);
            is_wanted
        };
        pair_dataset(dataset, &reading, is_wanted, seen, |pairing| {
            self.pass(pairing, &mut kept);
            Ok(())
        })?;
        let Kept {
            mut learner,
            repeats,
        } = kept;
        for (first, repeat) in repeats.pairs() {
            learner.add_repeat(first, &self.verdict(first, repeat));
        }
        learner.add_left_out(repeats.left_out());
        Ok((learner.learn(&self.thresholds), has_calls.into_inner()))
    }

    /// Learns from what became of the calls of whole buckets.
    fn pass(&self, pairing: &Pairing, kept: &mut Kept) {
        let against_second = pair::Settings {
            against: Role::Secondary,
            candidate: None,
            ..self.pairing.clone()
        };
        for pair in self.within(&pair_calls(old_runs(pairing), &against_second)) {
            let verdict = self.verdict(&pair.primary, &pair.candidate);
            kept.learner.add(Source::Secondary, pair, &verdict);
        }
        for pair in self.within(pairing) {
            let verdict = self.verdict(&pair.primary, &pair.candidate);
            kept.learner.add(Source::Candidate, pair, &verdict);
            kept.repeats.add(&pair.primary);
        }
        for unpaired in alone(pairing) {
            if self.selection.is_in_range(&unpaired.call) {
                kept.repeats.add(&unpaired.call);
            }
        }
    }

    fn within<'p>(&self, pairing: &'p Pairing) -> impl Iterator<Item = &'p Pair> {
        let pairs = pairing.pairs.iter();
        pairs.filter(|pair| self.selection.is_in_range(&pair.primary))
    }

    fn verdict(&self, primary: &Call, candidate: &Call) -> Verdict {
        compare::compare(primary, candidate, &self.comparing)
    }
}

/// Calls of the old service that have no candidate, as far as their pass tells: once and whole. Those that
/// come back from a second look were here before, and come without what they answered.
fn alone(pairing: &Pairing) -> impl Iterator<Item = &Unpaired> {
    let is_alone = |unpaired: &&Unpaired| {
        unpaired.call.role == Role::Primary
            && matches!(unpaired.reason, Reason::CandidateMissing | Reason::NoId)
    };
    let unpaired: &[Unpaired] = match pairing.is_second_look {
        true => &[],
        false => &pairing.unpaired,
    };
    unpaired.iter().chain(&pairing.withheld).filter(is_alone)
}

/// The calls of both runs of the old service; empty where there is no second.
fn old_runs(pairing: &Pairing) -> Vec<Box<Call>> {
    let is_second = |unpaired: &&Unpaired| unpaired.reason == Reason::Secondary;
    let seconds = pairing.unpaired.iter().filter(is_second);
    let mut calls: Vec<Box<Call>> = seconds.map(|unpaired| unpaired.call.clone()).collect();
    if !calls.is_empty() {
        calls.extend(pairing.pairs.iter().map(|pair| pair.primary.clone()));
        calls.extend(alone(pairing).map(|unpaired| unpaired.call.clone()));
    }
    calls
}
