//! Pods work before their proxy does.

use super::super::finding::Findings;
use super::super::kube::Workload;
use super::super::node::Node;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::doctor::at::At;

const NATIVE: &str = "sidecar.istio.io/nativeSidecar";

pub(super) const TRAP: Trap = Trap {
    number: 11,
    id: "start-order",
    title: "pods start before their proxy records",
    severity: Severity::Warning,
    hurts: "Calls that a container makes before its proxy runs fail or pass unmirrored; a collector that starts \
            before its proxy is unreachable for a while, and records beyond the filter's buffer are dropped \
            (and counted).",
    remedy: "Use native sidecars (the default since Istio 1.28 where Kubernetes has them), or \
             `holdApplicationUntilProxyStarts: true` in `proxy.istio.io/config` or the mesh configuration.",
    remedy_by_hand: None,
    looks: &[look(
        Need::Workloads,
        "proxies that start after their container",
    )],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    let of_mesh = view
        .mesh_configs()
        .into_iter()
        .find_map(|(mesh, _)| holds(mesh.get("defaultConfig")?));
    let mut concerned: Vec<&Workload<'_>> = view.collector_workloads.iter().collect();
    for recorder in &view.installed {
        concerned.extend(view.recorded_by(recorder));
    }
    for workload in concerned {
        let own = workload
            .proxy_config()
            .and_then(|(config, at)| Some((holds(&config)?, at)));
        let (is_held, at): (Option<bool>, At<'_>) = match own {
            Some((is_held, at)) => (Some(is_held), at),
            None => (of_mesh, workload.template.clone()),
        };
        let native = workload.annotation(NATIVE);
        let is_native = native.as_ref().and_then(|at| at.node().boolean());
        if is_held == Some(true) || is_native == Some(true) {
            continue;
        }
        if is_held == Some(false) && is_native.is_none() {
            findings.warning(&at, "holdApplicationUntilProxyStarts is off: without native sidecars its containers start before the proxy");
        } else if let Some(at) = native {
            findings.warning(&at, "not a native sidecar, and holdApplicationUntilProxyStarts is not on: its containers start before the proxy");
        }
    }
}

fn holds(config: &Node) -> Option<bool> {
    config.get("holdApplicationUntilProxyStarts")?.boolean()
}
