//! What figures and groups mean, in words that every form for people shares.

use super::figures::{count, micros, signed_micros, signed_percent, thousands};
use super::gate::{State, Unit};
use super::latency::Direction;
use super::{Completeness, Correlation, Gate, Group, Method, Relation, Report, Shift};
use crate::escape::escape;
use crate::share::percent;

/// The service of `package.Service/Method`.
pub(super) fn service(method: &Method) -> &str {
    let parts = method.rpc_method.rsplit_once('/');
    parts.map_or("", |(service, _)| service)
}

/// Its method.
pub(super) fn method(method: &Method) -> &str {
    method_of(&method.rpc_method)
}

/// The method of `package.Service/Method`.
pub(super) fn method_of(rpc_method: &str) -> &str {
    rpc_method.rsplit('/').next().unwrap_or_default()
}

/// How many calls each quantile needs.
pub(super) fn latency_needs(method: &Method) -> String {
    let shift = &method.latency_shift;
    format!(
        "p50 needs {}, p95 {}, p99 {} of each side",
        shift.p50.count_needed, shift.p95.count_needed, shift.p99.count_needed
    )
}

/// What stands before a shift of latency of which the whole interval lies on one side of none.
pub(super) fn sure_mark(shift: &Shift) -> &'static str {
    match shift.direction() {
        Some(Direction::Slower) => "▲ ",
        Some(Direction::Faster) => "▼ ",
        None => "",
    }
}

/// What the marks mean, if one of `shifts` has any.
pub(super) fn marks<'a>(shifts: impl IntoIterator<Item = &'a Shift>) -> Option<&'static str> {
    let mut shifts = shifts.into_iter();
    let any = shifts.any(Shift::is_sure);
    any.then_some("▲ slower, ▼ faster, by the whole of the interval.")
}

/// What a kind of difference means.
pub(super) fn kind(kind: &str) -> String {
    match kind {
        "value" => "another value",
        "type" => "another type",
        "missing" => "only in the old answer",
        "extra" => "only in the new answer",
        "default_vs_absent" => "default on one side, absent on the other",
        "oneof_arm" => "another field of the oneof",
        "list_order" => "another order",
        "message_missing" => "a message only in the old stream",
        "message_extra" => "a message only in the new stream",
        "schema_drift" => "another meaning by the new descriptors",
        "beyond_capture" => "differs beyond what was captured",
        other => return other.replace('_', " "),
    }
    .to_owned()
}

/// What a group of differences is, in a few words: what all have in common, else what most look like.
pub(super) fn group(group: &Group) -> String {
    use std::fmt::Write as _;
    let mut text = kind(group.kind);
    if let Some(explanation) = &group.explanation {
        let _infallible = write!(text, ": {}", escape(&explanation.text));
        return text;
    }
    if let Some((looks_like, times)) = group.looks_like.iter().max_by_key(|(_, times)| **times) {
        let _infallible = write!(text, ", looks like {}", looks_like.describe());
        if *times < group.occurrences {
            let _infallible = write!(text, " ({times} of {})", group.occurrences);
        }
    }
    text
}

/// What a group hangs on: `only when request.country = "DE" (98 % of these differ)`.
pub(super) fn correlation(correlation: &Correlation) -> String {
    let Correlation {
        feature,
        relation,
        value,
        until,
        is_only,
        share_of_differing,
        rate_with,
        ..
    } = correlation;
    let often = if *is_only {
        "only".to_owned()
    } else {
        format!("mostly ({})", percent(*share_of_differing))
    };
    let who = ["primary.", "candidate.", "client."];
    let condition = match relation {
        Relation::Equals if who.iter().any(|who| feature.starts_with(who)) => {
            format!("from {} {value}", feature.replace('.', " "))
        }
        Relation::Equals => format!("when {feature} = {value}"),
        Relation::AtLeast => format!("when {feature} ≥ {value}"),
        Relation::AtMost => format!("when {feature} ≤ {value}"),
        Relation::Since => format!("since {value}"),
        Relation::Until => format!("until {value}"),
        Relation::Between => {
            format!("from {value} to {}", until.as_deref().unwrap_or_default())
        }
    };
    escape(&format!(
        "{often} {condition}; of these {} differ",
        percent(*rate_with)
    ))
}

