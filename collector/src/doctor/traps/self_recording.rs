//! The recorder records twintap itself, or noise.

use super::super::finding::Findings;
use super::super::kube::Workload;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, percent, share};

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
    let collectors: &[Workload<'_>] = &view.collector_workloads;
    let is_bare = |collector: &Workload<'_>| collector.without_sidecar().is_some();
    // Without a sidecar there is nothing in which the filter could run.
    let is_safe = !collectors.is_empty() && collectors.iter().all(is_bare);
    let namespaces = &view.collector_namespaces;
    for recorder in &view.recorders {
        let here = recorder.at.clone();
        if let Some(object) = recorder
            .object
            .filter(|_| !is_safe && recorder.records() && !recorder.has_targets())
        {
            let reached = view.recorded_by(recorder);
            let own = reached.iter().find(|workload| {
                collectors
                    .iter()
                    .any(|collector| collector.object.origin == workload.object.origin)
            });
            let takes_all = recorder.selector().is_empty()
                && (view.is_root_namespace(&object.namespace)
                    || namespaces.contains(&object.namespace));
            if let Some(workload) = own {
                findings.error(
                    &here,
                    format!(
                        "takes the collector's own pods too ({})",
                        workload.object.origin.object
                    ),
                );
            } else if takes_all {
                findings.error(&here, "has no selector and takes all pods of the collector's namespace, the collector's included");
            }
        }
        let Some(excluded) = recorder.settings.get("exclude_methods") else {
            continue;
        };
        let patterns: Vec<&str> = excluded
            .items()
            .iter()
            .filter_map(|item| item.text())
            .collect();
        let includes = recorder
            .settings
            .get("include_methods")
            .map(|node| node.items().len())
            .unwrap_or_default();
        if includes == 0
            && !patterns
                .iter()
                .any(|pattern| pattern.starts_with("grpc.health") || *pattern == "grpc.*")
        {
            findings.warning(
                &here,
                "its exclude_methods replaces the default and lets health checks through",
            );
        }
    }
    for recording in &view.recordings {
        for (method, count) in &recording.methods {
            if method == INGEST {
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
        let is_noise = |method: &&String| NOISE.iter().any(|start| method.starts_with(start));
        let noise: u64 = recording
            .methods
            .iter()
            .filter(|(method, _)| is_noise(method))
            .map(|(_, count)| count)
            .sum();
        let part = share(noise, recording.calls);
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
}
