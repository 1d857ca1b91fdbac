//! Proxies do not know the collector.

use super::super::at::At;
use super::super::behind::{headless, namesake_beside};
use super::super::finding::Findings;
use super::super::kube::{Object, is_half_a_name, labels, may_be_same, selects, whole};
use super::super::namesake::meant;
use super::super::recorder::Recorder;
use super::super::stats::Stats;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{NONE_HEALTHY, TLS_FAILURES, look, sends_nothing, stat_place, told_by_filter, told_of};

/// Annotation of a Service that says who may see it.
const EXPORT_TO: &str = "networking.istio.io/exportTo";

pub(super) const TRAP: Trap = Trap {
    number: 12,
    id: "collector-hidden",
    title: "proxies do not know the collector",
    severity: Severity::Error,
    hurts: "The filter sends records to a cluster of its Envoy. Where a Sidecar's `egress` or the Service's \
            `exportTo` hides the collector, or the name or port is wrong, there is no such cluster; and that of a \
            headless Service, or of one without pods, finds nobody. Traffic is not touched, and every record is dropped.",
    remedy: "Add the collector to each Sidecar: `egress.hosts: [\"./*\", \"istio-system/*\", \
             \"NAMESPACE/COLLECTOR.NAMESPACE.svc.cluster.local\"]`; export its Service, have it select the \
             collector's pods, and give it an address of its own (no `clusterIP: None`); name host and port in \
             `collector_cluster` as they are; see that the collector runs.",
    remedy_by_hand: Some(
        "Give this Envoy a cluster with the collector's address, named as `collector_cluster` \
         says.",
    ),
    looks: &[
        look(Need::Installers, "clusters that recorders send to"),
        look(Need::Services, "the collector's Service and port"),
        look(Need::Sidecars, "what sidecars may reach"),
        look(Need::Envoy, "whether the collector's cluster is there"),
        look(
            Need::Stats,
            "hosts of the collector, connections to it, records that were dropped",
        ),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.installed {
        settings(findings, recorder);
        if let Some((port, host)) = recorder.collector() {
            service(view, findings, recorder, port, host);
            sidecars(view, findings, recorder, host);
        }
    }
    for envoy in &view.envoys {
        let clusters = envoy.clusters();
        for recorder in Recorder::all_of_envoy(envoy) {
            settings(findings, &recorder);
            let Some(name) = recorder.collector_cluster() else {
                continue;
            };
            if envoy.clusters_are_complete() && !clusters.iter().any(|cluster| cluster.name == name)
            {
                findings.error(
                    &recorder.at,
                    format!("sends records to the cluster {name}, which this Envoy does not have"),
                );
            }
            let found = clusters.iter().find(|cluster| cluster.name == name);
            if let Some(cluster) = found.filter(|cluster| cluster.is_original_dst()) {
                findings.error(
                    &cluster.at,
                    format!("sends records to {name}, of the type ORIGINAL_DST (Istio makes one of a Service with `clusterIP: None`): they have no original destination, and none arrives"),
                );
            }
        }
    }
    hosts(view, findings);
    for stats in told_by_filter(view, findings) {
        let dropped = stats.of_filter("twintap_dropped_total").unwrap_or(0.0);
        let sent = stats.of_filter("twintap_batches_sent_total").unwrap_or(0.0);
        let failed = "twintap_batches_failed_total";
        if dropped > 0.0 && sent == 0.0 {
            findings.put(
                Severity::Error,
                stats.place("twintap_dropped_total"),
                format!("{dropped} records were dropped and no batch was ever sent"),
            );
        } else if sends_nothing(stats) && !is_refused(view, stats) {
            let count = stats.of_filter(failed).unwrap_or(0.0);
            let what = format!("{count} batches of records could not be sent, and none ever was");
            findings.put(Severity::Error, stats.place(failed), what);
        }
    }
}

/// Is it another trap that says why nothing was sent?
fn is_refused(view: &View<'_>, stats: &Stats) -> bool {
    let refused = ["upstream_rq_401", "upstream_rq_403"];
    view.collector_clusters.iter().any(|cluster| {
        let mut all = refused.iter().chain(&TLS_FAILURES);
        all.any(|stat| stats.of_cluster(cluster, stat).unwrap_or(0.0) > 0.0)
    })
}

/// Hosts of the collector, and whether they can be connected to.
fn hosts(view: &View<'_>, findings: &mut Findings) {
    for (stats, cluster) in told_of(view, &view.collector_clusters, findings) {
        let of = |stat: &str| stats.of_cluster(cluster, stat).unwrap_or(0.0);
        let mut put = |is_error: bool, stat: &str, what: String| {
            let severity = if is_error {
                Severity::Error
            } else {
                Severity::Warning
            };
            findings.put(severity, stat_place(stats, cluster, stat), what);
        };
        if stats.of_cluster(cluster, "membership_total") == Some(0.0) {
            let what = format!("the collector's cluster {cluster} has no hosts");
            put(true, "membership_total", what);
        } else if of(NONE_HEALTHY) > 0.0 {
            let what = format!(
                "{} batches of records found no host in the collector's cluster {cluster}",
                of(NONE_HEALTHY)
            );
            put(of("upstream_rq_total") == 0.0, NONE_HEALTHY, what);
        }
        let failed = "upstream_cx_connect_fail";
        if of(failed) > 0.0 && TLS_FAILURES.iter().all(|stat| of(stat) == 0.0) {
            let what = format!(
                "{} of {} connections to the collector failed: nobody listens there, or the network is cut",
                of(failed),
                of("upstream_cx_total").max(of(failed))
            );
            put(sends_nothing(stats), failed, what);
        }
    }
}

fn settings(findings: &mut Findings, recorder: &Recorder<'_>) {
    let is_known = !recorder.position().is_empty();
    if is_known && recorder.records() && recorder.collector_cluster().is_none() {
        findings.error(
            &recorder.at,
            "records and has no collector_cluster: the filter stays inert",
        );
    }
}

fn service(
    view: &View<'_>,
    findings: &mut Findings,
    recorder: &Recorder<'_>,
    port: u16,
    host: &str,
) {
    if is_half_a_name(host, view.service(host)) {
        let what = format!(
            "sends records to {host}, and Istio calls its clusters by full names: write {}",
            whole(host)
        );
        findings.error(&recorder.at, what);
    }
    let Some(service) = view.service(host) else {
        if let Some(service) = meant(view, host) {
            let what = format!(
                "sends records to {host}, and no such Service was given; did you mean {}?",
                service.origin.object
            );
            findings.warning(&recorder.at, what);
        } else if view.has(Need::Services) {
            findings.unseen(format!("the collector {host}: its Service was not given"));
        }
        return;
    };
    let ports = service
        .at()
        .find(&["spec", "ports"])
        .map(|at| at.items())
        .unwrap_or_default();
    if !ports
        .iter()
        .any(|at| at.number("port") == Some(f64::from(port)))
    {
        findings.error(
            &recorder.at,
            format!(
                "sends records to port {port} of {}, which has no such port",
                service.origin.object
            ),
        );
    }
    let is_gateway = recorder.context == "GATEWAY" || recorder.has_targets();
    if let Some(why) = headless(view, service).filter(|_| !is_gateway) {
        let what = format!("{} {why}: no record arrives", service.origin.object);
        findings.error(&service.at(), what);
    }
    if let Some(what) = namesake_beside(view, service) {
        findings.error(&service.at(), format!("{what}: no record arrives"));
    }
    let exported = service.annotation(EXPORT_TO).unwrap_or("*");
    let to: Vec<&str> = exported.split(',').map(str::trim).collect();
    let namespace = recorder
        .object
        .map(|object| object.namespace.as_str())
        .unwrap_or_default();
    let is_visible = to.iter().any(|to| match *to {
        "*" => true,
        "." => may_be_same(&service.namespace, namespace),
        name => may_be_same(name, namespace),
    });
    if !is_visible {
        findings.error(
            &service.at(),
            format!("exported to {exported:?} only: recorders in {namespace:?} cannot see it"),
        );
    }
}

/// Sidecars that apply to what `recorder` is for. Gateways and waypoints have none.
fn sidecars(view: &View<'_>, findings: &mut Findings, recorder: &Recorder<'_>, host: &str) {
    let is_gateway = recorder.context == "GATEWAY" || recorder.has_targets();
    let Some(object) = recorder.object.filter(|_| !is_gateway) else {
        return;
    };
    let pods = view.recorded_by(recorder);
    for pod in &pods {
        let namespace = match pod.object.namespace.as_str() {
            "" => &object.namespace,
            namespace => namespace,
        };
        for sidecar in applying(view, namespace, &pod.labels) {
            hides(findings, sidecar, host);
        }
    }
    if pods.is_empty() {
        // Of pods that were not given this much is known: they have the labels that the recorder selects.
        let chosen = recorder.selector();
        let applying = applying(view, &object.namespace, &chosen);
        for sidecar in &applying {
            hides(findings, sidecar, host);
        }
        for other in view.of_kind("Sidecar") {
            let wanted = wanted(other);
            let may_be_for = view.is_root_namespace(&object.namespace)
                || other.is_in(&object.namespace) && !wanted.is_empty();
            if may_be_for && !selects(&wanted, &chosen) {
                findings.unseen(format!(
                    "whether {} is for the pods of {}: they were not given",
                    other.origin.object, object.origin.object
                ));
            }
        }
    }
}

/// Labels of the pods that a Sidecar is for; none takes all.
fn wanted(sidecar: &Object) -> Vec<(String, String)> {
    labels(sidecar.at().find(&["spec", "workloadSelector", "labels"]))
}

/// The Sidecar that holds for pods with `labels` in `namespace`: the one that selects them, else the one for all of
/// their namespace, else that of the mesh. Of several alike nobody knows which.
fn applying<'a>(
    view: &'a View<'_>,
    namespace: &str,
    labels: &[(String, String)],
) -> Vec<&'a Object> {
    let rank = |sidecar: &Object| {
        let wanted = wanted(sidecar);
        if sidecar.is_in(namespace) {
            let is_chosen = wanted.is_empty() || selects(&wanted, labels);
            is_chosen.then_some(u8::from(wanted.is_empty()))
        } else {
            let for_all = view.is_root_namespace(&sidecar.namespace) && wanted.is_empty();
            for_all.then_some(2)
        }
    };
    let ranked = view.of_kind("Sidecar");
    let mut ranked: Vec<_> = ranked
        .filter_map(|sidecar| Some((rank(sidecar)?, sidecar)))
        .collect();
    let first = ranked.iter().map(|(rank, _)| *rank).min();
    ranked.retain(|(rank, _)| Some(*rank) == first);
    ranked.into_iter().map(|(_, sidecar)| sidecar).collect()
}

