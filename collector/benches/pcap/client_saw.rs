//! Lines of `twintap ingest --format ndjson` against what the client saw, where nothing else tells what
//! was on the wire.
//!
//! The two differ where client and wire part, and only there:
//!
//! - The client gave up (cancelled, deadline): the wire has no status of the server's, and may have more
//!   responses than the client took, or nothing at all if it gave up before sending.
//! - The call failed: requests that the client had written may never have been sent; and where writing
//!   them failed, the client library reports INTERNAL by itself.

use std::collections::HashMap;

use serde_json::Value;

/// What the client library says by itself, whatever the server said.
const LOCAL_MESSAGE: &str = "Internal error from Core";

/// How a capture came out.
#[derive(Debug, Default)]
pub(crate) struct ClientSaw {
    /// Calls that the wire can have.
    pub(crate) calls: usize,
    /// Method, status and every message are what they can be.
    pub(crate) perfect: usize,
    /// Calls that the client gave up and of which the wire has nothing.
    pub(crate) never_sent: usize,
    /// Calls that never were, or are there twice.
    pub(crate) phantom: usize,
    /// Calls with a wrong value that is said to be seen.
    pub(crate) wrong_certain: usize,
}

/// Compares.
pub(crate) fn compare(lines: &str, truth: &str) -> ClientSaw {
    let parse = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    let truths: Vec<_> = truth.lines().map(parse).collect();
    let mut seen = ClientSaw::default();
    let mut calls: HashMap<String, Value> = HashMap::new();
    for call in lines.lines().map(parse) {
        let id = call["request_id"].as_str().unwrap_or_default().to_owned();
        let is_known = truths.iter().any(|truth| truth["id"] == *id);
        seen.phantom += usize::from(calls.insert(id, call).is_some() || !is_known);
    }
    for truth in &truths {
        let gave_up = truth["client_cancel"] == true;
        let Some(call) = calls.get(truth["id"].as_str().unwrap()) else {
            seen.never_sent += usize::from(gave_up);
            seen.calls += usize::from(!gave_up);
            continue;
        };
        seen.calls += 1;
        let is_local = gave_up || truth["message"] == LOCAL_MESSAGE;
        let method = call["method"] == truth["method"];
        let status = is_local || call["status"] == truth["status"];
        let (sent, on_wire) = (of_truth(truth, "req"), of_call(call, "request_sha256"));
        let requests = match truth["status"] == 0 {
            true => on_wire == sent,
            false => sent.starts_with(&on_wire),
        };
        let (taken, on_wire) = (of_truth(truth, "resp"), of_call(call, "response_sha256"));
        let responses = match gave_up {
            true => on_wire.starts_with(&taken),
            false => on_wire == taken,
        };
        let is_perfect = method && status && requests && responses;
        seen.perfect += usize::from(is_perfect);
        seen.wrong_certain += usize::from(!is_perfect);
    }
    seen
}

/// The first 16 digits of each message, as the truth has them.
fn of_call<'a>(call: &'a Value, name: &str) -> Vec<&'a str> {
    let list = call[name].as_array().into_iter().flatten();
    list.map(|hash| &hash.as_str().unwrap()[..16]).collect()
}

fn of_truth<'a>(truth: &'a Value, name: &str) -> Vec<&'a str> {
    let list = truth[name].as_array().into_iter().flatten();
    list.map(|message| message["sha"].as_str().unwrap())
        .collect()
}
