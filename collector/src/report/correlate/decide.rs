//! Which features separate the pairs that have a group of differences from those that have not.
//!
//! No claim without support ([`CASES_MIN`]), nor one that could be chance: the probability of Fisher's
//! exact test, times the number of features and groups looked at (Bonferroni), is at most
//! [`CHANCE_MAX`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::statistic::Split;
use super::{Sample, Sampled, Samples, group_hash};
use crate::report::group::GroupKey;
use crate::report::rows::time_text;
use crate::report::statistics::float;

/// Sampled pairs with and without the difference, at least.
const CASES_MIN: u64 = 8;

/// Probability, over the whole report, that anything is claimed by chance.
const CHANCE_MAX: f64 = 0.001;

/// Share of the differing pairs that have the feature, at least.
const CASE_SHARE_MIN: f64 = 0.9;

/// Share of the other pairs that have it, at most: else it tells little.
const CONTROL_SHARE_MAX: f64 = 0.75;

/// Groups looked at, the most frequent first.
pub(crate) const GROUPS_MAX: usize = 200;

/// Correlations shown of a group.
const SHOWN_MAX: usize = 3;

/// Something that a group hangs on, as in the JSON report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Correlation {
    /// `request.` and a path of the request (`count(request.…)` of a list or map), `metadata.` and a
    /// name of its metadata, `primary.`, `candidate.` or `client.` and what is known of them, or `time`.
    pub feature: String,
    /// How its value relates to `value`.
    pub relation: Relation,
    /// The value: a number, a name, or text in quotes; RFC 3339 of `time`.
    pub value: String,
    /// The other end, of [`Relation::Between`].
    pub until: Option<String>,
    /// Do all sampled pairs that differ have it?
    pub is_only: bool,
    /// Share of the sampled pairs that differ and have it.
    pub share_of_differing: f64,
    /// Estimated share of pairs that differ, of those that have it.
    pub rate_with: f64,
    /// And of those that have not.
    pub rate_without: f64,
    /// Sampled pairs that differ.
    pub sampled_differing: u64,
    /// Other sampled pairs.
    pub sampled_others: u64,
}

/// How the value of a feature relates to the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It is equal.
    Equals,
    /// It is a number that is as great or greater.
    AtLeast,
    /// It is a number that is as great or less.
    AtMost,
    /// Calls that started then or later.
    Since,
    /// Calls that started then or earlier.
    Until,
    /// Calls that started from then on until the other time.
    Between,
}

/// A group to explain.
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a GroupKey,
    /// Pairs that have it, and judged pairs of its method.
    pub(crate) pairs: (u64, u64),
    /// Start of the earliest and of the latest call that has it.
    pub(crate) seen: Option<(u64, u64)>,
}

/// The pairs with and without a group.
struct Sides<'s> {
    cases: Vec<&'s Sampled>,
    controls: Vec<&'s Sampled>,
    rate: f64,
    /// Natural logarithm of the probability allowed by chance for one feature.
    ln_chance_max: f64,
}

impl Samples {
    /// What the groups hang on, in the order asked for.
    pub(crate) fn correlate(&self, wanted: &[Wanted<'_>]) -> Vec<Vec<Correlation>> {
        let groups = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let of = |wanted: &Wanted<'_>| {
            let sample = self.methods.get(&wanted.key.rpc_method)?;
            sample.correlate(wanted, groups)
        };
        wanted
            .iter()
            .map(|group| of(group).unwrap_or_default())
            .collect()
    }
}

impl Sample {
    fn correlate(&self, wanted: &Wanted<'_>, groups: u64) -> Option<Vec<Correlation>> {
        let group = group_hash(wanted.key);
        // By hash, so that a pair in both samples is one.
        let cases: BTreeMap<u64, &Sampled> = self
            .judged
            .iter()
            .chain(&self.differing)
            .filter(|(_, sampled)| sampled.has(group))
            .map(|(hash, sampled)| (*hash, &**sampled))
            .collect();
        let controls = self.judged.values().filter(|sampled| !sampled.has(group));
        let mut sides = Sides {
            cases: cases.into_values().collect(),
            controls: controls.map(|sampled| &**sampled).collect(),
            rate: float(wanted.pairs.0) / float(wanted.pairs.1.max(1)),
            ln_chance_max: 0.0,
        };
        if count(&sides.cases) < CASES_MIN || count(&sides.controls) < CASES_MIN {
            return None;
        }
        let names = sides.names();
        let tests = sides.tests(&names).max(1);
        sides.ln_chance_max = (CHANCE_MAX / float(tests) / float(groups.max(1))).ln();
        let mut found: Vec<(f64, Correlation)> = names
            .iter()
            .flat_map(|name| sides.feature(name))
            .chain(sides.time(wanted))
            .collect();
        // Most telling first, then by name.
        found.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.feature.cmp(&y.feature)));
        Some(
            found
                .into_iter()
                .take(SHOWN_MAX)
                .map(|(_, found)| found)
                .collect(),
        )
    }
}

