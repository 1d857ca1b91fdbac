//! What happens if the module, or its configuration, cannot be loaded.

use super::super::at::At;
use super::super::envoy::{Envoy, type_of};
use super::super::finding::Findings;
use super::super::kube::Object;
use super::super::node::Node;
use super::super::recorder::{How, Recorder, patches};
use super::super::stats::Stats;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;

const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";
const OURS: &str = "twintap";
/// Updates that an Envoy refused, since it started.
const REJECTED: [(&str, &str); 2] = [
    ("listeners", "listener_manager.lds.update_rejected"),
    ("clusters", "cluster_manager.cds.update_rejected"),
];
/// Names that Istio gives to filters of plugins.
const GENERATED: &str = "extensions.istio.io/";
/// What stands for no digest where Envoy demands one: Istio's agent then checks none.
const UNPINNED: &str = "nil";

pub(super) const TRAP: Trap = Trap {
    number: 10,
    id: "module-load",
    title: "production fails if the module cannot be loaded",
    severity: Severity::Error,
    hurts: "FAIL_OPEN covers a module that fails while it runs. One that cannot be fetched or loaded makes \
            Envoy answer every request with 500, or hold listeners back; Istio's agent then puts an RBAC filter \
            in its place, which Envoy refuses if it was not announced.",
    remedy: "Install by ECDS with `default_config` (an RBAC without rules; in an upstream chain, a HeaderMutation), \
             `apply_default_config_without_warming: true`, both types in `type_urls`, \
             `initial_fetch_timeout: 5s`; set FAIL_OPEN; pin the sha256.",
    remedy_by_hand: Some(
        "Set `failure_policy: FAIL_OPEN`; lay the module beside Envoy and name it as a file \
         (`vm_config.code.local.filename`), so that nothing has to be fetched; where it is \
         fetched, pin the sha256.",
    ),
    looks: &[
        look(
            Need::Installers,
            "how the module is fetched, and what if it fails",
        ),
        look(
            Need::Envoy,
            "failure policies in force, configurations that were refused or wait",
        ),
        look(
            Need::Stats,
            "configurations and modules that failed to load",
        ),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.recorders {
        match recorder.how {
            How::Plugin => plugin(findings, recorder),
            _ => failure_policy(findings, &recorder.at),
        }
        if recorder.object.is_some() && recorder.how != How::Plugin {
            code(findings, recorder);
        }
    }
    // In an Envoy of Istio's, the agent has made a file of it.
    for envoy in view.envoys.iter().filter(|envoy| !envoy.is_of_istio()) {
        for recorder in Recorder::all_of_envoy(envoy) {
            code(findings, &recorder);
        }
    }
    for object in view.of_kind("EnvoyFilter") {
        discovery(view, findings, object);
    }
    for server in view
        .servers
        .iter()
        .filter(|server| server.is_initializing())
    {
        let what = format!(
            "this Envoy is {}: its listeners wait for something, a module perhaps",
            server.state
        );
        findings.put(Severity::Warning, server.origin.clone(), what);
    }
    for envoy in &view.envoys {
        in_envoy(findings, envoy);
        refused(findings, envoy);
    }
    let fetches = |one: &Recorder<'_>| matches!(one.how, How::Extension | How::Plugin);
    for stats in &view.stats {
        failed(findings, stats);
        let mut names = stats.names();
        let is_told =
            names.any(|name| name.contains("extension_config_discovery") && name.contains(OURS));
        if !is_told && view.recorders.iter().any(fetches) {
            let input = &stats.origin.input;
            findings.unseen(format!(
                "configurations of the filter that were refused: {input} has no statistics of it, which Istio leaves \
                 out unless `proxyStatsMatcher` asks for them"
            ));
        }
    }
}

fn failure_policy(findings: &mut Findings, config: &At<'_>) {
    let policy = config.get("failure_policy");
    let open = config.get("fail_open");
    match (&policy, &open) {
        (Some(_), Some(open)) => findings.error(
            open,
            "both failure_policy and fail_open: Envoy refuses the configuration",
        ),
        (Some(policy), None) if policy.node().text() == Some("FAIL_OPEN") => {}
        (Some(policy), None) if policy.node().text() == Some("FAIL_RELOAD") => findings.warning(
            policy,
            "failure_policy FAIL_RELOAD: all requests fail for a second whenever the module does",
        ),
        (Some(policy), None) => {
            let name = policy.node().text().unwrap_or_default();
            findings.error(
                policy,
                format!("failure_policy {name}: requests fail if the module does"),
            );
        }
        (None, Some(open)) if open.node().boolean() == Some(true) => {}
        (None, _) => findings.error(
            config,
            "no failure_policy: the default fails requests if the module fails",
        ),
    }
}

fn code(findings: &mut Findings, recorder: &Recorder<'_>) {
    let Some(code) = recorder.at.find(&["vm_config", "code"]) else {
        return findings.error(
            &recorder.at,
            "no vm_config.code: there is no module to load",
        );
    };
    let Some(remote) = code.get("remote") else {
        return;
    };
    if recorder.how != How::Extension {
        findings.error(
            &remote,
            "fetched by Envoy itself, which holds the listener back until it is there",
        );
    }
    digest(findings, &remote, "sha256");
}

fn digest(findings: &mut Findings, owner: &At<'_>, key: &str) {
    let pinned = owner.get(key);
    let text = pinned
        .as_ref()
        .and_then(|at| at.node().text())
        .unwrap_or(UNPINNED);
    if text == UNPINNED {
        let at = pinned.as_ref().unwrap_or(owner);
        return findings.warning(
            at,
            "no sha256: a module that was replaced under its name is loaded unseen",
        );
    }
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        findings.error(
            pinned.as_ref().unwrap_or(owner),
            format!("{text:?} is no sha256 (64 hexadecimal digits): the module is refused"),
        );
    }
}

