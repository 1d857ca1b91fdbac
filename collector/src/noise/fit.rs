//! What would take all differences of one place for equal: kept as they come, in constant memory.

use crate::compare::rules::{Class, Form};
use crate::compare::{Difference, Relation};

/// What the differences of one place have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fit {
    /// Differences seen.
    count: u64,
    /// How many of them have values of each of [`Class::ALL`].
    classes: [u64; Class::ALL.len()],
    /// Differences that are one of writing, and the ways needed for them.
    written_alike: u64,
    forms: Vec<Form>,
    /// Differences between absent and empty.
    empty_or_absent: u64,
    /// Differences between numbers, and how far apart these are at most, as a share.
    numbers: u64,
    relative_max: f64,
    /// Differences between times, and how far apart these are at most.
    times: u64,
    apart_ns_max: u128,
}

impl Fit {
    pub(super) fn add(&mut self, difference: &Difference) {
        let relation: &Relation = &difference.relation;
        self.count += 1;
        for (count, class) in self.classes.iter_mut().zip(Class::ALL) {
            *count += u64::from(relation.are(class));
        }
        let before = self.forms.len();
        let mut is_written_alike = false;
        for form in relation.forms() {
            is_written_alike = true;
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        self.written_alike += u64::from(is_written_alike);
        if self.forms.len() > before {
            self.forms.sort_by_key(|form| form.name());
        }
        self.empty_or_absent += u64::from(relation.is_empty_or_absent);
        if let Some((_, relative)) = relation.values.and_then(|values| values.apart()) {
            self.numbers += 1;
            self.relative_max = self.relative_max.max(relative);
        }
        if let Some(apart_ns) = relation.values.and_then(|values| values.apart_ns()) {
            self.times += 1;
            self.apart_ns_max = self.apart_ns_max.max(apart_ns);
        }
    }

    /// Of all differences: are both values of `class`?
    pub(super) fn are(&self, class: Class) -> bool {
        let known = Class::ALL.into_iter().zip(self.classes);
        self.all(
            known
                .filter(|(known, _)| *known == class)
                .map(|(_, count)| count)
                .sum(),
        )
    }

    /// The ways of writing that are all that differs; none if more does.
    pub(super) fn forms(&self) -> Option<&[Form]> {
        self.all(self.written_alike).then_some(&self.forms)
    }

    /// Is one side absent and the other empty, in all?
    pub(super) fn are_empty_or_absent(&self) -> bool {
        self.all(self.empty_or_absent)
    }

    /// If all are numbers: how far apart at most, as a share.
    pub(super) fn relative_max(&self) -> Option<f64> {
        self.all(self.numbers).then_some(self.relative_max)
    }

    /// If all are times: how far apart at most.
    pub(super) fn apart_ns_max(&self) -> Option<u128> {
        self.all(self.times).then_some(self.apart_ns_max)
    }

    fn all(&self, count: u64) -> bool {
        self.count > 0 && count == self.count
    }
}
