//! What an input is, told by its content: each is read for what it is, and said to be so.
//!
//! Understood are YAML with any number of documents, JSON and lists of Kubernetes objects, Envoy's
//! `/config_dump` and bootstrap files, and statistics in three forms. What cannot be read is a
//! [`Problem`] with its line and costs nothing else; what is read and is nothing to check is named.

mod documents;

use std::collections::BTreeMap;

use super::at::Place;
use super::envoy::Envoy;
use super::evidence::Evidence;
use super::kube::{Object, is_read};
use super::node::{Node, Plain, Value};
use super::server::Server;
use super::stats::{Stats, prometheus_line, text_line};

/// Lines that are looked at to tell statistics from YAML.
const SAMPLE_LINES: usize = 50;
/// Kinds that no check reads and that are named for one input; more are counted.
const KINDS_SHOWN_MAX: usize = 5;

/// Why an input, or a part of it, was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input}{}: {what}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct Problem {
    /// The input.
    pub input: String,
    /// Line, from 1, where there is one.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// What an input was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The input.
    pub input: String,
    /// What it was taken for.
    pub taken_for: String,
    /// Does any check read something of it?
    pub is_read: bool,
}

/// What became of all inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Those that were read.
    pub taken: Vec<Taken>,
    /// Those, or parts of them, that were not.
    pub problems: Vec<Problem>,
}

impl Inputs {
    /// Notes that `input` was taken for something.
    pub fn take(&mut self, input: &str, taken_for: impl Into<String>) {
        self.push(input, taken_for.into(), true);
    }

    fn push(&mut self, input: &str, taken_for: String, is_read: bool) {
        self.taken.push(Taken {
            input: input.to_owned(),
            taken_for,
            is_read,
        });
    }

    /// Notes that `input`, or its part at `line`, can be read and is not known.
    fn foreign(&mut self, input: &str, line: Option<u64>, chosen: Chosen, what: &str) {
        match chosen {
            Chosen::ByUser => self.refuse(input, line, what),
            Chosen::InFolder => {
                self.push(input, format!("not understood, left out: {what}"), false);
            }
        }
    }

    /// Notes that `input`, or its part at `line`, was not read.
    pub fn refuse(&mut self, input: &str, line: Option<u64>, what: impl Into<String>) {
        self.problems.push(Problem {
            input: input.to_owned(),
            line,
            what: what.into(),
        });
    }
}

/// Who chose an input. In a folder there may be files of other programs, such as patches of kustomize:
/// they are named, and are no problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The user named it.
    ByUser,
    /// It was found in a folder.
    InFolder,
}

/// Reads `bytes`, which the user knows as `input`, into `evidence`.
pub fn read(
    input: &str,
    bytes: &[u8],
    chosen: Chosen,
    evidence: &mut Evidence,
    inputs: &mut Inputs,
) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before
                .iter()
                .fold(1, |lines, byte| lines + u64::from(*byte == b'\n'));
            return inputs.refuse(input, Some(line), "is not UTF-8 text");
        }
    };
    let origin = Place {
        input: input.to_owned(),
        ..Place::default()
    };
    match form_of(text) {
        Form::Empty => inputs.foreign(input, None, chosen, "is empty"),
        Form::Json => json(text, origin, chosen, evidence, inputs),
        Form::StatsText => {
            let stats = Stats::of_text(text, origin);
            take_stats(stats, "statistics of an Envoy (/stats)", evidence, inputs);
        }
        Form::Prometheus => {
            let stats = Stats::of_prometheus(text, origin);
            take_stats(stats, "statistics in Prometheus form", evidence, inputs);
        }
        Form::Yaml => yaml(text, &origin, chosen, evidence, inputs),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Empty,
    Json,
    StatsText,
    Prometheus,
    Yaml,
}

fn form_of(text: &str) -> Form {
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        return Form::Empty;
    }
    if trimmed.starts_with('{') || trimmed.starts_with('[') {
        return Form::Json;
    }
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(SAMPLE_LINES)
        .collect();
    if lines
        .iter()
        .any(|line| line.starts_with("apiVersion:") || line.starts_with("kind:"))
    {
        return Form::Yaml;
    }
    if lines
        .iter()
        .all(|line| line.starts_with("# ") || prometheus_line(line.trim()).is_some())
        && lines.iter().any(|line| !line.starts_with('#'))
    {
        return Form::Prometheus;
    }
    let is_stat = |line: &&str| {
        text_line(line).is_some_and(|(name, _)| name.contains('.') && !line.starts_with([' ', '-']))
    };
    if lines.iter().all(is_stat) {
        return Form::StatsText;
    }
    Form::Yaml
}