impl<'s> Sides<'s> {
    /// Features of the cases.
    fn names(&self) -> BTreeSet<&'s str> {
        let features = self.cases.iter().flat_map(|case| case.features.iter());
        features.map(|(name, _)| name).collect()
    }

    /// How many tests could be made: each value, both ends of each name, both of time.
    fn tests(&self, names: &BTreeSet<&str>) -> u64 {
        let features = self.cases.iter().flat_map(|case| case.features.iter());
        let values: BTreeSet<(&str, &str)> = features.collect();
        u64::try_from(values.len() + 2 * names.len() + 3).unwrap_or(u64::MAX)
    }

    /// The value that most cases have, or the number that bounds them all.
    fn feature(&self, name: &str) -> Vec<(f64, Correlation)> {
        let mut values: BTreeMap<&str, u64> = BTreeMap::new();
        for case in &self.cases {
            if let Some(value) = value(case, name) {
                *values.entry(value).or_default() += 1;
            }
        }
        // Of equally frequent values the first by name.
        let most = values
            .iter()
            .max_by_key(|(value, times)| (**times, std::cmp::Reverse(**value)));
        let Some((common, _)) = most else {
            return Vec::new();
        };
        let equals = self.claim(name, Relation::Equals, common, |pair| {
            value(pair, name) == Some(common)
        });
        if equals.is_some() {
            return equals.into_iter().collect();
        }
        let number = |pair: &Sampled| {
            value(pair, name)?
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
        };
        let numbers: Option<Vec<f64>> = self.cases.iter().map(|case| number(case)).collect();
        let Some(numbers) = numbers.filter(|_| values.len() > 1) else {
            return Vec::new();
        };
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let at_least = self.claim(name, Relation::AtLeast, &least.to_string(), |pair| {
            number(pair).is_some_and(|number| number >= least)
        });
        let at_most = self.claim(name, Relation::AtMost, &most.to_string(), |pair| {
            number(pair).is_some_and(|number| number <= most)
        });
        at_least.into_iter().chain(at_most).collect()
    }

    /// From the first to the last time that the group was seen at all, sampled or not.
    fn time(&self, wanted: &Wanted<'_>) -> Option<(f64, Correlation)> {
        let (first, last) = wanted.seen?;
        let claim = |relation, value: u64, holds: &dyn Fn(u64) -> bool| {
            let holds = |pair: &Sampled| holds(pair.started_unix_ns);
            self.claim("time", relation, &time_text(value), holds)
        };
        let since = claim(Relation::Since, first, &|started| started >= first);
        let until = claim(Relation::Until, last, &|started| started <= last);
        if since.is_some() && until.is_some() {
            let range = first..=last;
            let (gain, between) = claim(Relation::Between, first, &|started| {
                range.contains(&started)
            })?;
            let until = Some(time_text(last));
            return Some((gain, Correlation { until, ..between }));
        }
        since.or(until)
    }

    /// A claim and what it tells, if it holds of enough cases, of few enough others, and not by chance.
    fn claim(
        &self,
        feature: &str,
        relation: Relation,
        value: &str,
        holds: impl Fn(&Sampled) -> bool,
    ) -> Option<(f64, Correlation)> {
        let with = |pairs: &[&Sampled]| {
            let with = pairs.iter().filter(|pair| holds(pair)).count();
            u64::try_from(with).unwrap_or(u64::MAX)
        };
        let split = Split {
            cases: count(&self.cases),
            cases_with: with(&self.cases),
            controls: count(&self.controls),
            controls_with: with(&self.controls),
        };
        let tells = split.case_share() >= CASE_SHARE_MIN
            && split.control_share() <= CONTROL_SHARE_MAX
            && split.ln_chance() <= self.ln_chance_max;
        let (rate_with, rate_without) = split.rates(self.rate);
        tells.then(|| {
            let correlation = Correlation {
                feature: feature.to_owned(),
                relation,
                value: value.to_owned(),
                until: None,
                is_only: split.cases_with == split.cases,
                share_of_differing: split.case_share(),
                rate_with,
                rate_without,
                sampled_differing: split.cases,
                sampled_others: split.controls,
            };
            (split.gain(self.rate), correlation)
        })
    }
}

fn value<'s>(pair: &'s Sampled, name: &str) -> Option<&'s str> {
    let mut features = pair.features.iter();
    features.find_map(|(known, value)| (known == name).then_some(value))
}

fn count(pairs: &[&Sampled]) -> u64 {
    u64::try_from(pairs.len()).unwrap_or(u64::MAX)
}
