//! The recorder records twintap itself, or noise.

use super::super::finding::Findings;
use super::super::kube::Workload;
use super::super::recorder::Recorder;
use super::super::recording::Recording;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::share::{percent, rate};

/// Methods that are no one's business to compare.
const NOISE: [&str; 2] = ["grpc.health.v1.Health/", "grpc.reflection."];
/// Where records are posted, as a method.
const INGEST: &str = "v1/records";
/// Share of noise that is worth a word.
const SHARE_MAX: f64 = 0.05;

pub(super) const TRAP: Trap = Trap {
    number: 15,
    id: "self-recording",
    title: "the recorder records itself, or noise",
    severity: Severity::Error,
    hurts: "A filter in the collector's own sidecar records the records, which makes more of them; health \
            checks and reflection drown the calls that count.",
    remedy: "Select recorded workloads by a label that the collector does not have; give the port of the \
             service; leave `grpc.health.v1.Health/*` and `grpc.reflection.*` in `exclude_methods`.",
    remedy_by_hand: Some(
        "Keep the filter out of listeners that records pass through; leave \
         `grpc.health.v1.Health/*` and `grpc.reflection.*` in `exclude_methods`.",
    ),
    looks: &[
        look(
            Need::Installers,
            "which workloads are recorded, which methods are excluded",
        ),
        look(Need::Workloads, "whether the collector is among them"),
        look(Need::Recording, "recorded methods"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.recorders {
        own_pods(view, findings, recorder);
        exclusions(findings, recorder);
    }
    for recording in &view.recordings {
        own_records(findings, recording);
        noise(findings, recording);
    }
}

/// Does the recorder take the collector's own pods?
fn own_pods(view: &View<'_>, findings: &mut Findings, recorder: &Recorder<'_>) {
    let collectors = &view.collector_workloads;
    let is_bare = |collector: &Workload<'_>| collector.without_sidecar().is_some();
    // Without a sidecar there is nothing in which the filter could run.
    let is_safe = !collectors.is_empty() && collectors.iter().all(is_bare);
    let Some(object) = recorder
        .object
        .filter(|_| !is_safe && recorder.records() && !recorder.has_targets())
    else {
        return;
    };
    let is_collector = |workload: &&&Workload<'_>| {
        let mut origins = collectors.iter().map(|collector| &collector.object.origin);
        origins.any(|origin| *origin == workload.object.origin)
    };
    let reached = view.recorded_by(recorder);
    let takes_all = recorder.selector().is_empty()
        && (view.is_root_namespace(&object.namespace)
            || view.collector_namespaces.contains(&object.namespace));
    if let Some(workload) = reached.iter().find(is_collector) {
        findings.error(
            &recorder.at,
            format!(
                "takes the collector's own pods too ({})",
                workload.object.origin.object
            ),
        );
    } else if takes_all {
        findings.error(&recorder.at, "has no selector and takes all pods of the collector's namespace, the collector's included");
    }
}

/// Do its exclusions, which replace the default ones, let noise through?
fn exclusions(findings: &mut Findings, recorder: &Recorder<'_>) {
    let patterns = |key: &str| {
        let node = recorder.settings.get(key)?;
        let patterns = node.items().iter().filter_map(|item| item.text());
        Some(patterns.collect::<Vec<&str>>())
    };
    let Some(excluded) = patterns("exclude_methods") else {
        return;
    };
    let takes_health = |pattern: &&str| pattern.starts_with("grpc.health") || *pattern == "grpc.*";
    let includes_all = patterns("include_methods").unwrap_or_default().is_empty();
    if includes_all && !excluded.iter().any(takes_health) {
        findings.warning(
            &recorder.at,
            "its exclude_methods replaces the default and lets health checks through",
        );
    }
}

fn own_records(findings: &mut Findings, recording: &Recording) {
    if let Some(count) = recording.methods.get(INGEST) {
        findings.put(
            Severity::Error,
            recording.origin.clone(),
            format!(
                "{count} of {} recorded calls are twintap's own records",
                recording.calls
            ),
        );
    }
}

fn noise(findings: &mut Findings, recording: &Recording) {
    let is_noise = |method: &str| NOISE.iter().any(|start| method.starts_with(start));
    let methods = recording.methods.iter();
    let noise: u64 = methods
        .filter(|(method, _)| is_noise(method))
        .map(|(_, count)| count)
        .sum();
    let part = rate(noise, recording.calls);
    if part > SHARE_MAX {
        findings.put(
            Severity::Warning,
            recording.origin.clone(),
            format!(
                "{noise} recorded calls ({}) are health checks or reflection",
                percent(part)
            ),
        );
    }
}