fn take_stats(stats: Stats, name: &str, evidence: &mut Evidence, inputs: &mut Inputs) {
    let input = stats.origin.input.clone();
    let mut taken_for = format!("{name}, {} of them", stats.count());
    if stats.foreign > 0 {
        taken_for.push_str(&format!("; {} lines were not understood", stats.foreign));
    }
    if stats.omitted > 0 {
        taken_for.push_str(&format!("; {} were too many and left out", stats.omitted));
    }
    inputs.take(&input, taken_for);
    evidence.stats.push(stats);
}

fn json(text: &str, origin: Place, chosen: Chosen, evidence: &mut Evidence, inputs: &mut Inputs) {
    let input = origin.input.clone();
    let node = match serde_json::from_str::<Plain>(text) {
        Ok(Plain(node)) => node,
        Err(error) => {
            let line = u64::try_from(error.line()).ok();
            return inputs.refuse(&input, line, format!("is not valid JSON: {error}"));
        }
    };
    if node
        .get("stats")
        .is_some_and(|stats| matches!(stats.value, Value::List(_)))
    {
        let stats = Stats::of_json(&node, origin);
        return take_stats(
            stats,
            "statistics of an Envoy (/stats as JSON)",
            evidence,
            inputs,
        );
    }
    if let Some(server) = Server::of(&node, &origin) {
        inputs.take(
            &input,
            format!("Envoy {}, state {}", server.version, server.state),
        );
        return evidence.servers.push(server);
    }
    let mut kinds = BTreeMap::new();
    match document(node, origin, evidence, &mut kinds) {
        Document::Envoy(taken_for) => inputs.take(&input, taken_for),
        Document::Objects => take_objects(&input, &kinds, inputs),
        Document::Foreign => inputs.foreign(
            &input,
            None,
            chosen,
            "is JSON, but neither of Kubernetes nor of an Envoy",
        ),
    }
}

fn yaml(text: &str, origin: &Place, chosen: Chosen, evidence: &mut Evidence, inputs: &mut Inputs) {
    let mut kinds = BTreeMap::new();
    let mut is_understood = false;
    for document in documents::split(text) {
        let place = Place {
            line: Some(document.first_line),
            document: Some(document.number),
            ..origin.clone()
        };
        let node = match document.parse() {
            Ok(node) => node,
            Err((line, what)) => {
                let what = format!("document {}: {what}", document.number);
                inputs.refuse(&origin.input, line, what);
                is_understood = true;
                continue;
            }
        };
        if node.value == Value::Null {
            continue;
        }
        match self::document(node, place, evidence, &mut kinds) {
            Document::Objects => is_understood = true,
            Document::Envoy(taken_for) => {
                is_understood = true;
                inputs.take(&origin.input, taken_for);
            }
            Document::Foreign => {
                let what = format!(
                    "document {}: is neither an object of Kubernetes (no apiVersion and kind) nor of an Envoy",
                    document.number
                );
                inputs.foreign(&origin.input, Some(document.first_line), chosen, &what);
                is_understood = true;
            }
        }
    }
    if !kinds.is_empty() {
        take_objects(&origin.input, &kinds, inputs);
    } else if !is_understood {
        inputs.foreign(&origin.input, None, chosen, "has only empty documents");
    }
}

