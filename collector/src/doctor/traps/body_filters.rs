//! Other filters change bodies between the recorder and the service.

use super::super::envoy::{Chain, Filter};
use super::super::finding::Findings;
use super::super::kube::Object;
use super::super::recorder::{Recorder, patches};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::share::{percent, rate};

/// Types of filters that change bodies or framing, or may.
const KINDS: [&str; 6] = [
    "GrpcWeb",
    "GrpcJsonTranscoder",
    "Compressor",
    "Decompressor",
    "Lua",
    "ExternalProcessor",
];
/// Words in names of such filters, where the type is fetched, or is another's too.
const NAMES: [&str; 8] = [
    "grpc_web",
    "grpc_json_transcoder",
    "compressor",
    "decompressor",
    "grpc_http1_bridge",
    "grpc_http1_reverse_bridge",
    "filters.http.lua",
    "ext_proc",
];
const OURS: &str = "twintap";
const ROUTER: &str = "envoy.filters.http.router";
/// Share of calls that are no gRPC, from which on it is worth a word.
const SHARE_MAX: f64 = 0.5;

pub(super) const TRAP: Trap = Trap {
    number: 21,
    id: "body-filters",
    title: "other filters change what the recorder sees",
    severity: Severity::Warning,
    hurts: "A filter between the recorder and the router (grpc-web, transcoding, compression) changes bodies \
            after they were recorded, or before: what is compared is not what the service answered, and what is \
            no gRPC is not recorded at all.",
    remedy: "Place the recorder next to the router (INSERT_BEFORE it, applied last), or in its upstream chain.",
    remedy_by_hand: Some(
        "Place the recorder last before the router, or in the router's \
         `upstream_http_filters`.",
    ),
    looks: &[
        look(Need::Envoy, "filters between the recorder and the router"),
        look(Need::Installers, "other patches that insert such filters"),
        look(Need::Recording, "content types of recorded calls"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for envoy in &view.envoys {
        let recorders = Recorder::all_of_envoy(envoy);
        for chain in envoy.chains().iter().filter(|chain| !chain.is_upstream) {
            between(findings, chain, &recorders);
        }
    }
    others(view, findings);
    for recording in &view.recordings {
        let foreign: u64 = recording.foreign_content_types.values().sum();
        if foreign > 0 {
            let types: Vec<String> = recording
                .foreign_content_types
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            findings.put(
                Severity::Warning,
                recording.origin.clone(),
                format!(
                    "{foreign} recorded calls are not plain gRPC: {}",
                    types.join(", ")
                ),
            );
        }
        let Some(accounted) = &recording.accounting else {
            continue;
        };
        let part = rate(accounted.not_grpc, accounted.observed);
        if part > SHARE_MAX {
            findings.put(Severity::Warning, recording.origin.clone(), format!("{} of all requests are no gRPC where the recorder stands, and are not recorded", percent(part)));
        }
    }
}

fn changes(filter: &Filter<'_>) -> bool {
    KINDS.contains(&filter.kind()) || NAMES.iter().any(|name| filter.name.contains(name))
}

fn between(findings: &mut Findings, chain: &Chain<'_>, recorders: &[Recorder<'_>]) {
    let records = |filter: &Filter<'_>| match Recorder::of_filter(recorders, filter) {
        Some(recorder) => recorder.records(),
        None => filter.name.contains(OURS),
    };
    let behind = chain
        .filters
        .iter()
        .skip_while(|filter| !records(filter))
        .skip(1);
    for filter in behind.filter(|filter| changes(filter)) {
        findings.warning(
            &filter.at,
            format!("{} stands between the recorder and the router", filter.name),
        );
    }
}

/// EnvoyFilters of others that insert such a filter next to the router after ours.
fn others(view: &View<'_>, findings: &mut Findings) {
    for recorder in view.installed.iter().filter(|recorder| recorder.records()) {
        let Some(own) = recorder
            .object
            .filter(|object| object.kind == "EnvoyFilter")
        else {
            continue;
        };
        let priority = |object: &Object| {
            object
                .at()
                .find(&["spec"])
                .and_then(|spec| spec.number("priority"))
                .unwrap_or(0.0)
        };
        // Of the same priority, those of the whole mesh come first; then those that were created first.
        let comes_after = |object: &Object| {
            let is_of_mesh = |object: &Object| view.is_root_namespace(&object.namespace);
            priority(object) > priority(own)
                || priority(object) >= priority(own) && (is_of_mesh(own) || !is_of_mesh(object))
        };
        for object in view
            .of_kind("EnvoyFilter")
            .filter(|object| object.origin != own.origin && view.may_share_pods(object, own))
        {
            for patch in patches(object) {
                let same_context =
                    patch.context == recorder.context || matches!(patch.context, "" | "ANY");
                let beside = patch.beside();
                let is_last = beside.is_some_and(|at| at.node().text() == Some(ROUTER));
                let Some(value) = patch.value.filter(|_| {
                    patch.apply_to == "HTTP_FILTER"
                        && patch.operation == "INSERT_BEFORE"
                        && same_context
                        && is_last
                }) else {
                    continue;
                };
                let name = value.text("name").unwrap_or_default();
                let filter = Filter {
                    name,
                    at: value.clone(),
                };
                if changes(&filter) && comes_after(object) {
                    findings.warning(
                        &value,
                        format!(
                            "inserts {name} behind the recorder of {}",
                            own.origin.object
                        ),
                    );
                }
            }
        }
    }
}
