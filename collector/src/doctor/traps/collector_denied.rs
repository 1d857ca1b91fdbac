//! The collector's proxy, or the network, refuses records.

use super::super::at::At;
use super::super::authorization_policy::{Asked, Sender, operations_take, sources_take};
use super::super::finding::Findings;
use super::super::kube::{Object, labels, selects};
use super::super::network_policy::{Namespace, asks, lets};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, stat_place, told_of};

/// Where records are posted.
const PATH: &str = "/v1/records";
/// Statistics of what is answered to those who may not post, and the status.
const STATUSES: [(&str, u16); 2] = [("upstream_rq_401", 401), ("upstream_rq_403", 403)];

pub(super) const TRAP: Trap = Trap {
    number: 14,
    id: "collector-denied",
    title: "the collector may not be reached",
    severity: Severity::Error,
    hurts: "Where policies deny by default, recorders get 403 or no connection. They send such batches again, \
            as after 401, 408, 429 and 5xx, until their buffers are full; what comes then is dropped \
            (`buffer_full`). Any other 4xx is a refusal for good.",
    remedy: "Allow the recorded namespaces' principals to `POST /v1/records` on the collector \
             (AuthorizationPolicy), and their pods to its port (NetworkPolicy, also of `egress` in their own namespace; \
             that of `istio/` lets in namespaces with the label `twintap/records=true`).",
    remedy_by_hand: Some(
        "Let these Envoys `POST /v1/records` to the collector: what stands before it, or its \
         own list of tokens, refuses them.",
    ),
    looks: &[
        look(Need::Policies, "who may reach the collector"),
        look(Need::Stats, "refused records"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    authorization(view, findings);
    network(view, findings);
    egress(view, findings);
    unknown(view, findings);
    for (stats, cluster) in told_of(view, &view.collector_clusters, findings) {
        for (stat, status) in STATUSES {
            let count = stats.of_cluster(cluster, stat).unwrap_or(0.0);
            if count > 0.0 {
                let what = format!("{count} POSTs of records were answered with {status}");
                findings.put(Severity::Error, stat_place(stats, cluster, stat), what);
            }
        }
    }
}

fn authorization(view: &View<'_>, findings: &mut Findings) {
    if view.collector_namespaces.is_empty() && view.collector_workloads.is_empty() {
        return;
    }
    let ports = target_ports(view);
    let asked = Asked {
        method: "POST",
        path: PATH,
        ports: &ports,
    };
    let senders = senders(view);
    let policies: Vec<&Object> = view
        .of_kind("AuthorizationPolicy")
        .filter(|policy| is_for_collector(view, policy))
        .collect();
    for rule in rules(&policies, "DENY") {
        if rule.get("when").is_some() || !operations_take(&rule, &asked) {
            continue;
        }
        if rule.get("from").is_none() {
            findings.error(
                &rule,
                format!("denies everyone POST {PATH} on the collector"),
            );
            continue;
        }
        let is_denied = |sender: &&Sender| sources_take(&rule, sender) == Some(true);
        for sender in senders.iter().filter(is_denied) {
            let who = words(sender);
            findings.error(&rule, format!("denies {who} POST {PATH} on the collector"));
        }
    }
    let mut allowing = policies.iter().filter(|policy| action(policy) == "ALLOW");
    let Some(first) = allowing.next() else {
        return;
    };
    let mut allowed = rules(&policies, "ALLOW");
    allowed.retain(|rule| operations_take(rule, &asked));
    if senders.is_empty() && allowed.is_empty() {
        findings.error(
            &first.at(),
            format!("no rule that applies to the collector allows POST {PATH}"),
        );
    }
    let is_allowed = |sender: &Sender| {
        let mut allowed = allowed.iter();
        allowed.any(|rule| sources_take(rule, sender) != Some(false))
    };
    for sender in senders.iter().filter(|sender| !is_allowed(sender)) {
        let whole = Sender {
            account: None,
            ..sender.clone()
        };
        let who = words(if is_allowed(&whole) { sender } else { &whole });
        findings.error(
            &first.at(),
            format!("no rule that applies to the collector allows POST {PATH} from {who}"),
        );
    }
}

fn words(sender: &Sender) -> String {
    let namespace = &sender.namespace;
    match &sender.account {
        Some(account) => {
            format!("the recorded service account {account} in namespace {namespace}")
        }
        None => format!("the recorded namespace {namespace}"),
    }
}

/// Does an AuthorizationPolicy hold for the collector's pods?
fn is_for_collector(view: &View<'_>, policy: &Object) -> bool {
    let spec = policy.at().get("spec");
    // Those are for waypoints and gateways.
    let has_targets =
        spec.is_some_and(|spec| spec.get("targetRefs").or(spec.get("targetRef")).is_some());
    let in_reach = policy.namespace.is_empty()
        || view.collector_namespaces.contains(&policy.namespace)
        || view.is_root_namespace(&policy.namespace);
    let wanted = labels(policy.at().find(&["spec", "selector", "matchLabels"]));
    let mut collectors = view.collector_workloads.iter();
    let is_chosen =
        wanted.is_empty() || collectors.any(|collector| selects(&wanted, &collector.labels));
    in_reach && !has_targets && is_chosen
}

/// What a policy does with requests that one of its rules takes.
fn action(policy: &Object) -> &str {
    let action = policy.at().find(&["spec", "action"]);
    action.and_then(|at| at.node().text()).unwrap_or("ALLOW")
}

/// The rules of all policies with this action.
fn rules<'a>(policies: &[&'a Object], wanted: &str) -> Vec<At<'a>> {
    let policies = policies.iter().filter(|policy| action(policy) == wanted);
    let specs = policies.filter_map(|policy| policy.at().get("spec"));
    specs.flat_map(|spec| spec.list("rules")).collect()
}

