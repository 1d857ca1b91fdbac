//! The traps, one a module: what each is, and how it is seen.

mod body_filters;
mod caller;
mod candidate_down;
mod collector_denied;
mod collector_hidden;
mod collector_replicas;
mod collector_tls;
mod drain;
mod duplicates;
mod early_cancel;
mod filter_order;
mod grpc_port;
mod hop_headers;
mod lost_tail;
mod memory;
mod mirror_form;
mod module_load;
mod pair_id;
mod reach;
mod records_lost;
mod self_recording;
mod settings;
mod stall;
mod start_order;
mod trailers;
mod version_skew;
mod writes;

use super::at::Place;
use super::finding::Findings;
use super::stats::Stats;
use super::trap::{Look, Need, Trap};
use super::view::View;

/// All traps, by number.
pub static ALL: [Trap; 27] = [
    grpc_port::TRAP,
    caller::TRAP,
    mirror_form::TRAP,
    writes::TRAP,
    stall::TRAP,
    early_cancel::TRAP,
    duplicates::TRAP,
    pair_id::TRAP,
    collector_replicas::TRAP,
    module_load::TRAP,
    start_order::TRAP,
    collector_hidden::TRAP,
    collector_tls::TRAP,
    collector_denied::TRAP,
    self_recording::TRAP,
    memory::TRAP,
    filter_order::TRAP,
    version_skew::TRAP,
    drain::TRAP,
    hop_headers::TRAP,
    body_filters::TRAP,
    trailers::TRAP,
    lost_tail::TRAP,
    settings::TRAP,
    candidate_down::TRAP,
    reach::TRAP,
    records_lost::TRAP,
];

/// The trap called `id`, or with that number.
pub fn by_id(id: &str) -> Option<&'static Trap> {
    ALL.iter()
        .find(|trap| trap.id == id || trap.number.to_string() == id)
}

/// Statistics of TLS handshakes that failed, of a cluster.
const TLS_FAILURES: [&str; 3] = [
    "ssl.connection_error",
    "ssl.fail_verify_san",
    "ssl.fail_verify_error",
];
/// Requests for which a cluster had no host.
const NONE_HEALTHY: &str = "upstream_cx_none_healthy";

const fn look(need: Need, at: &'static str) -> Look {
    Look { need, at }
}

/// Each of `clusters` with the statistics that tell of it. Which tell nothing is said.
fn told_of<'v>(
    view: &'v View<'_>,
    clusters: &'v [String],
    findings: &mut Findings,
) -> Vec<(&'v Stats, &'v str)> {
    let mut told = Vec::new();
    for stats in &view.stats {
        for cluster in clusters {
            if stats.has_cluster(cluster) {
                told.push((stats, cluster.as_str()));
            } else {
                let input = &stats.origin.input;
                findings.unseen(format!(
                    "cluster {cluster}: {input} has no statistics of it, which Istio leaves out unless \
                     `proxyStatsMatcher` asks for them"
                ));
            }
        }
    }
    told
}

/// The statistics that tell of the filter. Which tell nothing is said.
fn told_by_filter<'v>(view: &'v View<'_>, findings: &mut Findings) -> Vec<&'v Stats> {
    let (told, silent): (Vec<_>, Vec<_>) = view.stats.iter().partition(|one| one.has_filter());
    for stats in silent {
        let input = &stats.origin.input;
        findings.unseen(format!(
            "what the filter counts: {input} has no metric of it"
        ));
    }
    told
}

/// Did the filter try to send records, and never with success?
fn sends_nothing(stats: &Stats) -> bool {
    let of = |metric: &str| stats.of_filter(metric).unwrap_or(0.0);
    of("twintap_batches_failed_total") > 0.0 && of("twintap_batches_sent_total") == 0.0
}

/// The place of a statistic of a cluster.
fn stat_place(stats: &Stats, cluster: &str, stat: &str) -> Place {
    stats.place(&format!("cluster.{cluster}.{stat}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_numbered_in_order_and_named_once() {
        for (index, trap) in ALL.iter().enumerate() {
            assert_eq!(usize::from(trap.number), index + 1, "{}", trap.id);
            assert_eq!(by_id(trap.id).map(|found| found.number), Some(trap.number));
            assert!(!trap.looks.is_empty(), "{} looks at nothing", trap.id);
        }
    }
}
