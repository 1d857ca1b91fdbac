//! The two ends of the way to the collector do not agree on mutual TLS.

use super::super::at::At;
use super::super::finding::Findings;
use super::super::kube::{full_host, labels, selects};
use super::super::recorder::patches;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{TLS_FAILURES, look, sends_nothing, stat_place, told_of};

pub(super) const TRAP: Trap = Trap {
    number: 13,
    id: "collector-tls",
    title: "recorders and collector do not agree on mutual TLS",
    severity: Severity::Error,
    hurts: "With STRICT PeerAuthentication the collector's proxy refuses plain connections, such as those of a \
            cluster that an EnvoyFilter adds by hand; without a sidecar the collector cannot speak the mesh's \
            TLS. Either way no record arrives.",
    remedy: "Send to the mesh's own cluster (`outbound|PORT||HOST`), inject the collector, and leave TLS of \
             its DestinationRule to the mesh.",
    remedy_by_hand: Some(
        "Give the collector's cluster the `transport_socket` that the collector, or the proxy \
         before it, expects.",
    ),
    looks: &[
        look(
            Need::PeerAuthentications,
            "whether the collector demands mutual TLS",
        ),
        look(Need::Installers, "clusters that are added by hand"),
        look(Need::DestinationRules, "TLS towards the collector"),
        look(Need::Workloads, "the collector's sidecar"),
        look(Need::Envoy, "TLS of the collector's cluster"),
        look(Need::Stats, "TLS handshakes with the collector that failed"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    let strict = strict(view);
    let bare = view
        .collector_workloads
        .iter()
        .find_map(|collector| collector.without_sidecar());
    if let Some(strict) = &strict {
        let says = format!(
            "{} demands mutual TLS of the collector",
            strict.place().object
        );
        added_clusters(view, findings, &says);
        if let Some(at) = &bare {
            findings.warning(
                at,
                format!("{says}, and it has no sidecar: the rule has no effect on it"),
            );
        }
    }
    for (rule, mode) in destination_rules(view) {
        match mode {
            "ISTIO_MUTUAL" | "MUTUAL" if bare.is_some() => {
                findings.error(
                    &rule,
                    format!("TLS mode {mode} towards a collector without a sidecar"),
                );
            }
            "DISABLE" if strict.is_some() => {
                findings.error(
                    &rule,
                    "TLS mode DISABLE towards a collector that demands mutual TLS",
                );
            }
            _ => {}
        }
    }
    stats(view, findings);
}

/// What makes the collector's proxy refuse plain connections.
fn strict<'a>(view: &'a View<'_>) -> Option<At<'a>> {
    let namespaces = &view.collector_namespaces;
    let collectors = &view.collector_workloads;
    // The narrowest rule counts: for chosen pods, then of the namespace, then of the mesh.
    let mut rules: Vec<(u8, At<'_>)> = Vec::new();
    for rule in view.of_kind("PeerAuthentication") {
        let Some(mode) = rule.at().find(&["spec", "mtls", "mode"]) else {
            continue;
        };
        let wanted = labels(rule.at().find(&["spec", "selector", "matchLabels"]));
        let in_namespace = rule.namespace.is_empty() || namespaces.contains(&rule.namespace);
        if !wanted.is_empty() {
            let chosen = collectors
                .iter()
                .any(|collector| selects(&wanted, &collector.labels));
            if in_namespace && chosen {
                rules.push((0, mode));
            }
        } else if in_namespace {
            rules.push((1, mode));
        } else if view.is_root_namespace(&rule.namespace) {
            rules.push((2, mode));
        }
    }
    rules.sort_by_key(|(rank, _)| *rank);
    let (_, mode) = rules
        .into_iter()
        .find(|(_, mode)| mode.node().text() != Some("UNSET"))?;
    (mode.node().text() == Some("STRICT")).then_some(mode)
}

/// Clusters of the collector that an EnvoyFilter brings, without TLS.
fn added_clusters(view: &View<'_>, findings: &mut Findings, says: &str) {
    let names = &view.collector_clusters;
    for object in view.of_kind("EnvoyFilter") {
        for patch in patches(object) {
            let value = patch
                .value
                .filter(|_| patch.apply_to == "CLUSTER" && patch.operation == "ADD");
            let Some(value) = value else { continue };
            let is_collector = value
                .text("name")
                .is_some_and(|name| names.iter().any(|known| known == name));
            if is_collector && value.get("transport_socket").is_none() {
                findings.error(
                    &value,
                    format!("a cluster added by hand has no TLS, and {says}"),
                );
            }
        }
    }
    for envoy in &view.envoys {
        for cluster in envoy.clusters() {
            let has_tls = ["transport_socket", "transport_socket_matches"]
                .iter()
                .any(|key| cluster.at.get(key).is_some());
            if names.iter().any(|name| name == cluster.name) && !has_tls {
                findings.error(
                    &cluster.at,
                    format!("the collector's cluster has no TLS, and {says}"),
                );
            }
        }
    }
}

/// TLS modes towards the collector.
fn destination_rules<'a>(view: &'a View<'_>) -> Vec<(At<'a>, &'a str)> {
    let hosts = &view.collector_hosts;
    let mut found = Vec::new();
    for rule in view.of_kind("DestinationRule") {
        let host = rule
            .at()
            .find(&["spec", "host"])
            .and_then(|at| at.node().text());
        if !host.is_some_and(|host| hosts.contains(&full_host(host, &rule.namespace))) {
            continue;
        }
        let Some(policy) = rule.at().find(&["spec", "trafficPolicy"]) else {
            continue;
        };
        let mut tls: Vec<At<'_>> = policy.find(&["tls", "mode"]).into_iter().collect();
        tls.extend(
            policy
                .list("portLevelSettings")
                .iter()
                .filter_map(|port| port.find(&["tls", "mode"])),
        );
        found.extend(
            tls.into_iter()
                .filter_map(|at| Some((at.clone(), at.node().text()?))),
        );
    }
    found
}

fn stats(view: &View<'_>, findings: &mut Findings) {
    for (stats, cluster) in told_of(view, &view.collector_clusters, findings) {
        let severity = if sends_nothing(stats) {
            Severity::Error
        } else {
            Severity::Warning
        };
        for stat in TLS_FAILURES {
            let count = stats.of_cluster(cluster, stat).unwrap_or(0.0);
            if count > 0.0 {
                let what = format!("{count} connections to the collector failed ({stat})");
                findings.put(severity, stat_place(stats, cluster, stat), what);
            }
        }
    }
}
