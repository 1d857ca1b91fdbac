//! The set-up holds for some versions only, or versions are mixed.

use std::collections::BTreeMap;

use super::super::finding::Findings;
use super::super::kube::Object;
use super::super::recorder::{Patch, patches};
use super::super::recording::Recording;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::doctor::at::{At, Place};

/// Major and minor version, of Istio or of Envoy.
type Version = (u32, u32);

/// The Envoy that the tests run.
const ENVOY_TESTED: Version = (1, 40);
/// The first Envoy that knows `failure_policy`; it has the module in `upstream_http_filters`, too.
const ENVOY_MIN: Version = (1, 33);

/// Istio's images name its version in their tag.
const ISTIO_IMAGES: [&str; 2] = ["/pilot:", "/proxyv2:"];

pub(super) const TRAP: Trap = Trap {
    number: 18,
    id: "version-skew",
    title: "the set-up depends on a version, or versions are mixed",
    severity: Severity::Warning,
    hurts: "Names and features change between versions of Istio: `-shadow` is gone from mirrored authorities \
            since 1.28, WasmPlugin filters are renamed in 1.30, MERGE_AND_REPLACE_LIST is known since 1.31. \
            What is bound to one version stops at an upgrade, without a word.",
    remedy: "Set no proxyVersion; match neither `-shadow` nor generated names; apply what needs a newer Istio \
             only where all of it is; run one version of the filter.",
    remedy_by_hand: None,
    looks: &[
        look(Need::Installers, "patches bound to a version"),
        look(Need::Routes, "hosts that end with -shadow"),
        look(Need::Envoy, "versions of Istio and of Envoy"),
        look(Need::Recording, "versions of the filter"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    let versions = istio_versions(view);
    let oldest = versions.keys().next().copied();
    mixed(findings, &versions);
    for object in view.of_kind("EnvoyFilter") {
        for patch in patches(object) {
            bound(findings, &patch, oldest);
        }
    }
    for object in view.of_kind("TrafficExtension") {
        if let Some((major, minor)) = oldest.filter(|oldest| *oldest < (1, 30)) {
            findings.error(
                &object.at(),
                format!("TrafficExtension needs Istio 1.30, and {major}.{minor} is in use"),
            );
        }
    }
    shadow(view, findings);
    envoys(view, findings);
    for recording in &view.recordings {
        recorders(findings, recording);
    }
}

fn mixed(findings: &mut Findings, versions: &BTreeMap<Version, At<'_>>) {
    if versions.len() < 2 {
        return;
    }
    let Some((_, at)) = versions.last_key_value() else {
        return;
    };
    let versions = versions.keys();
    let named: Vec<String> = versions
        .map(|(major, minor)| format!("{major}.{minor}"))
        .collect();
    findings.warning(
        at,
        format!("several versions of Istio at once: {}", named.join(", ")),
    );
}

/// What in a patch holds for some versions only.
fn bound(findings: &mut Findings, patch: &Patch<'_>, oldest: Option<Version>) {
    if let Some(at) = patch.at.find(&["match", "proxy", "proxyVersion"]) {
        findings.warning(
            &at,
            "bound to a version of the proxy: after an upgrade it does nothing",
        );
    }
    if patch.operation == "MERGE_AND_REPLACE_LIST" && oldest.is_none_or(|oldest| oldest < (1, 31)) {
        let known = oldest.map_or(
            "which version is in use was not told".to_owned(),
            |(major, minor)| format!("{major}.{minor} is in use"),
        );
        findings.warning(
            &patch.at,
            format!("MERGE_AND_REPLACE_LIST needs Istio 1.31, and {known}"),
        );
    }
    let is_generated = |at: &At<'_>| {
        let name = at.node().text();
        name.is_some_and(|name| name.starts_with("extensions.istio.io/"))
    };
    if let Some(at) = patch.beside().filter(is_generated) {
        findings.warning(
            &at,
            "a name that Istio generates, which is another from 1.30 on",
        );
    }
}

/// Envoys that what is installed was never run on.
fn envoys(view: &View<'_>, findings: &mut Findings) {
    for ((major, minor), place) in envoy_versions(view) {
        let (tested_major, tested) = ENVOY_TESTED;
        if (major, minor) < ENVOY_MIN {
            let (_, first) = ENVOY_MIN;
            let what = format!(
                "Envoy {major}.{minor} refuses the filter's configuration: it knows no failure_policy, which is of \
                 {tested_major}.{first}"
            );
            findings.put(Severity::Warning, place, what);
        } else if (major, minor) != ENVOY_TESTED {
            let what = format!("Envoy {major}.{minor}: tests run on {tested_major}.{tested} only");
            findings.put(Severity::Info, place, what);
        }
    }
}

/// Versions of Envoy in use, with a place that tells of each.
fn envoy_versions(view: &View<'_>) -> BTreeMap<Version, Place> {
    let dumped = view.envoys.iter().filter_map(|envoy| {
        let at = envoy.build_version()?;
        let part = |key: &str| at.get(key)?.node().number();
        let (major, minor) = (part("major_number")?, part("minor_number")?);
        Some((version_of(&format!("{major}.{minor}"))?, at.place()))
    });
    let told = view.servers.iter().filter_map(|server| {
        let version = version_of(&server.version)?;
        Some((version, server.origin.clone()))
    });
    let mut found = BTreeMap::new();
    for (version, place) in dumped.chain(told) {
        found.entry(version).or_insert(place);
    }
    found
}

fn recorders(findings: &mut Findings, recording: &Recording) {
    let versions = recording.recorder_versions.iter();
    let versions: Vec<String> = versions
        .map(|(version, count)| format!("{version} ({count})"))
        .collect();
    if versions.len() > 1 {
        findings.put(
            Severity::Warning,
            recording.origin.clone(),
            format!(
                "calls were recorded by several versions of the filter: {}",
                versions.join(", ")
            ),
        );
    }
}

/// Hosts and authorities that only mirrored requests of older versions have. A service may be called so:
/// then it is no matter of versions.
fn shadow(view: &View<'_>, findings: &mut Findings) {
    let routes = &view.mirrored_routes;
    let is_service = |name: &str| {
        let mut hosts = routes.iter().flat_map(|route| {
            let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination);
            mirrors.chain(&route.primaries).map(|to| to.host.as_str())
        });
        let named = |host: &str| host.split('.').next() == Some(name);
        hosts.any(named) || view.of_kind("Service").any(|service| service.name == name)
    };
    for object in &view.objects {
        for at in authorities(object) {
            let text = at.node().text().unwrap_or_default();
            let name = text.split([':', '.']).next().unwrap_or_default();
            if name.ends_with("-shadow") && !is_service(name) {
                findings.warning(
                    &at,
                    "mirrored requests have no `-shadow` in their authority since Istio 1.28",
                );
            }
        }
    }
}

