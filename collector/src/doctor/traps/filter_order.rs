//! The filter ends up somewhere else, or nowhere, because of order and names.

use std::collections::BTreeMap;

use super::super::envoy::{Chain, Envoy, Filter};
use super::super::finding::Findings;
use super::super::kube::Object;
use super::super::recorder::{Patch, Recorder, patches};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

const ROUTER: &str = "envoy.filters.http.router";
const OURS: &str = "twintap";
/// Types of filters that may change headers, or the path, without Envoy choosing the route by them.
const CHANGE_HEADERS: [&str; 9] = [
    "HeaderMutation",
    "ExtAuthz",
    "ExternalProcessor",
    "JwtAuthentication",
    "OAuth2",
    "BasicAuth",
    "CredentialInjector",
    "GrpcJsonTranscoder",
    "Lua",
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
    let mut names: BTreeMap<(String, String), String> = BTreeMap::new();
    for object in view.of_kind("EnvoyFilter") {
        let inserted: Vec<Patch<'_>> = patches(object)
            .into_iter()
            .filter(|patch| inserts_ours(object, patch))
            .collect();
        let recorders = Recorder::all_of_object(object);
        for patch in &inserted {
            place(findings, patch, &recorders);
            let name = patch
                .value
                .as_ref()
                .and_then(|value| value.text("name"))
                .unwrap_or_default();
            let key = (
                format!("{}/{}", object.namespace, patch.context),
                name.to_owned(),
            );
            let place = patch.at.place();
            if let Some(first) = names.insert(key, format!("{} {}", place.object, place.path))
                && !is_told_apart(patch)
            {
                findings.error(
                    &patch.at,
                    format!("the filter {name:?} is inserted by {first} too"),
                );
            }
        }
        let spec = object.at().get("spec");
        if let Some(spec) =
            spec.filter(|spec| !inserted.is_empty() && spec.get("priority").is_none())
        {
            findings.warning(&spec, "no priority: which EnvoyFilter comes first depends on when they were created (IST0151)");
        }
    }
    view.envoys
        .iter()
        .for_each(|envoy| in_envoy(view, findings, envoy));
}

/// Two patches with ports or selectors of their own may share a name.
fn is_told_apart(patch: &Patch<'_>) -> bool {
    patch
        .at
        .find(&["match", "listener", "portNumber"])
        .is_some()
}

fn inserts_ours(object: &Object, patch: &Patch<'_>) -> bool {
    if patch.apply_to != "HTTP_FILTER"
        || patch.operation.is_empty()
        || matches!(patch.operation, "MERGE" | "REMOVE")
    {
        return false;
    }
    let Some(value) = &patch.value else {
        return false;
    };
    let name = value.text("name").unwrap_or_default();
    let here = patch.at.place().path;
    name.contains(OURS)
        || Recorder::all_of_object(object)
            .iter()
            .any(|recorder| recorder.at.place().path.starts_with(&format!("{here}.")))
}

fn place(findings: &mut Findings, patch: &Patch<'_>, recorders: &[Recorder<'_>]) {
    // A filter whose settings are not there may record.
    let records = recorders.is_empty() || recorders.iter().any(Recorder::records);
    let only_stamps = !records && recorders.iter().all(Recorder::stamps);
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

/// Filters before the one that stamps must not change what routes look at.
fn before_stamp(findings: &mut Findings, chain: &Chain<'_>, recorders: &[Recorder<'_>]) {
    let stamps =
        |filter: &Filter<'_>| Recorder::of_filter(recorders, filter).is_some_and(Recorder::stamps);
    let Some(stamp) = chain.filters.iter().position(stamps) else {
        return;
    };
    let before = chain.filters.iter().take(stamp);
    for filter in before.filter(|filter| CHANGE_HEADERS.contains(&filter.kind())) {
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
        "UpstreamCodec"
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
