//! Mirrored calls fail, or break off and nobody knows why, where the primary is answered.

use super::super::finding::Findings;
use super::super::recording::{Counts, Recording};
use super::super::stats::Stats;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, stat_place, told_of};
use crate::share::{percent, rate};

/// Share of mirrored calls, or of connections, from which on it is more than an accident.
const SHARE_MAX: f64 = 0.01;
/// Share of mirrored calls from which on there is little left to compare.
const SHARE_ERROR: f64 = 0.5;
const CONNECT_FAIL: &str = "upstream_cx_connect_fail";

pub(super) const TRAP: Trap = Trap {
    number: 25,
    id: "candidate-down",
    title: "mirrored calls fail or break off where primaries are answered",
    severity: Severity::Error,
    hurts: "Nobody listens where the mirror goes, connections to it break, or the route's timeout ends its \
            calls: there is no answer to compare. Of calls that broke off it is not recorded by whom: it may \
            be this, or Envoy that cut them off, as with early-cancel.",
    remedy: "See that the new service runs and can be reached from the caller (its Service has endpoints, port \
             and TLS fit), and look into its log for resets. Raise the route's `timeout` if the new service \
             only needs longer.",
    remedy_by_hand: Some(
        "See that the new service runs and that its cluster has its address, and look into its log for resets. \
         Raise the route's `timeout` if the new service only needs longer.",
    ),
    looks: &[
        look(
            Need::Recording,
            "how mirrored calls ended, by response flags, code details and the primary's end",
        ),
        look(Need::Stats, "connections to mirrors that failed"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recording in &view.recordings {
        failed(findings, recording);
        broke_off(findings, recording);
    }
    for (stats, cluster) in told_of(view, &view.mirror_clusters, findings) {
        connections(findings, stats, cluster);
    }
}

fn failed(findings: &mut Findings, recording: &Recording) {
    let Some((part, what)) = sum(&recording.failed_candidates, recording.pairs) else {
        return;
    };
    let severity = if part > SHARE_ERROR {
        Severity::Error
    } else {
        warning_over_accidents(part)
    };
    let [counted, whys] = what;
    let what = format!("{counted} failed while the primary was answered: {whys}");
    findings.put(severity, recording.origin.clone(), what);
}

fn broke_off(findings: &mut Findings, recording: &Recording) {
    let Some((part, what)) = sum(&recording.aborted_candidates, recording.pairs) else {
        return;
    };
    let [counted, told] = what;
    let what = format!("{counted} broke off, and nothing recorded tells by whom: {told}");
    let severity = warning_over_accidents(part);
    findings.put(severity, recording.origin.clone(), what);
}

/// Their share of all mirrored calls, how many they are, and of which kinds; `None` if there are none.
fn sum(kinds: &Counts, mirrored: u64) -> Option<(f64, [String; 2])> {
    let count: u64 = kinds.values().sum();
    let part = rate(count, mirrored);
    let counted = format!("{count} of {mirrored} mirrored calls ({})", percent(part));
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    (count > 0).then(|| (part, [counted, kinds.join(", ")]))
}

fn warning_over_accidents(part: f64) -> Severity {
    if part > SHARE_MAX {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn connections(findings: &mut Findings, stats: &Stats, cluster: &str) {
    let of = |stat: &str| stats.of_cluster(cluster, stat).unwrap_or(0.0);
    let (failed, all) = (of(CONNECT_FAIL), of("upstream_cx_total"));
    if failed > 0.0 {
        let severity = if failed > all * SHARE_MAX {
            Severity::Warning
        } else {
            Severity::Info
        };
        let what = format!("{failed} of {all} connections to the mirror {cluster} failed");
        findings.put(severity, stat_place(stats, cluster, CONNECT_FAIL), what);
    }
}
