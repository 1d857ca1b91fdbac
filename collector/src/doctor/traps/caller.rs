//! The caller's proxy does not mirror: there is none, or its route does not mirror or is not bound to it.

use super::super::at::At;
use super::super::finding::Findings;
use super::super::kube::{Object, REVISION, labels, selects};
use super::super::node::Node;
use super::super::recorder::{Recorder, patches};
use super::super::routes::RouteRule;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

/// Label of a namespace that decides over sidecars.
const INJECTION: &str = "istio-injection";

pub(super) const TRAP: Trap = Trap {
    number: 2,
    id: "caller-does-not-mirror",
    title: "the caller's proxy has no route that mirrors",
    severity: Severity::Error,
    hurts: "The sender's proxy makes the copy: the sidecar of the caller, or the gateway. Without one, or \
            with a route that names no mirror or is bound to gateways only, calls pass unmirrored and nothing \
            says so.",
    remedy: "Inject a sidecar into callers; name the new service under `mirrors` of the route that calls of the \
             old one take; bind the VirtualService to what calls come through: `gateways: [mesh]`, or \
             `[mesh, NAMESPACE/GATEWAY]` for both.",
    remedy_by_hand: Some(
        "Give the route that calls come through `request_mirror_policies` with the cluster of \
         the new service.",
    ),
    looks: &[
        look(
            Need::Routes,
            "whether routes of recorded services mirror, and which gateways they are bound to",
        ),
        look(Need::Workloads, "recorded workloads without a sidecar"),
        look(Need::Envoy, "routes of the caller's Envoy"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    bindings(view, findings);
    unmirrored(view, findings);
    for recorder in &view.installed {
        for workload in view.recorded_by(recorder) {
            let is_chosen = !recorder.selector().is_empty();
            if let Some(at) = workload.without_sidecar().filter(|_| is_chosen) {
                let installer = recorder
                    .object
                    .map(|object| object.origin.object.clone())
                    .unwrap_or_default();
                findings.error(
                    &at,
                    format!("its pods get no sidecar, so {installer} records nothing there"),
                );
            }
        }
    }
    namespaces(view, findings);
    envoys(view, findings);
}

/// Namespaces with recorders in which no pod gets a sidecar, whatever its own labels say, or none by what is
/// written here.
fn namespaces(view: &View<'_>, findings: &mut Findings) {
    for namespace in view.of_kind("Namespace") {
        let is_here = |recorder: &&Recorder<'_>| {
            let object = recorder.object;
            object.is_some_and(|object| object.namespace == namespace.name)
        };
        let recorders: Vec<_> = view.installed.iter().filter(is_here).collect();
        if recorders.is_empty() {
            continue;
        }
        let labels = namespace.at().find(&["metadata", "labels"]);
        let labels = labels.map(|labels| labels.entries()).unwrap_or_default();
        let label = |wanted: &str| labels.iter().find(|(name, _)| *name == wanted);
        match label(INJECTION) {
            Some((_, at)) if at.node().text() == Some("disabled") => findings.error(
                at,
                "its pods get no sidecar, so what is installed here records nothing",
            ),
            None if label(REVISION).is_none()
                && !view.is_root_namespace(&namespace.name)
                && recorders.iter().any(|recorder| needs_label(view, recorder)) =>
            {
                findings.warning(
                    &namespace.at(),
                    format!(
                        "it has neither the label {INJECTION}: enabled nor {REVISION}: unless the mesh injects \
                         sidecars by default, its pods get none, and what is installed here records nothing"
                    ),
                );
            }
            _ => {}
        }
    }
}

/// Is nothing known of sidecars of the pods that `recorder` is for? Gateways are proxies themselves.
fn needs_label(view: &View<'_>, recorder: &Recorder<'_>) -> bool {
    let pods = view.recorded_by(recorder);
    recorder.context != "GATEWAY" && !pods.iter().any(|pods| pods.has_sidecar())
}

/// A mesh-internal name is called from within the mesh; bound to gateways only, those calls are not
/// mirrored.
fn bindings(view: &View<'_>, findings: &mut Findings) {
    for route in &view.mirrored_routes {
        let at = route.object.at();
        let at = at.find(&["spec", "gateways"]).unwrap_or(at);
        if route.in_mesh || route.gateways.is_empty() {
            continue;
        }
        let internal = route
            .hosts
            .iter()
            .find(|host| host.ends_with(".svc.cluster.local"));
        if let Some(host) = internal {
            findings.warning(&at, format!("{host} is a name inside the mesh, and the route is bound to gateways only: calls from sidecars are not mirrored"));
        }
    }
}

/// Services that are recorded, and routes for them, none of which mirrors. A service without any route may
/// have one that was not given.
fn unmirrored(view: &View<'_>, findings: &mut Findings) {
    if mirrors_without_route(view) || view.routes.iter().any(RouteRule::delegates) {
        return;
    }
    for service in view.of_kind("Service") {
        let is_for = |rule: &&RouteRule<'_>| rule.is_for(&service.name, &service.namespace);
        let rules: Vec<_> = view.routes.iter().filter(is_for).collect();
        let is_mirrored = rules.iter().any(|rule| !rule.mirrors.is_empty());
        if is_mirrored || !is_recorded_as_primary(view, service) {
            continue;
        }
        for rule in rules {
            let at = rule.object.at();
            let what = format!(
                "{} is recorded, and no route for it that was given mirrors: nothing will be compared",
                service.origin.object
            );
            findings.warning(&at.get("spec").unwrap_or(at), what);
        }
    }
    let of_callers = |one: &&Recorder<'_>| one.position() == "upstream" && one.records();
    let nothing_mirrors = !view.routes.is_empty() && view.mirrored_routes.is_empty();
    for recorder in view.installed.iter().filter(of_callers) {
        if nothing_mirrors {
            let what = "it records here what is mirrored, and no route that was given mirrors";
            findings.warning(&recorder.at, what);
        }
    }
}

/// Does an Envoy mirror, or a patch make one?
fn mirrors_without_route(view: &View<'_>) -> bool {
    let mut patches = view.of_kind("EnvoyFilter").flat_map(patches);
    view.envoys.iter().any(|envoy| !envoy.mirrors().is_empty())
        || patches.any(|patch| {
            let value = patch.value.as_ref();
            value.is_some_and(|value| names(value.node(), "request_mirror_policies"))
        })
}

/// Is `key` anywhere in it?
fn names(node: &Node, key: &str) -> bool {
    let mut inside = node
        .items()
        .iter()
        .chain(node.entries().map(|(_, node)| node));
    node.get(key).is_some() || inside.any(|node| names(node, key))
}

/// Are there pods of `service` whose calls are recorded as the primary ones? Where no recorder says a role, of a
/// service that nothing mirrors to.
fn is_recorded_as_primary(view: &View<'_>, service: &Object) -> bool {
    let wanted = labels(service.at().find(&["spec", "selector"]));
    let mut recorders = view.installed.iter().filter(|recorder| {
        let is_primary = match recorder.role() {
            "primary" => true,
            "" => view.mirrored_routes.is_empty(),
            _ => false,
        };
        is_primary && recorder.records() && recorder.position() == "inbound"
    });
    !wanted.is_empty()
        && recorders.any(|recorder| {
            let recorded = view.recorded_by(recorder);
            let mut recorded = recorded.iter();
            recorded
                .any(|pods| service.is_in(&pods.object.namespace) && selects(&wanted, &pods.labels))
        })
}

fn envoys(view: &View<'_>, findings: &mut Findings) {
    let wanted = &view.mirrored_routes;
    for envoy in &view.envoys {
        let hosts = envoy.virtual_hosts();
        let mirrors = envoy.mirrors();
        for route in wanted.iter().filter(|route| route.in_mesh) {
            for name in &route.hosts {
                let is_meant =
                    |domain: &str| domain == name || domain.split(':').next() == Some(name);
                // One for each port of the service, of which the route may be for one only.
                let is_found = |host: &&At<'_>| {
                    let domains = host.list("domains");
                    domains
                        .iter()
                        .any(|domain| domain.node().text().is_some_and(is_meant))
                };
                let found: Vec<&At<'_>> = hosts.iter().filter(is_found).collect();
                let Some(host) = found.first() else {
                    continue;
                };
                let of_routes = found
                    .iter()
                    .flat_map(|host| host.list("routes"))
                    .filter_map(|route| route.get("route"));
                let mut actions = of_routes.chain(found.iter().map(|host| (*host).clone()));
                if !actions.any(|action| !action.list("request_mirror_policies").is_empty()) {
                    findings.error(host, format!("this Envoy routes {name} without mirroring, and {} says that it is mirrored", route.object.origin.object));
                }
            }
        }
        let upstream = Recorder::all_of_envoy(envoy)
            .into_iter()
            .find(|recorder| recorder.position() == "upstream");
        if let Some(recorder) = upstream.filter(|_| mirrors.is_empty() && !hosts.is_empty()) {
            findings.warning(
                &recorder.at,
                "it records here what is mirrored, and no route of this Envoy mirrors",
            );
        }
    }
    if !view.envoys.is_empty()
        && wanted.is_empty()
        && view.envoys.iter().all(|envoy| envoy.mirrors().is_empty())
    {
        findings.unseen(
            "no route of any Envoy given mirrors, and no route YAML says whether one should",
        );
    }
}
