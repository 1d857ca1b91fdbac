//! Settings that the filter refuses: it then passes all traffic and records nothing.

use twintap_filter::config::{Config, ConfigError, Refusal};

use super::super::at::At;
use super::super::finding::Findings;
use super::super::node::Value;
use super::super::recorder::{How, Recorder};
use super::super::trap::{Need, Severity, Trap};
use super::super::view::View;
use super::{look, told_by_filter};

/// How many times the filter is inert, once a VM.
const INVALID: &str = "twintap_config_invalid";

pub(super) const TRAP: Trap = Trap {
    number: 24,
    id: "filter-settings",
    title: "the filter refuses its settings",
    severity: Severity::Error,
    hurts: "The filter takes its settings as a whole: an unknown or repeated key, a wrong type or a value out of \
            range makes it inert. Traffic passes, nothing is recorded, and only a metric \
            (`twintap_config_invalid`) and a line of Envoy's log say so. What `position` says it believes.",
    remedy: "Write the settings as ARCHITECTURE.md, section 2, has them: one JSON object, whole numbers, \
             names in snake_case.",
    remedy_by_hand: None,
    looks: &[
        look(Need::Installers, "settings of recorders"),
        look(Need::Envoy, "settings of recorders in force"),
        look(Need::Stats, "settings that were refused"),
    ],
    check,
};

fn check(view: &View<'_>, findings: &mut Findings) {
    for recorder in &view.recorders {
        let Some(at) = &recorder.settings_at else {
            findings.error(&recorder.at, "has no settings: `position` is needed");
            continue;
        };
        misplaced(findings, recorder);
        if is_given_as(recorder, "protobuf.BytesValue") {
            findings.unseen("settings that are given as BytesValue: write a StringValue");
            continue;
        }
        if is_given_as(recorder, "protobuf.Struct") {
            findings.error(at, "its settings are a Struct, of which Envoy hands the filter bytes that are no JSON: write them as text, in a StringValue");
            continue;
        }
        if let Err(error) = Config::try_from_json(text(at).as_bytes())
            && !is_told_elsewhere(recorder, &error)
        {
            findings.error(at, words(&error));
        }
    }
    for stats in told_by_filter(view, findings) {
        if stats.of_filter(INVALID).is_some_and(|count| count > 0.0) {
            let what = "the filter refused its settings and records nothing: its log line says why";
            findings.put(Severity::Error, stats.place(INVALID), what);
        }
    }
}

fn is_given_as(recorder: &Recorder<'_>, kind: &str) -> bool {
    let configuration = recorder.at.get("configuration");
    let given = configuration.and_then(|at| at.text("@type"));
    given.is_some_and(|given| given.ends_with(kind))
}

/// Does it say that it stands elsewhere than it does?
fn misplaced(findings: &mut Findings, recorder: &Recorder<'_>) {
    let (place, sees) = match (recorder.how, recorder.position()) {
        (How::InlineUpstream, "inbound" | "outbound") => (
            "the upstream chain",
            "mirrored calls would not be told from those that the caller waits for",
        ),
        (How::Inline, "upstream") => (
            "the chain of the connection manager",
            "of a call that is mirrored it sees one answer",
        ),
        _ => return,
    };
    let position = recorder.position();
    findings.error(
        &recorder.at,
        format!("its position is {position:?}, and it stands in {place}: {sees}"),
    );
}

/// What the filter would be handed.
fn text(at: &At<'_>) -> String {
    match &at.node().value {
        Value::Text(text) => text.clone(),
        _ => at.node().json().to_string(),
    }
}

/// The trap `collector-hidden` has recorders without a collector.
fn is_told_elsewhere(recorder: &Recorder<'_>, error: &ConfigError) -> bool {
    error.refusal == Refusal::Missing
        && error.key.as_bytes() == b"collector_cluster"
        && recorder.collector_cluster().is_none()
}

fn words(error: &ConfigError) -> String {
    let key = String::from_utf8_lossy(error.key.as_bytes()).into_owned();
    let what = match error.refusal {
        Refusal::Syntax => format!("are not JSON, from byte {} on", error.at),
        Refusal::NotAnObject => "are not one JSON object".to_owned(),
        Refusal::UnknownKey => format!("have the key {key:?}, which the filter does not know"),
        Refusal::RepeatedKey => format!("have the key {key:?} twice"),
        Refusal::WrongType => format!("give {key:?} a value of the wrong type"),
        Refusal::OutOfRange => format!("give {key:?} a value that is not allowed"),
        Refusal::Missing => format!("lack the key {key:?}"),
        Refusal::TooLong => "are too long".to_owned(),
    };
    format!("its settings {what}: the filter refuses all of them and records nothing")
}