/// Pods that send records.
struct Recorded {
    sender: Sender,
    labels: Vec<(String, String)>,
}

/// Pods with recorders. Of those that were not given, what their recorder says of them is known.
fn recorded(view: &View<'_>) -> Vec<Recorded> {
    let mut found = Vec::new();
    for recorder in view.installed.iter().filter(|one| one.records()) {
        let Some(object) = recorder.object else {
            continue;
        };
        let chosen = recorder.selector();
        let is_everywhere = view.is_root_namespace(&object.namespace);
        let mut pods = view.recorded_by(recorder);
        pods.retain(|one| one.without_sidecar().is_none());
        // Of all pods of a namespace, nobody knows which are called.
        for pod in pods.iter().filter(|_| !chosen.is_empty()) {
            let namespace = match pod.object.namespace.as_str() {
                "" if is_everywhere => continue,
                "" => &object.namespace,
                namespace => namespace,
            };
            let account = pod.template.find(&["spec", "serviceAccountName"]);
            let account = account.and_then(|at| at.node().text());
            found.push(Recorded {
                sender: Sender {
                    namespace: namespace.to_owned(),
                    account: Some(account.unwrap_or("default").to_owned()),
                },
                labels: pod.labels.clone(),
            });
        }
        if (pods.is_empty() || chosen.is_empty()) && !is_everywhere {
            found.push(Recorded {
                sender: Sender {
                    namespace: object.namespace.clone(),
                    account: None,
                },
                labels: chosen,
            });
        }
    }
    found.retain(|one| !one.sender.namespace.is_empty());
    found
}

