//! What was learned, as a rules file with the evidence in comments.

use std::fmt::Write as _;

use super::decide::{Evidence, Learned, LeftOut, Suggestion};
use super::{Action, Source};
use crate::compare::Place;
use crate::escape::{escape, shorten};
use crate::report::figures::{count, thousands};
use crate::report::rows::time_text;
use crate::share::{percent, rate};

/// Characters shown of a value or name in a comment.
const TEXT_CHARS_MAX: usize = 60;

/// Places shown that are not offered.
const LEFT_OUT_MAX: usize = 200;

impl Learned {
    /// A valid rules file: comments with the evidence, and the rules.
    pub fn to_yaml(&self) -> String {
        let mut out = String::from(
            "# Noise that `twintap rules suggest` found, as rules (docs/rules.md). Nothing is applied until this\n\
             # file is given to `twintap compare --rules`: read the evidence, take out what is no noise.\n\
             #\n",
        );
        for line in self.summary() {
            comment(&mut out, "", &line);
        }
        out.push_str("version: 1\n");
        if self.suggestions.is_empty() {
            out.push_str("rules: []\n");
        } else {
            out.push_str("rules:\n");
        }
        for (index, suggestion) in self.suggestions.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "\n" });
            rule(&mut out, suggestion);
        }
        self.write_left_out(&mut out);
        out
    }

    /// What it was learned from and what came of it, a line each.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "learned from {} of primary and candidate, {} of primary and secondary, {}",
            count(self.candidate_pairs, "pair"),
            thousands(self.secondary_pairs),
            count(self.repeats, "repeated request"),
        )];
        let found = self.suggestions.len();
        lines.push(match found {
            0 if self.left_out.is_empty() => "no noise was found".to_owned(),
            0 => "no rule suggested".to_owned(),
            _ => count(u64::try_from(found).unwrap_or(u64::MAX), "rule") + " suggested",
        });
        let more = [
            (
                self.true_differences,
                "place",
                "where only the candidate differs, never the old service from itself: true differences",
            ),
            (
                self.unjudged,
                "pair",
                "not judged: aborted, cut, incomplete or ambiguous",
            ),
            (
                self.requests_left_out,
                "request",
                "not looked at for repeats: more than are kept",
            ),
            (
                self.differences_omitted,
                "difference",
                "beyond the limits of a pair or of places",
            ),
            (
                self.suggestions_omitted,
                "rule",
                "beyond what one file may hold",
            ),
        ];
        for (number, what, meaning) in more {
            if number > 0 {
                lines.push(format!("{} {meaning}", count(number, what)));
            }
        }
        lines
    }

    fn write_left_out(&self, out: &mut String) {
        if self.left_out.is_empty() {
            return;
        }
        out.push_str("\n# Not suggested:\n");
        for left_out in self.left_out.iter().take(LEFT_OUT_MAX) {
            let LeftOut {
                rpc_method,
                place,
                path,
                evidence,
                why,
            } = left_out;
            let name = name(rpc_method, *place, path);
            comment(
                out,
                "",
                &format!(
                    "{} ({}): {}",
                    shown(&name),
                    evidence.kind.name(),
                    why.describe()
                ),
            );
            comment(out, "", &format!("  {}", figures(evidence)));
        }
        let hidden = self.left_out.len().saturating_sub(LEFT_OUT_MAX);
        if hidden > 0 {
            comment(out, "", &format!("and {hidden} more"));
        }
    }
}

fn rule(out: &mut String, suggestion: &Suggestion) {
    for evidence in &suggestion.evidence {
        comment(
            out,
            "  ",
            &format!(
                "{}: {}{}",
                evidence.kind.name(),
                figures(evidence),
                taken(evidence)
            ),
        );
        for example in &evidence.examples {
            let pair = match example.correlation_key.as_str() {
                "" => String::new(),
                key => format!(" pair {}", shown(key)),
            };
            let value = |value: &Option<String>| {
                value
                    .as_deref()
                    .map_or_else(|| "(absent)".to_owned(), shown)
            };
            comment(
                out,
                "  ",
                &format!(
                    "  {}{pair}: {} / {}",
                    time_text(example.started_unix_ns),
                    value(&example.first),
                    value(&example.second)
                ),
            );
        }
    }
    let Suggestion {
        rpc_method,
        place,
        path,
        action,
        ..
    } = suggestion;
    let title = format!("{}: {}", name(rpc_method, *place, path), action.word());
    let mut line = |indent: &str, key: &str, value: &str| {
        let _infallible = writeln!(out, "  {indent} {key}: {value}");
    };
    line("-", "name", &quoted(&title));
    line(" ", "method", &quoted(rpc_method));
    line(" ", "place", place.name());
    if !path.is_empty() {
        line(" ", "path", &quoted(path));
    }
    let _infallible = writeln!(out, "    {action}");
    let _infallible = writeln!(out, "    reason: {}", quoted(&reason(suggestion)));
}

fn name(rpc_method: &str, place: Place, path: &str) -> String {
    let mut name = rpc_method.to_owned();
    if place != Place::ResponseMessage {
        let _infallible = write!(name, " {}", place.name());
    }
    if !path.is_empty() {
        let _infallible = write!(name, " {path}");
    }
    name
}

fn reason(suggestion: &Suggestion) -> String {
    let what = suggestion.action.describe();
    let Some(evidence) = suggestion.evidence.first() else {
        return what.to_owned();
    };
    let (part, whole) = evidence.noise;
    let where_seen = match evidence.source {
        Source::Secondary => "two runs of the old service differ here too",
        Source::Repeat => "the old service answers equal requests with different values",
        Source::Candidate => {
            "told by the values alone, nothing measured noise: check that it is none"
        }
    };
    let weak = match suggestion.action {
        Action::Ignore(_) => "; consider a narrower rule",
        _ => "",
    };
    format!("{what}: {where_seen} ({part} of {whole} pairs){weak}")
}

/// How often it was seen where.
fn figures(evidence: &Evidence) -> String {
    let of = |(part, whole): (u64, u64)| {
        format!(
            "{} of {} pairs ({})",
            thousands(part),
            thousands(whole),
            percent(rate(part, whole))
        )
    };
    let source = match evidence.source {
        Source::Candidate => {
            return format!(
                "value class alone: {} of primary and candidate differ",
                of(evidence.noise)
            );
        }
        Source::Secondary => "primary and secondary",
        Source::Repeat => "equal requests to the primary",
    };
    format!(
        "{source} differ in {}; primary and candidate in {}",
        of(evidence.noise),
        of(evidence.raw)
    )
}

/// How much the rule takes of what differs between primary and candidate.
fn taken(evidence: &Evidence) -> &'static str {
    match (evidence.source, evidence.raw, evidence.takes_all) {
        (Source::Candidate, ..) | (_, (0, _), _) => "",
        (.., true) => ", all of which this rule takes",
        (.., false) => ", of which this rule does not take all",
    }
}

fn shown(text: &str) -> String {
    shorten(&escape(text), TEXT_CHARS_MAX)
}

/// A comment; the text has no line break.
fn comment(out: &mut String, indent: &str, text: &str) {
    let _infallible = writeln!(out, "{indent}# {text}");
}

/// A text as YAML reads it back, whatever it holds: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
