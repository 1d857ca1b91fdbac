//! The text of `twintap doctor`: what was read, what was found, what was not looked at.
//!
//! Names, values and paths in it are foreign: none of their bytes reaches the terminal unescaped.

use std::fmt::Write as _;

use crate::doctor::Examination;
use crate::doctor::finding::Finding;
use crate::doctor::input::Inputs;
use crate::doctor::trap::{Need, Severity, Trap};
use crate::doctor::traps::ALL;
use crate::escape::escape;

/// What is named of one reason for which something was not looked at, and inputs that nothing reads.
const EXAMPLES_MAX: usize = 3;

/// How it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Are colours wanted?
    pub colours: bool,
    /// Columns to fill.
    pub width: usize,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn severity(self, severity: Severity) -> String {
        let code = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "33",
            Severity::Info => "36",
        };
        self.paint(code, severity.name())
    }
}

/// The whole answer.
pub fn text(examination: &Examination, inputs: &Inputs, style: Style) -> String {
    let mut out = String::new();
    looked_at(&mut out, inputs, style);
    if !inputs.problems.is_empty() {
        push(
            &mut out,
            format!("\n{}", style.paint("1", "Could not be read")),
        );
        for problem in &inputs.problems {
            wrapped(&mut out, &problem.to_string(), 2, 4, style);
        }
    }
    found(&mut out, examination, style);
    not_looked_at(&mut out, examination, style);
    summary(&mut out, examination, inputs);
    out
}

fn looked_at(out: &mut String, inputs: &Inputs, style: Style) {
    push(out, style.paint("1", "Looked at"));
    let (read, others): (Vec<_>, Vec<_>) = inputs.taken.iter().partition(|taken| taken.is_read);
    for taken in read
        .into_iter()
        .chain(others.iter().copied().take(EXAMPLES_MAX))
    {
        let line = format!("{}: {}", taken.input, taken.taken_for);
        wrapped(out, &line, 2, 4, style);
    }
    let more = others.len().saturating_sub(EXAMPLES_MAX);
    if more > 0 {
        let more = format!(
            "  and {more} {} of which no check reads anything",
            plural(more, "input")
        );
        push(out, more);
    }
    if inputs.taken.is_empty() {
        push(out, "  nothing");
    }
}

fn found(out: &mut String, examination: &Examination, style: Style) {
    if examination.findings.is_empty() {
        return;
    }
    push(out, format!("\n{}", style.paint("1", "Found")));
    let (mut explained, mut advised) = (Vec::new(), Vec::new());
    for finding in &examination.findings {
        one(out, finding, style);
        // Why stands at the first finding of a trap, what to do where it is new.
        let id = finding.trap.id;
        if !explained.contains(&id) {
            explained.push(id);
            wrapped(out, &format!("why: {}", finding.trap.hurts), 4, 9, style);
        }
        let advice = (id, finding.remedy());
        if !advised.contains(&advice) {
            advised.push(advice);
            wrapped(out, &format!("do:  {}", advice.1), 4, 9, style);
        }
    }
    if examination.omitted > 0 {
        push(
            out,
            format!("  and {} more of the same", examination.omitted),
        );
    }
}

fn one(out: &mut String, finding: &Finding, style: Style) {
    let id = style.paint("1", finding.trap.id);
    push(
        out,
        format!(
            "  {} {id}  {}",
            style.severity(finding.severity),
            escape(&finding.place.to_string())
        ),
    );
    wrapped(out, &finding.what, 4, 4, style);
}

fn not_looked_at(out: &mut String, examination: &Examination, style: Style) {
    if examination.not_looked_at.is_empty() && examination.unseen.is_empty() {
        return;
    }
    push(out, format!("\n{}", style.paint("1", "Not looked at")));
    for (reason, needs) in reasons(examination) {
        let missing = examination.not_looked_at.iter();
        let mut ids: Vec<&str> = missing
            .filter(|missing| needs.contains(&missing.need))
            .map(|missing| missing.trap.id)
            .collect();
        ids.dedup();
        if !ids.is_empty() {
            let line = format!(
                "without {reason}: {} {} ({})",
                ids.len(),
                plural(ids.len(), "trap"),
                examples(&ids, ", ")
            );
            wrapped(out, &line, 2, 4, style);
        }
    }
    // Of one trap they stand together.
    for unseen in examination
        .unseen
        .chunk_by(|left, right| left.trap == right.trap)
    {
        let whys: Vec<&str> = unseen.iter().map(|unseen| unseen.why.as_str()).collect();
        let trap = unseen.first().map(|unseen| unseen.trap).unwrap_or_default();
        wrapped(
            out,
            &format!("{trap}: {}", examples(&whys, "; ")),
            2,
            4,
            style,
        );
    }
}

