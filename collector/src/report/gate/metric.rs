//! What a gate can look at: one table, and where each figure comes from.

use serde::Serialize;

use crate::report::coverage::{Coverage, MethodCoverage, Seen};
use crate::report::latency::{Latency, LatencyShift, Shift};
use crate::report::statistics::wilson;
use crate::report::{Completeness, Loss, Method, Report, SchemaDrift};
use crate::share::{float, rate};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A part of a whole, or how much of one more: 1 is 100 %.
    Share,
    /// A number of calls, pairs or changes.
    Count,
    /// A time in microseconds.
    Us,
}

/// Which units a threshold may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A part of a whole: a number from 0 to 1, or per cent.
    Share,
    /// A whole number.
    Count,
    /// A time.
    Time,
    /// A shift: a time, or a share of the old figure.
    Shift,
}

/// A figure that a gate can look at.
pub struct Metric {
    /// As it is written in a condition.
    pub name: &'static str,
    /// What a threshold may be.
    pub form: Form,
    /// Can it be asked of single methods?
    pub is_per_method: bool,
    /// Could calls that were lost have added to it?
    is_of_mismatches: bool,
    /// In one line.
    pub meaning: &'static str,
    of: fn(&Subject<'_>, Unit) -> Result<f64, String>,
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Metric {
    /// The value if each call that was lost had been a pair that differs, in status too; `None` if that is no
    /// other value.
    pub(super) fn worst(&self, subject: &Subject<'_>, unit: Unit) -> Option<f64> {
        let is_other = subject.lost > 0 && self.is_of_mismatches;
        let figures = is_other.then(|| subject.figures.clone());
        let mut figures = figures?;
        // Sums of it stay within 64 bits.
        let lost = subject.lost.min(u64::MAX / 4);
        figures.mismatched = figures.mismatched.saturating_add(lost);
        figures.status_shifts.insert("lost".to_owned(), lost);
        let subject = Subject {
            figures: &figures,
            ..*subject
        };
        self.value(&subject, unit).ok()
    }

    pub(super) fn value(&self, subject: &Subject<'_>, unit: Unit) -> Result<f64, String> {
        (self.of)(subject, unit)
    }
}

/// What a metric is asked of: one method, or all of them.
pub(super) struct Subject<'a> {
    figures: &'a Method,
    /// Only of all methods together.
    completeness: Option<&'a Completeness>,
    coverage: Option<&'a Coverage>,
    schema_drift: Option<&'a SchemaDrift>,
    covered: Option<&'a MethodCoverage>,
    /// Calls that may have been of it and were lost; places among them that may have held any number.
    pub(super) lost: u64,
    pub(super) lost_places: u64,
}

impl<'a> Subject<'a> {
    pub(super) fn of_all(report: &'a Report) -> Self {
        Self {
            figures: &report.total,
            completeness: Some(&report.completeness),
            coverage: report.coverage.as_ref(),
            schema_drift: report.schema_drift.as_ref(),
            covered: None,
            lost: lost(report, Loss::calls),
            lost_places: lost(report, |loss| loss.damaged_stretches),
        }
    }

    pub(super) fn of_method(report: &'a Report, method: &'a Method) -> Self {
        let coverage = report.coverage.as_ref();
        let covered = |coverage: &'a Coverage| coverage.of_method(&method.rpc_method);
        Self {
            figures: method,
            completeness: None,
            coverage: None,
            schema_drift: None,
            covered: coverage.and_then(covered),
            lost: lost(report, Loss::calls),
            lost_places: lost(report, |loss| loss.damaged_stretches),
        }
    }

    fn share(&self, part: u64, whole: u64, of: &str) -> Result<f64, String> {
        if whole == 0 {
            return Err(format!("no {of}"));
        }
        Ok(rate(part, whole))
    }

