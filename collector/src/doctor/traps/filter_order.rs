//! The filter ends up somewhere else, or nowhere, because of order and names.

use super::super::envoy::{Chain, Cluster, Envoy, Filter, inside};
use super::super::finding::Findings;
use super::super::kube::Object;
use super::super::recorder::{How, Patch, Recorder, patches};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

const ROUTER: &str = "envoy.filters.http.router";
const OURS: &str = "twintap";
/// Type of the filter that ends an upstream chain.
const UPSTREAM_END: &str = "UpstreamCodec";
/// Types of filters that may change headers, or the path, without Envoy choosing the route by them.
const CHANGE_HEADERS: [&str; 7] = [
    "HeaderMutation",
    "ExtAuthz",
    "ExternalProcessor",
    "JwtAuthentication",
    "OAuth2",
    "BasicAuth",
    "CredentialInjector",
];

pub(super) const TRAP: Trap = Trap {
    number: 17,
    id: "filter-order",
    title: "the filter's place depends on order or on names",
    severity: Severity::Error,
    hurts: "A patch beside a filter that is not there does nothing, without a word; one without a place goes \
            behind the router, and the listener is refused; two filters of one name exclude each other. Where the \
            pair id is set, Envoy chooses the route anew: by headers that filters before have changed, it may be \
            another one.",
    remedy: "INSERT_BEFORE `envoy.filters.http.router` what records, INSERT_FIRST what only stamps; set \
             `priority: 10`, give each filter a name of its own.",
    remedy_by_hand: Some(
        "Place what records right before `envoy.filters.http.router` (in `upstream_http_filters`, before the \
         codec), what only stamps before all others, and give each filter a name of its own.",
    ),
    looks: &[
        look(Need::Installers, "where patches insert the filter"),
        look(Need::Envoy, "where the filter stands"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    let mut known: Vec<(&Object, Patch<'_>)> = Vec::new();
    for object in view.of_kind("EnvoyFilter") {
        let mut inserts = false;
        for patch in patches(object).into_iter().filter(inserts_a_filter) {
            let recorders = recorders_of(view, object, &patch);
            if !patch.name().contains(OURS) && recorders.is_empty() {
                continue;
            }
            inserts = true;
            place(findings, &patch, &recorders);
            let first = known.iter().rev().find(|(other, before)| {
                (before.name(), before.context) == (patch.name(), patch.context)
                    && view.may_share_pods(other, object)
            });
            if let Some((_, first)) = first.filter(|_| !is_told_apart(&patch)) {
                let (name, first) = (patch.name(), first.at.place());
                let what = format!(
                    "the filter {name:?} is inserted by {} {} too",
                    first.object, first.path
                );
                findings.error(&patch.at, what);
            }
            known.push((object, patch));
        }
        let spec = object.at().get("spec");
        if let Some(spec) = spec.filter(|spec| inserts && spec.get("priority").is_none()) {
            findings.warning(&spec, "no priority: which EnvoyFilter comes first depends on when they were created (IST0151)");
        }
    }
    appended(view, findings);
    view.envoys
        .iter()
        .for_each(|envoy| in_envoy(view, findings, envoy));
}

/// Two patches with ports of their own may share a name.
fn is_told_apart(patch: &Patch<'_>) -> bool {
    port(patch).is_some()
}

fn port(patch: &Patch<'_>) -> Option<f64> {
    patch.at.find(&["match", "listener"])?.number("portNumber")
}

fn inserts_a_filter(patch: &Patch<'_>) -> bool {
    patch.apply_to == "HTTP_FILTER"
        && !matches!(patch.operation, "" | "MERGE" | "REMOVE")
        && patch.value.is_some()
}

/// The recorders that a patch of `object` brings, or whose configuration the filter that it brings fetches.
fn recorders_of<'r, 'a>(
    view: &'r View<'a>,
    object: &Object,
    patch: &Patch<'_>,
) -> Vec<&'r Recorder<'a>> {
    let within = format!("{}.", patch.at.place().path);
    let fetches = patch.value.as_ref();
    let fetches = fetches.is_some_and(|value| value.get("config_discovery").is_some());
    let is_here = |recorder: &&Recorder<'_>| match recorder.object {
        Some(other) if recorder.how == How::Extension => {
            fetches && recorder.filter_name == patch.name() && view.may_share_pods(other, object)
        }
        Some(other) => {
            other.origin == object.origin && recorder.at.place().path.starts_with(&within)
        }
        None => false,
    };
    view.installed.iter().filter(is_here).collect()
}

/// Patches that merge an upstream chain into the router of the same pods: Istio appends lists to each other.
fn appended(view: &View<'_>, findings: &mut Findings) {
    let mut chains: Vec<(&Object, Patch<'_>, Vec<Filter<'_>>)> = Vec::new();
    for object in view.of_kind("EnvoyFilter") {
        for patch in patches(object) {
            let filters = patch.filters().into_iter();
            let filters: Vec<_> = filters
                .filter_map(|(filter, is_upstream)| is_upstream.then_some(filter))
                .collect();
            let ends = filters.iter().any(|filter| filter.kind() == UPSTREAM_END);
            if ends && (patch.apply_to, patch.operation) == ("HTTP_FILTER", "MERGE") {
                chains.push((object, patch, filters));
            }
        }
    }
    for (index, (object, patch, filters)) in chains.iter().enumerate() {
        for (other, before, others) in chains.iter().take(index) {
            let mut both = filters.iter().chain(others);
            let is_ours = both.any(|filter| filter.name.contains(OURS));
            let contexts = [patch.context, before.context];
            let meet = patch.context == before.context
                || contexts
                    .iter()
                    .any(|context| matches!(*context, "" | "ANY"));
            let is_apart =
                matches!((port(patch), port(before)), (Some(one), Some(two)) if one != two);
            if is_ours && meet && !is_apart && view.may_share_pods(object, other) {
                let first = &other.origin.object;
                let what = format!(
                    "{first} gives the router an upstream chain too: Istio appends one to the other, and Envoy refuses \
                     a chain with two ends (envoy.filters.http.upstream_codec)"
                );
                findings.error(&patch.at, what);
            }
        }
    }
}

fn place(findings: &mut Findings, patch: &Patch<'_>, recorders: &[&Recorder<'_>]) {
    // A filter whose settings are not there may record.
    let records = recorders.is_empty() || recorders.iter().any(|one| one.records());
    let only_stamps = !records && recorders.iter().all(|one| one.stamps());
    let beside = patch.beside();
    let name = beside.as_ref().and_then(|at| at.node().text());
    if let Some(at) = patch.at.find(&["patch", "filterClass"]) {
        findings.error(&at, "filterClass does nothing in Istio");
    }
    match (patch.operation, name) {
        ("INSERT_FIRST", _) if !records => {}
        ("INSERT_BEFORE", Some(ROUTER)) if only_stamps => findings.info(&patch.at, "the pair id is set behind other filters: where these change headers that routes look at, Envoy chooses another route than without it"),
        ("INSERT_BEFORE", Some(ROUTER)) => {}
        ("INSERT_FIRST", _) => findings.warning(&patch.at, "the filter comes first: it records what authorization refuses, and bodies before other filters change them"),
        ("INSERT_AFTER", Some(ROUTER) | None) | ("ADD", _) => {
            findings.error(&patch.at, format!("{} puts the filter behind the router: Envoy refuses the listener", patch.operation));
        }
        ("INSERT_BEFORE" | "INSERT_AFTER" | "REPLACE", Some(other)) => {
            findings.warning(&patch.at, format!("placed beside {other}: where that filter is not, neither is the recorder, and nothing says so"));
        }
        ("INSERT_BEFORE", None) => findings.warning(&patch.at, "names no filter to stand before: it comes first in the chain"),
        (other, _) => findings.warning(&patch.at, format!("operation {other:?} does not say where the filter goes")),
    }
}

fn in_envoy(view: &View<'_>, findings: &mut Findings, envoy: &Envoy) {
    let recorders = Recorder::all_of_envoy(envoy);
    let chains = envoy.chains();
    for chain in &chains {
        order(findings, chain);
        if !chain.is_upstream {
            before_stamp(findings, chain, &recorders);
        }
    }
    replaced(findings, envoy, &chains, &recorders);
    let metadata: Vec<(String, String)> = super::super::kube::labels(envoy.metadata("LABELS"));
    let namespace = envoy
        .metadata("NAMESPACE")
        .and_then(|at| at.node().text())
        .unwrap_or_default();
    let waits = chains
        .iter()
        .flat_map(|chain| &chain.filters)
        .any(|filter| filter.name.contains(OURS));
    for installed in &view.installed {
        let Some(object) = installed.object else {
            continue;
        };
        let wanted = installed.selector();
        let is_meant = !wanted.is_empty()
            && super::super::kube::selects(&wanted, &metadata)
            && object.namespace == namespace;
        if is_meant && recorders.is_empty() && !waits && envoy.is_dump() {
            findings.error(
                &installed.at,
                format!(
                    "{} has the labels it selects, and no recorder",
                    envoy.origin.input
                ),
            );
        }
    }
}

/// Clusters with a chain of their own, which replaces the router's: what records there does not see them.
fn replaced(
    findings: &mut Findings,
    envoy: &Envoy,
    chains: &[Chain<'_>],
    recorders: &[Recorder<'_>],
) {
    let records = |chain: &Chain<'_>| {
        chain.filters.iter().any(|filter| {
            let recorder = Recorder::of_filter(recorders, filter);
            recorder.map_or(filter.name.contains(OURS), Recorder::records)
        })
    };
    let clusters = envoy.clusters();
    let own = |cluster: &Cluster<'_>| {
        let options = cluster.http_options()?.place();
        chains.iter().find(|chain| chain.at.place() == options)
    };
    let of_clusters: Vec<_> = clusters
        .iter()
        .filter_map(|cluster| Some((cluster, own(cluster)?)))
        .collect();
    let is_of_router = |chain: &&Chain<'_>| {
        let mut clusters = of_clusters.iter();
        chain.is_upstream && !clusters.any(|(_, own)| own.at.place() == chain.at.place())
    };
    if !chains.iter().filter(is_of_router).any(records) {
        return;
    }
    let mut called = Vec::new();
    for (policy, route) in envoy.mirrors() {
        called.extend(policy.text("cluster"));
        let Some(action) = route.get("route") else {
            continue;
        };
        called.extend(action.text("cluster"));
        let weighted = action.get("weighted_clusters");
        let weighted = weighted.map(|weighted| weighted.list("clusters"));
        called.extend(
            weighted
                .into_iter()
                .flatten()
                .filter_map(|at| at.text("name")),
        );
    }
    for (cluster, chain) in of_clusters {
        if called.contains(&cluster.name) && !records(chain) {
            findings.error(
                &chain.at,
                format!("cluster {} has http_filters of its own: the router's upstream chain, which records, does not run there", cluster.name),
            );
        }
    }
}

