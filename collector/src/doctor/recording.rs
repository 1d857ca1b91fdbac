//! What recorded calls tell about the set-up that recorded them.
//!
//! Sums over calls, one by one, and over what pairing them gave, in bounded memory: no call is held, names
//! beyond [`NAMES_MAX`] are counted together.

use std::collections::BTreeMap;

use super::at::Place;
use super::crowds::Crowds;
use super::mirror_end::MirrorEnd;
use crate::call::{Call, End, Position, Role};
use crate::pair::{Pairing, Reason};

/// Different names counted of each kind.
const NAMES_MAX: usize = 1_000;
/// Headers that HTTP/2 forbids (RFC 9113, section 8.2.2): a call that carries one came over HTTP/1.1.
const HTTP1_ONLY: [&[u8]; 4] = [
    b"transfer-encoding",
    b"connection",
    b"keep-alive",
    b"upgrade",
];

/// Envoy's response flag `UpstreamProtocolError` (UPE), where the server's own proxy recorded the call.
const PROTOCOL_ERROR: u64 = 1 << 23;
/// How the message ends that such a proxy answers with: all that a recorder at the caller gets.
const PROTOCOL_ERROR_MESSAGE: &[u8] = b"reset reason: protocol error";

/// Counts of one kind by name.
pub type Counts = BTreeMap<String, u64>;

/// Sums over recorded calls.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The data directory.
    pub origin: Place,
    /// Calls.
    pub calls: u64,
    /// Calls of each side.
    pub primaries: u64,
    /// Mirrored calls.
    pub candidates: u64,
    /// Pairs.
    pub pairs: u64,
    /// Pairs that were found by an id that several calls share.
    pub pairs_by_shared_id: u64,
    /// Calls without a partner, by reason.
    pub unpaired: Counts,
    /// Calls recorded at a second place as well.
    pub duplicate_views: u64,
    /// Ids with more records on one side and at one place than attempts explain.
    pub crowds: Crowds,
    /// Primary calls that were recorded in several attempts.
    pub retried: u64,
    /// Mirrored calls over HTTP/1.1.
    pub http1_candidates: u64,
    /// Mirrored calls that ended in a protocol error between the new service and its proxy, beside a primary
    /// that was answered. So ends gRPC over HTTP/1.1, whose framing Envoy takes off before an inbound recorder.
    pub refused_candidates: u64,
    /// Mirrored calls that Envoy cut off because the primary one was over first.
    pub cut_candidates: u64,
    /// Mirrored calls that failed beside a primary that did not, by reason.
    pub failed_candidates: Counts,
    /// Mirrored calls that broke off, and nothing tells by whom, by what was told of their end.
    pub aborted_candidates: Counts,
    /// Answered calls (HTTP 200, response ended) with no gRPC status.
    pub without_status: u64,
    /// Answered calls.
    pub answered: u64,
    /// Calls by method.
    pub methods: Counts,
    /// Calls by version of the filter.
    pub recorder_versions: Counts,
    /// Calls by content type, those of gRPC aside.
    pub foreign_content_types: Counts,
    /// Names of metadata that only one side of a pair had, by pairs; names that proxies set.
    pub one_sided_metadata: Counts,
    /// Calls that recorders dropped, skipped as no gRPC, numbered and not delivered; `None` without
    /// accounting.
    pub accounting: Option<Accounted>,
}

/// What the accounting of a data directory says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounted {
    /// Reached filters.
    pub observed: u64,
    /// Skipped because they are no gRPC.
    pub not_grpc: u64,
    /// Dropped before they got a number, by reason.
    pub dropped: Counts,
    /// Refused for good by the collector.
    pub refused: u64,
    /// Arrived, and could not be stored.
    pub quarantined: u64,
    /// Numbered, and have not arrived.
    pub missing: u64,
}

