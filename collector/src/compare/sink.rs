//! Where walkers report what differs: knows the place, the path and how much work is left.

use super::classify::LooksLike;
use super::difference::{Difference, Kind, Place};
use super::limits;

/// Collects the differences of one pair.
#[derive(Debug)]
pub(super) struct Sink {
    place: Place,
    message_index: Option<u32>,
    path: String,
    differences: Vec<Difference>,
    differences_max: usize,
    omitted: Omitted,
    work_left: u64,
    probes_left: u32,
    exhausted: bool,
}

/// Differences that were found and not kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Omitted {
    /// All of them.
    pub(super) all: u64,
    /// Those that no rule ignores.
    pub(super) counted: u64,
}

/// A path length to return to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

impl Sink {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Status,
            message_index: None,
            path: String::new(),
            differences: Vec::new(),
            differences_max: limits::DIFFERENCES_MAX,
            omitted: Omitted::default(),
            work_left: limits::WORK_MAX,
            probes_left: limits::PROBES_MAX,
            exhausted: false,
        }
    }

    /// Turns to another part of the call.
    pub(super) fn place(&mut self, place: Place) {
        self.place = place;
        self.message_index = None;
        self.path.clear();
    }

    /// Turns to another message of the stream.
    pub(super) fn message(&mut self, index: Option<usize>) {
        self.message_index = index.and_then(|index| u32::try_from(index).ok());
    }

    /// Appends a field name.
    pub(super) fn enter_field(&mut self, name: impl std::fmt::Display) -> Mark {
        let mark = Mark(self.path.len());
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.push(name);
        mark
    }

    /// Appends `[index]`.
    pub(super) fn enter_element(&mut self, index: impl std::fmt::Display) -> Mark {
        let mark = Mark(self.path.len());
        self.path.push('[');
        self.push(index);
        self.path.push(']');
        mark
    }

    /// Goes back to where `mark` was made.
    pub(super) fn leave(&mut self, mark: Mark) {
        self.path.truncate(mark.0);
    }

    /// Takes the cost of one step; `false` when the walk has to stop.
    pub(super) fn spend(&mut self, work: usize) -> bool {
        let work = u64::try_from(work).unwrap_or(u64::MAX).max(1);
        if self.work_left < work {
            self.exhausted = true;
            self.work_left = 0;
            return false;
        }
        self.work_left -= work;
        true
    }

    /// Notes that the walk stopped short, as [`Self::spend`] does when nothing is left.
    pub(super) fn exhaust(&mut self) {
        self.exhausted = true;
    }

    /// Is nothing but counting left to do?
    pub(super) fn is_full(&self) -> bool {
        self.differences.len() >= self.differences_max
    }

    /// Reports a difference at the current path.
    pub(super) fn report(
        &mut self,
        kind: Kind,
        primary: Option<String>,
        candidate: Option<String>,
        looks_like: Option<LooksLike>,
    ) {
        self.report_ruled(kind, primary, candidate, looks_like, None);
    }

    /// Reports a difference that `ignored_by`, if given, rules out.
    pub(super) fn report_ruled(
        &mut self,
        kind: Kind,
        primary: Option<String>,
        candidate: Option<String>,
        looks_like: Option<LooksLike>,
        ignored_by: Option<String>,
    ) {
        if self.is_full() {
            self.omitted.all += 1;
            self.omitted.counted += u64::from(ignored_by.is_none());
            return;
        }
        self.differences.push(Difference {
            place: self.place,
            path: self.path.clone(),
            message_index: self.message_index,
            kind,
            looks_like,
            primary,
            candidate,
            ignored_by,
        });
    }

    /// Number of differences so far.
    pub(super) fn count(&self) -> u64 {
        self.omitted.all + u64::try_from(self.differences.len()).unwrap_or(u64::MAX)
    }

    /// How far apart two things are, tried on a sink of its own; `None` when no trial is left.
    pub(super) fn probe(&mut self, walk: impl FnOnce(&mut Self)) -> Option<u32> {
        self.probes_left = self.probes_left.checked_sub(1)?;
        let mut trial = Self {
            differences_max: limits::PROBE_DIFFERENCES_MAX,
            work_left: limits::PROBE_WORK_MAX.min(self.work_left),
            probes_left: 0,
            ..Self::new()
        };
        let given = trial.work_left;
        walk(&mut trial);
        self.work_left = self
            .work_left
            .saturating_sub(given.saturating_sub(trial.work_left));
        u32::try_from(trial.differences.len()).ok()
    }

    /// Was work left undone since this was last asked?
    pub(super) fn take_exhausted(&mut self) -> bool {
        std::mem::take(&mut self.exhausted)
    }

    /// The differences, and how many more there were.
    pub(super) fn finish(self) -> (Vec<Difference>, Omitted) {
        (self.differences, self.omitted)
    }

    fn push(&mut self, part: impl std::fmt::Display) {
        use std::fmt::Write as _;
        // Writing to a String does not fail.
        let _infallible = write!(self.path, "{part}");
    }
}
