//! What the page's tables show, ready to print.

use crate::compare::LooksLike;
use crate::escape::escape;
use crate::report::coverage::{MethodCoverage, NeverSeen};
use crate::report::figures::{
    count, micros, share_interval, shift_interval, signed_percent, thousands,
};
use crate::report::gate::State;
use crate::report::latency::Direction;
use crate::report::{Example, Gate, Group, Interval, Method, Shift, describe};
use crate::share::{percent, rate};

/// Names listed of one direction of a method.
const PATHS_MAX: usize = 500;

/// A number to sort by, and to read.
pub(super) struct Number(pub(super) u64, pub(super) String);

impl Number {
    fn of(value: u64) -> Self {
        Self(value, thousands(value))
    }
}

pub(super) struct GateRow {
    pub(super) state: &'static str,
    pub(super) mood: &'static str,
    pub(super) condition: String,
    pub(super) result: String,
    pub(super) given_by: &'static str,
}

impl GateRow {
    pub(super) fn of(gate: &Gate) -> Self {
        Self {
            state: gate.state.name(),
            mood: match gate.state {
                State::Passed => "good",
                State::Failed => "bad",
                State::Unknown => "warn",
            },
            condition: escape(&gate.condition),
            result: escape(&describe::gate(gate)),
            given_by: gate.given_by,
        }
    }
}

pub(super) struct MethodRow {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) pairs: Number,
    pub(super) matched: Number,
    pub(super) ignored: Number,
    pub(super) differ: Number,
    /// Empty where nothing was judged.
    pub(super) rate_value: String,
    pub(super) rate: String,
    pub(super) interval: String,
    pub(super) bar: Option<Bar>,
    pub(super) unjudged: Number,
    pub(super) unpaired: Number,
}

/// An interval drawn on a line from 0 to 100.
pub(super) struct Bar {
    pub(super) low: String,
    pub(super) width: String,
    pub(super) at: String,
}

impl Bar {
    fn of(rate: f64, interval: Interval<f64>) -> Self {
        let figure = |share: f64| format!("{:.2}", share * 100.0);
        Self {
            low: figure(interval.low),
            width: figure((interval.high - interval.low).max(0.005)),
            at: figure(rate.min(0.99)),
        }
    }
}

impl MethodRow {
    pub(super) fn of(method: &Method) -> Self {
        let both = method.mismatch_rate.zip(method.mismatch_rate_interval);
        Self {
            service: escape(describe::service(method)),
            name: escape(describe::method(method)),
            pairs: Number::of(method.pairs),
            matched: Number::of(method.matched),
            ignored: Number::of(method.ignored),
            differ: Number::of(method.mismatched),
            rate_value: method
                .mismatch_rate
                .map(|rate| rate.to_string())
                .unwrap_or_default(),
            rate: method.mismatch_rate.map(percent).unwrap_or_default(),
            interval: method
                .mismatch_rate_interval
                .map(share_interval)
                .unwrap_or_default(),
            bar: both.map(|(rate, interval)| Bar::of(rate, interval)),
            unjudged: Number::of(method.incomparable),
            unpaired: Number::of(method.without_partner()),
        }
    }
}

pub(super) struct LatencyRow {
    pub(super) method: String,
    pub(super) quantile: &'static str,
    pub(super) calls: Number,
    pub(super) old: Number,
    pub(super) new: Number,
    pub(super) mood: &'static str,
    /// Empty where nothing is claimed.
    pub(super) shift_value: String,
    pub(super) shift: String,
    pub(super) interval: String,
}

impl LatencyRow {
    pub(super) fn of(method: &Method) -> Vec<Self> {
        let (old, new) = (&method.primary_latency, &method.candidate_latency);
        let shift = &method.latency_shift;
        let quantiles = [
            ("p50", &shift.p50, old.p50_us, new.p50_us),
            ("p95", &shift.p95, old.p95_us, new.p95_us),
            ("p99", &shift.p99, old.p99_us, new.p99_us),
        ];
        let rows = quantiles
            .into_iter()
            .filter_map(|(quantile, shift, old, new)| {
                let of_us = |us: u64| Number(us, micros(us));
                let is_shown = shift.shift.is_some() || quantile == "p50";
                let (old, new) = old.zip(new).filter(|_| is_shown)?;
                Some(Self {
                    method: escape(&method.rpc_method),
                    quantile,
                    calls: Number::of(shift.count),
                    old: of_us(old),
                    new: of_us(new),
                    mood: mood(shift),
                    shift_value: shift
                        .shift
                        .map(|shift| shift.to_string())
                        .unwrap_or_default(),
                    shift: shift.shift.map(signed_percent).unwrap_or_default(),
                    interval: shift.shift_interval.map(shift_interval).unwrap_or_default(),
                })
            });
        rows.collect()
    }
}

