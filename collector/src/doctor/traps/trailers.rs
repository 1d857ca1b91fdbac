//! Answers without a gRPC status.

use super::super::finding::Findings;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::share::{percent, rate};

/// Share from which on something on the way takes trailers off.
const SHARE_MAX: f64 = 0.01;

pub(super) const TRAP: Trap = Trap {
    number: 22,
    id: "trailers",
    title: "answers arrive without their gRPC status",
    severity: Severity::Warning,
    hurts: "A gRPC status stands in trailers, or in the headers of an answer without body. Where a proxy or an \
            HTTP/1.1 hop takes trailers off, or something else than gRPC answers, every call looks unfinished \
            and cannot be judged.",
    remedy: "Speak HTTP/2 on every hop between recorder and service (see grpc-port); look at `http_status` and \
             `response_metadata` of such calls in the dataset to see who answered.",
    remedy_by_hand: None,
    looks: &[look(Need::Recording, "answered calls without grpc-status")],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recording in &view.recordings {
        let part = rate(recording.without_status, recording.answered);
        if recording.without_status == 0 {
            continue;
        }
        let severity = if part > SHARE_MAX {
            Severity::Warning
        } else {
            Severity::Info
        };
        let what = format!(
            "{} of {} answered calls ({}) have no gRPC status",
            recording.without_status,
            recording.answered,
            percent(part)
        );
        findings.put(severity, recording.origin.clone(), what);
    }
}
