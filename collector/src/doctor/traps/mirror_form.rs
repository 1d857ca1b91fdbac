//! A mirror that is written so that it does not mirror, or not where it should.

use super::super::behind::{headless, namesake_beside};
use super::super::finding::Findings;
use super::super::kube::{full_host, is_half_a_name, is_service, whole};
use super::super::namesake::meant;
use super::super::routes::{Destination, RouteRule};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{NONE_HEALTHY, look, stat_place, told_of};

/// Hosts of a cluster.
const MEMBERS: &str = "membership_total";

pub(super) const TRAP: Trap = Trap {
    number: 3,
    id: "mirror-form",
    title: "a mirror is written so that it does not work",
    severity: Severity::Error,
    hurts: "Istio refuses a route with both `mirror` and `mirrors`; 0 percent is no mirror; and a mirror to a \
            subset, port or service that does not exist, to a headless Service or to one without pods is dropped by \
            Envoy without a word.",
    remedy: "Write `mirrors` only, each with its percentage; define each subset in a DestinationRule of the \
             same host; name a Service that exists, has an address of its own and selects pods, and a port that it \
             has.",
    remedy_by_hand: Some(
        "Name a cluster that exists and has hosts in `request_mirror_policies`; leave \
         `runtime_fraction` out, or give it a numerator above 0.",
    ),
    looks: &[
        look(Need::Routes, "mirrors of routes"),
        look(Need::DestinationRules, "subsets that mirrors name"),
        look(
            Need::Services,
            "services and ports that routes with mirrors name",
        ),
        look(Need::Envoy, "clusters that mirrors name"),
        look(Need::Stats, "hosts of mirrors"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for route in &view.mirrored_routes {
        form(findings, route);
        hosts(view, findings, route);
        for mirror in &route.mirrors {
            let to = &mirror.destination;
            match mirror.percent {
                Some(percent) if percent <= 0.0 => {
                    findings.error(&to.at, "0 percent of requests are mirrored here: none")
                }
                Some(percent) if percent > 100.0 => {
                    findings.error(&to.at, format!("{percent} percent is more than all"))
                }
                _ => {}
            }
            let is_itself = |primary: &Destination<'_>| {
                primary.host == to.host && primary.subset == to.subset && primary.port == to.port
            };
            if route.primaries.iter().any(is_itself) {
                findings.error(
                    &to.at,
                    format!(
                        "the mirror is the service itself: {} gets each request twice",
                        to.host
                    ),
                );
            }
            subset(view, findings, to);
            port(view, findings, to);
            behind(view, findings, route, to);
            slip(view, findings, route, to);
            if is_half_a_name(&to.host, view.service(&to.host)) {
                findings.error(&to.at, format!("{}; nothing is mirrored", half(&to.host)));
            }
        }
    }
    envoys(view, findings);
    for (stats, cluster) in told_of(view, &view.mirror_clusters, findings) {
        let of = |stat: &str| stats.of_cluster(cluster, stat).unwrap_or(0.0);
        if stats.of_cluster(cluster, MEMBERS) == Some(0.0) {
            let what = format!("the mirror {cluster} has no hosts: Envoy mirrors nothing to it");
            findings.put(Severity::Error, stat_place(stats, cluster, MEMBERS), what);
        } else if of(NONE_HEALTHY) > 0.0 {
            let severity = if of("upstream_rq_total") == 0.0 {
                Severity::Error
            } else {
                Severity::Warning
            };
            let count = of(NONE_HEALTHY);
            let what = format!("{count} mirrored requests found no host in the mirror {cluster}");
            findings.put(severity, stat_place(stats, cluster, NONE_HEALTHY), what);
        }
    }
}

fn half(host: &str) -> String {
    let whole = whole(host);
    format!(
        "{host} is no host that Istio knows, for it completes only names without a dot: write {whole}"
    )
}

fn form(findings: &mut Findings, route: &RouteRule<'_>) {
    if route.at.get("mirror").is_some()
        && let Some(mirrors) = route.at.get("mirrors")
    {
        findings.error(
            &mirrors,
            "`mirror` and `mirrors` in one route: Istio refuses it",
        );
    }
}

/// A mirror to a Service that is not there, where another has nearly its name. One that the same rule names is
/// another on purpose.
fn slip(view: &View<'_>, findings: &mut Findings, route: &RouteRule<'_>, to: &Destination<'_>) {
    let Some(service) = meant(view, &to.host) else {
        return;
    };
    let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination);
    let mut others = route.primaries.iter().chain(mirrors);
    if others.any(|other| is_service(&other.host, &service.name, &service.namespace)) {
        return;
    }
    let what = format!(
        "no Service {} was given; did you mean {}? To one that does not exist nothing is mirrored",
        to.host, service.origin.object
    );
    findings.warning(&to.at, what);
}

