//! The features of a method's sampled pairs, each name and each value of a name a number.
//!
//! Names and values come from clients: as many as there are pairs times features, and as long as is
//! kept. They are compared as text once a method, here; each group then only counts numbers.

use std::collections::{BTreeMap, HashMap};

use super::{Sample, Sampled};

/// Number of a name.
pub(super) type NameId = usize;

/// Number of a value of one name.
pub(super) type ValueId = usize;

/// All sampled pairs of a method.
pub(super) struct Table<'s> {
    names: Vec<&'s str>,
    values: Vec<Value<'s>>,
    /// Each pair once, in order of hash.
    pub(super) rows: Vec<Row<'s>>,
}

/// A value that some pair has.
pub(super) struct Value<'s> {
    pub(super) text: &'s str,
    /// If it is a number: which one.
    pub(super) number: Option<f64>,
}

/// One pair.
pub(super) struct Row<'s> {
    pub(super) sampled: &'s Sampled,
    /// Is it in the sample of all judged pairs?
    pub(super) is_judged: bool,
    /// Each name at most once.
    pub(super) features: Vec<(NameId, ValueId)>,
}

/// What some pairs have of one name.
#[derive(Default)]
pub(super) struct Column {
    /// Of those that have it.
    pub(super) values: Vec<ValueId>,
    /// Those that have it, and those that surely have not: a pair of which features were cut may have
    /// had any that it lacks.
    pub(super) known: u64,
}

impl<'s> Table<'s> {
    pub(super) fn of(sample: &'s Sample) -> Self {
        // By hash, so that a pair in both samples is one.
        let mut pairs: BTreeMap<u64, (&Sampled, bool)> = BTreeMap::new();
        for (hash, sampled) in &sample.differing {
            pairs.insert(*hash, (sampled, false));
        }
        for (hash, sampled) in &sample.judged {
            pairs.insert(*hash, (sampled, true));
        }
        let mut table = Self {
            names: Vec::new(),
            values: Vec::new(),
            rows: Vec::with_capacity(pairs.len()),
        };
        let mut names: HashMap<&str, NameId> = HashMap::new();
        let mut values: HashMap<(NameId, &str), ValueId> = HashMap::new();
        for (sampled, is_judged) in pairs.into_values() {
            let numbered = sampled.features.iter().map(|(name, text)| {
                let name = *names.entry(name).or_insert_with(|| {
                    table.names.push(name);
                    table.names.len() - 1
                });
                let value = *values.entry((name, text)).or_insert_with(|| {
                    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                    table.values.push(Value { text, number });
                    table.values.len() - 1
                });
                (name, value)
            });
            let features = numbered.collect();
            table.rows.push(Row {
                sampled,
                is_judged,
                features,
            });
        }
        table
    }

    pub(super) fn name(&self, name: NameId) -> Option<&'s str> {
        self.names.get(name).copied()
    }

    pub(super) fn value(&self, value: ValueId) -> Option<&Value<'s>> {
        self.values.get(value)
    }

    /// How many of `rows` have each name, and how many values these have in all.
    pub(super) fn count(&self, rows: &[&Row<'_>]) -> (Vec<u64>, usize) {
        let mut pairs = vec![0; self.names.len()];
        let mut is_seen = vec![false; self.values.len()];
        for (name, value) in rows.iter().flat_map(|row| &row.features) {
            if let Some(pairs) = pairs.get_mut(*name) {
                *pairs += 1;
            }
            if let Some(is_seen) = is_seen.get_mut(*value) {
                *is_seen = true;
            }
        }
        (pairs, is_seen.into_iter().filter(|it| *it).count())
    }
}

/// What `rows` have of each of `names`.
pub(super) fn columns(rows: &[&Row<'_>], names: &[NameId]) -> BTreeMap<NameId, Column> {
    let is_cut = |row: &Row<'_>| row.sampled.features.is_cut();
    let whole = rows.iter().filter(|row| !is_cut(row)).count();
    let empty = || Column {
        values: Vec::new(),
        known: u64::try_from(whole).unwrap_or(u64::MAX),
    };
    let mut columns: BTreeMap<NameId, Column> = names.iter().map(|name| (*name, empty())).collect();
    for row in rows {
        for (name, value) in &row.features {
            if let Some(column) = columns.get_mut(name) {
                column.values.push(*value);
                column.known += u64::from(is_cut(row));
            }
        }
    }
    columns
}
