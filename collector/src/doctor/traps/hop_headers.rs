//! Metadata of proxies that is taken for the service's own.

use super::super::finding::Findings;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::compare::is_hop_header;
use crate::share::{percent, rate};

/// Share of pairs in which only one side has it, from which on it is a proxy's doing.
const SHARE_MIN: f64 = 0.5;
/// Pairs below which shares tell nothing.
const PAIRS_MIN: u64 = 20;

pub(super) const TRAP: Trap = Trap {
    number: 20,
    id: "hop-headers",
    title: "metadata that a proxy sets looks like a difference",
    severity: Severity::Warning,
    hurts: "Mirrored requests carry other forwarding and tracing headers than primaries. What proxies are known \
            to set is not compared; a header that only your gateway or mesh sets on one of the ways is, and \
            makes every pair differ.",
    remedy: "Tell `twintap compare` to ignore it: `--ignore-metadata NAME`, or a rule with a reason.",
    remedy_by_hand: None,
    looks: &[look(
        Need::Recording,
        "request metadata that one side has and the other has not",
    )],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recording in &view.recordings {
        if recording.pairs < PAIRS_MIN {
            findings.unseen(format!(
                "request metadata of one side only: {} pairs in {} are too few",
                recording.pairs, recording.origin.input
            ));
            continue;
        }
        for (name, count) in &recording.one_sided_metadata {
            let part = rate(*count, recording.pairs);
            if part >= SHARE_MIN && !is_hop_header(name.as_bytes()) {
                findings.put(
                    Severity::Warning,
                    recording.origin.clone(),
                    format!(
                        "the request header {name} is on one side only in {} of pairs",
                        percent(part)
                    ),
                );
            }
        }
    }
}
