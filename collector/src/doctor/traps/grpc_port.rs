//! A port that is not said to speak gRPC: mirrored requests go out as HTTP/1.1.

use super::super::envoy::{Protocol, http_options, protocol};
use super::super::finding::Findings;
use super::super::kube::{Object, full_host};
use super::super::recorder::{mesh_cluster, patches};
use super::super::routes::Destination;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, stat_place, told_of};
use crate::doctor::at::At;
use crate::share::{percent, rate};

pub(super) const TRAP: Trap = Trap {
    number: 1,
    id: "grpc-port",
    title: "a port is not said to speak gRPC",
    severity: Severity::Error,
    hurts: "Istio makes an HTTP/2 upstream only of a port that says so. Of an undeclared port the primary \
            may still work, because it follows the caller's protocol, but mirrored requests count as \
            HTTP/1.1 and go out so: a gRPC server refuses all of them. Gateways never guess.",
    remedy: "Set `appProtocol: grpc` (or name the port `grpc-...`) on the Services of the old service, of \
             the new one and of the collector; without Istio, give the cluster \
             `explicit_http_config.http2_protocol_options`.",
    remedy_by_hand: Some(
        "Give the clusters of the old service, of the new one and of the collector \
         `explicit_http_config.http2_protocol_options`.",
    ),
    looks: &[
        look(
            Need::Services,
            "ports of services that are mirrored, of mirrors and of the collector",
        ),
        look(Need::Routes, "which services are mirrored"),
        look(
            Need::Installers,
            "patches that replace what a cluster speaks",
        ),
        look(
            Need::Envoy,
            "protocol of the clusters that get mirrored requests",
        ),
        look(Need::Stats, "HTTP/1.1 connections of these clusters"),
        look(
            Need::Recording,
            "mirrored calls over HTTP/1.1, or that ended in a protocol error",
        ),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for route in &view.mirrored_routes {
        // A service that is said to speak plain HTTP, and works, may be no gRPC service at all.
        let is_plain = route.primaries.iter().any(|primary| {
            let service = view.service(&primary.host);
            let port = service.and_then(|service| port_of(service, primary.port));
            port.is_some_and(|port| matches!(protocol_of(&port), Spoken::Other(_)))
        });
        for primary in &route.primaries {
            destination(
                view,
                findings,
                primary,
                is_plain,
                "calls to it that are mirrored",
            );
        }
        for mirror in &route.mirrors {
            destination(
                view,
                findings,
                &mirror.destination,
                is_plain,
                "mirrored requests",
            );
        }
    }
    for service in &view.collector_services {
        for port in service
            .at()
            .find(&["spec", "ports"])
            .map(|ports| ports.items())
            .unwrap_or_default()
        {
            let named = view.recorders.iter().any(|recorder| {
                recorder
                    .collector()
                    .is_some_and(|(number, _)| port.number("port") == Some(f64::from(number)))
            });
            if named && protocol_of(&port) == Spoken::Unsaid {
                findings.warning(&port, "the collector's port does not say what it speaks: records are sent as HTTP/1.1 at best");
            }
        }
    }
    merged(view, findings);
    envoys(view, findings);
    stats(view, findings);
    for recording in &view.recordings {
        let share = |count: u64, all: u64| percent(rate(count, all));
        let count = recording.http1_candidates;
        if count > 0 {
            let share = share(count, recording.candidates);
            let what = format!("{count} mirrored calls ({share}) came over HTTP/1.1");
            findings.put(Severity::Error, recording.origin.clone(), what);
        }
        let count = recording.refused_candidates;
        if count > 0 {
            let share = share(count, recording.pairs);
            let what = format!(
                "{count} mirrored calls ({share}) ended in a protocol error between the new service and its \
                 proxy: so ends gRPC that goes out as HTTP/1.1"
            );
            findings.put(Severity::Warning, recording.origin.clone(), what);
        }
    }
}

fn destination(
    view: &View<'_>,
    findings: &mut Findings,
    to: &Destination<'_>,
    is_plain: bool,
    whose: &str,
) {
    let Some(service) = view.service(&to.host) else {
        if view.has(Need::Services) {
            findings.unseen(format!(
                "the ports of {}: its Service was not given",
                to.host
            ));
        }
        return;
    };
    let Some(port) = port_of(service, to.port) else {
        return;
    };
    let name = &service.name;
    match protocol_of(&port) {
        Spoken::Grpc => {}
        Spoken::Unsaid => findings.error(&port, format!("this port of {name} says neither appProtocol nor a name such as `grpc`: {whose} go out as HTTP/1.1")),
        Spoken::Other(what) if is_plain => findings.warning(
            &port,
            format!("this port of {name} is said to speak {what}: if it is a gRPC service, {whose} do not go out as HTTP/2"),
        ),
        Spoken::Other(what) => findings.error(&port, format!("this port of {name} is said to speak {what}: {whose} do not go out as HTTP/2")),
    }
}

/// The port with that number, or the only one.
fn port_of(service: &Object, number: Option<u16>) -> Option<At<'_>> {
    let ports = service.at().find(&["spec", "ports"])?.items();
    match number {
        Some(number) => ports
            .into_iter()
            .find(|port| port.number("port") == Some(f64::from(number))),
        None => ports.into_iter().next(),
    }
}

