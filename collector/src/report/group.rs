//! Differences of one kind at one path of one method, counted, with the earliest example.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::correlate::Correlation;
use super::explain::Explanation;
use crate::compare::rules::{element_end, is_type};
use crate::compare::{Difference, Kind, LooksLike, Place, Severity};

/// What a group has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey {
    pub(super) rpc_method: String,
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) severity: Severity,
}

impl GroupKey {
    /// One for tests.
    #[cfg(test)]
    pub(super) fn sample(rpc_method: &str) -> Self {
        Self {
            rpc_method: rpc_method.to_owned(),
            place: Place::ResponseMessage,
            path: "1".to_owned(),
            kind: Kind::Value,
            severity: Severity::Error,
        }
    }

    pub(super) fn of(rpc_method: &str, difference: &Difference) -> Self {
        Self {
            rpc_method: rpc_method.to_owned(),
            place: difference.place,
            path: collapse(&difference.path),
            kind: difference.kind,
            severity: difference.severity,
        }
    }
}

/// One group, as in the JSON report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// See [`Place::name`].
    pub place: &'static str,
    /// The path; list indices and map keys are `[*]`.
    pub path: String,
    /// See [`Kind::name`].
    pub kind: &'static str,
    /// What it counts as.
    pub severity: Severity,
    /// Rules that say that it does not count; empty if it does.
    pub ignored_by: Vec<String>,
    /// Pairs in which it was found.
    pub pairs: u64,
    /// Share of the method's judged pairs.
    pub rate: f64,
    /// How often it was found, several times in a pair included.
    pub occurrences: u64,
    /// How many of them look like what (see [`crate::compare::LooksLike`]).
    #[serde(serialize_with = "by_name")]
    pub looks_like: BTreeMap<LooksLike, u64>,
    /// What all of them have in common, if there is something.
    pub explanation: Option<Explanation>,
    /// What it hangs on, the most telling first; empty if nothing is sure.
    pub correlations: Vec<Correlation>,
    /// Start of the earliest primary call of a pair that has it, RFC 3339.
    pub first_seen: String,
    /// Start of the latest.
    pub last_seen: String,
    /// The earliest.
    pub example: Example,
    /// The earliest of other pairs, [`EXAMPLES_MAX`](super::EXAMPLES_MAX) with that one.
    pub more_examples: Vec<Example>,
}

/// In order of the stable names.
fn by_name<S: Serializer>(
    looks_like: &BTreeMap<LooksLike, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let named = looks_like
        .iter()
        .map(|(known, times)| (known.name(), times));
    serializer.collect_map(named.collect::<BTreeMap<_, _>>())
}

/// One difference in full.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Example {
    /// Start of the primary call, RFC 3339.
    pub at: String,
    /// The pair's key: pair id, request id or trace id, else what the primary was recorded as.
    pub correlation_key: String,
    /// The full path.
    pub path: String,
    /// Message of the stream, from 0.
    pub message_index: Option<u32>,
    /// Old value.
    pub primary: Option<String>,
    /// New value.
    pub candidate: Option<String>,
}

/// `items[2].labels["a]b"]` to `items[*].labels[*]`; the type in the brackets of an `Any` stays.
pub(crate) fn collapse(path: &str) -> String {
    collapse_all_but(path, |_| false)
}

/// The same, but for what in brackets is kept.
pub(crate) fn collapse_all_but(path: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        let (inner, tail) = split_bracket(after);
        out.push_str(before);
        out.push('[');
        out.push_str(if is_type(inner) || is_kept(inner) {
            inner
        } else {
            "*"
        });
        out.push(']');
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// What stands in brackets, and what follows.
fn split_bracket(after: &str) -> (&str, &str) {
    match element_end(after) {
        Some(end) => (
            after.get(..end).unwrap_or_default(),
            after.get(end + 1..).unwrap_or_default(),
        ),
        None => (after, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_map_keys_collapse() {
        assert_eq!(collapse("items[2].price"), "items[*].price");
        assert_eq!(collapse("labels[\"a]b\"].x[3]"), "labels[*].x[*]");
        assert_eq!(collapse("detail[pkg.Type].name"), "detail[pkg.Type].name");
        assert_eq!(collapse("detail[Type].by[true]"), "detail[Type].by[*]");
        assert_eq!(collapse("4.2[1]"), "4.2[*]");
        assert_eq!(collapse(""), "");
        assert_eq!(collapse("broken[1"), "broken[*]");
        let key = r#"m["k\"].labels[\"z"].n"#;
        assert_eq!(collapse(key), "m[*].n");
        assert_eq!(collapse(r#"m["a\"]b"].n"#), "m[*].n");
        assert_eq!(collapse(r#"m["a\\"].n"#), "m[*].n");
    }
}
