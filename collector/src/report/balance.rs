//! What became of every call, as rows, and notes on how it was compared.

use super::figures::{count, micros, signed_micros, thousands};
use super::{ClockShift, Completeness, Loss, Report, RuleRemark, RuleUse, WhyNothing};
use crate::escape::{escape, shorten};

/// Characters shown of a list of names.
const NAMES_CHARS_MAX: usize = 160;

/// Characters shown of a host's name.
const HOST_CHARS_MAX: usize = 60;

/// Pairs of hosts whose clocks are told of in notes.
const CLOCK_NOTES_MAX: usize = 3;

/// Calls that share a fate.
pub(super) struct Row {
    pub(super) what: &'static str,
    /// How many, unless it is unknown.
    pub(super) calls: Option<u64>,
    pub(super) note: String,
}

impl Row {
    /// Its number, as a table shows it.
    pub(super) fn number(&self) -> String {
        self.calls.map_or_else(|| "?".to_owned(), thousands)
    }
}

/// Every call, by what became of it.
pub(super) fn rows(completeness: &Completeness) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what: &'static str, calls: u64, note: &str| {
        rows.push(Row {
            what,
            calls: Some(calls),
            note: note.to_owned(),
        });
    };
    row("recorded", completeness.calls, "read from the dataset");
    row("in pairs", 2 * completeness.pairs, &found_by(completeness));
    for (reason, calls) in &completeness.unpaired {
        let (what, note) = without_partner(reason);
        row(what, *calls, &note);
    }
    for (reason, pairs) in &completeness.incomparable {
        row("not judged", 2 * pairs, &why_not_judged(reason));
    }
    let optional = [
        (
            "ambiguous",
            2 * completeness.pairs_ambiguous,
            "may be the wrong pairs: several calls would fit",
        ),
        (
            "earlier attempts",
            completeness.earlier_attempts,
            "the last attempt was compared",
        ),
        (
            "recorded twice",
            completeness.duplicate_views,
            "the same call at another place",
        ),
        (
            "read twice",
            completeness.duplicate_records,
            "the same record",
        ),
        (
            "cut",
            2 * completeness.truncated,
            "in pairs with a body longer than was kept",
        ),
    ];
    for (what, calls, note) in optional {
        if calls > 0 {
            row(what, calls, note);
        }
    }
    match &completeness.loss {
        Some(loss) => rows.extend(loss_rows(loss)),
        None => rows.push(Row {
            what: "lost",
            calls: None,
            note: "unknown: the data directory has no accounting".to_owned(),
        }),
    }
    rows
}

/// What the accounting says beside the calls that are there.
fn loss_rows(loss: &Loss) -> Vec<Row> {
    let is_unknown = loss.unaccounted > 0;
    let figures = [
        (
            "lost",
            loss.dropped,
            "dropped in the filter, or not seen whole enough in a capture",
        ),
        ("lost", loss.refused, "refused by the collector"),
        ("lost", loss.undelivered, "have not arrived"),
        ("lost", loss.quarantined, "could not be decoded"),
        (
            "lost",
            loss.damaged_stretches,
            "or more, in damaged stretches of a journal, gaps of a capture, or an ingest that was cut short",
        ),
        (
            "lost",
            loss.removed,
            "were written, and their files are gone or were moved aside",
        ),
        (
            "lost",
            loss.not_yet_in_dataset,
            "in the journal or under way: twintap serve goes on with them",
        ),
        ("lost", loss.in_flight, "not ended when last heard of"),
        (
            "unaccounted",
            loss.unaccounted,
            "no accounting file knows who recorded them: what was lost beside them is unknown",
        ),
        (
            "recorded before",
            loss.recorded_before,
            "not lost: before this directory first heard of their recorder",
        ),
    ];
    let are_some = |(what, calls, note): (&'static str, u64, &str)| {
        (calls > 0).then(|| Row {
            what,
            calls: Some(calls),
            note: note.to_owned(),
        })
    };
    let mut rows: Vec<Row> = figures.into_iter().filter_map(are_some).collect();
    if loss.partial_ingests > 0 {
        rows.push(Row {
            what: "taken in part",
            calls: Some(loss.partly_ingested),
            note: format!(
                "from {} that did not come to its end: the next one of the same files replaces them",
                count(loss.partial_ingests, "ingest")
            ),
        });
    }
    if loss.calls() == 0 && !is_unknown {
        rows.push(Row {
            what: "lost",
            calls: Some(0),
            note: "by the accounting".to_owned(),
        });
    }
    rows
}

/// What calls without a partner are called, and why they have none.
fn without_partner(reason: &str) -> (&'static str, String) {
    let (what, note) = match reason {
        "secondary" => ("secondary", "a second run of the old service"),
        "other_candidate" => ("other candidate", "than the one that was chosen"),
        "awaiting_partner" => ("awaiting", "too young to be without a partner"),
        _ => return ("unpaired", reason.replace('_', " ")),
    };
    (what, note.to_owned())
}

/// `reason` in words, and what it means where that is not all.
fn why_not_judged(reason: &str) -> String {
    let words = reason.replace('_', " ");
    match reason {
        "candidate_failed" => format!("{words}: refused, reset or too slow"),
        "candidate_cancelled" => format!("{words}: the mirror was cut off early"),
        "candidate_aborted" => format!("{words}: by whom is not known"),
        "deadline_exceeded" => format!("{words} on both sides, with more messages on one"),
        _ => words,
    }
}