/// Why the answer can be trusted.
pub(super) fn trust(completeness: &Completeness) -> String {
    let unjudged: u64 = completeness.incomparable.values().sum();
    let lost = match &completeness.loss {
        Some(loss) => format!("{} lost", thousands(loss.calls())),
        None => "loss unknown (no accounting)".to_owned(),
    };
    format!(
        "{} unpaired, {} not judged, {lost}",
        count(completeness.without_partner(), "call"),
        count(unjudged, "pair")
    )
}

/// The one word for the whole, and whether it is good news (`None`: neither).
pub(super) fn headline(report: &Report) -> (&'static str, Option<bool>) {
    let answer = &report.answer;
    // What cannot be relied on is no good news.
    let good = (answer.exit_code == 0).then_some(true);
    match (answer.is_different, answer.judged, answer.mismatched) {
        (true, ..) => ("DIFFERENT", Some(false)),
        _ if answer.exit_code == 1 => ("GATE FAILED", Some(false)),
        (false, 0, _) => ("NOTHING TO JUDGE", None),
        (false, _, 0) if report.total.ignored > 0 => ("ONLY IGNORED DIFFERENCES", good),
        (false, _, 0) => ("NO DIFFERENCE FOUND", good),
        (false, ..) => ("WITHIN THRESHOLD", good),
    }
}

/// `21 of 52 judged pairs differ: 40.4 % (95 % interval 28.2 % to 53.9 %); allowed: 0 %`.
pub(super) fn mismatches(report: &Report) -> String {
    let answer = &report.answer;
    let interval = answer
        .mismatch_rate_interval
        .map_or_else(String::new, |interval| {
            format!(
                " (95 % interval {})",
                super::figures::share_interval(interval)
            )
        });
    let ignored = match report.total.ignored {
        0 => String::new(),
        ignored => format!(
            "; {} more only in what rules say does not count",
            thousands(ignored)
        ),
    };
    format!(
        "{} of {} judged pairs differ: {}{interval}; allowed: {}{ignored}",
        thousands(answer.mismatched),
        thousands(answer.judged),
        percent(answer.mismatch_rate),
        percent(answer.fail_over),
    )
}

/// Why the comparison is valid, or why not.
pub(super) fn validity(report: &Report) -> String {
    if report.answer.is_valid {
        trust(&report.completeness)
    } else {
        report.answer.doubts.join("; ")
    }
}

/// What is wrong with the descriptors as a whole, if anything.
pub(super) fn wrong_types(report: &Report) -> Option<&'static str> {
    let scope = &report.scope;
    let is_judged = |method: &&Method| method.judged() > 0;
    let judged = report.methods.iter().filter(is_judged).count();
    let unknown = scope.methods_without_descriptor.len();
    (scope.has_descriptors && judged > 0 && unknown == judged).then_some(
        "None of the methods compared is in the descriptors: all messages were compared by wire field, and paths \
         are field numbers. Are they those of this service?",
    )
}

/// What a gate came to: value, method, reason.
pub(super) fn gate(gate: &Gate) -> String {
    let is_shift = gate.metric.contains("_shift");
    let figure = |value: f64| figure(value, gate.unit, is_shift && gate.unit != Unit::Count);
    let mut parts = Vec::new();
    if let Some(value) = gate.value {
        let method = match &gate.rpc_method {
            Some(method) => format!(" in {method}"),
            None => String::new(),
        };
        parts.push(format!("is {}{method}", figure(value)));
        if gate.methods_failed > 1 {
            parts.push(format!("true of {}", count(gate.methods_failed, "method")));
        }
    }
    if let (State::Unknown, Some(reason)) = (gate.state, &gate.reason) {
        parts.push(format!("cannot be known: {reason}"));
    }
    parts.join("; ")
}

fn figure(value: f64, unit: Unit, is_signed: bool) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole numbers, shown to people"
    )]
    let whole = value as i64;
    match (unit, is_signed) {
        (Unit::Share, true) => signed_percent(value),
        (Unit::Share, false) => percent(value),
        (Unit::Count, _) => thousands(whole.unsigned_abs()),
        (Unit::Us, true) => signed_micros(whole),
        (Unit::Us, false) => micros(whole.unsigned_abs()),
    }
}
