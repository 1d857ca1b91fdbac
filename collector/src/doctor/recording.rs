//! What recorded calls tell about the set-up that recorded them.
//!
//! Sums over pairing buckets, in bounded memory: names beyond [`NAMES_MAX`] are counted together.

use std::collections::BTreeMap;

use super::at::Place;
use crate::call::{Call, CorrelationKey, Position, Role};
use crate::compare::{Incomparable, aborted};
use crate::pair::{Pairing, Reason};

/// Different names counted of each kind.
const NAMES_MAX: usize = 1_000;
/// Records of one id on one side, seen at one place, that are still no sign of a constant id.
pub const RECORDS_OF_ID_MAX: u64 = 16;
/// Headers that HTTP/2 forbids (RFC 9113, section 8.2.2): a call that carries one came over HTTP/1.1.
const HTTP1_ONLY: [&[u8]; 4] = [
    b"transfer-encoding",
    b"connection",
    b"keep-alive",
    b"upgrade",
];

/// Counts of one kind by name.
pub type Histogram = BTreeMap<String, u64>;

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
    pub unpaired: Histogram,
    /// Calls recorded at a second place as well.
    pub duplicate_views: u64,
    /// Ids with more records on one side and at one place than attempts explain.
    pub crowded_ids: u64,
    /// Most records of one such id, and the id.
    pub most_crowded: Option<(u64, String)>,
    /// Primary calls that were recorded in several attempts.
    pub retried: u64,
    /// Mirrored calls over HTTP/1.1.
    pub http1_candidates: u64,
    /// Mirrored calls that were cut off because the primary one was answered.
    pub cancelled_candidates: u64,
    /// Mirrored calls that broke off while the primary one was answered, and nothing tells by whom.
    pub aborted_candidates: u64,
    /// Answered calls (HTTP 200, response ended) with no gRPC status.
    pub without_status: u64,
    /// Answered calls.
    pub answered: u64,
    /// Calls by method.
    pub methods: Histogram,
    /// Calls by version of the filter.
    pub recorder_versions: Histogram,
    /// Calls by content type, those of gRPC aside.
    pub foreign_content_types: Histogram,
    /// Names of metadata that only one side of a pair had, by pairs; names that proxies set.
    pub one_sided_metadata: Histogram,
    /// Calls that recorders dropped, skipped as no gRPC, numbered and never delivered; `None` without
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
    /// Dropped because buffers were full.
    pub buffer_full: u64,
    /// Numbered, and never came.
    pub missing: u64,
}

impl Recording {
    /// Adds the calls of whole buckets, before they are paired.
    pub fn add_calls(&mut self, calls: &[Call]) {
        let mut of_id: BTreeMap<(CorrelationKey, Role, Position, &str), u64> = BTreeMap::new();
        for call in calls {
            self.add_call(call);
            let key = CorrelationKey::of(call);
            if key != CorrelationKey::None && call.role != Role::Unknown {
                *of_id
                    .entry((key, call.role, call.position, &call.workload.pod_name))
                    .or_default() += 1;
            }
        }
        for ((key, ..), count) in of_id {
            if count > RECORDS_OF_ID_MAX {
                self.crowded_ids += 1;
                if self
                    .most_crowded
                    .as_ref()
                    .is_none_or(|(most, _)| count > *most)
                {
                    let id = match &key {
                        CorrelationKey::TraceId(id) => {
                            id.iter().map(|byte| format!("{byte:02x}")).collect()
                        }
                        key => String::from_utf8_lossy(key.as_bytes()).into_owned(),
                    };
                    self.most_crowded = Some((count, id));
                }
            }
        }
    }

    fn add_call(&mut self, call: &Call) {
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
            match aborted(&pair.primary, &pair.candidate) {
                Some(Incomparable::CandidateCancelled) => self.cancelled_candidates += 1,
                Some(Incomparable::CandidateAborted) => self.aborted_candidates += 1,
                _ => {}
            }
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

    /// Calls without a partner.
    pub fn unpaired_count(&self) -> u64 {
        self.unpaired.values().sum()
    }
}

fn count(histogram: &mut Histogram, name: &str) {
    if let Some(count) = histogram.get_mut(name) {
        *count += 1;
        return;
    }
    let name = if histogram.len() < NAMES_MAX {
        name
    } else {
        "(others)"
    };
    *histogram.entry(name.to_owned()).or_default() += 1;
}

fn is_http1(call: &Call) -> bool {
    let mut headers = call.request_metadata.iter().chain(&call.response_metadata);
    headers.any(|header| HTTP1_ONLY.contains(&&header.name[..]))
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
