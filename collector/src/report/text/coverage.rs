//! What the traffic never showed.

use super::page::Page;
use crate::escape::{escape, shorten};
use crate::report::Report;
use crate::report::coverage::{MethodCoverage, Seen};
use crate::report::figures::{count, size};

/// Names listed of one method, and methods listed.
const SHOWN_MAX: usize = 12;

impl Page {
    pub(super) fn coverage(&mut self, report: &Report) {
        let Some(coverage) = &report.coverage else {
            return;
        };
        self.title("Coverage: what the traffic compared showed of the descriptors");
        let parts = [
            ("methods", coverage.methods),
            ("fields", coverage.fields),
            ("enum values", coverage.enum_values),
            ("oneof arms", coverage.oneof_arms),
        ];
        let seen: Vec<String> = parts.iter().map(|(what, seen)| part(what, *seen)).collect();
        self.prose(&format!("seen: {}", seen.join(", ")));
        let statuses: Vec<&str> = report
            .total
            .primary_status
            .keys()
            .map(String::as_str)
            .collect();
        self.prose(&escape(&format!(
            "old statuses seen: {}",
            statuses.join(", ")
        )));
        if !coverage.methods_never_seen.is_empty() {
            let names = listed(coverage.methods_never_seen.iter().map(String::as_str));
            self.prose(&format!("never called: {names}"));
        }
        if !coverage.methods_never_judged.is_empty() {
            let names = listed(coverage.methods_never_judged.iter().map(String::as_str));
            self.prose(&format!("called, and no pair of them judged: {names}"));
        }
        let with_gaps = coverage.by_method.iter().filter(|method| has_gaps(method));
        let left = with_gaps.clone().count().saturating_sub(SHOWN_MAX);
        for method in with_gaps.take(SHOWN_MAX) {
            let name = escape(&method.rpc_method);
            self.wrapped_after(2, &name, &part("fields", method.fields));
            let sides = [
                ("request", &method.request_never_seen),
                ("response", &method.response_never_seen),
            ];
            for (side, never) in sides {
                let mut names = never.outermost().peekable();
                if names.peek().is_some() {
                    let names = listed(names);
                    self.prose(&format!("{side} never had: {names}"));
                }
            }
        }
        if left > 0 {
            self.line(format_args!(
                "  … {} more (--output json has all)",
                count(size(left), "method")
            ));
        }
    }
}

fn has_gaps(method: &MethodCoverage) -> bool {
    let sides = [&method.request_never_seen, &method.response_never_seen];
    sides.iter().any(|never| never.outermost().next().is_some())
}

fn part(what: &str, Seen { seen, of }: Seen) -> String {
    format!("{seen} of {of} {what}")
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut left = 0;
    for name in names {
        if shown.len() < SHOWN_MAX {
            shown.push(escape(&shorten(name, 120)));
        } else {
            left += 1;
        }
    }
    if left > 0 {
        shown.push(format!("… {left} more"));
    }
    shown.join(", ")
}