#[derive(PartialEq, Eq)]
enum Spoken<'a> {
    Grpc,
    Unsaid,
    Other(&'a str),
}

/// What Istio takes the port for: `appProtocol` first, then the name up to its first hyphen.
fn protocol_of<'a>(port: &At<'a>) -> Spoken<'a> {
    if let Some(protocol) = port.text("appProtocol") {
        return match protocol.to_ascii_lowercase().as_str() {
            "grpc" | "grpc-web" | "http2" | "kubernetes.io/h2c" => Spoken::Grpc,
            _ => Spoken::Other(protocol),
        };
    }
    let name = port.text("name").unwrap_or_default();
    match name
        .split('-')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
        .as_str()
    {
        "grpc" | "http2" => Spoken::Grpc,
        "http" | "https" | "tcp" | "tls" | "mongo" | "mysql" | "redis" | "udp" => {
            Spoken::Other(name)
        }
        _ => Spoken::Unsaid,
    }
}

/// Patches that replace what a cluster speaks: Istio merges these options as a whole, so that one
/// that does not repeat HTTP/2 takes it away.
fn merged(view: &View<'_>, findings: &mut Findings) {
    for object in view.of_kind("EnvoyFilter") {
        for patch in patches(object) {
            let is_merge = patch.apply_to == "CLUSTER" && patch.operation == "MERGE";
            let value = patch
                .value
                .filter(|_| is_merge && is_mirrored(view, object, &patch.at));
            let Some(options) = value.and_then(|value| http_options(&value)) else {
                continue;
            };
            if protocol(Some(&options)) == Protocol::Http1 {
                findings.error(
                    &options,
                    "replaces the cluster's protocol options and does not repeat HTTP/2: it goes back to HTTP/1.1",
                );
            }
        }
    }
}

/// Is a patch for a cluster that is mirrored, or a mirror, for what can be told? One that names none is for all.
fn is_mirrored(view: &View<'_>, object: &Object, patch: &At<'_>) -> bool {
    let named = patch.find(&["match", "cluster"]).and_then(|cluster| {
        let host = cluster.text("service").or_else(|| {
            let (_, _, host) = mesh_cluster(cluster.text("name")?)?;
            Some(host)
        });
        host.map(|host| full_host(host, &object.namespace))
    });
    let routes = view.mirrored_routes.iter();
    let mut destinations = routes.flat_map(|route| {
        let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination);
        route.primaries.iter().chain(mirrors)
    });
    named.is_none_or(|named| {
        view.mirrored_routes.is_empty() || destinations.any(|to| to.host == named)
    })
}

fn envoys(view: &View<'_>, findings: &mut Findings) {
    for envoy in &view.envoys {
        let mirrors = envoy.mirror_clusters();
        for cluster in envoy.clusters() {
            if !mirrors.contains(&cluster.name) {
                continue;
            }
            let how = match cluster.protocol() {
                Protocol::Http2 | Protocol::Negotiated => continue,
                Protocol::Http1 => "speaks HTTP/1.1",
                Protocol::AsDownstream => {
                    "follows the caller's protocol, and mirrored requests count as HTTP/1.1"
                }
            };
            findings.error(
                &cluster.at,
                format!("cluster {} gets mirrored requests and {how}", cluster.name),
            );
        }
    }
}

fn stats(view: &View<'_>, findings: &mut Findings) {
    const STAT: &str = "upstream_cx_http1_total";
    let clusters = &view.mirror_clusters;
    for (stats, cluster) in told_of(view, clusters, findings) {
        let count = stats.of_cluster(cluster, STAT).unwrap_or(0.0);
        if count > 0.0 {
            let what = format!("{count} connections to the mirror {cluster} were HTTP/1.1");
            findings.put(Severity::Error, stat_place(stats, cluster, STAT), what);
        }
    }
    if !view.stats.is_empty() && clusters.is_empty() {
        findings.unseen("connections to mirrors: no route or configuration says which clusters get mirrored requests");
    }
}