/// Inputs that there may be none of: those of Kubernetes are one reason where there are none at all.
fn reasons(examination: &Examination) -> Vec<(&'static str, Vec<Need>)> {
    let (manifests, others): (Vec<Need>, Vec<Need>) = Need::ALL
        .into_iter()
        .partition(|need| !need.kinds().is_empty());
    let is_missing = |need: &Need| {
        let mut missing = examination.not_looked_at.iter();
        missing.any(|missing| missing.need == *need)
    };
    let each = |needs: Vec<Need>| needs.into_iter().map(|need| (need.name(), vec![need]));
    if manifests.iter().all(is_missing) {
        let all = "any YAML of Kubernetes or Istio";
        [(all, manifests)].into_iter().chain(each(others)).collect()
    } else {
        each(manifests).chain(each(others)).collect()
    }
}

/// The first [`EXAMPLES_MAX`], and how many more there are: JSON has all of them.
fn examples(all: &[&str], between: &str) -> String {
    let shown: Vec<&str> = all.iter().copied().take(EXAMPLES_MAX).collect();
    let more = all.len().saturating_sub(EXAMPLES_MAX);
    let more = if more > 0 {
        format!("{between}and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(between))
}

fn summary(out: &mut String, examination: &Examination, inputs: &Inputs) {
    let count = |severity| {
        examination
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings, infos) = (
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Info),
    );
    if !examination.is_known {
        let line =
            "\nnothing that was given is of a kind that doctor reads: no trap was looked for";
        return push(out, line);
    }
    let unread = inputs.problems.len();
    let mut line = format!(
        "\n{errors} {}, {warnings} {}, {infos} to know",
        plural(errors, "error"),
        plural(warnings, "warning")
    );
    if unread > 0 {
        line.push_str(&format!(
            "; {unread} {} could not be read",
            plural(unread, "input")
        ));
    }
    push(out, line);
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// The table of all traps.
pub fn list(style: Style) -> String {
    let mut out = String::new();
    let width = ALL
        .iter()
        .map(|trap| trap.id.len())
        .max()
        .unwrap_or_default();
    for trap in &ALL {
        let id = format!("{:width$}", trap.id);
        push(
            &mut out,
            format!(
                "{:>2}  {}  {:7}  {}",
                trap.number,
                style.paint("1", &id),
                trap.severity.name(),
                trap.title
            ),
        );
    }
    out
}

/// One trap, in full.
pub fn explain(trap: &Trap, style: Style) -> String {
    let mut out = String::new();
    push(
        &mut out,
        format!(
            "{} (trap {}, {})",
            style.paint("1", trap.id),
            trap.number,
            style.severity(trap.severity)
        ),
    );
    wrapped(&mut out, trap.title, 2, 2, style);
    push(&mut out, "\nWhy it hurts");
    wrapped(&mut out, trap.hurts, 2, 2, style);
    push(&mut out, "\nWhat to do");
    wrapped(&mut out, trap.remedy, 2, 2, style);
    if let Some(remedy) = trap.remedy_by_hand {
        push(&mut out, "\nWhat to do in an Envoy without Istio");
        wrapped(&mut out, remedy, 2, 2, style);
    }
    push(&mut out, "\nHow it is seen");
    for look in trap.looks {
        wrapped(
            &mut out,
            &format!("{}: {}", look.need.name(), look.at),
            2,
            4,
            style,
        );
    }
    out
}

fn push(out: &mut String, line: impl AsRef<str>) {
    out.push_str(line.as_ref());
    out.push('\n');
}

/// Writes `text`, escaped, with `first` blanks before it, `next` before further lines.
fn wrapped(out: &mut String, text: &str, first: usize, next: usize, style: Style) {
    let mut column = first;
    let mut is_first = true;
    let _infallible = write!(out, "{:first$}", "");
    for word in text.split_whitespace().map(escape) {
        let length = word.chars().count();
        if !is_first && column + 1 + length > style.width {
            let _infallible = write!(out, "\n{:next$}", "");
            column = next;
            is_first = true;
        }
        if !is_first {
            out.push(' ');
            column += 1;
        }
        // A label such as `do:  ` keeps its text in line with the others.
        out.push_str(&word);
        column += length;
        if is_first && word == "do:" {
            out.push(' ');
            column += 1;
        }
        is_first = false;
    }
    out.push('\n');
}
