//! The verdict on the whole: do the services differ, and is the comparison valid?
//!
//! - **Different** (exit code 1): the share of judged pairs that are mismatched is over
//!   `fail_over`, or another gate failed. Loss cannot make that untrue, so it comes first.
//! - **Incomplete** (exit code 4), if no gate failed and any of: the value of a gate is unknown;
//!   nothing could be judged; calls were lost, and had each of them been mismatched, the share
//!   would be over `fail_over` (with the default of 0: any call lost); nothing says whether calls
//!   were lost; the share of calls without a partner or without a judgement is over
//!   `incomplete_over`.
//! - **Fine** (exit code 0) otherwise.

use serde::Serialize;

use super::figures::count;
use super::gate::{Comparison, Condition, Gate};
use super::statistics::{Interval, wilson};
use super::{Completeness, Method};
use crate::share::{percent, rate};

/// From which shares on the answer changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// Share of judged pairs that may be mismatched; if absent, what the conditions say of it, and
    /// 0 if they say nothing.
    pub fail_over: Option<f64>,
    /// Share of logical calls that may stay unpaired or unjudged.
    pub incomplete_over: f64,
    /// Further gates.
    pub conditions: Vec<Condition>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fail_over: None,
            incomplete_over: 0.05,
            conditions: Vec::new(),
        }
    }
}

impl Thresholds {
    /// Share of judged pairs that may be mismatched: as given, else the lowest that a condition on
    /// the mismatch rate of all methods says, else 0.
    pub fn tolerated(&self) -> f64 {
        let condition = self.lowest_condition().map(|it| it.threshold);
        self.fail_over.or(condition).unwrap_or_default()
    }

    /// Is that share itself too much already?
    fn is_reached_at(&self) -> bool {
        let condition = self.lowest_condition().map(|it| it.comparison);
        self.fail_over.is_none() && condition == Some(Comparison::AtLeast)
    }

    /// Is `fail_over` a gate of its own, given or by default?
    pub(super) fn has_own_fail_over(&self) -> bool {
        self.fail_over.is_some() || self.lowest_condition().is_none()
    }

    fn lowest_condition(&self) -> Option<&Condition> {
        let is_meant = |condition: &&Condition| {
            condition.metric.name == "mismatch_rate"
                && condition.methods.is_none()
                && matches!(condition.comparison, Comparison::Over | Comparison::AtLeast)
        };
        let meant = self.conditions.iter().filter(is_meant);
        // Of two thresholds that are equal, the one that is reached first.
        meant.min_by(|a, b| {
            let is_over = |it: &Condition| it.comparison == Comparison::Over;
            let by_threshold = a.threshold.total_cmp(&b.threshold);
            by_threshold.then_with(|| is_over(a).cmp(&is_over(b)))
        })
    }
}

/// The verdict on the whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Exit code of the program: 0, 1 or 4.
    pub exit_code: u8,
    /// Is the share of mismatched pairs over the threshold?
    pub is_different: bool,
    /// Is the comparison complete enough to believe that nothing else differs?
    pub is_valid: bool,
    /// Why not.
    pub doubts: Vec<String>,
    /// Pairs judged: matched, mismatched or ignored.
    pub judged: u64,
    /// Pairs mismatched.
    pub mismatched: u64,
    /// `mismatched / judged`; 0 if nothing was judged.
    pub mismatch_rate: f64,
    /// Wilson's 95 % interval of the rate; absent if nothing was judged.
    pub mismatch_rate_interval: Option<Interval<f64>>,
    /// The threshold it is held against.
    pub fail_over: f64,
    /// Share of logical calls that stayed unpaired or unjudged.
    pub incomplete_rate: f64,
    /// The threshold it is held against.
    pub incomplete_over: f64,
}

impl Answer {
    /// Judges a run.
    pub(super) fn of(completeness: &Completeness, total: &Method, thresholds: &Thresholds) -> Self {
        let (fail_over, incomplete_over) = (thresholds.tolerated(), thresholds.incomplete_over);
        let (judged, mismatched) = (total.judged(), total.mismatched);
        let lost = completeness.loss.as_ref().map_or(0, super::Loss::calls);
        let incomplete = total.incomparable + total.without_partner();
        let incomplete_rate = rate(incomplete, total.logical_calls());
        let mismatch_rate = rate(mismatched, judged);
        let mut doubts = Vec::new();
        if judged == 0 {
            doubts.push("no pair could be judged".to_owned());
        }
        if completeness.loss.is_none() {
            doubts.push("unknown whether calls were lost: there is no accounting".to_owned());
        }
        if let Some(unaccounted @ 1..) = completeness.loss.as_ref().map(|loss| loss.unaccounted) {
            doubts.push(format!(
                "unknown whether calls were lost: no accounting file knows who recorded {}",
                count(unaccounted, "call")
            ));
        }
        let (worst, of) = (mismatched.saturating_add(lost), judged.saturating_add(lost));
        let reaches = |rate: f64| match thresholds.is_reached_at() {
            true => rate >= fail_over,
            false => rate > fail_over,
        };
        if lost > 0 && reaches(rate(worst, of)) {
            let loss = completeness.loss.as_ref();
            let places = loss.map_or(0, |loss| loss.damaged_stretches);
            let missing = missing(lost, places);
            doubts.push(format!("{missing}: enough to hide differences"));
        }
        if incomplete_rate > incomplete_over {
            doubts.push(format!(
                "{} of calls have no partner or cannot be judged, more than {}",
                percent(incomplete_rate),
                percent(incomplete_over)
            ));
        }
        let (is_different, is_valid) = (mismatch_rate > fail_over, doubts.is_empty());
        Self {
            exit_code: 0,
            is_different,
            is_valid,
            doubts,
            judged,
            mismatched,
            mismatch_rate,
            mismatch_rate_interval: wilson(mismatched, judged),
            fail_over,
            incomplete_rate,
            incomplete_over,
        }
    }

    /// Draws the conclusion for the exit code: a gate that failed, then a doubt or a gate that is
    /// unknown.
    pub(super) fn conclude(&mut self, gates: &[Gate]) {
        let says = |exit_code| gates.iter().any(|gate| gate.exit_code == exit_code);
        self.exit_code = if self.is_different || says(1) {
            1
        } else if !self.is_valid || says(4) {
            4
        } else {
            0
        };
    }
}

/// What `lost` calls are, `places` of which stand for places that may have held any number.
pub(super) fn missing(lost: u64, places: u64) -> String {
    let calls = match lost.saturating_sub(places) {
        0 => None,
        calls => Some(format!(
            "{} may be missing from the dataset",
            count(calls, "call")
        )),
    };
    let places = match places {
        0 => None,
        places => Some(format!(
            "calls may be missing in {} (gaps, damage, ingests cut short)",
            count(places, "place")
        )),
    };
    let missing: Vec<_> = calls.into_iter().chain(places).collect();
    missing.join(", and ")
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn places_are_no_calls() {
        for (lost, places, expected) in [
            (1, 0, "1 call may be missing from the dataset"),
            (
                7,
                7,
                "calls may be missing in 7 places (gaps, damage, ingests cut short)",
            ),
            (
                9,
                7,
                "2 calls may be missing from the dataset, and calls may be missing in 7 places (gaps, damage, ingests cut short)",
            ),
        ] {
            assert_eq!(missing(lost, places), expected);
        }
    }
}