fn plugin(findings: &mut Findings, plugin: &Recorder<'_>) {
    match plugin.at.get("failStrategy") {
        Some(at) if at.node().text() == Some("FAIL_OPEN") => {}
        Some(at) => findings.error(&at, "requests fail if the module cannot be fetched or fails"),
        None => findings.error(&plugin.at, "no failStrategy: the default FAIL_CLOSE denies requests if the module cannot be fetched"),
    }
    let Some(url) = plugin.at.get("url") else {
        return findings.error(&plugin.at, "no url: there is no module to load");
    };
    let text = url.node().text().unwrap_or_default();
    if text.starts_with("file:") {
        return;
    }
    let is_pinned = text.contains("@sha256:");
    if !is_pinned {
        digest(findings, &plugin.at, "sha256");
    }
    let path = text.rsplit('/').next().unwrap_or_default();
    if !is_pinned && text.starts_with("oci:") && (path.ends_with(":latest") || !path.contains(':'))
    {
        findings.warning(
            &url,
            "the tag `latest` is another module from one pull to the next",
        );
    }
}

/// Filters that are fetched by name: what holds until they are there.
fn discovery(view: &View<'_>, findings: &mut Findings, object: &Object) {
    for patch in patches(object) {
        for (filter, is_upstream) in patch.filters() {
            let Some(source) = filter.at.get("config_discovery") else {
                continue;
            };
            // Istio takes the configuration from whichever EnvoyFilter of the same pods has it.
            let mut deliverers = view.of_kind("EnvoyFilter");
            let is_delivered = deliverers
                .any(|other| delivers(other, filter.name) && view.may_share_pods(other, object));
            let mut recorders = view.installed.iter();
            let is_ours = filter.name.contains(OURS)
                || recorders.any(|one| one.how == How::Extension && one.filter_name == filter.name);
            if !is_ours {
                continue;
            }
            if !is_delivered {
                findings.error(&source, format!("no EXTENSION_CONFIG here is called {:?}: the filter waits for a configuration that never comes", filter.name));
            }
            stand_in(findings, &source, is_upstream);
        }
    }
}

fn delivers(object: &Object, name: &str) -> bool {
    patches(object).iter().any(|patch| {
        let value = patch.value.as_ref();
        patch.apply_to == "EXTENSION_CONFIG"
            && value.is_some_and(|value| value.text("name") == Some(name))
    })
}

/// What stands in for a module that is not there. In an upstream chain it is no RBAC: what the agent sends is
/// refused there, and the default stays.
fn stand_in(findings: &mut Findings, source: &At<'_>, is_upstream: bool) {
    if source.get("default_config").is_none() {
        findings.error(source, "no default_config: until the module is loaded, and if it cannot be, every request is answered with 500");
    } else if source.boolean("apply_default_config_without_warming") != Some(true) {
        findings.error(source, "no apply_default_config_without_warming: true: the listener waits for the module although there is a default_config");
    }
    let types: Vec<String> = source
        .list("type_urls")
        .iter()
        .filter_map(|at| at.node().text().map(str::to_owned))
        .collect();
    if !is_upstream && !types.iter().any(|url| url.ends_with(RBAC)) {
        findings.error(source, "type_urls lacks the RBAC filter, which Istio's agent puts in place of a module that it cannot fetch: Envoy refuses it and answers 500");
    }
    if source
        .find(&["config_source", "initial_fetch_timeout"])
        .is_none()
    {
        findings.warning(source, "no initial_fetch_timeout (5s): new pods wait 15 s for a configuration that does not come");
    }
}

