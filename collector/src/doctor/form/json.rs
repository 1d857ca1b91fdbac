//! The JSON of `twintap doctor --output json`: see docs/doctor.md.

use serde::Serialize;

use crate::doctor::Examination;
use crate::doctor::at::Place;
use crate::doctor::finding::Unseen;
use crate::doctor::input::Inputs;
use crate::doctor::trap::Severity;

/// Version of the layout: within one, keys are only added.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    recognised: bool,
    inputs: Vec<Input<'a>>,
    problems: Vec<Problem<'a>>,
    findings: Vec<Finding<'a>>,
    findings_omitted: u64,
    not_checked: Vec<NotChecked<'a>>,
}

#[derive(Serialize)]
struct Input<'a> {
    input: &'a str,
    taken_for: &'a str,
}

#[derive(Serialize)]
struct Problem<'a> {
    input: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    what: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    id: &'a str,
    severity: Severity,
    #[serde(rename = "where")]
    place: &'a Place,
    what: &'a str,
    why: &'a str,
    remedy: &'a str,
}

#[derive(Serialize)]
struct NotChecked<'a> {
    id: &'a str,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<&'a str>,
}

/// One JSON object, with a newline at its end.
pub fn json(examination: &Examination, inputs: &Inputs) -> serde_json::Result<String> {
    let findings = examination.findings.iter().map(|finding| Finding {
        id: finding.trap.id,
        severity: finding.severity,
        place: &finding.place,
        what: &finding.what,
        why: finding.trap.hurts,
        remedy: finding.remedy(),
    });
    let missing = examination.not_looked_at.iter().map(|missing| NotChecked {
        id: missing.trap.id,
        what: missing.at,
        needs: Some(missing.need.name()),
    });
    let unseen = examination
        .unseen
        .iter()
        .map(|Unseen { trap, why }| NotChecked {
            id: trap,
            what: why,
            needs: None,
        });
    let document = Document {
        version: VERSION,
        recognised: examination.is_known,
        inputs: inputs
            .taken
            .iter()
            .map(|taken| Input {
                input: &taken.input,
                taken_for: &taken.taken_for,
            })
            .collect(),
        problems: inputs
            .problems
            .iter()
            .map(|problem| Problem {
                input: &problem.input,
                line: problem.line,
                what: &problem.what,
            })
            .collect(),
        findings: findings.collect(),
        findings_omitted: examination.omitted,
        not_checked: missing.chain(unseen).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
