//! One HTML page with everything in it: nothing is loaded, nothing leaves.
//!
//! Payloads come from whoever calls the service, so the page trusts none of them: the template
//! escapes every value, the script is static and reads only what the page shows, and a content
//! security policy allows that one script and that one style sheet by their digests and nothing else:
//! no other script, no handler in an attribute, no request, no form. Control characters and
//! direction marks are shown as escapes, as in the terminal.

mod rows;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::escape::escape;
use crate::report::coverage::Seen;
use crate::report::figures::{count, size};
use crate::report::{Report, balance, describe};
use crate::share::{percent, rate};
use rows::{CoveredRow, GateRow, GroupRow, LatencyRow, MethodRow, ShiftRow};

/// Groups of differences on the page; more make a browser slow.
const GROUPS_MAX: usize = 2_000;

const STYLE: &str = include_str!("../../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    policy: String,
    style: &'static str,
    script: &'static str,
    headline: &'static str,
    mood: &'static str,
    mismatches: String,
    validity: String,
    wrong_types: Option<&'static str>,
    data_dir: String,
    calls: String,
    pairs: String,
    methods_count: String,
    times: Option<String>,
    gates: Vec<GateRow>,
    methods: Vec<MethodRow>,
    needs: String,
    latencies: Vec<LatencyRow>,
    shifts: Vec<ShiftRow>,
    groups: Vec<GroupRow>,
    groups_left: usize,
    statuses: String,
    coverage_rows: Vec<CoverageTotal>,
    covered: Vec<CoveredRow>,
    completeness: Vec<balance::Row>,
    notes: Vec<String>,
}

struct CoverageTotal {
    what: &'static str,
    seen: u64,
    of: u64,
    share: String,
}

impl CoverageTotal {
    fn of(what: &'static str, Seen { seen, of }: Seen) -> Self {
        let share = match of {
            0 => String::new(),
            _ => percent(rate(seen, of)),
        };
        Self {
            what,
            seen,
            of,
            share,
        }
    }
}

pub(super) fn render(report: &Report) -> askama::Result<String> {
    let (headline, is_good) = describe::headline(report);
    let scope = &report.scope;
    let times = scope
        .first_call_at
        .as_ref()
        .zip(scope.last_call_at.as_ref());
    let coverage = report.coverage.as_ref();
    let statuses: Vec<&str> = report
        .total
        .primary_status
        .keys()
        .map(String::as_str)
        .collect();
    let page = Page {
        report,
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        headline,
        mood: match is_good {
            Some(true) => "good",
            Some(false) => "bad",
            None => "warn",
        },
        mismatches: describe::mismatches(report),
        validity: escape(&describe::validity(report)),
        wrong_types: describe::wrong_types(report),
        data_dir: escape(&scope.data_dir),
        calls: count(report.completeness.calls, "recorded call"),
        pairs: count(report.completeness.pairs, "pair"),
        methods_count: count(size(report.methods.len()), "method"),
        times: times.map(|(first, last)| format!("{first} to {last}")),
        gates: report.gates.iter().map(GateRow::of).collect(),
        methods: report.methods.iter().map(MethodRow::of).collect(),
        needs: describe::latency_needs(&report.total),
        latencies: report.methods.iter().flat_map(LatencyRow::of).collect(),
        shifts: report.methods.iter().flat_map(ShiftRow::of).collect(),
        groups: report
            .differences
            .iter()
            .take(GROUPS_MAX)
            .map(GroupRow::of)
            .collect(),
        groups_left: report.differences.len().saturating_sub(GROUPS_MAX),
        statuses: escape(&statuses.join(", ")),
        coverage_rows: coverage.map_or_else(Vec::new, |coverage| {
            vec![
                CoverageTotal::of("methods", coverage.methods),
                CoverageTotal::of("fields", coverage.fields),
                CoverageTotal::of("enum values", coverage.enum_values),
                CoverageTotal::of("oneof arms", coverage.oneof_arms),
            ]
        }),
        covered: coverage.map_or_else(Vec::new, |coverage| {
            let rows = coverage.by_method.iter().map(CoveredRow::of);
            rows.filter(CoveredRow::has_gaps).collect()
        }),
        completeness: balance::rows(&report.completeness),
        notes: balance::notes(report),
    };
    page.render()
}

/// Only this page's own style sheet and script, and no request at all.
fn policy() -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}
