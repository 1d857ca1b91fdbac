//! Pods end before their last records are sent.

use super::super::at::At;
use super::super::finding::Findings;
use super::super::kube::Workload;
use super::super::node::Node;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::share::{percent, rate};

/// Least time in seconds that a proxy should have to drain: ticks, and one batch under way.
const DRAIN_S_MIN: f64 = 3.0;
const EXIT_ON_ZERO: &str = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS";

pub(super) const TRAP: Trap = Trap {
    number: 23,
    id: "lost-tail",
    title: "pods end before their last records are sent",
    severity: Severity::Warning,
    hurts: "Records are sent every 50 ms, and what is not sent when the proxy is told to end at once is lost: \
            the last calls of Jobs and of pods without time to drain are missing.",
    remedy: "Give recorded pods time: `terminationDrainDuration: 5s` (or \
             `EXIT_ON_ZERO_ACTIVE_CONNECTIONS: \"true\"`) in `proxy.istio.io/config`, and a grace period beyond \
             it.",
    remedy_by_hand: Some(
        "Drain Envoy before it ends (`POST /drain_listeners?graceful` on its admin port), and \
         end it a few seconds later.",
    ),
    looks: &[
        look(
            Need::Workloads,
            "Jobs, and how long recorded pods may drain",
        ),
        look(
            Need::Recording,
            "records that were numbered and have not arrived",
        ),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.installed {
        for workload in view.recorded_by(recorder) {
            pods(findings, workload);
        }
    }
    for recording in &view.recordings {
        let Some(accounted) = &recording.accounting else {
            findings.unseen(format!(
                "records that have not arrived: {} has no accounting",
                recording.origin.input
            ));
            continue;
        };
        if accounted.missing > 0 {
            let what = format!(
                "{} records ({} of all) were numbered and have not arrived",
                accounted.missing,
                percent(rate(accounted.missing, accounted.observed))
            );
            findings.put(Severity::Warning, recording.origin.clone(), what);
        }
    }
}

fn pods(findings: &mut Findings, workload: &Workload<'_>) {
    let config = workload.proxy_config();
    let of_config = |key: &str| {
        config
            .as_ref()
            .and_then(|(config, _)| config.get(key).cloned())
    };
    let drain = of_config("terminationDrainDuration").and_then(|node| seconds(&node));
    let exits_on_zero =
        of_config("proxyMetadata").and_then(|metadata| metadata.get(EXIT_ON_ZERO)?.boolean());
    let at: At<'_> = config
        .as_ref()
        .map_or_else(|| workload.template.clone(), |(_, at)| at.clone());
    if let Some(drain) = drain.filter(|drain| *drain < DRAIN_S_MIN && exits_on_zero != Some(true)) {
        findings.warning(
            &at,
            format!("its proxy drains for {drain} s: the last batches may not be sent"),
        );
    }
    if let Some(grace) = workload
        .template
        .find(&["spec", "terminationGracePeriodSeconds"])
        && grace
            .node()
            .number()
            .is_some_and(|seconds| seconds < DRAIN_S_MIN)
    {
        findings.warning(
            &grace,
            "its pods are killed before their proxy has sent its last records",
        );
    }
    let is_job = matches!(workload.object.kind.as_str(), "Job" | "CronJob");
    if is_job && drain.is_none() && exits_on_zero != Some(true) {
        findings.warning(
            &workload.template,
            "a Job: its proxy ends with it, and nothing gives it time to send its last records",
        );
    }
}

/// A duration such as `5s` or `500ms`, in seconds.
fn seconds(node: &Node) -> Option<f64> {
    let text = node.text()?;
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    UNITS
        .iter()
        .find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}
