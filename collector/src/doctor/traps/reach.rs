//! A recorder reaches no pod, or no port that anybody calls: it is installed, and records nothing.

use super::super::at::At;
use super::super::finding::Findings;
use super::super::kube::{Object, Workload, labels, may_be_same, selects};
use super::super::recorder::{Recorder, patches};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

pub(super) const TRAP: Trap = Trap {
    number: 26,
    id: "recorder-reach",
    title: "a recorder reaches no pod, or no port that is called",
    severity: Severity::Error,
    hurts: "A selector that no pod has, or a port that no chain has, is no error to Istio: the filter is simply \
            not there, and nothing is recorded or stamped, without a word.",
    remedy: "Label the pod templates (`twintap/role`, `twintap/caller`) as the recorders select them, and write \
             as `portNumber` the container's port for inbound, the Service's port for outbound.",
    remedy_by_hand: None,
    looks: &[
        look(Need::Workloads, "the pods that recorders select"),
        look(Need::Services, "the ports that recorders name"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in view.installed.iter().filter(|one| !one.has_targets()) {
        let Some(object) = recorder.object else {
            continue;
        };
        let reached = view.recorded_by(recorder);
        if reached.is_empty() {
            unreached(view, findings, recorder, object);
        }
        for (at, is_outbound) in ports(object) {
            let Some(number) = at.node().number() else {
                continue;
            };
            let called = if is_outbound {
                service_ports(view)
            } else {
                container_ports(view, &reached)
            };
            if called.is_empty() || called.contains(&number) {
                continue;
            }
            let what = format!("{number}: {}", words(is_outbound, &called));
            if is_outbound {
                // It may be that of a Service, or a ServiceEntry, that was not given.
                findings.warning(&at, what);
            } else {
                findings.error(&at, what);
            }
        }
    }
}

/// Only where pods are given that may be of its namespace, beside the collector's, none of which it selects: other
/// pods may be elsewhere.
fn unreached(view: &View<'_>, findings: &mut Findings, recorder: &Recorder<'_>, object: &Object) {
    let namespace = object.namespace.as_str();
    let is_collector = |one: &Workload<'_>| {
        let mut collectors = view.collector_workloads.iter();
        collectors.any(|collector| std::ptr::eq(collector.object, one.object))
    };
    let is_there =
        |one: &&Workload<'_>| may_be_same(&one.object.namespace, namespace) && !is_collector(one);
    let given = view.workloads.iter().filter(is_there).count();
    if given == 0 {
        return;
    }
    let whose = match namespace {
        "" => "of whichever namespace".to_owned(),
        name => format!("that are, or may be, in namespace {name}"),
    };
    let wanted: Vec<String> = recorder
        .selector()
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    findings.warning(
        &object.at(),
        format!(
            "of {given} workloads given, {whose}, it selects none: none has the labels {}",
            wanted.join(",")
        ),
    );
}

fn words(is_outbound: bool, called: &[f64]) -> String {
    let list: Vec<String> = called.iter().map(f64::to_string).collect();
    let list = list.join(", ");
    if is_outbound {
        format!("no Service that was given has this port (they have {list})")
    } else {
        format!("no Service sends calls to this port of the pods that it selects (but to {list})")
    }
}

/// Ports that an installer is for, and whether they are those of callers' listeners.
fn ports(object: &Object) -> Vec<(At<'_>, bool)> {
    let of_patches = patches(object).into_iter().filter_map(|patch| {
        let at = patch.at.find(&["match", "listener", "portNumber"])?;
        match patch.context {
            "SIDECAR_INBOUND" => Some((at, false)),
            "SIDECAR_OUTBOUND" => Some((at, true)),
            _ => None,
        }
    });
    let spec = object.at().get("spec");
    let rules = spec.map(|spec| spec.list("match")).unwrap_or_default();
    let of_plugins = rules.into_iter().filter_map(|rule| {
        let is_outbound = match rule.text("mode")? {
            "SERVER" => false,
            "CLIENT" => true,
            _ => return None,
        };
        let ports = rule.list("ports").into_iter();
        let numbers = ports.filter_map(|port| port.get("number"));
        Some(numbers.map(move |at| (at, is_outbound)).collect::<Vec<_>>())
    });
    of_patches.chain(of_plugins.flatten()).collect()
}

/// Ports of all Services but the collector's.
fn service_ports(view: &View<'_>) -> Vec<f64> {
    let collectors = &view.collector_services;
    let services = view.of_kind("Service");
    let others = services.filter(|one| !collectors.iter().any(|other| std::ptr::eq(*one, *other)));
    distinct(
        others
            .filter_map(|service| service.at().get("spec"))
            .flat_map(|spec| spec.list("ports"))
            .filter_map(|port| port.number("port")),
    )
}

/// Ports of these pods to which a Service sends calls.
fn container_ports(view: &View<'_>, reached: &[&Workload<'_>]) -> Vec<f64> {
    let mut found = Vec::new();
    for service in view.of_kind("Service") {
        let Some(spec) = service.at().get("spec") else {
            continue;
        };
        let wanted = labels(spec.get("selector"));
        let behind = reached.iter().filter(|one| {
            service.is_in(&one.object.namespace)
                && !wanted.is_empty()
                && selects(&wanted, &one.labels)
        });
        for workload in behind {
            let ports = spec.list("ports");
            found.extend(ports.iter().filter_map(|port| target(port, workload)));
        }
    }
    distinct(found.into_iter())
}

fn target(port: &At<'_>, workload: &Workload<'_>) -> Option<f64> {
    let Some(target) = port.get("targetPort") else {
        return port.number("port");
    };
    let Some(name) = target.node().text() else {
        return target.node().number();
    };
    let containers = workload.containers().into_iter();
    let mut ports = containers.flat_map(|container| container.list("ports"));
    ports
        .find(|port| port.text("name") == Some(name))?
        .number("containerPort")
}

fn distinct(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    numbers
}