/// Does a Sidecar leave out the collector? Without `egress` it leaves out nothing.
fn hides(findings: &mut Findings, sidecar: &Object, host: &str) {
    let Some(egress) = sidecar.at().find(&["spec", "egress"]) else {
        return;
    };
    let listeners = egress.items();
    let hosts: Vec<At<'_>> = listeners.iter().flat_map(|one| one.list("hosts")).collect();
    let namespace = host.split('.').nth(1).unwrap_or_default();
    let reaches = hosts
        .iter()
        .filter_map(|at| at.node().text())
        .any(|rule| admits(rule, host, namespace, &sidecar.namespace));
    if !listeners.is_empty() && !reaches {
        findings.error(
            &egress,
            format!("these hosts leave out the collector {host}"),
        );
    }
}

/// Does `namespace/dnsName` let the host through?
fn admits(rule: &str, host: &str, host_namespace: &str, own_namespace: &str) -> bool {
    let (namespace, name) = rule.split_once('/').unwrap_or(("*", rule));
    let namespace_fits = match namespace {
        "*" => true,
        "." => may_be_same(own_namespace, host_namespace),
        "~" => false,
        namespace => may_be_same(namespace, host_namespace),
    };
    let name_fits = match name.strip_prefix('*') {
        Some(rest) => host.ends_with(rest),
        None => name == host,
    };
    namespace_fits && name_fits
}