/// Dynamic filters of ours whose configuration has not come.
fn in_envoy(findings: &mut Findings, envoy: &Envoy) {
    let extensions = envoy.extensions();
    for chain in envoy.chains() {
        for filter in chain
            .filters
            .iter()
            .filter(|filter| filter.name.contains(OURS))
        {
            let Some(source) = filter.at.get("config_discovery") else {
                continue;
            };
            // Istio writes those of plugins itself, and gives them no default.
            if !filter.name.starts_with(GENERATED) {
                stand_in(findings, &source, chain.is_upstream);
            }
            let name = filter.name;
            match extensions.iter().find(|(known, _)| *known == name) {
                Some((_, config)) if type_of(config) != "Wasm" => findings.error(
                    config,
                    format!(
                        "{name} is a {} here, and no module: Istio's agent puts an RBAC filter in place of one that it \
                         cannot fetch, and nothing is recorded",
                        type_of(config)
                    ),
                ),
                None if envoy.is_dump() => findings.error(
                    &source,
                    format!("the configuration of {name} has not come: nothing is recorded"),
                ),
                _ => {}
            }
        }
    }
}

/// Configurations that this Envoy refused, or that wait: what is in force is older.
fn refused(findings: &mut Findings, envoy: &Envoy) {
    let mut seen = Vec::new();
    for (kind, state) in envoy.refused() {
        let why = state.text("details").unwrap_or_default();
        let failed = state.get("failed_configuration");
        let name = failed.as_ref().and_then(|failed| failed.text("name"));
        // Envoy tells of a listener that never was in force twice.
        if seen.contains(&(kind, name, why)) {
            continue;
        }
        seen.push((kind, name, why));
        let name = name.unwrap_or_default();
        let what = format!("this Envoy refused the {kind} {name}, and keeps what it had: {why}");
        if failed.is_some_and(|failed| mentions(failed.node(), OURS)) {
            findings.error(&state, what);
        } else {
            findings.warning(&state, what);
        }
    }
    let waiting = envoy.warming_listeners().into_iter();
    for listener in waiting.filter(|listener| mentions(listener.node(), OURS)) {
        let name = listener.text("name").unwrap_or_default();
        findings.warning(
            &listener,
            format!(
                "the listener {name} waits for something, a module perhaps: it is not in force"
            ),
        );
    }
}

/// Is `word` in any text of it?
fn mentions(node: &Node, word: &str) -> bool {
    let mut inside = node
        .items()
        .iter()
        .chain(node.entries().map(|(_, node)| node));
    node.text().is_some_and(|text| text.contains(word)) || inside.any(|node| mentions(node, word))
}

/// Is it a statistic of the filter that Istio's agent puts in place of a module?
fn is_substitute(name: &str) -> bool {
    ["wasm-default-", "wasm_default_"].iter().any(|part| {
        let mut rest = name.split(part).skip(1);
        rest.any(|rest| rest.starts_with("allow") || rest.starts_with("deny"))
    })
}

fn failed(findings: &mut Findings, stats: &Stats) {
    let mut put = |name: &str, what: String| findings.put(Severity::Error, stats.place(name), what);
    // Of a filter that is there, they are there: whether it has seen a request does not matter.
    if let Some(name) = stats.names().find(|name| is_substitute(name)) {
        let what = "a module could not be fetched: Istio's agent put an RBAC filter in its place";
        put(name, what.to_owned());
    }
    for (name, value) in stats.plain().filter(|(_, value)| *value > 0.0) {
        let of_filter = name.starts_with("extension_config_discovery.") && name.contains(OURS);
        if of_filter && (name.ends_with(".config_fail") || name.ends_with(".config_conflict")) {
            put(
                name,
                format!("{value} configurations of the filter were refused"),
            );
        } else if name.starts_with("wasm.")
            && name.contains(OURS)
            && name.ends_with(".vm_reload_failure")
        {
            put(
                name,
                format!("the module failed and could not be started again {value} times"),
            );
        }
    }
    for (of, name) in REJECTED {
        if let Some(count) = stats.total(name).filter(|count| *count > 0.0) {
            let what = format!(
                "{count} updates of {of} were refused since this Envoy started: what is in force may be older than \
                 what was configured (`/config_dump` says which, and why)"
            );
            findings.put(Severity::Warning, stats.place(name), what);
        }
    }
    let mut put = |name: &str, what: String| findings.put(Severity::Error, stats.place(name), what);
    for sample in stats.samples().iter().filter(|sample| sample.value > 0.0) {
        let is_fetch = sample.name == "istio_agent_wasm_remote_fetch_count"
            || sample.name == "istio_agent_wasm_config_conversion_count";
        let result = sample.label("result");
        if is_fetch && !matches!(result, "success" | "no_remote_load") {
            put(
                &sample.name,
                format!(
                    "Istio's agent failed {} times to get a module: {result}",
                    sample.value
                ),
            );
        } else if sample.name.contains("extension_config_discovery")
            && (sample.name.ends_with("config_fail") || sample.name.ends_with("config_conflict"))
            && sample.name.contains(OURS)
        {
            put(
                &sample.name,
                format!("{} configurations of the filter were refused", sample.value),
            );
        } else if sample.name.starts_with("envoy_wasm_")
            && sample.name.contains(OURS)
            && sample.name.ends_with("_vm_reload_failure")
        {
            put(
                &sample.name,
                format!(
                    "the module failed and could not be started again {} times",
                    sample.value
                ),
            );
        }
    }
}