/// Who sends records.
fn senders(view: &View<'_>) -> Vec<Sender> {
    let mut found: Vec<Sender> = recorded(view).into_iter().map(|one| one.sender).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Recorders of the whole mesh of which no pod is known: whoever they record may be refused.
fn unknown(view: &View<'_>, findings: &mut Findings) {
    for recorder in view.installed.iter().filter(|one| one.records()) {
        let of_mesh = recorder
            .object
            .filter(|object| view.is_root_namespace(&object.namespace) && !recorder.has_targets());
        let is_known = !recorder.selector().is_empty() && !view.recorded_by(recorder).is_empty();
        if let Some(object) = of_mesh.filter(|_| !is_known && view.has(Need::Policies)) {
            findings.unseen(format!(
                "whether the pods of {} may reach the collector: which they are is not known",
                object.origin.object
            ));
        }
    }
}

fn texts(at: &At<'_>, key: &str) -> Vec<String> {
    at.list(key)
        .iter()
        .filter_map(|item| item.node().text().map(str::to_owned))
        .collect()
}

/// NetworkPolicies for the collector: a rule of one of them must take its port, and recorded namespaces.
fn network(view: &View<'_>, findings: &mut Findings) {
    let ports = target_ports(view);
    let concerned = policies_for_collector(view, findings);
    let rules: Vec<Rule<'_>> = concerned
        .iter()
        .flat_map(|(policy, spec)| {
            spec.list("ingress")
                .into_iter()
                .map(move |at| (*policy, at))
        })
        .filter(|(_, rule)| has_port(rule, &ports))
        .collect();
    match concerned.first() {
        None => {}
        Some((_, spec)) if rules.is_empty() => {
            findings.error(spec, "no rule lets recorders reach the collector's port");
        }
        Some((_, spec)) => sources(view, findings, spec, &rules),
    }
}

/// Does a rule of a NetworkPolicy take one of `ports`? No port takes all.
fn has_port(rule: &At<'_>, ports: &[f64]) -> bool {
    let allowed = rule.list("ports");
    // A name, or a range, may be the port.
    let fits = |at: &At<'_>| match (at.get("endPort"), at.number("port")) {
        (None, Some(port)) => ports.contains(&port),
        _ => true,
    };
    allowed.is_empty() || ports.is_empty() || allowed.iter().any(fits)
}

/// Recorded pods that NetworkPolicies of their own keep from the collector.
fn egress(view: &View<'_>, findings: &mut Findings) {
    let ports = target_ports(view);
    for pod in recorded(view) {
        let name = &pod.sender.namespace;
        let mut concerned = Vec::new();
        for policy in view.of_kind("NetworkPolicy") {
            let Some(spec) = policy.at().get("spec") else {
                continue;
            };
            let types = texts(&spec, "policyTypes");
            let is_egress = types.iter().any(|kind| kind == "Egress")
                || types.is_empty() && spec.get("egress").is_some();
            let selector = spec.get("podSelector");
            let chosen = selector.as_ref().is_none_or(|selector| {
                let wanted = labels(selector.get("matchLabels"));
                // Whether expressions choose it is not told: other rules may let it out.
                selector.get("matchExpressions").is_some() || selects(&wanted, &pod.labels)
            });
            if is_egress && chosen && policy.is_in(name) {
                concerned.push((policy, spec));
            }
        }
        let Some((_, first)) = concerned.first() else {
            continue;
        };
        let mut told = Vec::new();
        for (policy, spec) in &concerned {
            for rule in spec.list("egress") {
                let collectors = view.collector_namespaces.iter();
                told.extend(
                    collectors
                        .filter(|_| has_port(&rule, &ports))
                        .map(|namespace| {
                            let object =
                                view.of_kind("Namespace").find(|one| one.name == *namespace);
                            lets(&rule, &policy.namespace, &Namespace::of(namespace, object))
                        }),
                );
            }
        }
        if told.contains(&Some(true)) || view.collector_namespaces.is_empty() {
            continue;
        }
        let with_expressions = concerned
            .iter()
            .any(|(_, spec)| spec.find(&["podSelector", "matchExpressions"]).is_some());
        if told.contains(&None) || with_expressions {
            findings.unseen(format!(
                "whether NetworkPolicies let recorded pods in {name} reach the collector: labels decide that are not \
                 known"
            ));
        } else {
            let what = format!("no egress rule for recorded pods in {name} leads to the collector");
            findings.error(first, what);
        }
    }
}

