//! Which features separate the pairs that have a group of differences from those that have not.
//!
//! No claim without support ([`CASES_MIN`]), nor one that could be chance: the probability of Fisher's
//! exact test, times the number of features and groups looked at (Bonferroni), is at most
//! [`CHANCE_MAX`].
//!
//! Work: names are counted once a group, and only those of at least [`CASE_SHARE_MIN`] of the cases are
//! looked at: at most 53 of 48 a pair, each test once over the pairs that have it.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::correlation::{Correlation, Relation};
use super::statistic::Split;
use super::table::{Column, NameId, Row, Table, Value, ValueId, columns};
use super::{Sampled, Samples, group_hash};
use crate::report::group::GroupKey;
use crate::report::rows::time_text;
use crate::share::float;

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

/// A group to explain.
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a GroupKey,
    /// Pairs that have it, and judged pairs of its method.
    pub(crate) pairs: (u64, u64),
    /// Start of the earliest and of the latest call that has it.
    pub(crate) seen: Option<(u64, u64)>,
}

/// The pairs with and without a group.
struct Sides<'t, 's> {
    table: &'t Table<'s>,
    cases: Vec<&'t Row<'s>>,
    controls: Vec<&'t Row<'s>>,
    rate: f64,
    /// Natural logarithm of the probability allowed by chance for one feature.
    ln_chance_max: f64,
    /// Features looked at, each time that one is.
    work: Cell<u64>,
}

impl Samples {
    /// What the groups hang on, in the order asked for.
    pub(crate) fn correlate(&self, wanted: &[Wanted<'_>]) -> Vec<Vec<Correlation>> {
        self.correlate_counted(wanted).0
    }

    /// The same, and how many features were looked at, each time that one was.
    pub(super) fn correlate_counted(&self, wanted: &[Wanted<'_>]) -> (Vec<Vec<Correlation>>, u64) {
        let groups = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let mut by_method: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, wanted) in wanted.iter().enumerate() {
            let of_method = by_method.entry(&wanted.key.rpc_method).or_default();
            of_method.push(index);
        }
        let (mut found, mut work) = (vec![Vec::new(); wanted.len()], 0);
        for (rpc_method, indices) in by_method {
            let Some(sample) = self.methods.get(rpc_method) else {
                continue;
            };
            let table = Table::of(sample);
            for index in indices {
                if let (Some(wanted), Some(found)) = (wanted.get(index), found.get_mut(index)) {
                    let mut sides = Sides::of(&table, wanted);
                    *found = sides.correlate(wanted, groups);
                    work += sides.work.get();
                }
            }
        }
        (found, work)
    }
}

impl<'t, 's> Sides<'t, 's> {
    fn of(table: &'t Table<'s>, wanted: &Wanted<'_>) -> Self {
        let group = group_hash(wanted.key);
        let (cases, others): (Vec<_>, Vec<_>) =
            table.rows.iter().partition(|row| row.sampled.has(group));
        Self {
            table,
            cases,
            controls: others.into_iter().filter(|row| row.is_judged).collect(),
            rate: float(wanted.pairs.0) / float(wanted.pairs.1.max(1)),
            ln_chance_max: 0.0,
            work: Cell::new(0),
        }
    }

