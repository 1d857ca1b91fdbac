//! Both sides line by line: place, path, two values, and whether they differ.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Serialize;
use twintap_decode::grpc::{decode_binary, is_true_binary};

use crate::call::{Call, Header};
use crate::compare::contents::{self, Contents};
use crate::compare::excerpt;
use crate::compare::{Difference, Place, Schema, Severity};

/// Rows of a pair at most; what differs beyond them is listed as a difference all the same.
const ROWS_MAX: usize = 20_000;

/// A line of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// See [`Place::name`].
    pub place: &'static str,
    /// Message of the stream, from 0.
    pub message_index: Option<u32>,
    /// Where in it; the name of metadata.
    pub path: String,
    /// Old value, cut around the first difference if it is long.
    pub primary: Option<String>,
    /// New value.
    pub candidate: Option<String>,
    /// Do they differ?
    pub mark: Mark,
}

/// What the comparison says of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Both are the same, or there is but one side.
    #[default]
    Equal,
    /// They differ, and it counts.
    Differs,
    /// They differ, and a rule says that it does not count.
    Ignored,
    /// They are not written alike, and the comparison takes them for equal: a header that every hop
    /// sets, the order of a map.
    TakenForEqual,
}

/// Which place, and which message of it.
type Key = (Place, Option<u32>);

/// The rows of one or two sides.
pub(super) fn of(
    primary: Option<&Call>,
    candidate: Option<&Call>,
    differences: &[Difference],
    schema: Option<&Schema>,
) -> Vec<Row> {
    let is_pair = primary.is_some() && candidate.is_some();
    let lines = |call: Option<&Call>| call.map(|call| lines(call, schema)).unwrap_or_default();
    let (mut old, mut new) = (lines(primary), lines(candidate));
    let mut keys: Vec<Key> = old.keys().chain(new.keys()).copied().collect();
    keys.sort_unstable_by_key(|(place, message)| (shown_at(*place), *message));
    keys.dedup();
    let mut rows = Vec::new();
    for key in keys {
        let (old, new) = (old.remove(&key), new.remove(&key));
        for (path, primary, candidate) in merge(old.unwrap_or_default(), new.unwrap_or_default()) {
            let mark = if is_pair && primary != candidate {
                mark(key, &path, differences)
            } else {
                Mark::Equal
            };
            let (primary, candidate) = excerpt::sides(primary, candidate);
            rows.push(Row {
                place: key.0.name(),
                message_index: key.1,
                path,
                primary,
                candidate,
                mark,
            });
        }
    }
    rows.truncate(ROWS_MAX);
    rows
}

/// Order in which places are shown: as they crossed the wire, the status last.
fn shown_at(place: Place) -> usize {
    match place {
        Place::RequestMetadata => 0,
        Place::RequestMessage => 1,
        Place::ResponseMetadata => 2,
        Place::ResponseMessage => 3,
        Place::Trailers => 4,
        Place::Status => 5,
        Place::StatusMessage => 6,
        Place::StatusDetails => 7,
    }
}

type Lines = Vec<(String, String)>;

fn lines(call: &Call, schema: Option<&Schema>) -> BTreeMap<Key, Lines> {
    let mut lines = BTreeMap::new();
    let metadata = [
        (Place::RequestMetadata, &call.request_metadata),
        (Place::ResponseMetadata, &call.response_metadata),
        (Place::Trailers, &call.trailers),
    ];
    for (place, block) in metadata {
        lines.insert((place, None), block.iter().map(header).collect::<Lines>());
    }
    let messages = [
        (Place::RequestMessage, contents::of_request(call, schema)),
        (Place::ResponseMessage, contents::of_response(call, schema)),
    ];
    for (place, messages) in messages {
        for (index, message) in messages.into_iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            lines.insert((place, Some(index)), of_contents(message));
        }
    }
    let status = match (call.status, call.http_status) {
        (Some(status), _) => status.to_string(),
        (None, Some(http)) => format!("no grpc-status, HTTP {http}"),
        (None, None) => "no grpc-status".to_owned(),
    };
    lines.insert((Place::Status, None), vec![(String::new(), status)]);
    if !call.status_message.is_empty() {
        let text = String::from_utf8_lossy(&call.status_message).into_owned();
        lines.insert((Place::StatusMessage, None), vec![(String::new(), text)]);
    }
    let details = contents::of_status_details(call, schema);
    lines.insert((Place::StatusDetails, None), of_contents(details));
    lines
}

fn of_contents(contents: Contents) -> Lines {
    let mut lines: Lines = contents
        .lines
        .into_iter()
        .map(|line| (line.path, line.value))
        .collect();
    if contents.is_cut {
        let more = format!("more than {} values", contents::LINES_MAX);
        lines.push(("…".to_owned(), more));
    }
    lines
}

/// A header as it is stored; bytes that stand for themselves in base64, as most peers write them.
fn header(header: &Header) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let is_bytes = header.name.ends_with(b"-bin") && is_true_binary(&header.value);
    let value = match (header.redacted, header.value.is_empty()) {
        (false, false) if is_bytes => {
            STANDARD_NO_PAD.encode(decode_binary(&header.value).unwrap_or_default())
        }
        (false, _) => text(&header.value),
        (true, true) => "(redacted)".to_owned(),
        (true, false) => format!("(redacted, keyed hash {})", text(&header.value)),
    };
    (text(&header.name), value)
}

/// A path, and the values of both sides.
type Merged = (String, Option<String>, Option<String>);

/// Lines of the same path side by side, in the order of the old side; what only the new one has
/// stands behind what it follows there. Of a path that repeats, the first meets the first.
fn merge(old: Lines, new: Lines) -> Vec<Merged> {
    let mut places: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = Vec::with_capacity(old.len());
    for (path, value) in old {
        let count = counts.entry(path.clone()).or_default();
        places.insert((path.clone(), *count), rows.len());
        *count += 1;
        rows.push((path, Some(value), None));
    }
    counts.clear();
    // What only the new side has, by the old row that it stands behind.
    let mut extra: BTreeMap<usize, Vec<Merged>> = BTreeMap::new();
    let mut behind = 0;
    for (path, value) in new {
        let count = counts.entry(path.clone()).or_default();
        let place = places.get(&(path.clone(), *count)).copied();
        *count += 1;
        match place.and_then(|place| Some((place, rows.get_mut(place)?))) {
            Some((place, row)) => {
                row.2 = Some(value);
                behind = place + 1;
            }
            None => extra
                .entry(behind)
                .or_default()
                .push((path, None, Some(value))),
        }
    }
    let mut merged = extra.remove(&0).unwrap_or_default();
    for (index, row) in rows.into_iter().enumerate() {
        merged.push(row);
        merged.extend(extra.remove(&(index + 1)).unwrap_or_default());
    }
    merged
}

/// What the difference at `path`, or above it, came to.
fn mark((place, message): Key, path: &str, differences: &[Difference]) -> Mark {
    let is_here = |found: &&Difference| {
        found.place == place
            && (message.is_none()
                || found.message_index.is_none()
                || found.message_index == message)
            && (is_within(path, &found.path) || is_within(&found.path, path))
    };
    let found = differences.iter().filter(is_here);
    let counts = |found: &Difference| found.severity == Severity::Error;
    match found.map(counts).max() {
        Some(true) => Mark::Differs,
        Some(false) => Mark::Ignored,
        None => Mark::TakenForEqual,
    }
}

/// Is `path` the path `above`, or below it?
fn is_within(path: &str, above: &str) -> bool {
    above.is_empty()
        || path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
