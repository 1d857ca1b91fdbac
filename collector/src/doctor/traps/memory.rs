//! The filter's memory, once a worker, does not fit into the proxy's limit.

use super::super::finding::Findings;
use super::super::kube::Workload;
use super::super::recorder::Recorder;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::doctor::at::At;
use crate::doctor::node::Node;

/// What the first VM costs an Envoy, in MiB: code and V8.
const FIRST_VM_MIB: f64 = 32.0;
/// What each worker's VM may take, in MiB: 8 of buffers, and open streams.
const WORKER_MIB: f64 = 12.0;
/// What Envoy itself takes in a mesh, in MiB, at the least.
const ENVOY_MIB: f64 = 64.0;
const MEMORY_LIMIT: &str = "sidecar.istio.io/proxyMemoryLimit";
const CPU_LIMIT: &str = "sidecar.istio.io/proxyCPULimit";

pub(super) const TRAP: Trap = Trap {
    number: 16,
    id: "vm-memory",
    title: "the proxy's memory limit is too small for the filter",
    severity: Severity::Warning,
    hurts: "Each worker of Envoy has its own VM with its own buffers, and a VM never gives memory back. With \
            one worker a core, a proxy on a large node meets its limit and is killed, with the traffic in it.",
    remedy: "Set `concurrency: 2` in `proxy.istio.io/config` of recorded pods, and a `proxyMemoryLimit` of at \
             least 96 MiB and 12 MiB a worker; use one `vm_id` for all positions.",
    remedy_by_hand: Some(
        "Start Envoy with `--concurrency 2`, and a memory limit of at least 96 MiB and 12 MiB \
         a worker; use one `vm_id` for all positions.",
    ),
    looks: &[
        look(
            Need::Workloads,
            "workers and memory limits of recorded proxies",
        ),
        look(Need::Installers, "whether positions share a VM"),
        look(Need::Stats, "how many VMs there are"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.installed {
        for workload in view.recorded_by(recorder) {
            limit(findings, workload);
        }
    }
    vm_ids(findings, &view.installed);
    for envoy in &view.envoys {
        vm_ids(findings, &Recorder::all_of_envoy(envoy));
    }
    const VMS: &str = "wasm.envoy.wasm.runtime.v8.active";
    for stats in &view.stats {
        let (Some(vms), Some(workers)) = (stats.total(VMS), stats.total("server.concurrency"))
        else {
            continue;
        };
        // One a worker, one of the main thread, one from which they are copied.
        if vms > 2.0 * (workers + 2.0) {
            findings.put(Severity::Warning, stats.place(VMS), format!("{vms} VMs for {workers} workers: several modules or vm_ids, each with memory of its own"));
        }
    }
}

/// Recorders of one proxy, for what can be told, whose VMs are not one.
fn vm_ids(findings: &mut Findings, recorders: &[Recorder<'_>]) {
    let mut ids: Vec<&str> = Vec::new();
    for recorder in recorders {
        let id = recorder.at.find(&["vm_config", "vm_id"]);
        let Some(id) = id.as_ref().and_then(|id| id.node().text()) else {
            continue;
        };
        if let Some(first) = ids.first()
            && !ids.contains(&id)
        {
            findings.info(&recorder.at, format!("vm_id {id:?} is another than {first:?}: in one proxy, both have VMs of their own"));
        }
        ids.push(id);
    }
}

fn limit(findings: &mut Findings, workload: &Workload<'_>) {
    let Some((at, limit)) = memory_limit(workload) else {
        return;
    };
    let workers = workers(workload);
    let Some(workers) = workers else {
        return findings.unseen(format!("whether the filter fits the memory limit of {}: its proxy has no concurrency, so workers follow the node or the CPU limit", workload.object.origin.object));
    };
    if workers == 0.0 {
        return findings.warning(&at, "concurrency 0 is a worker on each core of the node, and the memory limit does not grow with it");
    }
    let needed = ENVOY_MIB + FIRST_VM_MIB + workers * WORKER_MIB;
    if limit < needed {
        findings.warning(&at, format!("{limit:.0} MiB for a proxy with {workers} workers, which may need {needed:.0} MiB with the filter"));
    }
}

/// Limit of the proxy's memory in MiB.
fn memory_limit<'a>(workload: &Workload<'a>) -> Option<(At<'a>, f64)> {
    let of_annotation = workload.annotation(MEMORY_LIMIT);
    let at = of_annotation.or_else(|| {
        let proxies = workload
            .containers()
            .into_iter()
            .filter(|container| container.text("name") == Some("istio-proxy"));
        proxies
            .filter_map(|proxy| proxy.find(&["resources", "limits", "memory"]))
            .next()
    })?;
    let limit = mib(at.node())?;
    Some((at, limit))
}

fn workers(workload: &Workload<'_>) -> Option<f64> {
    let said = workload
        .proxy_config()
        .and_then(|(config, _)| config.get("concurrency")?.number());
    said.or_else(|| {
        let cpu = workload.annotation(CPU_LIMIT)?;
        let text = cpu
            .node()
            .text()
            .map(str::to_owned)
            .or_else(|| cpu.node().number().map(|number| number.to_string()))?;
        let cores = match text.strip_suffix('m') {
            Some(milli) => milli.parse::<f64>().ok()? / 1000.0,
            None => text.parse().ok()?,
        };
        Some(cores.ceil())
    })
}

/// A quantity of Kubernetes in MiB.
fn mib(node: &Node) -> Option<f64> {
    const UNITS: [(&str, f64); 7] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("", 1.0),
    ];
    if let Some(bytes) = node.number() {
        return Some(bytes / 1_048_576.0);
    }
    let text = node.text()?;
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.parse::<f64>().ok()?, factor)))?;
    Some(number * factor / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::node::Value;

    #[test]
    fn quantities_are_read_with_their_units() {
        let text = |text: &str| {
            mib(&Node {
                line: None,
                value: Value::Text(text.to_owned()),
            })
        };
        assert_eq!(text("128Mi"), Some(128.0));
        assert_eq!(text("1Gi"), Some(1024.0));
        assert_eq!(text("lots"), None);
    }
}