/// Where objects name hosts or authorities of requests.
fn authorities(object: &Object) -> Vec<At<'_>> {
    let Some(spec) = object.at().get("spec") else {
        return Vec::new();
    };
    match object.kind.as_str() {
        "VirtualService" => {
            let matches = spec
                .list("http")
                .into_iter()
                .flat_map(|rule| rule.list("match"));
            let written = matches.filter_map(|rule| rule.get("authority"));
            let written = written.flat_map(|authority| authority.entries());
            let mut found: Vec<At<'_>> = written.map(|(_, at)| at).collect();
            found.extend(spec.list("hosts"));
            found
        }
        "GRPCRoute" | "HTTPRoute" => spec.list("hostnames"),
        "AuthorizationPolicy" => {
            let to = spec
                .list("rules")
                .into_iter()
                .flat_map(|rule| rule.list("to"));
            let operations = to.filter_map(|to| to.get("operation"));
            operations
                .flat_map(|operation| operation.list("hosts"))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Versions of Istio in use, with a place that shows each.
fn istio_versions<'a>(view: &'a View<'_>) -> BTreeMap<Version, At<'a>> {
    let mut found = BTreeMap::new();
    for envoy in &view.envoys {
        if let Some(at) = envoy.metadata("ISTIO_VERSION")
            && let Some(version) = at.node().text().and_then(version_of)
        {
            found.insert(version, at);
        }
    }
    for container in view
        .workloads
        .iter()
        .flat_map(|workload| workload.containers())
    {
        let Some(at) = container.get("image") else {
            continue;
        };
        let image = at.node().text().unwrap_or_default();
        let tag = ISTIO_IMAGES
            .iter()
            .find_map(|name| image.split(name).nth(1));
        if let Some(version) = tag.and_then(version_of) {
            found.insert(version, at);
        }
    }
    found
}

fn version_of(text: &str) -> Option<Version> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
