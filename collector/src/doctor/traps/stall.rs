//! A mirror that stops reading stalls the call it copies.

use super::super::finding::Findings;
use super::super::kube::full_host;
use super::super::routes::RouteRule;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, stat_place, told_of};

pub(super) const TRAP: Trap = Trap {
    number: 5,
    id: "mirror-stall",
    title: "a slow mirror can hold production up",
    severity: Severity::Warning,
    hurts: "Envoy streams requests to the mirror as they come and stops reading from the caller when the \
            mirror does not take them: a long client stream or a large upload then hangs until its deadline, \
            in production. A mirror without a deadline is never given up.",
    remedy: "Do not mirror client-streaming methods, or only a small share, and give clients deadlines; set \
             `timeout` on the route: it ends a mirror that never answers (one that never reads it does not, \
             for it begins when the request has been sent); limit the mirror by a DestinationRule \
             (`connectionPool.http.http2MaxRequests`, `outlierDetection`).",
    remedy_by_hand: Some(
        "Do not mirror client-streaming methods, or only a small share (`runtime_fraction`), and give clients \
         deadlines; set `timeout` on the route: it ends a mirror that never answers (one that never reads it \
         does not, for it begins when the request has been sent); limit the mirror's cluster by \
         `circuit_breakers` (`max_requests`) and `outlier_detection`.",
    ),
    looks: &[
        look(Need::Routes, "deadlines of mirrored routes"),
        look(Need::Envoy, "deadlines of mirrored routes of Envoy"),
        look(Need::Stats, "back-pressure of mirrors"),
        look(Need::Descriptors, "mirrored methods with client streams"),
        look(Need::DestinationRules, "limits of mirrors"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for route in &view.mirrored_routes {
        deadline(findings, route);
        client_streams(view, findings, route);
        limits(view, findings, route);
    }
    for envoy in &view.envoys {
        for (policy, route) in envoy.mirrors() {
            let timeout = route.get("route").and_then(|action| action.get("timeout"));
            // Without one, Envoy's is 15 s.
            if timeout
                .and_then(|at| at.node().text().map(is_zero))
                .unwrap_or(false)
            {
                findings.warning(&policy, "the route has no timeout (0s), so the mirror has none: only a client's deadline ends it");
            }
        }
    }
    back_pressure(view, findings);
}

fn is_zero(duration: &str) -> bool {
    let digits = duration.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    digits.parse::<f64>() == Ok(0.0)
}

/// Only a VirtualService and an HTTPRoute can say one.
fn deadline(findings: &mut Findings, route: &RouteRule<'_>) {
    let timeout = match route.object.kind.as_str() {
        "VirtualService" => route.at.get("timeout"),
        "HTTPRoute" => route.at.find(&["timeouts", "request"]),
        _ => return,
    };
    let Some(timeout) = timeout else {
        return findings.warning(
            &route.at,
            "no timeout: a mirrored request that is never answered is never given up",
        );
    };
    if timeout.node().text().is_some_and(is_zero) {
        findings.warning(
            &timeout,
            "a timeout of 0 is none: a mirrored request that is never answered is never given up",
        );
    }
}

fn client_streams(view: &View<'_>, findings: &mut Findings, route: &RouteRule<'_>) {
    let Some(methods) = &view.methods else {
        return;
    };
    for method in methods.iter().filter(|method| method.client_streaming) {
        let is_taken = route
            .matches
            .iter()
            .any(|path| path.takes(&method.rpc_method) == Some(true));
        if is_taken {
            findings.error(
                &route.at,
                format!("mirrors {}, whose client sends a stream", method.rpc_method),
            );
        }
    }
}

fn limits(view: &View<'_>, findings: &mut Findings, route: &RouteRule<'_>) {
    for mirror in &route.mirrors {
        for rule in view.of_kind("DestinationRule") {
            let Some(host) = rule.at().find(&["spec", "host"]) else {
                continue;
            };
            let is_meant = host
                .node()
                .text()
                .is_some_and(|host| full_host(host, &rule.namespace) == mirror.destination.host);
            // Then the subset is of the service that is mirrored, and limits may stand there.
            if !is_meant || mirror.destination.subset.is_some() {
                continue;
            }
            let policy = rule.at().find(&["spec", "trafficPolicy"]);
            let has = |path: &[&str]| {
                policy
                    .as_ref()
                    .is_some_and(|policy| policy.find(path).is_some())
            };
            if !has(&["connectionPool", "http", "http2MaxRequests"])
                && !has(&["outlierDetection"])
                && !has(&["portLevelSettings"])
            {
                findings.info(
                    &host,
                    "the mirror is limited neither by http2MaxRequests nor by outlierDetection",
                );
            }
        }
    }
}

fn back_pressure(view: &View<'_>, findings: &mut Findings) {
    const STAT: &str = "upstream_flow_control_backed_up_total";
    let clusters = &view.mirror_clusters;
    for (stats, cluster) in told_of(view, clusters, findings) {
        let count = stats.of_cluster(cluster, STAT).unwrap_or(0.0);
        if count > 0.0 {
            let what = format!(
                "the mirror {cluster} did not keep up {count} times, and callers were held up"
            );
            findings.put(Severity::Error, stat_place(stats, cluster, STAT), what);
        }
    }
    if !view.stats.is_empty() && clusters.is_empty() {
        findings.unseen("back-pressure of mirrors: no route or configuration says which clusters get mirrored requests");
    }
}
