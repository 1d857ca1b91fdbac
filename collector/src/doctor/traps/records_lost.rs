//! Records are lost between the call and the dataset.

use super::super::finding::Findings;
use super::super::recording::{Accounted, Counts};
use super::super::stats::Stats;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, told_by_filter};
use crate::share::{percent, rate};

const DROPPED: &str = "twintap_dropped_total";
const SENT: &str = "twintap_batches_sent_total";
/// Share from which on the answer is of no use.
const LOST_ERROR: f64 = 0.5;
/// Why filters and captures drop calls, and what to do about it.
const REASONS: [(&str, &str); 5] = [
    (
        "buffer_full",
        "the collector was away or slow for longer than the filter's buffers last: see to its disk, CPU and network, \
         or lower `sample_rate` or `body_bytes_max`",
    ),
    (
        "stream_memory",
        "more calls were open at once than a worker's VM has memory for: lower `sample_rate` or exclude methods \
         with long streams",
    ),
    (
        "record_too_large",
        "larger than a batch: lower `body_bytes_max`",
    ),
    (
        "host_error",
        "Envoy withheld the request headers: most likely they are larger than the filter reads",
    ),
    (
        "not_captured",
        "too little of their streams was captured: capture on before connections are made",
    ),
];

pub(super) const TRAP: Trap = Trap {
    number: 27,
    id: "records-lost",
    title: "records are lost before they are stored",
    severity: Severity::Error,
    hurts: "A recorder never holds a call back: what its buffers cannot take it drops and counts, and what the \
            collector refuses for good it does not send again. What is lost is not compared, and it is rarely \
            a fair sample: it is lost when there is most to see.",
    remedy: "Find out why by the reason, which the accounting of the data directory and \
             `twintap_filter_dropped` of the collector's metrics have: give the collector a disk and CPU that \
             keep up and no restarts under load, or record less (`sample_rate`, `body_bytes_max`, \
             `exclude_methods`). Then record into a new data directory.",
    remedy_by_hand: None,
    looks: &[
        look(
            Need::Recording,
            "records that were dropped, refused or could not be stored",
        ),
        look(Need::Stats, "records that were dropped"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recording in &view.recordings {
        let Some(accounted) = &recording.accounting else {
            let folder = &recording.origin.input;
            findings.unseen(format!(
                "records that were lost: {folder} has no accounting"
            ));
            continue;
        };
        for (lost, what) in losses(accounted) {
            let severity = if rate(lost, accounted.observed) > LOST_ERROR {
                Severity::Error
            } else {
                Severity::Warning
            };
            findings.put(severity, recording.origin.clone(), what);
        }
    }
    for stats in told_by_filter(view, findings) {
        if let Some(what) = dropped_by(stats) {
            findings.put(Severity::Warning, stats.place(DROPPED), what);
        }
    }
}

/// Records that were lost, and what to say of them, each way of its own. What has not arrived is the trap `lost-tail`.
fn losses(accounted: &Accounted) -> Vec<(u64, String)> {
    let share = |lost: u64| percent(rate(lost, accounted.observed));
    let mut found = Vec::new();
    let dropped: u64 = accounted.dropped.values().sum();
    if dropped > 0 {
        let reasons = reasons(&accounted.dropped);
        let share = share(dropped);
        found.push((
            dropped,
            format!("{dropped} calls ({share} of all) were dropped: {reasons}"),
        ));
    }
    let refused = accounted.refused;
    if refused > 0 {
        let what = format!(
            "{refused} records ({} of all) were in batches that the collector refused for good: its log, and \
             `twintap_requests_refused_total` of its metrics, say why",
            share(refused)
        );
        found.push((refused, what));
    }
    let quarantined = accounted.quarantined;
    if quarantined > 0 {
        let what = format!(
            "{quarantined} records ({} of all) arrived and could not be stored: they are in quarantine/, and \
             `twintap fsck` says of each what is wrong",
            share(quarantined)
        );
        found.push((quarantined, what));
    }
    found
}

/// The reasons, most frequent first, with what to do.
fn reasons(dropped: &Counts) -> String {
    let mut counted: Vec<_> = dropped.iter().filter(|(_, count)| **count > 0).collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let named = counted.into_iter().map(|(reason, count)| {
        let known = REASONS.iter().find(|(name, _)| name == reason);
        let why = known
            .map(|(_, why)| format!(" ({why})"))
            .unwrap_or_default();
        format!("{reason} {count}{why}")
    });
    named.collect::<Vec<_>>().join("; ")
}

/// What an Envoy says of drops; where nothing was ever sent, the trap `collector-hidden` says so.
fn dropped_by(stats: &Stats) -> Option<String> {
    let dropped = stats.of_filter(DROPPED).filter(|dropped| *dropped > 0.0)?;
    stats.of_filter(SENT).filter(|sent| *sent > 0.0)?;
    Some(format!(
        "{dropped} calls were dropped by this Envoy's recorders: the reason is in the data directory \
         (`--data-dir`); most often it is buffer_full, a collector that was away or too slow"
    ))
}
