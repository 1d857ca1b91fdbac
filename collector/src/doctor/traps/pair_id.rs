//! Two sides of a call do not find each other: no id, a changed id, one id for many calls, or nothing that is
//! recorded as the other side.

use super::super::crowds::{IDS_MAX, RECORDS_OF_ID_MAX};
use super::super::finding::Findings;
use super::super::recorder::Recorder;
use super::super::recording::Recording;
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::look;
use crate::pair::Reason;
use crate::share::{percent, rate};

/// Share of calls without a partner that is no accident any more.
const UNPAIRED_WARNING: f64 = 0.05;
/// Share from which on the answer is of no use.
const UNPAIRED_ERROR: f64 = 0.5;
/// Calls below which shares tell nothing.
const CALLS_MIN: u64 = 20;

pub(super) const TRAP: Trap = Trap {
    number: 8,
    id: "pair-id",
    title: "the sides of a call cannot find each other",
    severity: Severity::Error,
    hurts: "A pair needs an id that is equal on both sides and belongs to one call. Proxies can be told not to \
            make request ids, edges overwrite them, applications pass on the id of another call, and clients \
            send constant ones. A pair also needs two sides: where all recorders have one role, there are \
            none. What is not paired is not compared.",
    remedy: "Install the outbound filter at the caller or gateway: it stamps `x-twintap-pair-id`, one per \
             request, before the copy is made. Without it, leave request ids on. Give the recorder of the old \
             service the role `primary`, that of the new one `candidate`.",
    remedy_by_hand: Some(
        "Place the outbound filter in the connection manager that mirrors: it stamps \
         `x-twintap-pair-id`, one per request, before the copy is made. Or add that header in \
         the route (`request_headers_to_add`, `%UNIQUE_ID%`). Without either, leave \
         `generate_request_id` on. Give the recorder of the old service the role `primary`, that of \
         the new one `candidate`.",
    ),
    looks: &[
        look(
            Need::Workloads,
            "proxy settings that switch request ids off",
        ),
        look(
            Need::Installers,
            "whether something stamps the pair id, recorders that do nothing, roles of recorders",
        ),
        look(Need::Envoy, "connection managers without request ids"),
        look(
            Need::Recording,
            "share of unpaired calls, beside the share that routes mirror; ids with too many records",
        ),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    let stamped =
        view.recorders.iter().any(Recorder::stamps) || view.envoys.iter().any(stamps_by_route);
    if !stamped {
        for (config, at) in view.proxy_configs() {
            let request_id = config
                .get("proxyHeaders")
                .and_then(|headers| headers.get("requestId")?.get("disabled"));
            if request_id.and_then(crate::doctor::node::Node::boolean) == Some(true) {
                findings.error(&at, "proxyHeaders.requestId.disabled: proxies make no request id, and nothing stamps a pair id");
            }
        }
    }
    for envoy in &view.envoys {
        let recorders = Recorder::all_of_envoy(envoy);
        let records = recorders.iter().any(Recorder::records);
        let stamps = recorders.iter().any(Recorder::stamps) || stamps_by_route(envoy);
        if !records || stamps || envoy.mirrors().is_empty() {
            continue;
        }
        for manager in envoy.managers() {
            if manager.boolean("generate_request_id") == Some(false) {
                findings.error(
                    &manager,
                    "makes no request ids, mirrors, and nothing here stamps a pair id",
                );
            } else if manager.boolean("preserve_external_request_id") == Some(true) {
                findings.warning(&manager, "keeps the request ids that clients send, which need not be unique, and nothing here stamps a pair id");
            }
        }
    }
    for recorder in &view.recorders {
        idle(findings, recorder);
    }
    roles(findings, &view.installed);
    recordings(view, findings);
}

/// Told to do nothing at all.
fn idle(findings: &mut Findings, recorder: &Recorder<'_>) {
    let is_idle = !recorder.position().is_empty() && !recorder.records() && !recorder.stamps();
    if let Some(at) = recorder.settings_at.as_ref().filter(|_| is_idle) {
        let what = "it neither stamps the pair id nor records: it does nothing";
        findings.warning(at, what);
    }
}

/// Inbound recorders, and no others, that all say the same role: of any other position, or without a role, it
/// is not the filter alone that tells the sides apart. Those of the same pods may have the other side elsewhere.
fn roles(findings: &mut Findings, installed: &[Recorder<'_>]) {
    let recording: Vec<_> = installed.iter().filter(|one| one.records()).collect();
    let (Some(first), Some(last)) = (recording.first(), recording.last()) else {
        return;
    };
    let role = first.role();
    let missing = match role {
        "primary" => "candidate",
        "candidate" => "primary",
        _ => return,
    };
    let is_alike = |one: &&Recorder<'_>| one.position() == "inbound" && one.role() == role;
    let is_of_same_pods = |one: &&Recorder<'_>| {
        let namespaces = [one, first].map(|one| one.object.map(|object| &object.namespace));
        namespaces[0] == namespaces[1] && one.selector() == first.selector()
    };
    if recording.iter().all(is_of_same_pods) || !recording.iter().all(is_alike) {
        return;
    }
    let what = format!(
        "all {} recorders that were given have the role {role}: no call will ever be a {missing}, so there are \
         no pairs",
        recording.len()
    );
    findings.warning(last.settings_at.as_ref().unwrap_or(&last.at), what);
}

/// Does a route set the header, as `%UNIQUE_ID%`?
fn stamps_by_route(envoy: &crate::doctor::envoy::Envoy) -> bool {
    let mut levels = envoy.route_tables();
    for host in envoy.virtual_hosts() {
        levels.extend(host.list("routes"));
        levels.push(host);
    }
    levels
        .iter()
        .flat_map(|level| level.list("request_headers_to_add"))
        .any(|entry| {
            let key = entry.find(&["header", "key"]);
            key.and_then(|key| key.node().text())
                .is_some_and(|key| key.eq_ignore_ascii_case("x-twintap-pair-id"))
        })
}

fn recordings(view: &View<'_>, findings: &mut Findings) {
    for recording in &view.recordings {
        crowds(findings, recording);
        if recording.calls < CALLS_MIN {
            findings.unseen(format!(
                "share of unpaired calls: {} calls in {} are too few",
                recording.calls, recording.origin.input
            ));
            continue;
        }
        unmatched(findings, recording);
        unmirrored(findings, recording, view.mirror_percent_min());
    }
}

/// Ids that more calls have than attempts explain.
fn crowds(findings: &mut Findings, recording: &Recording) {
    let crowds = &recording.crowds;
    if crowds.ids > 0 {
        let most = crowds
            .most
            .as_ref()
            .map(|most| format!("; {:?} has {}", most.id, most.records))
            .unwrap_or_default();
        let what = format!(
            "{} ids have more than {RECORDS_OF_ID_MAX} records on one side{most}",
            crowds.ids
        );
        findings.put(Severity::Error, recording.origin.clone(), what);
    }
    if crowds.not_counted > 0 {
        findings.unseen(format!(
            "ids with too many records: {} records in {} are of ids beyond {IDS_MAX}",
            crowds.not_counted, recording.origin.input
        ));
    }
}

/// Primary calls that were recorded, and of which no mirrored one was: beyond those of which there is a
/// mirrored call without a primary, which may be theirs.
fn unmirrored_count(recording: &Recording) -> u64 {
    let count = |reason: Reason| recording.unpaired_for(reason);
    count(Reason::CandidateMissing).saturating_sub(count(Reason::PrimaryMissing))
}

/// Calls whose partner should be there.
fn unmatched(findings: &mut Findings, recording: &Recording) {
    // Several candidates are the trap `duplicates`; young calls may still find each other.
    let others = [Reason::SeveralCandidates, Reason::AwaitingPartner];
    let others: u64 = others
        .into_iter()
        .map(|reason| recording.unpaired_for(reason))
        .sum();
    let count = recording
        .unpaired_count()
        .saturating_sub(unmirrored_count(recording) + others);
    let part = rate(count, count + 2 * recording.pairs);
    if part > UNPAIRED_WARNING {
        let severity = if part > UNPAIRED_ERROR {
            Severity::Error
        } else {
            Severity::Warning
        };
        let reasons: Vec<String> = recording
            .unpaired
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let what = format!(
            "{count} calls ({}) have no partner: {}",
            percent(part),
            reasons.join(", ")
        );
        findings.put(severity, recording.origin.clone(), what);
    }
}

/// Primary calls without a mirrored one, held against the share that routes mirror.
fn unmirrored(findings: &mut Findings, recording: &Recording, mirrored: Option<f64>) {
    let count = unmirrored_count(recording);
    let part = rate(count, count + recording.pairs);
    if part <= UNPAIRED_WARNING {
        return;
    }
    let (severity, why) = match mirrored {
        None if recording.candidates == 0 => (
            Severity::Warning,
            "no mirrored call was recorded: nothing mirrors, the mirror is out of reach, or nothing records there"
                .to_owned(),
        ),
        None => (
            Severity::Warning,
            "either a part of calls is mirrored only (then `twintap compare --incomplete-over 1`, and give \
             doctor the route), or mirrored calls are lost or not recorded"
                .to_owned(),
        ),
        Some(mirrored) if part <= 1.0 - mirrored / 100.0 + UNPAIRED_WARNING => (
            Severity::Info,
            format!("a mirror of {mirrored} % lets expect that (`twintap compare --incomplete-over 1`)"),
        ),
        Some(mirrored) => {
            let severity = if mirrored >= 100.0 && part > UNPAIRED_ERROR {
                Severity::Error
            } else {
                Severity::Warning
            };
            let why = format!(
                "that is more than a mirror of {mirrored} % leaves out: other calls are recorded too, or \
                 mirrored ones are lost or not recorded"
            );
            (severity, why)
        }
    };
    let what = format!(
        "{count} primary calls ({}) have no mirrored one: {why}",
        percent(part)
    );
    findings.put(severity, recording.origin.clone(), what);
}