    fn correlate(&mut self, wanted: &Wanted<'_>, groups: u64) -> Vec<Correlation> {
        if count(&self.cases) < CASES_MIN || count(&self.controls) < CASES_MIN {
            return Vec::new();
        }
        let (names, tests) = self.names();
        self.ln_chance_max = (CHANCE_MAX / float(tests) / float(groups.max(1))).ln();
        let mut controls = self.columns(&self.controls, &names);
        let mut found: Vec<(f64, Correlation)> = self
            .columns(&self.cases, &names)
            .into_iter()
            .filter_map(|(name, cases)| Some((name, [cases, controls.remove(&name)?])))
            .flat_map(|(name, columns)| self.feature(name, &columns))
            .chain(self.time(wanted))
            .collect();
        // Most telling first, then by name.
        found.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.feature.cmp(&y.feature)));
        let found = found.into_iter().map(|(_, found)| found);
        found.take(SHOWN_MAX).collect()
    }

    /// Names that enough of the cases have, and how many tests could be made: each value that a case
    /// has, both ends of each name, both of time.
    fn names(&self) -> (Vec<NameId>, u64) {
        self.look_at(self.cases.iter().map(|case| case.features.len()).sum());
        let (cases_with, values) = self.table.count(&self.cases);
        let all = float(count(&self.cases));
        let is_kept = |with: u64| with > 0 && float(with) / all >= CASE_SHARE_MIN;
        let known = cases_with.iter().filter(|with| **with > 0).count();
        let names = cases_with.iter().enumerate();
        let names = names.filter_map(|(name, with)| is_kept(*with).then_some(name));
        let tests = u64::try_from(values + 2 * known + 3).unwrap_or(u64::MAX);
        (names.collect(), tests)
    }

    fn columns(&self, rows: &[&Row<'_>], names: &[NameId]) -> BTreeMap<NameId, Column> {
        self.look_at(rows.iter().map(|row| row.features.len()).sum());
        columns(rows, names)
    }

    /// The value that most cases have, or the number that bounds them all.
    fn feature(&self, name: NameId, columns: &[Column; 2]) -> Vec<(f64, Correlation)> {
        let [cases, controls] = columns;
        let is_known = cases.known >= CASES_MIN && controls.known >= CASES_MIN;
        let Some(name) = self.table.name(name).filter(|_| is_known) else {
            return Vec::new();
        };
        self.look_at(cases.values.len());
        let mut times: HashMap<ValueId, u64> = HashMap::new();
        for value in &cases.values {
            *times.entry(*value).or_default() += 1;
        }
        // Of equally frequent values the first by name.
        let values = times.iter().filter_map(|(id, times)| {
            let value = self.table.value(*id)?;
            Some((*times, Reverse(value.text)))
        });
        let Some((_, Reverse(common))) = values.max() else {
            return Vec::new();
        };
        let equals = self.claim(name, Relation::Equals, common, columns, |value| {
            value.text == common
        });
        if equals.is_some() {
            return equals.into_iter().collect();
        }
        let numbers = cases
            .values
            .iter()
            .map(|value| self.table.value(*value)?.number);
        let numbers: Option<Vec<f64>> = numbers.collect();
        let are_all = |numbers: &Vec<f64>| times.len() > 1 && length(numbers) == cases.known;
        let Some(numbers) = numbers.filter(are_all) else {
            return Vec::new();
        };
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let claim = |relation, end: f64, holds: &dyn Fn(f64) -> bool| {
            self.claim(name, relation, &end.to_string(), columns, |value| {
                value.number.is_some_and(holds)
            })
        };
        let at_least = claim(Relation::AtLeast, least, &|number| number >= least);
        let at_most = claim(Relation::AtMost, most, &|number| number <= most);
        at_least.into_iter().chain(at_most).collect()
    }

    /// From the first to the last time that the group was seen at all, sampled or not.
    fn time(&self, wanted: &Wanted<'_>) -> Option<(f64, Correlation)> {
        let (first, last) = wanted.seen?;
        let claim = |relation, value: u64, holds: &dyn Fn(u64) -> bool| {
            let with = |rows: &[&Row<'_>]| {
                let started = |sampled: &Sampled| sampled.started_unix_ns;
                let with = rows.iter().filter(|row| holds(started(row.sampled)));
                u64::try_from(with.count()).unwrap_or(u64::MAX)
            };
            let split = Split {
                cases: count(&self.cases),
                cases_with: with(&self.cases),
                controls: count(&self.controls),
                controls_with: with(&self.controls),
            };
            self.judge("time", relation, &time_text(value), split)
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

    /// A claim on the values of a feature, among the pairs of which it can be told.
    fn claim(
        &self,
        feature: &str,
        relation: Relation,
        value: &str,
        columns: &[Column; 2],
        holds: impl Fn(&Value<'_>) -> bool,
    ) -> Option<(f64, Correlation)> {
        let with = |column: &Column| {
            self.look_at(column.values.len());
            let values = column.values.iter().filter_map(|id| self.table.value(*id));
            let with = values.filter(|value| holds(value)).count();
            u64::try_from(with).unwrap_or(u64::MAX)
        };
        let [cases, controls] = columns;
        let split = Split {
            cases: cases.known,
            cases_with: with(cases),
            controls: controls.known,
            controls_with: with(controls),
        };
        self.judge(feature, relation, value, split)
    }

    /// A claim and what it tells, if it holds of enough cases, of few enough others, and not by chance.
    fn judge(
        &self,
        feature: &str,
        relation: Relation,
        value: &str,
        split: Split,
    ) -> Option<(f64, Correlation)> {
        let tells = split.case_share() >= CASE_SHARE_MIN
            && split.control_share() <= CONTROL_SHARE_MAX
            && split.ln_chance() <= self.ln_chance_max;
        let (rate_with, rate_without) = split.rates(self.rate);
        // Cases of which it cannot be told are no reason to say "only".
        let all = count(&self.cases);
        tells.then(|| {
            let correlation = Correlation {
                feature: feature.to_owned(),
                relation,
                value: value.to_owned(),
                until: None,
                is_only: split.cases_with == all,
                share_of_differing: float(split.cases_with) / float(all.max(1)),
                rate_with,
                rate_without,
                sampled_differing: split.cases,
                sampled_others: split.controls,
            };
            (split.gain(self.rate), correlation)
        })
    }

    fn look_at(&self, features: usize) {
        let features = u64::try_from(features).unwrap_or(u64::MAX);
        self.work.set(self.work.get().saturating_add(features));
    }
}

fn count(rows: &[&Row<'_>]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

fn length(numbers: &[f64]) -> u64 {
    u64::try_from(numbers.len()).unwrap_or(u64::MAX)
}
