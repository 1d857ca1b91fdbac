//! Several collectors, each with its own share of the records.

use super::super::finding::Findings;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

pub(super) const TRAP: Trap = Trap {
    number: 9,
    id: "collector-replicas",
    title: "records of one pair reach different collectors",
    severity: Severity::Error,
    hurts: "A batch goes to any replica. With a store of its own in each, the two sides of a call end up in \
            different places and stay unpaired; with one volume, the second replica is refused its lock.",
    remedy: "Run one replica (a StatefulSet, or a Deployment with `strategy: Recreate`) and no autoscaler.",
    remedy_by_hand: None,
    looks: &[look(Need::Workloads, "replicas of the collector")],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    let collectors = &view.collector_workloads;
    for collector in collectors {
        let spec = collector.object.at().get("spec");
        let replicas = spec.as_ref().and_then(|spec| spec.get("replicas"));
        if let Some(at) = replicas.filter(|at| at.node().number().is_some_and(|count| count > 1.0))
        {
            findings.error(
                &at,
                "more than one collector: each keeps its own part of the records",
            );
        }
        if collector.object.kind == "DaemonSet" {
            findings.error(
                &collector.object.at(),
                "a collector on every node: each keeps its own part of the records",
            );
        }
        let keeps = collector
            .template
            .find(&["spec", "volumes"])
            .is_some_and(|volumes| {
                volumes
                    .items()
                    .iter()
                    .any(|volume| volume.get("persistentVolumeClaim").is_some())
            });
        let rolls = spec
            .and_then(|spec| spec.find(&["strategy", "type"]))
            .is_none_or(|at| at.node().text() != Some("Recreate"));
        if collector.object.kind == "Deployment" && keeps && rolls {
            findings.warning(&collector.object.at(), "a rolling update starts a second collector on the volume, which is refused until the first has ended: use `strategy: {type: Recreate}`");
        }
    }
    for scaler in view.of_kind("HorizontalPodAutoscaler") {
        let target = scaler.at().find(&["spec", "scaleTargetRef", "name"]);
        let max = scaler.at().find(&["spec", "maxReplicas"]);
        let is_meant = target.and_then(|at| at.node().text()).is_some_and(|name| {
            name.contains("twintap-collector")
                || collectors
                    .iter()
                    .any(|collector| collector.object.name == name)
        });
        if let Some(at) =
            max.filter(|at| is_meant && at.node().number().is_some_and(|count| count > 1.0))
        {
            findings.error(
                &at,
                "scales the collector: each replica keeps its own part of the records",
            );
        }
    }
}
