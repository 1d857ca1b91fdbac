//! Trials: how far apart two elements are, which decides what is held against what.

use super::Sink;
use crate::compare::difference::Difference;
use crate::compare::limits;
use crate::compare::rules::Severity;

impl Sink<'_> {
    /// How far apart two things are, tried on a sink of its own; `None` when no trial is left. What
    /// rules take for equal hardly counts.
    pub(in crate::compare) fn probe(&mut self, walk: impl FnOnce(&mut Self)) -> Option<u32> {
        self.probes_left = self.probes_left.checked_sub(1)?;
        let mut trial = Self {
            applicable: self.applicable.clone(),
            place: self.place,
            path: self.path.clone(),
            steps: self.steps.clone(),
            differences_max: limits::PROBE_DIFFERENCES_MAX,
            work_left: limits::PROBE_WORK_MAX.min(self.work_left),
            probes_left: 0,
            is_trial: true,
            rereads: self.rereads,
            ..Self::new(self.rules, self.rpc_method)
        };
        let given = trial.work_left;
        walk(&mut trial);
        self.work_left = self
            .work_left
            .saturating_sub(given.saturating_sub(trial.work_left));
        let counts = |difference: &Difference| difference.severity == Severity::Error;
        let all = trial.differences.len();
        let counted = trial
            .differences
            .iter()
            .filter(|found| counts(found))
            .count();
        u32::try_from(counted * limits::PROBE_DIFFERENCES_MAX + all).ok()
    }

    /// Has a trial found as many differences as tell it all? Nothing else ends for that: what a pair has beyond what
    /// is kept is counted.
    pub(in crate::compare) fn is_decided(&self) -> bool {
        self.is_trial && self.counted >= self.differences_max
    }
}
