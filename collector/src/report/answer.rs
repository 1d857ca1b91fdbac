//! The verdict on the whole: do the services differ, and is the comparison valid?
//!
//! - **Different** (exit code 1): the share of judged pairs that are mismatched is over
//!   `fail_over`. Loss cannot make that untrue, so it comes first.
//! - **Incomplete** (exit code 4), if they are not different and any of:
//!   nothing could be judged; calls were lost, and had each of them been mismatched, the share
//!   would be over `fail_over` (with the default of 0: any call lost); nothing says whether calls
//!   were lost; the share of calls without a partner or without a judgement is over
//!   `incomplete_over`.
//! - **Fine** (exit code 0) otherwise.

use serde::Serialize;

use super::Completeness;

/// From which shares on the answer changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Share of judged pairs that may be mismatched.
    pub fail_over: f64,
    /// Share of logical calls that may stay unpaired or unjudged.
    pub incomplete_over: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fail_over: 0.0,
            incomplete_over: 0.05,
        }
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
    /// The threshold it is held against.
    pub fail_over: f64,
    /// Share of logical calls that stayed unpaired or unjudged.
    pub incomplete_rate: f64,
    /// The threshold it is held against.
    pub incomplete_over: f64,
}

impl Answer {
    /// Judges a run.
    pub(super) fn of(
        completeness: &Completeness,
        judged: u64,
        mismatched: u64,
        thresholds: Thresholds,
    ) -> Self {
        let Thresholds {
            fail_over,
            incomplete_over,
        } = thresholds;
        let unjudged: u64 = completeness.incomparable.values().sum();
        // A second run of the old service has no partner by nature.
        let unpaired: u64 = completeness
            .unpaired
            .iter()
            .filter(|(reason, _)| **reason != "secondary")
            .map(|(_, count)| count)
            .sum();
        let lost = completeness.loss.as_ref().map_or(0, super::Loss::calls);
        let incomplete_rate = rate(unjudged + unpaired, judged + unjudged + unpaired);
        let mismatch_rate = rate(mismatched, judged);
        let mut doubts = Vec::new();
        if judged == 0 {
            doubts.push("no pair could be judged".to_owned());
        }
        if completeness.loss.is_none() {
            doubts.push("unknown whether calls were lost: there is no accounting".to_owned());
        }
        let (worst, of) = (mismatched.saturating_add(lost), judged.saturating_add(lost));
        if lost > 0 && rate(worst, of) > fail_over {
            doubts.push(format!(
                "{lost} calls are not in the dataset, enough to hide differences"
            ));
        }
        if incomplete_rate > incomplete_over {
            doubts.push(format!(
                "{} of calls have no partner or cannot be judged, more than {}",
                percent(incomplete_rate),
                percent(incomplete_over)
            ));
        }
        let (is_different, is_valid) = (mismatch_rate > fail_over, doubts.is_empty());
        let exit_code = match (is_different, is_valid) {
            (true, _) => 1,
            (false, false) => 4,
            (false, true) => 0,
        };
        Self {
            exit_code,
            is_different,
            is_valid,
            doubts,
            judged,
            mismatched,
            mismatch_rate,
            fail_over,
            incomplete_rate,
            incomplete_over,
        }
    }
}

/// `part` of `whole`; 0 of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share is shown with few digits"
)]
pub(super) fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// `0 %`, `0.042 %`, `12.3 %`, `100 %`: never 0 or 100 unless it is.
pub(super) fn percent(rate: f64) -> String {
    let value = rate * 100.0;
    if value == 0.0 || value == 100.0 {
        format!("{value:.0} %")
    } else if value < 0.1 {
        format!("{value:.3} %")
    } else if value > 99.9 {
        format!("{:.3} %", value.min(99.999))
    } else {
        format!("{value:.1} %")
    }
}