    fn covered(
        &self,
        of_all: fn(&Coverage) -> Seen,
        of_method: fn(&MethodCoverage) -> Seen,
    ) -> Result<f64, String> {
        let seen = match (self.coverage, self.covered) {
            (Some(coverage), _) => of_all(coverage),
            (None, Some(covered)) => of_method(covered),
            (None, None) if self.figures.judged() == 0 => {
                return Err("no pair was judged".to_owned());
            }
            (None, None) => return Err("no descriptor says what there is to see".to_owned()),
        };
        match (seen.of, self.figures.judged()) {
            (0, 0) => Err("no pair was judged".to_owned()),
            // Of nothing all was seen.
            (0, _) => Ok(1.0),
            (of, _) => self.share(seen.seen, of, "such thing"),
        }
    }
}

fn lost(report: &Report, what: fn(&Loss) -> u64) -> u64 {
    report.completeness.loss.as_ref().map_or(0, what)
}

macro_rules! metric {
    ($name:literal, $form:ident, $is_per_method:literal, $meaning:literal, $of:expr) => {
        metric!($name, $form, $is_per_method, of_mismatches: false, $meaning, $of)
    };
    ($name:literal, $form:ident, $is_per_method:literal, of_mismatches: $is:literal, $meaning:literal, $of:expr) => {
        Metric {
            name: $name,
            form: Form::$form,
            is_per_method: $is_per_method,
            is_of_mismatches: $is,
            meaning: $meaning,
            of: $of,
        }
    };
}

/// Every metric, in the order in which they are listed.
#[rustfmt::skip]
pub static METRICS: &[Metric] = &[
    metric!("mismatch_rate", Share, true, of_mismatches: true, "mismatched pairs, of those judged",
        |s, _| s.share(s.figures.mismatched, s.figures.judged(), "pair was judged")),
    metric!("mismatch_rate_low", Share, true, of_mismatches: true, "lower end of its 95 % interval",
        |s, _| interval(s).map(|(low, _)| low)),
    metric!("mismatch_rate_high", Share, true, of_mismatches: true, "upper end of its 95 % interval",
        |s, _| interval(s).map(|(_, high)| high)),
    metric!("mismatched", Count, true, of_mismatches: true, "pairs in which something counts",
        |s, _| judged(s, s.figures.mismatched)),
    metric!("judged", Count, true, "pairs judged: matched, mismatched or ignored",
        |s, _| Ok(float(s.figures.judged()))),
    metric!("ignored_rate", Share, true, "pairs whose differences are all ruled out, of those judged",
        |s, _| s.share(s.figures.ignored, s.figures.judged(), "pair was judged")),
    metric!("status_shift_rate", Share, true, of_mismatches: true, "pairs with another status, of those judged",
        |s, _| s.share(s.figures.status_shifts.values().sum(), s.figures.judged(), "pair was judged")),
    metric!("unpaired_rate", Share, true, "calls that should have a partner and have none, of all (a pair is one)",
        |s, _| s.share(s.figures.without_partner(), s.figures.logical_calls(), "call was recorded")),
    metric!("unpaired", Count, true, "calls that should have a partner and have none (a second run of the old service should not)",
        |s, _| Ok(float(s.figures.without_partner()))),
    metric!("incomparable_rate", Share, true, "pairs that cannot be judged, of all pairs",
        |s, _| s.share(s.figures.incomparable, s.figures.pairs, "pair was found")),
    metric!("incomparable", Count, true, "pairs that cannot be judged",
        |s, _| Ok(float(s.figures.incomparable))),
    metric!("incomplete_rate", Share, true, "calls without partner or judgement, of all (a pair is one)",
        |s, _| s.share(s.figures.without_partner() + s.figures.incomparable,
            s.figures.logical_calls(), "call was recorded")),
    metric!("ambiguous_rate", Share, true, "pairs that may be wrong, of all pairs",
        |s, _| s.share(s.figures.ambiguous, s.figures.pairs, "pair was found")),
    metric!("truncated_rate", Share, true, "pairs with a body longer than was kept, of all pairs",
        |s, _| s.share(s.figures.truncated, s.figures.pairs, "pair was found")),
    metric!("lost", Count, false, "calls that never reached the dataset",
        |s, _| match s.completeness.and_then(|completeness| completeness.loss.as_ref()) {
            Some(loss) if loss.unaccounted > 0 => {
                Err("no accounting file knows who recorded some of the calls".to_owned())
            }
            Some(loss) => Ok(float(loss.calls())),
            None => Err("there is no accounting".to_owned()),
        }),
    metric!("schema_breaking", Count, false, "breaking changes in the candidate's own descriptors",
        |s, _| match s.schema_drift {
            Some(drift) => Ok(float(drift.breaking)),
            None => Err("the candidate has no descriptors of its own".to_owned()),
        }),
    metric!("latency_p50_shift", Shift, true, "candidate's median against the primary's",
        |s, unit| shift(&s.figures.latency_shift.p50, unit)),
    metric!("latency_p95_shift", Shift, true, "likewise, 95th percentile",
        |s, unit| shift(&s.figures.latency_shift.p95, unit)),
    metric!("latency_p99_shift", Shift, true, "likewise, 99th percentile",
        |s, unit| shift(&s.figures.latency_shift.p99, unit)),
    metric!("latency_p50_shift_low", Shift, true, "lower end of that shift's 95 % interval",
        |s, unit| shift_low(&s.figures.latency_shift.p50, unit)),
    metric!("latency_p95_shift_low", Shift, true, "likewise, 95th percentile",
        |s, unit| shift_low(&s.figures.latency_shift.p95, unit)),
    metric!("latency_p99_shift_low", Shift, true, "likewise, 99th percentile",
        |s, unit| shift_low(&s.figures.latency_shift.p99, unit)),
    metric!("candidate_latency_p50", Time, true, "the candidate's median",
        |s, _| candidate(s, |shift| &shift.p50, |latency| latency.p50_us)),
    metric!("candidate_latency_p95", Time, true, "likewise, 95th percentile",
        |s, _| candidate(s, |shift| &shift.p95, |latency| latency.p95_us)),
    metric!("candidate_latency_p99", Time, true, "likewise, 99th percentile",
        |s, _| candidate(s, |shift| &shift.p99, |latency| latency.p99_us)),
    metric!("coverage_methods", Share, false, "methods of the descriptors that were called",
        |s, _| s.covered(|all| all.methods, |_| Seen::default())),
    metric!("coverage_fields", Share, true, "fields of the methods with a judged pair, seen in a message",
        |s, _| s.covered(|all| all.fields, |method| method.fields)),
    metric!("coverage_enum_values", Share, true, "likewise, values of enums; 100 % where there are none",
        |s, _| s.covered(|all| all.enum_values, |method| method.enum_values)),
    metric!("coverage_oneof_arms", Share, true, "likewise, arms of oneofs",
        |s, _| s.covered(|all| all.oneof_arms, |method| method.oneof_arms)),
];

/// The metric of that name.
pub(super) fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

fn judged(subject: &Subject<'_>, count: u64) -> Result<f64, String> {
    match subject.figures.judged() {
        0 => Err("no pair was judged".to_owned()),
        _ => Ok(float(count)),
    }
}

fn interval(subject: &Subject<'_>) -> Result<(f64, f64), String> {
    let interval = wilson(subject.figures.mismatched, subject.figures.judged());
    let interval = interval.ok_or_else(|| "no pair was judged".to_owned())?;
    Ok((interval.low, interval.high))
}

fn too_few(shift: &Shift) -> String {
    let Shift {
        count,
        count_needed,
        ..
    } = shift;
    format!("latency of {count} pairs was measured, {count_needed} are needed")
}

fn shift(shift: &Shift, unit: Unit) -> Result<f64, String> {
    let value = match unit {
        Unit::Us => shift.shift_us.map(signed),
        Unit::Share | Unit::Count => shift.shift,
    };
    value.ok_or_else(|| too_few(shift))
}

fn shift_low(shift: &Shift, unit: Unit) -> Result<f64, String> {
    let value = match unit {
        Unit::Us => shift.shift_us_interval.map(|interval| signed(interval.low)),
        Unit::Share | Unit::Count => shift.shift_interval.map(|interval| interval.low),
    };
    value.ok_or_else(|| too_few(shift))
}

fn signed(us: i64) -> f64 {
    float(us.unsigned_abs()).copysign(if us < 0 { -1.0 } else { 1.0 })
}

fn candidate(
    subject: &Subject<'_>,
    shift_of: fn(&LatencyShift) -> &Shift,
    of: fn(&Latency) -> Option<u64>,
) -> Result<f64, String> {
    let latency = &subject.figures.candidate_latency;
    let needed = shift_of(&subject.figures.latency_shift);
    match of(latency) {
        Some(us) if latency.count >= needed.count_needed => Ok(float(us)),
        _ => Err(too_few(&Shift {
            count: latency.count,
            ..needed.clone()
        })),
    }
}