/// May it change what routes look at, and leave the route as it was? Some have Envoy choose it anew themselves.
fn keeps_route(filter: &Filter<'_>) -> bool {
    let says = |key: &str| {
        let own = filter.at.get("typed_config").map(inside);
        own.and_then(|own| own.boolean(key))
    };
    match filter.kind() {
        "GrpcJsonTranscoder" => says("match_incoming_request_route") == Some(true),
        "Lua" => says("clear_route_cache") == Some(false),
        kind => CHANGE_HEADERS.contains(&kind) && says("clear_route_cache") != Some(true),
    }
}

/// Filters before the one that stamps must not change what routes look at.
fn before_stamp(findings: &mut Findings, chain: &Chain<'_>, recorders: &[Recorder<'_>]) {
    let stamps =
        |filter: &Filter<'_>| Recorder::of_filter(recorders, filter).is_some_and(Recorder::stamps);
    let Some(stamp) = chain.filters.iter().position(stamps) else {
        return;
    };
    let before = chain.filters.iter().take(stamp);
    for filter in before.filter(|filter| keeps_route(filter)) {
        let name = filter.name;
        findings.warning(
            &filter.at,
            format!("{name} stands before the filter that sets the pair id, with which Envoy chooses the route anew: if it changes headers that routes look at, calls go elsewhere"),
        );
    }
}

/// The last filter of a chain must be the one that sends the request on.
fn order(findings: &mut Findings, chain: &Chain<'_>) {
    let is_ours = |name: &str| name.contains(OURS);
    if !chain.filters.iter().any(|filter| is_ours(filter.name)) && !chain.is_upstream {
        return;
    }
    let last = if chain.is_upstream {
        UPSTREAM_END
    } else {
        "Router"
    };
    let end = chain
        .filters
        .iter()
        .position(|filter| filter.kind() == last);
    match end {
        None if chain.is_upstream => findings.error(&chain.at, "the upstream chain has no envoy.filters.http.upstream_codec at its end: Envoy refuses it"),
        Some(end) => {
            for filter in chain.filters.iter().skip(end + 1) {
                findings.error(&filter.at, format!("{} stands behind the filter that ends the chain", filter.name));
            }
        }
        None => {}
    }
}