/// A rule of a NetworkPolicy, with its policy.
type Rule<'a> = (&'a Object, At<'a>);

/// NetworkPolicies that say who may reach the collector's pods, with their `spec`.
fn policies_for_collector<'a>(view: &'a View<'_>, findings: &mut Findings) -> Vec<Rule<'a>> {
    let collectors = &view.collector_workloads;
    let mut concerned = Vec::new();
    for policy in view.of_kind("NetworkPolicy") {
        let Some(spec) = policy.at().get("spec") else {
            continue;
        };
        let selector = spec.get("podSelector");
        if selector
            .as_ref()
            .is_some_and(|selector| selector.get("matchExpressions").is_some())
        {
            findings.unseen(format!(
                "whether {} is for the collector: it has matchExpressions",
                policy.origin.object
            ));
            continue;
        }
        let wanted = labels(selector.and_then(|selector| selector.get("matchLabels")));
        let chosen = collectors.iter().any(|collector| {
            policy.is_in(&collector.object.namespace) && selects(&wanted, &collector.labels)
        });
        let types = texts(&spec, "policyTypes");
        if chosen && (types.is_empty() || types.iter().any(|kind| kind == "Ingress")) {
            concerned.push((policy, spec));
        }
    }
    concerned
}

/// Recorded namespaces that no rule lets in, most often for want of a label.
fn sources(view: &View<'_>, findings: &mut Findings, spec: &At<'_>, rules: &[Rule<'_>]) {
    let asked = rules.iter();
    let mut asked: Vec<String> = asked
        .flat_map(|(policy, rule)| asks(rule, &policy.namespace))
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let asked = asked.join(" or ");
    let mut names: Vec<_> = senders(view).into_iter().map(|one| one.namespace).collect();
    names.dedup();
    for name in names {
        let object = view.of_kind("Namespace").find(|one| one.name == name);
        let namespace = Namespace::of(&name, object);
        let told = rules
            .iter()
            .map(|(policy, rule)| lets(rule, &policy.namespace, &namespace));
        let told: Vec<Option<bool>> = told.collect();
        if told.contains(&Some(true)) {
            continue;
        }
        match object {
            _ if told.contains(&None) => findings.unseen(format!(
                "whether the collector's NetworkPolicy lets in the recorded namespace {name}: it asks for \
                 {asked}, and that namespace's labels are not known"
            )),
            Some(object) => findings.error(
                &object.at(),
                format!(
                    "recorders of this namespace do not reach the collector: its NetworkPolicy lets in \
                     namespaces with {asked}"
                ),
            ),
            None => findings.error(
                spec,
                format!("no rule lets in the recorded namespace {name}, but those with {asked}"),
            ),
        }
    }
}

/// Ports of the collector's pods that its Services lead to.
fn target_ports(view: &View<'_>) -> Vec<f64> {
    let mut found = Vec::new();
    let services = &view.collector_services;
    let wanted: Vec<f64> = view
        .recorders
        .iter()
        .filter_map(|recorder| Some(f64::from(recorder.collector()?.0)))
        .collect();
    for port in services
        .iter()
        .filter_map(|service| service.at().find(&["spec", "ports"]))
        .flat_map(|ports| ports.items())
    {
        let number = port.number("port").unwrap_or_default();
        if !wanted.is_empty() && !wanted.contains(&number) {
            continue;
        }
        match port.get("targetPort") {
            None => found.push(number),
            Some(target) => match target.node().number() {
                Some(target) => found.push(target),
                None => found.extend(named_port(view, target.node().text().unwrap_or_default())),
            },
        }
    }
    found
}

fn named_port(view: &View<'_>, name: &str) -> Option<f64> {
    let collectors = &view.collector_workloads;
    let mut ports = collectors
        .iter()
        .flat_map(|collector| collector.containers())
        .flat_map(|container| container.list("ports"));
    ports
        .find(|port| port.text("name") == Some(name))?
        .number("containerPort")
}