enum Document {
    Objects,
    Envoy(&'static str),
    Foreign,
}

fn document(
    node: Node,
    origin: Place,
    evidence: &mut Evidence,
    kinds: &mut BTreeMap<String, u64>,
) -> Document {
    let node = match Envoy::of(node, origin.clone()) {
        Ok((envoy, taken_for)) => {
            evidence.envoys.push(envoy);
            return Document::Envoy(taken_for);
        }
        Err(node) => node,
    };
    match Object::all_of(node, origin) {
        Some(objects) => {
            for object in objects {
                *kinds.entry(object.kind.clone()).or_default() += 1;
                evidence.objects.push(object);
            }
            Document::Objects
        }
        None => Document::Foreign,
    }
}

fn take_objects(input: &str, kinds: &BTreeMap<String, u64>, inputs: &mut Inputs) {
    let is_any_read = kinds.keys().any(|kind| is_read(kind));
    inputs.push(input, kinds_text(kinds), is_any_read);
}

fn kinds_text(kinds: &BTreeMap<String, u64>) -> String {
    let named = |(kind, count): (&String, &u64)| {
        if *count == 1 {
            kind.clone()
        } else {
            format!("{count} {kind}")
        }
    };
    let is_known = |(kind, _): &(&String, &u64)| is_read(kind);
    let (known, unknown): (Vec<_>, Vec<_>) = kinds.iter().partition(is_known);
    let count: u64 = unknown.iter().map(|(_, count)| **count).sum();
    let mut texts = Vec::new();
    if !known.is_empty() {
        let known: Vec<String> = known.into_iter().map(named).collect();
        texts.push(known.join(", "));
    }
    if count > 0 {
        let shown = unknown.iter().copied().take(KINDS_SHOWN_MAX);
        let shown: Vec<String> = shown.map(named).collect();
        let more = unknown.len().saturating_sub(KINDS_SHOWN_MAX);
        let more = if more > 0 {
            format!(" and {more} more kinds")
        } else {
            String::new()
        };
        let documents = if count == 1 { "document" } else { "documents" };
        texts.push(format!(
            "{count} {documents} of kinds that no check reads: {}{more}",
            shown.join(", ")
        ));
    }
    if texts.is_empty() {
        texts.push("an empty list".to_owned());
    }
    format!("Kubernetes: {}", texts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Evidence, Inputs) {
        let (mut evidence, mut inputs) = (Evidence::default(), Inputs::default());
        read(
            "in",
            text.as_bytes(),
            Chosen::ByUser,
            &mut evidence,
            &mut inputs,
        );
        (evidence, inputs)
    }

    #[test]
    fn a_broken_document_is_named_with_its_line_and_costs_no_other() {
        let (evidence, inputs) = read_text(
            "apiVersion: v1\nkind: Service\n---\na: [1\nb: }\n---\napiVersion: v1\nkind: Pod\n",
        );
        let kinds: Vec<_> = evidence
            .objects
            .iter()
            .map(|object| object.kind.as_str())
            .collect();
        assert_eq!(kinds, ["Service", "Pod"]);
        assert_eq!(inputs.problems.len(), 1);
        assert!(
            matches!(inputs.problems[0].line, Some(4..=6)),
            "{:?}",
            inputs.problems
        );
    }

    #[test]
    fn lists_are_taken_apart() {
        let (evidence, _) = read_text(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a, namespace: b}\n",
        );
        assert_eq!(evidence.objects[0].origin.object, "Service b/a");
        assert_eq!(evidence.objects[0].origin.line, Some(4));
        assert_eq!(evidence.objects[0].origin.path, "items[0]");
    }

    #[test]
    fn each_form_is_told_by_its_content() {
        let cases = [
            ("", Form::Empty),
            ("{\"a\": 1}", Form::Json),
            ("cluster.a.b: 1\nserver.live: 1\n", Form::StatsText),
            ("# TYPE a counter\na{b=\"c\"} 1\n", Form::Prometheus),
            ("apiVersion: v1\nkind: Service\n", Form::Yaml),
            (
                "# a comment\nstatic_resources:\n  clusters: []\n",
                Form::Yaml,
            ),
        ];
        for (text, form) in cases {
            assert_eq!(form_of(text), form, "{text}");
        }
    }

    #[test]
    fn what_is_nothing_known_is_named() {
        let (_, inputs) = read_text("replicas: 3\n");
        assert!(
            inputs.problems[0]
                .to_string()
                .starts_with("in:1: document 1"),
            "{:?}",
            inputs.problems
        );
        let (_, inputs) = read_text("[1, 2");
        assert!(inputs.problems[0].what.contains("JSON"));
        let (mut evidence, mut inputs) = (Evidence::default(), Inputs::default());
        read(
            "in",
            b"a: b\nc: \xff\n",
            Chosen::ByUser,
            &mut evidence,
            &mut inputs,
        );
        assert_eq!(inputs.problems[0].line, Some(2));
    }
}
