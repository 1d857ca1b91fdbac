//! Gates: conditions under which a comparison fails, such as `mismatch_rate > 0.1%`.
//!
//! A [`Condition`] is parsed from the command line ([`parse`]); [`judge`] holds each against the
//! report. A gate **fails** if its condition is true (exit code 1), **passes** if it is false, and is
//! **unknown** if its value cannot be known (exit code 4): nothing was judged, too few calls for a
//! quantile, no descriptor; or if it is one on mismatches or status shifts, is false, and the calls that were lost
//! could have made it true.
//!
//! Without brackets a metric is of all methods together. `mismatch_rate[shop.v1.*]` is of each method
//! that matches, on its own: one that meets the condition fails the gate.
//!
//! `--fail-over R` is the gate `mismatch_rate > R`, and `--incomplete-over R` is
//! `incomplete_rate > R` with exit code 4.

mod metric;
mod parse;

#[cfg(test)]
mod tests;

pub use metric::{METRICS, Metric, Unit};
pub use parse::ParseError;

use serde::Serialize;

use super::answer::{Thresholds, missing};
use super::{Method, Report};
use crate::compare::rules::matches_glob;
use metric::Subject;

/// When a gate fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// As it was given.
    pub text: String,
    /// What is held against the threshold.
    pub metric: &'static Metric,
    /// Pattern of the methods that are looked at one by one; `None` is all of them together.
    pub methods: Option<String>,
    /// How it is held against it.
    pub comparison: Comparison,
    /// In the unit that `unit` says.
    pub threshold: f64,
    /// What the figures count.
    pub unit: Unit,
}

/// How value and threshold are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Over,
    /// `>=`
    AtLeast,
    /// `<`
    Under,
    /// `<=`
    AtMost,
}

impl Comparison {
    fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Over => value > threshold,
            Self::AtLeast => value >= threshold,
            Self::Under => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }

    /// Is a larger value nearer to failing?
    fn is_upper(self) -> bool {
        matches!(self, Self::Over | Self::AtLeast)
    }
}

/// What became of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The condition is false.
    Passed,
    /// The condition is true.
    Failed,
    /// Its value cannot be known.
    Unknown,
}

impl State {
    /// Stable name, as in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One gate of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// The condition under which it fails, as it was given.
    pub condition: String,
    /// The argument that gave it.
    pub given_by: &'static str,
    /// What became of it.
    pub state: State,
    /// The exit code that follows: 0, 1 or 4.
    pub exit_code: u8,
    /// Name of the metric.
    pub metric: &'static str,
    /// Pattern of the methods looked at one by one; absent for all together.
    pub methods: Option<String>,
    /// The value; of several methods the one nearest to failing. Absent if it is not known.
    pub value: Option<f64>,
    /// What it was held against.
    pub threshold: f64,
    /// What both count: `share`, `count` or `us`.
    pub unit: Unit,
    /// The method that the value is of; absent for all together.
    pub rpc_method: Option<String>,
    /// Methods that meet the condition.
    pub methods_failed: u64,
    /// Why a value is not known.
    pub reason: Option<String>,
}

/// Holds every gate against `report`: the ones that thresholds stand for, then the others as given.
pub(super) fn judge(report: &Report, thresholds: &Thresholds) -> Vec<Gate> {
    let implied = |name: &str, over: f64| {
        metric::find(name).map(|metric| Condition {
            text: format!("{name} > {over}"),
            metric,
            methods: None,
            comparison: Comparison::Over,
            threshold: over,
            unit: Unit::Share,
        })
    };
    let mut gates = Vec::new();
    if thresholds.has_own_fail_over()
        && let Some(condition) = implied("mismatch_rate", thresholds.tolerated())
    {
        gates.push(of(report, &condition, "--fail-over", 1));
    }
    if let Some(condition) = implied("incomplete_rate", thresholds.incomplete_over) {
        gates.push(of(report, &condition, "--incomplete-over", 4));
    }
    let given = thresholds.conditions.iter();
    gates.extend(given.map(|condition| of(report, condition, "--fail-if", 1)));
    gates
}

fn of(report: &Report, condition: &Condition, given_by: &'static str, failed: u8) -> Gate {
    let mut gate = Gate {
        condition: condition.text.clone(),
        given_by,
        state: State::Passed,
        exit_code: 0,
        metric: condition.metric.name,
        methods: condition.methods.clone(),
        value: None,
        threshold: condition.threshold,
        unit: condition.unit,
        rpc_method: None,
        methods_failed: 0,
        reason: None,
    };
    match &condition.methods {
        None => gate.add(condition, Subject::of_all(report), None),
        Some(pattern) => {
            let is_meant = |method: &&Method| matches_glob(pattern, &method.rpc_method);
            for method in report.methods.iter().filter(is_meant) {
                let subject = Subject::of_method(report, method);
                gate.add(condition, subject, Some(&method.rpc_method));
            }
            if gate.value.is_none() && gate.reason.is_none() {
                gate.reason = Some(format!("no call of a method that matches {pattern:?}"));
            }
        }
    }
    gate.state = match (gate.methods_failed, &gate.reason) {
        (1.., _) => State::Failed,
        (0, Some(_)) => State::Unknown,
        (0, None) => State::Passed,
    };
    gate.exit_code = match gate.state {
        State::Passed => 0,
        State::Failed => failed,
        State::Unknown => 4,
    };
    gate
}

impl Gate {
    fn add(&mut self, condition: &Condition, subject: Subject<'_>, rpc_method: Option<&str>) {
        let value = match condition.metric.value(&subject, condition.unit) {
            Ok(value) => value,
            Err(reason) => {
                let reason = match rpc_method {
                    Some(method) => format!("{method}: {reason}"),
                    None => reason,
                };
                // The first in order of name stands for the others.
                self.reason.get_or_insert(reason);
                return;
            }
        };
        let (comparison, threshold) = (condition.comparison, condition.threshold);
        let fails = comparison.holds(value, threshold);
        self.methods_failed += u64::from(fails);
        let worst = condition.metric.worst(&subject, condition.unit);
        if !fails && worst.is_some_and(|worst| comparison.holds(worst, threshold)) {
            let method = rpc_method.map_or_else(String::new, |method| format!("{method}: "));
            let missing = missing(subject.lost, subject.lost_places);
            self.reason
                .get_or_insert_with(|| format!("{method}{missing}: enough to reach it"));
        }
        let is_worse = self.value.is_none_or(|worst| {
            if comparison.is_upper() {
                value > worst
            } else {
                value < worst
            }
        });
        if is_worse {
            self.value = Some(value);
            self.rpc_method = rpc_method.map(str::to_owned);
        }
    }
}
