//! Mirrored calls that are cut off because the primary one was over.

use super::super::finding::Findings;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, stat_place, told_of};
use crate::share::{percent, rate};

/// Share of mirrored calls from which on it is more than an accident.
const SHARE_MAX: f64 = 0.01;

pub(super) const TRAP: Trap = Trap {
    number: 6,
    id: "early-cancel",
    title: "mirrored calls are cut off when the primary ends first",
    severity: Severity::Warning,
    hurts: "When the old service answers before the request is over, Envoy resets the copy: the new service \
            sees a cancel that no client sent. Unary calls are safe. Comparing never takes it for a \
            difference, but those calls are not judged.",
    remedy: "Exclude methods whose server answers early from the mirror, or accept that they are not judged.",
    remedy_by_hand: None,
    looks: &[
        look(
            Need::Recording,
            "mirrored calls that were reset after a primary that answered before its request was over",
        ),
        look(Need::Stats, "resets of mirrored requests"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recording in &view.recordings {
        let count = recording.cut_candidates;
        if count == 0 {
            continue;
        }
        let part = rate(count, recording.pairs);
        let severity = if part > SHARE_MAX {
            Severity::Warning
        } else {
            Severity::Info
        };
        let what = format!(
            "{count} of {} mirrored calls ({}) were cut off when the primary answered before its request was over",
            recording.pairs,
            percent(part)
        );
        findings.put(severity, recording.origin.clone(), what);
    }
    for (stats, cluster) in told_of(view, &view.mirror_clusters, findings) {
        let of = |stat: &str| stats.of_cluster(cluster, stat).unwrap_or(0.0);
        let (resets, requests) = (of("upstream_rq_tx_reset"), of("upstream_rq_total"));
        if resets > 0.0 {
            let severity = if resets > requests * SHARE_MAX {
                Severity::Warning
            } else {
                Severity::Info
            };
            let what =
                format!("Envoy reset {resets} of {requests} requests to the mirror {cluster}");
            findings.put(
                severity,
                stat_place(stats, cluster, "upstream_rq_tx_reset"),
                what,
            );
        }
    }
}