/// Slower or faster beyond doubt?
fn mood(shift: &Shift) -> &'static str {
    match shift.direction() {
        Some(Direction::Slower) => "bad",
        Some(Direction::Faster) => "good",
        None => "",
    }
}

pub(super) struct ShiftRow {
    pub(super) method: String,
    pub(super) shift: String,
    pub(super) pairs: Number,
    pub(super) rate_value: f64,
    pub(super) rate: String,
}

impl ShiftRow {
    pub(super) fn of(method: &Method) -> Vec<Self> {
        let row = |(shift, pairs): (&String, &u64)| {
            let rate = rate(*pairs, method.judged());
            Self {
                method: escape(&method.rpc_method),
                shift: escape(shift),
                pairs: Number::of(*pairs),
                rate_value: rate,
                rate: percent(rate),
            }
        };
        method.status_shifts.iter().map(row).collect()
    }
}

pub(super) struct GroupRow {
    pub(super) method: String,
    pub(super) place: String,
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) what: String,
    pub(super) pairs: Number,
    pub(super) rate_value: f64,
    pub(super) rate: String,
    pub(super) occurrences: String,
    pub(super) is_ignored: bool,
    pub(super) severity: &'static str,
    pub(super) ignored_by: Vec<String>,
    pub(super) looks_like: Vec<String>,
    pub(super) correlations: Vec<String>,
    pub(super) first_seen: String,
    pub(super) last_seen: String,
    pub(super) more_examples: Vec<ExampleRow>,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) at: String,
    pub(super) example_path: String,
    pub(super) message_index: Option<u32>,
    pub(super) pair: String,
}

/// Another pair that has the difference.
pub(super) struct ExampleRow {
    pub(super) at: String,
    pub(super) pair: String,
    pub(super) old: String,
    pub(super) new: String,
}

impl ExampleRow {
    fn of(example: &Example) -> Self {
        Self {
            at: example.at.clone(),
            pair: escape(&example.correlation_key),
            old: value('-', &example.primary),
            new: value('+', &example.candidate),
        }
    }
}

fn value(sign: char, value: &Option<String>) -> String {
    match value {
        Some(value) => format!("{sign} {}", escape(value)),
        None => format!("{sign} (absent)"),
    }
}

impl GroupRow {
    pub(super) fn of(group: &Group) -> Self {
        let example = &group.example;
        let times = |(looks_like, times): (&LooksLike, &u64)| {
            format!("{}, {}", looks_like.describe(), count(*times, "time"))
        };
        Self {
            method: escape(&group.rpc_method),
            place: group.place.replace('_', " "),
            path: escape(&group.path),
            kind: group.kind,
            what: describe::group(group),
            pairs: Number(group.pairs, count(group.pairs, "pair")),
            rate_value: group.rate,
            rate: percent(group.rate),
            occurrences: count(group.occurrences, "time"),
            is_ignored: !group.ignored_by.is_empty(),
            severity: group.severity.name(),
            ignored_by: group.ignored_by.iter().map(|rule| escape(rule)).collect(),
            looks_like: group.looks_like.iter().map(times).collect(),
            correlations: group
                .correlations
                .iter()
                .map(describe::correlation)
                .collect(),
            first_seen: group.first_seen.clone(),
            last_seen: group.last_seen.clone(),
            more_examples: group.more_examples.iter().map(ExampleRow::of).collect(),
            old: value('-', &example.primary),
            new: value('+', &example.candidate),
            at: example.at.clone(),
            example_path: escape(&example.path),
            message_index: example.message_index,
            pair: escape(&example.correlation_key),
        }
    }
}

/// A method, and what its messages never had.
pub(super) struct CoveredRow {
    pub(super) name: String,
    pub(super) fields: String,
    pub(super) request: Vec<String>,
    pub(super) response: Vec<String>,
    pub(super) not_counted: u64,
}

impl CoveredRow {
    pub(super) fn of(method: &MethodCoverage) -> Self {
        let paths = |never: &NeverSeen| -> Vec<String> {
            let mut paths: Vec<String> =
                never.outermost().take(PATHS_MAX + 1).map(escape).collect();
            if paths.len() > PATHS_MAX {
                paths.truncate(PATHS_MAX);
                paths.push("…".to_owned());
            }
            paths
        };
        Self {
            name: escape(&method.rpc_method),
            fields: format!("{} of {} fields", method.fields.seen, method.fields.of),
            request: paths(&method.request_never_seen),
            response: paths(&method.response_never_seen),
            not_counted: method.not_counted,
        }
    }

    pub(super) fn has_gaps(&self) -> bool {
        !self.request.is_empty() || !self.response.is_empty() || self.not_counted > 0
    }
}