impl Recording {
    /// Adds a call, before it is paired.
    pub fn add_call(&mut self, call: &Call) {
        self.crowds.add(call);
        self.calls += 1;
        match call.role {
            Role::Primary => self.primaries += 1,
            Role::Candidate => self.candidates += 1,
            _ => {}
        }
        count(&mut self.methods, &call.rpc_method);
        if !call.workload.recorder_version.is_empty() {
            count(&mut self.recorder_versions, &call.workload.recorder_version);
        }
        if call.role == Role::Candidate && is_http1(call) {
            self.http1_candidates += 1;
        }
        if call.http_status == Some(200)
            && call.response.end_stream
            && !call.incomplete
            && call.position != Position::Wire
        {
            self.answered += 1;
            self.without_status += u64::from(call.status.is_none());
        }
        let content_type = call
            .request_metadata
            .iter()
            .find(|header| header.name == "content-type".as_bytes());
        if let Some(content_type) = content_type {
            let value = String::from_utf8_lossy(&content_type.value).to_ascii_lowercase();
            let is_grpc = value
                .strip_prefix("application/grpc")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']));
            if !is_grpc {
                count(&mut self.foreign_content_types, &value);
            }
        }
    }

    /// Adds what pairing the same calls gave.
    pub fn add_pairing(&mut self, pairing: &Pairing) {
        self.duplicate_views += pairing.counts.duplicate_views;
        for pair in &pairing.pairs {
            self.pairs += 1;
            self.pairs_by_shared_id += u64::from(pair.is_ambiguous);
            self.retried += u64::from(pair.attempts_count > 1);
            match MirrorEnd::of(&pair.primary, &pair.candidate) {
                MirrorEnd::Own => {}
                MirrorEnd::CutOff => self.cut_candidates += 1,
                MirrorEnd::Failed(why) => count(&mut self.failed_candidates, &why),
                MirrorEnd::NotTold(what) => count(&mut self.aborted_candidates, &what),
            }
            let is_answered = pair.primary.end != End::Aborted && !is_refused(&pair.primary);
            let is_refused = is_answered && is_refused(&pair.candidate);
            self.refused_candidates += u64::from(is_refused);
            for name in one_sided(&pair.primary, &pair.candidate) {
                count(&mut self.one_sided_metadata, &name);
            }
        }
        for unpaired in &pairing.unpaired {
            if unpaired.reason != Reason::Secondary {
                count(&mut self.unpaired, unpaired.reason.name());
            }
        }
    }

    /// Calls without a partner for `reason`.
    pub fn unpaired_for(&self, reason: Reason) -> u64 {
        self.unpaired.get(reason.name()).copied().unwrap_or(0)
    }

    /// Calls without a partner.
    pub fn unpaired_count(&self) -> u64 {
        self.unpaired.values().sum()
    }
}

fn count(counts: &mut Counts, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
        return;
    }
    let name = if counts.len() < NAMES_MAX {
        name
    } else {
        "(others)"
    };
    *counts.entry(name.to_owned()).or_default() += 1;
}

fn is_http1(call: &Call) -> bool {
    let mut headers = call.request_metadata.iter().chain(&call.response_metadata);
    headers.any(|header| HTTP1_ONLY.contains(&&header.name[..]))
}

/// Did the server's proxy not understand what its server sent?
fn is_refused(call: &Call) -> bool {
    call.response_flags & PROTOCOL_ERROR != 0
        || call.trailers_only && call.status_message.ends_with(PROTOCOL_ERROR_MESSAGE)
}

/// Names of request metadata that one side has and the other has not.
fn one_sided(primary: &Call, candidate: &Call) -> Vec<String> {
    let has = |call: &Call, name: &[u8]| {
        call.request_metadata
            .iter()
            .any(|header| header.name == name)
    };
    let mut names: Vec<String> = Vec::new();
    for (one, other) in [(primary, candidate), (candidate, primary)] {
        for header in &one.request_metadata {
            let is_framing = HTTP1_ONLY.contains(&&header.name[..]);
            if !is_framing && !has(other, &header.name) {
                names.push(String::from_utf8_lossy(&header.name).into_owned());
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}
