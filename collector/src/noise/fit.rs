//! What would take all differences of one place for equal: kept as they come, in constant memory.

use crate::compare::rules::{Class, Form};
use crate::compare::{Difference, LooksLike, Relation, Values};

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
    /// Differences between times or durations, and how far apart these are at most.
    times: u64,
    apart_ns_max: u128,
    /// Of these, between durations.
    spans: u64,
    /// Differences between times of about when the call was recorded.
    recent: u64,
    /// How far apart times are at most of which one is of about then, whole numbers included.
    clock_apart_ns_max: u128,
    /// Differences that are one of writing or precision, not of when somebody looked at a clock.
    rewritten: u64,
    /// How much more the second has, at least and at most.
    offsets: Option<(i128, i128)>,
}

/// Times further from the call are not of when it was answered.
const RECENT_NS: u128 = 86_400_000_000_000;

impl Fit {
    /// Adds a difference of a call that started then.
    pub(super) fn add(&mut self, difference: &Difference, started_unix_ns: u64) {
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
        let Some(values) = relation.values else {
            return;
        };
        self.spans += u64::from(matches!(values, Values::Spans(..)));
        let is_recent = |ns: i128| ns.abs_diff(started_unix_ns.into()) <= RECENT_NS;
        let mut readings = values.readings_ns();
        self.recent += u64::from(readings.any(|(a, b)| is_recent(a) && is_recent(b)));
        let readings = values.readings_ns();
        let of_clock = readings.filter(|(a, b)| is_recent(*a) || is_recent(*b));
        let apart_ns = of_clock.map(|(a, b)| a.abs_diff(b)).min();
        self.clock_apart_ns_max = self.clock_apart_ns_max.max(apart_ns.unwrap_or(0));
        self.rewritten += u64::from(matches!(
            difference.looks_like,
            Some(
                LooksLike::TimePrecision
                    | LooksLike::TimeZone
                    | LooksLike::Notation
                    | LooksLike::DoublePrecision
            )
        ));
        if let Some(offset) = values.offset() {
            let (least, most) = self.offsets.unwrap_or((offset, offset));
            self.offsets = Some((least.min(offset), most.max(offset)));
        }
    }

    /// Are all times of about when the call was recorded, as those are that a service takes from its clock?
    pub(super) fn are_recent(&self) -> bool {
        self.all(self.recent)
    }

    /// Is one always the other, written otherwise or moved by the same? Two clocks do not differ so.
    pub(super) fn are_derived(&self) -> bool {
        let is_constant = self.offsets.is_some_and(|(least, most)| least == most);
        self.all(self.rewritten) || is_constant && self.count > 1
    }

    /// Are there durations among the times?
    pub(super) fn have_spans(&self) -> bool {
        self.spans > 0
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

    /// Is one side absent and the other empty, in any?
    pub(super) fn has_empty_or_absent(&self) -> bool {
        self.empty_or_absent > 0
    }

    /// How far apart readings of a clock are at most.
    pub(super) fn clock_apart_ns_max(&self) -> u128 {
        self.clock_apart_ns_max
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