/// What a reader should know of how it was compared.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let completeness = &report.completeness;
    let rates = (
        completeness.primary_sampled_ppm,
        completeness.candidate_sampled_ppm,
    );
    if let (Some(old), Some(new)) = rates
        && old != new
    {
        notes.push(format!(
            "Sides were sampled at different rates ({old} and {new} per million): calls \
                 without a partner are expected."
        ));
    }
    if completeness.secrets_not_judged > 0 {
        notes.push(format!(
            "{} with metadata redacted without a key: only the number of values was compared.",
            count(completeness.secrets_not_judged, "pair")
        ));
    }
    let unknown = &report.scope.methods_without_descriptor;
    if !report.scope.has_descriptors {
        notes.push(
            "Messages were compared by wire field: paths are field numbers. --descriptors FILE \
                 or --proto DIR gives names."
                .to_owned(),
        );
    } else if !unknown.is_empty() {
        let names = escape(&shorten(&unknown.join(", "), NAMES_CHARS_MAX));
        notes.push(format!(
            "Not in the descriptors, compared by wire field: {names}"
        ));
    }
    notes.extend(report.rules.iter().map(rule_note));
    notes.extend(failed_note(completeness));
    notes.extend(unpaired_hints(completeness));
    notes.extend(clock_notes(completeness));
    if !report.hop_headers.is_empty() {
        let names: Vec<&str> = report.hop_headers.keys().map(String::as_str).collect();
        let names = shorten(&names.join(", "), NAMES_CHARS_MAX);
        notes.push(format!("Hop headers that differ and do not count: {names}"));
    }
    notes
}

/// What a rule did.
fn rule_note(rule: &RuleUse) -> String {
    let (name, origin) = (escape(&rule.name), escape(&rule.origin));
    let remark = match rule.remark {
        Some(RuleRemark::Expired) => {
            let last = rule.expires.as_deref().unwrap_or_default();
            return format!("Rule {name} ({origin}) expired on {last} and was not applied");
        }
        Some(RuleRemark::HidesNothing) => {
            let why = rule.why_nothing.map_or(
                "out of date, or did rules before it take what differs there?",
                WhyNothing::describe,
            );
            return format!("Rule {name} ({origin}) applied to nothing: {why}");
        }
        Some(RuleRemark::HidesEverything) => ", all that were found: too broad?",
        None => "",
    };
    format!(
        "Rule {name} ({origin}) applied to {} in {}{remark}",
        count(rule.differences, "difference"),
        count(rule.pairs, "pair"),
    )
}

/// That the new service failed is no difference, and more than a gap in the comparison.
fn failed_note(completeness: &Completeness) -> Option<String> {
    let pairs = completeness.incomparable.get("candidate_failed")?;
    Some(format!(
        "{} broke off on the new service's side, or on the way to it: refused, reset or too slow. They \
         are not judged, and not among the differences.",
        count(*pairs, "mirrored call")
    ))
}

/// What to do about calls that could not be paired at all.
fn unpaired_hints(completeness: &Completeness) -> Vec<String> {
    let are_some = |reason: &str| {
        completeness
            .unpaired
            .get(reason)
            .is_some_and(|calls| *calls > 0)
    };
    let mut hints = Vec::new();
    if are_some("no_id") {
        hints.push(
            "Calls without pair id, request id and trace id are paired by --pair-by-digest: equal requests, \
             in their order, where it was recorded what they were."
                .to_owned(),
        );
    }
    if are_some("role_unknown") {
        hints.push(
            "Of calls with an unknown role nothing says which service answered them: the recorder's role, or \
             --primary and --candidate of ingest and capture."
                .to_owned(),
        );
    }
    if are_some("several_candidates") {
        hints.push(
            "Calls were mirrored to several candidates: --candidate NAME (service, workload, version or \
             Envoy cluster) chooses one."
                .to_owned(),
        );
    }
    if are_some("too_many") {
        hints.push(
            "So many calls share one id that memory does not hold them: --memory-mib gives it more."
                .to_owned(),
        );
    }
    if completeness.not_sought > 0 {
        hints.push(format!(
            "{} without a partner may have lost an id on the way; these are too many to look for each by \
             another id.",
            count(completeness.not_sought, "call")
        ));
    }
    hints
}

/// How far clocks are apart, the furthest first.
fn clock_notes(completeness: &Completeness) -> Vec<String> {
    let mut clocks: Vec<_> = completeness.clocks.iter().collect();
    clocks.sort_by_key(|clock| std::cmp::Reverse(clock.start_shift_us.unsigned_abs()));
    let note = |clock: &&ClockShift| {
        let skew = match (clock.skew_low_us, clock.skew_high_us) {
            (Some(low), Some(high)) if low <= high => format!(
                ": its clock is between {} and {} ahead",
                signed_micros(low),
                signed_micros(high)
            ),
            (Some(_), Some(_)) => ": a clock was set meanwhile".to_owned(),
            _ => String::new(),
        };
        format!(
            "Calls start {} at {} than at {} (median of {}){skew}.",
            later(clock.start_shift_us),
            escape(&shorten(&clock.candidate_host, HOST_CHARS_MAX)),
            escape(&shorten(&clock.primary_host, HOST_CHARS_MAX)),
            count(clock.pairs, "pair"),
        )
    };
    clocks.iter().take(CLOCK_NOTES_MAX).map(note).collect()
}

fn later(us: i64) -> String {
    let word = if us < 0 { "earlier" } else { "later" };
    format!("{} {word}", micros(us.unsigned_abs()))
}

fn found_by(completeness: &Completeness) -> String {
    let parts: Vec<String> = completeness
        .pairs_found_by
        .iter()
        .map(|(name, pairs)| format!("{} pairs by {}", thousands(*pairs), name.replace('_', " ")))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Reason;

    #[test]
    fn calls_that_miss_no_partner_are_not_called_unpaired() {
        for reason in Reason::NOT_MISSING {
            assert_ne!(without_partner(reason.name()).0, "unpaired", "{reason:?}");
        }
    }
}
