//! Lines of `twintap ingest --format ndjson` against what was on the wire.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// How a capture came out. Calls are untouched if none of their packets was removed.
#[derive(Debug, Default)]
pub(crate) struct Score {
    pub(crate) untouched: usize,
    /// Method, status and every message are right.
    pub(crate) perfect: usize,
    pub(crate) methods: usize,
    pub(crate) messages: usize,
    /// Calls that never were.
    pub(crate) phantom: usize,
    pub(crate) duplicate: usize,
    /// Calls that lost packets and are not flagged.
    pub(crate) unflagged: usize,
    /// Calls with a wrong value that is said to be seen.
    pub(crate) wrong_certain: usize,
}

/// Client port and stream.
fn key(port: &Value, stream: &Value) -> (u64, u64) {
    (port.as_u64().unwrap_or(0), stream.as_u64().unwrap_or(0))
}

fn hashes(line: &Value, name: &str) -> Vec<String> {
    let list = line[name].as_array().into_iter().flatten();
    // The truth has the first 16 digits.
    list.map(|hash| hash.as_str().map_or("", |hash| &hash[..16]).to_owned())
        .collect()
}

fn truth_hashes(line: &Value, name: &str) -> Vec<String> {
    let list = line[name].as_array().into_iter().flatten();
    list.map(|message| message["sha"].as_str().unwrap().to_owned())
        .collect()
}

/// Compares.
pub(crate) fn score(lines: &str, truth: &str) -> Score {
    let parse = |text: &str| -> Vec<Value> {
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let (lines, truths) = (parse(lines), parse(truth));
    let mut score = Score::default();
    let known: HashSet<_> = truths
        .iter()
        .map(|it| key(&it["cport"], &it["sid"]))
        .collect();
    let mut calls = HashMap::new();
    for line in &lines {
        let key = key(&line["client_port"], &line["stream_id"]);
        score.phantom += usize::from(!known.contains(&key));
        score.duplicate += usize::from(calls.insert(key, line).is_some());
    }
    for truth in &truths {
        let is_touched = truth["dropped_packets"]
            .as_u64()
            .is_some_and(|count| count > 0);
        let is_partial = truth["presence"] == "partial";
        let is_untouched = !is_touched && !is_partial;
        score.untouched += usize::from(is_untouched);
        let Some(call) = calls.get(&key(&truth["cport"], &truth["sid"])) else {
            continue;
        };
        let method = call["method"] == truth["method"];
        let wire_status = [&truth["wire_status"], &truth["status"]];
        let wire_status = wire_status.into_iter().find(|status| !status.is_null());
        let status = call["status"] == *wire_status.unwrap_or(&Value::Null);
        let messages = hashes(call, "request_sha256") == truth_hashes(truth, "req")
            && hashes(call, "response_sha256") == truth_hashes(truth, "resp");
        let is_flagged = call["flags"].as_array().is_some_and(|flags| {
            flags.iter().any(|flag| {
                ["gap", "truncated", "incomplete", "open"].contains(&flag.as_str().unwrap())
            })
        });
        let is_wrong = (!method && call["method_certainty"] == "seen")
            || (!status && call["status_certainty"] == "seen")
            || (!messages && !is_flagged);
        score.wrong_certain += usize::from(is_wrong);
        if is_untouched {
            score.methods += usize::from(method);
            score.messages += usize::from(messages);
            score.perfect += usize::from(method && status && messages);
        } else if is_touched {
            score.unflagged += usize::from(!is_flagged);
        }
    }
    score
}
