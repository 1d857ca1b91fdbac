//! SARIF 2.1.0: groups of differences and gates as results, for tools that collect findings.
//!
//! A group's place is a logical location (method and path): a recorded call has no line of code.
//! Fingerprints are of method, place, path and kind, so that a tool recognises a group in the next
//! run.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::compare::Severity;
use crate::escape::escape;
use crate::report::describe;
use crate::report::figures::count;
use crate::report::gate::State;
use crate::report::{Gate, Group, Report};
use crate::share::percent;

/// Results in one log; GitHub takes no more than 25 000 and shows 5 000.
const RESULTS_MAX: usize = 5_000;

/// Rule of the results that gates are.
const GATE_RULE: &str = "gate";

pub(super) fn log(report: &Report) -> Value {
    let gates = report
        .gates
        .iter()
        .filter(|gate| gate.state != State::Passed);
    let groups = report.differences.iter().map(of_group);
    let results: Vec<Value> = gates.map(of_gate).chain(groups).take(RESULTS_MAX).collect();
    let kinds: BTreeSet<&str> = report.differences.iter().map(|group| group.kind).collect();
    let rules: Vec<Value> = std::iter::once(GATE_RULE).chain(kinds).map(rule).collect();
    let total = report.gates.len().saturating_add(report.differences.len());
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "twintap",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "automationDetails": { "id": "twintap-compare/" },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": report.answer.exit_code,
            }],
            "results": results,
            "properties": {
                "run_id": report.run_id,
                "is_valid": report.answer.is_valid,
                "mismatch_rate": report.answer.mismatch_rate,
                "judged": report.answer.judged,
                "results_cut": total > RESULTS_MAX,
            },
        }],
    })
}

fn rule(id: &str) -> Value {
    let text = match id {
        GATE_RULE => {
            "A condition under which the comparison fails is true, or cannot be known".to_owned()
        }
        kind => format!("The answers differ: {}", describe::kind(kind)),
    };
    json!({ "id": id, "shortDescription": { "text": text } })
}

/// Text in which nothing is a link or a placeholder (sections 3.11.5 and 3.11.6), or hides.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            '\\' | '[' | ']' => out.extend(['\\', c]),
            '{' | '}' => out.extend([c, c]),
            c => out.push(c),
        }
    }
    out
}

fn of_group(group: &Group) -> Value {
    let place = format!("{} {}", group.rpc_method, group.place);
    let name = match group.path.as_str() {
        "" => place,
        path => format!("{place} {path}"),
    };
    let name = escape(&name);
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
    let hangs: String = group
        .correlations
        .iter()
        .map(|correlation| format!("; {}", describe::correlation(correlation)))
        .collect();
    let text = format!(
        "{name}: {}; {} ({}){hangs}. For example: {} became {}",
        describe::group(group),
        count(group.pairs, "pair"),
        percent(group.rate),
        value(&group.example.primary),
        value(&group.example.candidate),
    );
    let fingerprint =
        xxh3_64(format!("{name} {} {}", group.kind, group.severity.name()).as_bytes());
    json!({
        "ruleId": group.kind,
        "level": match group.severity {
            Severity::Ignored => "none",
            severity => severity.name(),
        },
        "kind": if group.severity == Severity::Ignored { "informational" } else { "fail" },
        "message": { "text": plain(&text) },
        "locations": [{ "logicalLocations": [{ "fullyQualifiedName": name, "kind": "member" }] }],
        "occurrenceCount": group.occurrences.max(1),
        "partialFingerprints": { "group/v1": format!("{fingerprint:016x}") },
        "properties": { "pairs": group.pairs, "rate": group.rate, "ignored_by": group.ignored_by },
    })
}

fn of_gate(gate: &Gate) -> Value {
    let name = escape(gate.rpc_method.as_deref().unwrap_or(gate.metric));
    let fingerprint = xxh3_64(gate.condition.as_bytes());
    json!({
        "ruleId": GATE_RULE,
        "level": if gate.state == State::Failed { "error" } else { "warning" },
        "kind": "fail",
        "message": { "text": plain(&format!("{}: {}", gate.condition, describe::gate(gate))) },
        "locations": [{ "logicalLocations": [{ "fullyQualifiedName": name, "kind": "member" }] }],
        "partialFingerprints": { "gate/v1": format!("{fingerprint:016x}") },
    })
}
