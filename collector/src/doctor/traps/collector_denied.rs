//! The collector's proxy, or the network, refuses records.

use super::super::at::At;
use super::super::finding::Findings;
use super::super::kube::{Object, labels, selects};
use super::super::network_policy::{Namespace, asks, lets_in};
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
             (AuthorizationPolicy), and their pods to its port (NetworkPolicy; that of `istio/` lets in \
             namespaces with the label `twintap/records=true`).",
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
    let policies: Vec<&Object> = view
        .of_kind("AuthorizationPolicy")
        .filter(|policy| is_for_collector(view, policy))
        .collect();
    for rule in rules(&policies, "DENY") {
        let takes_all = rule.get("from").is_none() && rule.get("when").is_none();
        if takes_all && operations_take(&rule, &ports) {
            findings.error(
                &rule,
                format!("denies everyone POST {PATH} on the collector"),
            );
        }
    }
    let mut allowing = policies.iter().filter(|policy| action(policy) == "ALLOW");
    let Some(first) = allowing.next() else {
        return;
    };
    let allowed = rules(&policies, "ALLOW");
    let is_allowed = |namespace: &str| {
        let mut allowed = allowed.iter();
        allowed.any(|rule| operations_take(rule, &ports) && sources_take(rule, namespace))
    };
    let sources = recorded_namespaces(view);
    if sources.is_empty() && !is_allowed("") {
        findings.error(
            &first.at(),
            format!("no rule that applies to the collector allows POST {PATH}"),
        );
    }
    for namespace in sources.iter().filter(|namespace| !is_allowed(namespace)) {
        findings.error(&first.at(), format!("no rule that applies to the collector allows POST {PATH} from the recorded namespace {namespace}"));
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

/// Namespaces with recorders.
fn recorded_namespaces(view: &View<'_>) -> Vec<String> {
    let recorders = &view.installed;
    let mut found: Vec<String> = recorders
        .iter()
        .filter(|recorder| recorder.records())
        .filter_map(|recorder| recorder.object.map(|object| object.namespace.clone()))
        .filter(|namespace| !namespace.is_empty() && !view.is_root_namespace(namespace))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn texts(at: &At<'_>, key: &str) -> Vec<String> {
    at.list(key)
        .iter()
        .filter_map(|item| item.node().text().map(str::to_owned))
        .collect()
}

/// Does one of the rule's operations take the posting of records? No operation takes all.
fn operations_take(rule: &At<'_>, collector_ports: &[f64]) -> bool {
    let to = rule.list("to");
    to.is_empty()
        || to
            .iter()
            .filter_map(|to| to.get("operation"))
            .any(|operation| {
                let methods = texts(&operation, "methods");
                let paths = texts(&operation, "paths");
                let ports: Vec<f64> = operation
                    .list("ports")
                    .iter()
                    .filter_map(|at| at.node().number())
                    .collect();
                let of_port = ports.is_empty()
                    || collector_ports.is_empty()
                    || ports.iter().any(|port| collector_ports.contains(port));
                of_port
                    && (methods.is_empty() || methods.iter().any(|method| fits(method, "POST")))
                    && (paths.is_empty() || paths.iter().any(|path| fits(path, PATH)))
            })
}

/// May callers of `namespace` be among the rule's sources? No source takes all.
fn sources_take(rule: &At<'_>, namespace: &str) -> bool {
    let from = rule.list("from");
    from.is_empty()
        || from
            .iter()
            .filter_map(|from| from.get("source"))
            .any(|source| {
                let principals = texts(&source, "principals");
                let namespaces = texts(&source, "namespaces");
                let accounts = texts(&source, "serviceAccounts");
                let of_principal = |principal: &String| {
                    let own = principal
                        .split("/ns/")
                        .nth(1)
                        .and_then(|rest| rest.split('/').next());
                    own.map_or(principal.contains('*'), |own| fits(own, namespace))
                };
                namespace.is_empty()
                    || principals.is_empty() && namespaces.is_empty() && accounts.is_empty()
                    || principals.iter().any(of_principal)
                    || namespaces.iter().any(|own| fits(own, namespace))
                    || accounts.iter().any(|account| {
                        account
                            .split('/')
                            .next()
                            .is_some_and(|own| fits(own, namespace))
                    })
            })
}

/// Matches as AuthorizationPolicies do: exactly, or with a `*` at the beginning or the end.
fn fits(pattern: &str, value: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), _) if value.ends_with(rest) => true,
        (_, Some(rest)) => value.starts_with(rest),
        _ => pattern == value,
    }
}

/// NetworkPolicies for the collector: a rule of one of them must take its port, and recorded namespaces.
fn network(view: &View<'_>, findings: &mut Findings) {
    let ports = target_ports(view);
    let concerned = policies_for_collector(view, findings);
    let takes = |rule: &At<'_>| {
        let allowed = rule.list("ports");
        // A name, or a range, may be the port.
        let fits = |at: &At<'_>| match (at.get("endPort"), at.number("port")) {
            (None, Some(port)) => ports.contains(&port),
            _ => true,
        };
        allowed.is_empty() || ports.is_empty() || allowed.iter().any(fits)
    };
    let rules: Vec<Rule<'_>> = concerned
        .iter()
        .flat_map(|(policy, spec)| {
            spec.list("ingress")
                .into_iter()
                .map(move |at| (*policy, at))
        })
        .filter(|(_, rule)| takes(rule))
        .collect();
    match concerned.first() {
        None => {}
        Some((_, spec)) if rules.is_empty() => {
            findings.error(spec, "no rule lets recorders reach the collector's port");
        }
        Some((_, spec)) => sources(view, findings, spec, &rules),
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
    for name in recorded_namespaces(view) {
        let object = view.of_kind("Namespace").find(|one| one.name == name);
        let namespace = Namespace::of(&name, object);
        let told = rules
            .iter()
            .map(|(policy, rule)| lets_in(rule, &policy.namespace, &namespace));
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