/// Names of routes that nobody calls, for all that can be told. What calls are sent to under its own name is there.
fn hosts(view: &View<'_>, findings: &mut Findings, route: &RouteRule<'_>) {
    if !route.in_mesh {
        return;
    }
    let root = route.object.at();
    let lists = ["hosts", "parentRefs"].map(|list| root.find(&["spec", list]));
    let at = lists.into_iter().flatten().next();
    let at = at.as_ref().unwrap_or(&root);
    for host in &route.hosts {
        if is_half_a_name(host, view.service(host)) {
            if !route.hosts.contains(&whole(host)) {
                let what = format!(
                    "{}; calls do not take this route, and are not mirrored",
                    half(host)
                );
                findings.error(at, what);
            }
        } else if !route.primaries.iter().any(|to| to.host == *host)
            && let Some(service) = meant(view, host)
        {
            let what = format!(
                "no Service {host} was given; did you mean {}? Calls of it do not take this route, and are not mirrored",
                service.origin.object
            );
            findings.warning(at, what);
        }
    }
}

fn subset(view: &View<'_>, findings: &mut Findings, to: &Destination<'_>) {
    let Some(subset) = to.subset else { return };
    if !view.has(Need::DestinationRules) {
        return;
    }
    let mut rules = view.of_kind("DestinationRule").filter(|rule| {
        let host = rule.at().find(&["spec", "host"]);
        host.and_then(|host| host.node().text())
            .is_some_and(|host| full_host(host, &rule.namespace) == to.host)
    });
    let defines = rules.any(|rule| {
        let subsets = rule
            .at()
            .find(&["spec", "subsets"])
            .map(|at| at.items())
            .unwrap_or_default();
        subsets
            .iter()
            .any(|defined| defined.text("name") == Some(subset))
    });
    if !defines {
        findings.error(
            &to.at,
            format!(
                "no DestinationRule given defines the subset {subset} of {}: nothing is mirrored",
                to.host
            ),
        );
    }
}

fn port(view: &View<'_>, findings: &mut Findings, to: &Destination<'_>) {
    let Some(service) = view.service(&to.host) else {
        return;
    };
    let ports = service
        .at()
        .find(&["spec", "ports"])
        .map(|at| at.items())
        .unwrap_or_default();
    match to.port {
        Some(number)
            if !ports
                .iter()
                .any(|port| port.number("port") == Some(f64::from(number))) =>
        {
            findings.error(
                &to.at,
                format!(
                    "{} has no port {number}: nothing is mirrored",
                    service.origin.object
                ),
            );
        }
        None if ports.len() > 1 => {
            findings.warning(
                &to.at,
                format!(
                    "{} has several ports, and the mirror names none",
                    service.origin.object
                ),
            );
        }
        _ => {}
    }
}

/// Gateways find the pods of every Service.
fn behind(view: &View<'_>, findings: &mut Findings, route: &RouteRule<'_>, to: &Destination<'_>) {
    let Some(service) = view.service(&to.host) else {
        return;
    };
    if let Some(why) = headless(view, service).filter(|_| route.in_mesh) {
        let what = format!("{} {why}: nothing is mirrored", service.origin.object);
        findings.error(&to.at, what);
    }
    if let Some(what) = namesake_beside(view, service) {
        findings.error(&service.at(), format!("{what}: nothing is mirrored"));
    }
}

fn envoys(view: &View<'_>, findings: &mut Findings) {
    for envoy in &view.envoys {
        let clusters = envoy.clusters();
        for (policy, _) in envoy.mirrors() {
            let Some(name) = policy.text("cluster") else {
                continue;
            };
            if envoy.clusters_are_complete() && !clusters.iter().any(|cluster| cluster.name == name)
            {
                findings.error(&policy, format!("mirrors to the cluster {name}, which does not exist: Envoy mirrors nothing and says so only at level debug"));
            }
            let found = clusters.iter().find(|cluster| cluster.name == name);
            if let Some(cluster) = found.filter(|cluster| cluster.is_original_dst()) {
                findings.error(&cluster.at, format!("mirrors to {name}, of the type ORIGINAL_DST (Istio makes one of a Service with `clusterIP: None`): a mirrored request has no original destination, and goes nowhere"));
            }
            let fraction = policy.find(&["runtime_fraction", "default_value"]);
            if let Some(fraction) =
                fraction.filter(|fraction| fraction.number("numerator").unwrap_or(0.0) <= 0.0)
            {
                findings.error(&fraction, "mirrors 0 percent of requests: none");
            }
        }
    }
}
