//! One call is recorded, or mirrored, more than once.

use std::collections::BTreeMap;

use super::super::finding::Findings;
use super::super::recorder::{How, Recorder};
use super::super::routes::RouteRule;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::pair::Reason;
use crate::share::{percent, rate};

/// Share of duplicate records from which on it is worth a warning.
const SHARE_MAX: f64 = 0.01;

pub(super) const TRAP: Trap = Trap {
    number: 7,
    id: "duplicates",
    title: "one call is recorded or mirrored more than once",
    severity: Severity::Warning,
    hurts: "Retries reach the old service again and are not mirrored again; several mirrors share one id; two \
            recorders in one place record everything twice. Comparing chooses one record a side and counts \
            the rest, but it costs twice; of several candidates it has to be told which.",
    remedy: "Set `retries.attempts: 0` on mirrored routes; have one way to install the filter and one place \
             that records; name the context of a patch. Where several candidates are meant, name one: `twintap \
             compare --candidate NAME`; else have one mirror.",
    remedy_by_hand: Some(
        "Leave `retry_policy` off mirrored routes, or record in the upstream chain, which \
         tells attempts apart; have one recorder in a chain. Where several candidates are \
         meant, name one: `twintap compare --candidate NAME`.",
    ),
    looks: &[
        look(
            Need::Routes,
            "retries of mirrored routes, several mirrors, routes for one host",
        ),
        look(Need::Installers, "places where the filter records"),
        look(Need::Envoy, "chains with two recorders"),
        look(Need::Recording, "calls recorded at several places"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    routes(view, findings);
    installers(view, findings);
    for envoy in &view.envoys {
        for chain in envoy.chains() {
            let recorders = Recorder::all_of_envoy(envoy);
            let here = chain.filters.iter();
            let here = here.filter_map(|filter| Recorder::of_filter(&recorders, filter));
            let recording: Vec<&Recorder<'_>> = here.filter(|one| one.records()).collect();
            if let [_, second, ..] = recording.as_slice() {
                findings.warning(
                    &second.at,
                    "a second recorder in one chain: every call is recorded twice",
                );
            }
        }
    }
    for recording in &view.recordings {
        let part = rate(recording.duplicate_views, recording.calls);
        if part > SHARE_MAX {
            let what = format!(
                "{} of {} records ({}) are of calls that were recorded at another place too",
                recording.duplicate_views,
                recording.calls,
                percent(part)
            );
            findings.put(Severity::Warning, recording.origin.clone(), what);
        }
        let several = recording.unpaired_for(Reason::SeveralCandidates);
        if several > 0 {
            let what = format!(
                "{several} calls were mirrored to several candidates: `twintap compare --candidate NAME` chooses one"
            );
            findings.put(Severity::Info, recording.origin.clone(), what);
        }
    }
}

fn routes(view: &View<'_>, findings: &mut Findings) {
    let upstream_only = {
        let recording: Vec<&Recorder<'_>> = view
            .recorders
            .iter()
            .filter(|recorder| recorder.records())
            .collect();
        !recording.is_empty()
            && recording
                .iter()
                .all(|recorder| recorder.position() == "upstream")
    };
    let mut of_host: BTreeMap<(String, String), &str> = BTreeMap::new();
    for route in &view.mirrored_routes {
        if route.object.kind == "VirtualService" {
            let attempts = route.at.find(&["retries", "attempts"]);
            let attempts_count = attempts.as_ref().and_then(|at| at.node().number());
            // At the caller attempts are told apart by their number.
            if !upstream_only && attempts_count != Some(0.0) {
                let count = attempts_count
                    .map_or("2, which is Istio's default".to_owned(), |count| {
                        count.to_string()
                    });
                let at = attempts.unwrap_or_else(|| route.at.clone());
                findings.warning(&at, format!("up to {count} retries of a mirrored call reach the old service and not the mirror"));
            }
        }
        several_mirrors(findings, route);
        // A route for the same host on another gateway is another route.
        let bindings = route.gateways.iter().map(String::as_str);
        let bindings: Vec<&str> = bindings.chain(route.in_mesh.then_some("mesh")).collect();
        for host in &route.hosts {
            let object = route.object.origin.object.as_str();
            for binding in &bindings {
                let key = (host.clone(), (*binding).to_owned());
                let first = of_host.entry(key).or_insert(object);
                if *first != object {
                    findings.warning(
                        &route.at,
                        format!("{first} mirrors {host} too: which of them holds depends on Istio's version"),
                    );
                }
            }
        }
    }
}

/// Several candidates may be meant; two copies to one are not.
fn several_mirrors(findings: &mut Findings, route: &RouteRule<'_>) {
    let to = route.mirrors.iter().map(|mirror| &mirror.destination);
    let mut targets: Vec<_> = to.map(|to| (&to.host, to.subset, to.port)).collect();
    targets.sort_unstable();
    targets.dedup();
    let count = route.mirrors.len();
    if targets.len() < count {
        findings.warning(
            &route.at,
            format!("{count} mirrors, some to the same service: it gets a call several times"),
        );
    } else if count > 1 {
        findings.info(
            &route.at,
            format!(
                "{count} mirrors, whose records share one id: `twintap compare --candidate NAME` compares \
                 with one of them (its service, workload, `version` label or Envoy cluster)"
            ),
        );
    }
}

fn installers(view: &View<'_>, findings: &mut Findings) {
    let recorders = &view.installed;
    for recorder in recorders {
        let is_any = recorder.how != How::Plugin && matches!(recorder.context, "" | "ANY");
        if is_any {
            findings.error(&recorder.at, "its patch has no context (or ANY): the filter is inserted inbound and outbound, and each call is recorded twice");
        }
    }
    for (index, left) in recorders.iter().enumerate() {
        for right in recorders.iter().skip(index + 1) {
            if left.records() && right.records() && is_same_place(view, left, right) {
                let first = left
                    .object
                    .map(|object| object.origin.object.as_str())
                    .unwrap_or_default();
                findings.warning(&right.at, format!("records what {first} records already"));
            }
        }
    }
}

/// Do both record at one position of the same pods, for what can be told?
fn is_same_place(view: &View<'_>, left: &Recorder<'_>, right: &Recorder<'_>) -> bool {
    let (Some(first), Some(second)) = (left.object, right.object) else {
        return false;
    };
    if left.has_targets() || right.has_targets() {
        return false;
    }
    let position = !left.position().is_empty() && left.position() == right.position();
    let context =
        left.context.is_empty() || right.context.is_empty() || left.context == right.context;
    // Two patches of one EnvoyFilter for different ports, or for OLD and NEW, are meant.
    position
        && context
        && view.may_share_pods(first, second)
        && left.role() == right.role()
        && ports_overlap(left, right)
}

/// Are there ports that both take? None named takes all.
fn ports_overlap(left: &Recorder<'_>, right: &Recorder<'_>) -> bool {
    let (left, right) = (ports(left), ports(right));
    left.is_empty() || right.is_empty() || left.iter().any(|port| right.contains(port))
}

fn ports(recorder: &Recorder<'_>) -> Vec<f64> {
    let Some(spec) = recorder.object.and_then(|object| object.at().get("spec")) else {
        return Vec::new();
    };
    let of_plugin = spec
        .list("match")
        .into_iter()
        .flat_map(|rule| rule.list("ports"));
    let of_plugin = of_plugin.filter_map(|port| port.number("number"));
    let of_patches = spec.list("configPatches").into_iter();
    let of_patches =
        of_patches.filter_map(|patch| patch.find(&["match", "listener"])?.number("portNumber"));
    of_plugin.chain(of_patches).collect()
}
