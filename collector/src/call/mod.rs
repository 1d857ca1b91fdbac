//! The domain type: one side of one gRPC call, as seen at one place.
//!
//! Everything before this module turns bytes into [`Call`]s, everything after it reads them. A
//! value that was not seen is `None` or empty, and the flags of [`Call`] say why; nothing is
//! guessed. Bytes are zero-copy slices of what was received. No I/O, no clock.
//!
//! [`from_record`] builds a call from what the filter ships, [`from_exchange`] from what packets
//! carried.

mod correlation;
mod direction;
mod fields;
mod from_exchange;
mod from_record;
mod id;
mod memory;
mod server_roles;
mod status;
mod trace_id;

pub use correlation::{
    CorrelationKey, PAIR_BUCKETS, is_uuid, normalize_request_id, pair_bucket, pair_bucket_of,
    request_id_variants,
};
pub use from_exchange::{Addresses, Observer, from_exchange};
pub use from_record::{Recorder, from_record};
pub use id::{CallId, NoCallId};
pub use server_roles::{ServerPattern, ServerRoles};
pub use status::Status;

use std::sync::Arc;

use bytes::Bytes;

/// One side of one gRPC call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// Who recorded it, and its number there: unique for ever.
    pub id: CallId,
    /// Primary, candidate or secondary.
    pub role: Role,
    /// Where the recorder sat.
    pub position: Position,
    /// Who ran the recorder: workload, pod, namespace. Shared by all calls of one recorder.
    pub workload: Arc<Workload>,

    /// `package.Service/Method`: `:path` without its leading slash.
    pub rpc_method: String,
    /// `:authority`.
    pub authority: Bytes,
    /// Nanoseconds since the Unix epoch when request headers arrived at the recorder.
    pub started_unix_ns: u64,
    /// When what happened after that.
    pub timing: Timing,

    /// Value of `x-twintap-pair-id`; empty if there was none.
    pub pair_id: Bytes,
    /// Value of `x-request-id`; empty if there was none.
    pub request_id: Bytes,
    /// Trace id of W3C `traceparent`, else of B3: 16 bytes (8-byte B3 ids are left-padded with 0).
    pub trace_id: Option<[u8; 16]>,
    /// Number of this attempt at the upstream, from 1; `None` where the position cannot know.
    pub attempt: Option<u32>,

    /// Request metadata in wire order, pseudo-headers included.
    pub request_metadata: Vec<Header>,
    /// Response headers in wire order, pseudo-headers included.
    pub response_metadata: Vec<Header>,
    /// Response trailers in wire order; for Trailers-Only, the one block that was sent.
    pub trailers: Vec<Header>,
    /// Did the response consist of one header block with END_STREAM?
    pub trailers_only: bool,
    /// The request's messages and their bytes.
    pub request: Direction,
    /// The response's messages and their bytes.
    pub response: Direction,

    /// gRPC status from the `grpc-status` trailer; `None` if none was seen or it was not a number.
    pub status: Option<Status>,
    /// `grpc-message`, percent-decoded.
    pub status_message: Bytes,
    /// `grpc-status-details-bin`, decoded.
    pub status_details: Bytes,
    /// HTTP `:status`.
    pub http_status: Option<u16>,

    /// Envoy cluster the call went to.
    pub cluster_name: Bytes,
    /// Envoy route.
    pub route_name: Bytes,
    /// Address of the server, `ip:port`.
    pub server_address: Bytes,
    /// Address of the client, `ip:port`.
    pub client_address: Bytes,
    /// SPIFFE id of the peer, from its certificate.
    pub peer_identity: Bytes,
    /// Envoy response flags (bit set), as `response.flags` gives them.
    pub response_flags: u64,
    /// Envoy `response.code_details`.
    pub response_code_details: Bytes,
    /// How the stream ended.
    pub end: End,
    /// Sampling rate in force when it was recorded, parts per million.
    pub sampled_ppm: u32,
    /// Could a part of the call not be seen or decoded (headers omitted, frames malformed, packets
    /// lost, method or status not seen)? Nothing may be concluded from what is absent.
    pub incomplete: bool,

    /// How [`Call::rpc_method`] is known.
    pub method_certainty: Certainty,
    /// How [`Call::status`] is known.
    pub status_certainty: Certainty,
    /// Were bytes of this call lost between the wire and the capture?
    pub gap: bool,
    /// HTTP/2 stream identifier, where the call was rebuilt from packets.
    pub stream_id: Option<u32>,
}

/// How a value is known. Only what was [`Certainty::Seen`] may be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Certainty {
    /// It was read from the wire, or its absence was.
    #[default]
    Seen,
    /// It follows from other calls of the same connection or server, by a rule.
    Inferred,
    /// Several values are possible; none was chosen.
    Ambiguous,
    /// It was not seen and cannot be told.
    Unknown,
}

impl Certainty {
    /// Stable name, as datasets and lines spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Inferred => "inferred",
            Self::Ambiguous => "ambiguous",
            Self::Unknown => "unknown",
        }
    }
}

/// Which side of the comparison a call belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Neither configuration nor position tells.
    #[default]
    Unknown,
    /// The old service, whose answers are the reference.
    Primary,
    /// The new service.
    Candidate,
    /// A second run of the old service, to measure noise.
    Secondary,
}

impl Role {
    /// Stable name, as datasets and lines spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Primary => "primary",
            Self::Candidate => "candidate",
            Self::Secondary => "secondary",
        }
    }
}

/// Where the recorder sat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Position {
    /// Not said.
    #[default]
    Unknown,
    /// The server's sidecar.
    Inbound,
    /// The router's upstream chain at the caller or gateway.
    Upstream,
    /// The caller's downstream chain.
    Outbound,
    /// No Envoy: packets on the wire.
    Wire,
}

/// Who ran the recorder. Empty strings where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Workload {
    /// Free name of the recorded service, from the recorder's configuration.
    pub service: String,
    /// Kubernetes pod.
    pub pod_name: String,
    /// Kubernetes namespace.
    pub pod_namespace: String,
    /// Istio workload.
    pub workload_name: String,
    /// Envoy node id.
    pub node_id: String,
    /// Value of the `version` label.
    pub app_version: String,
    /// Version of the recorder.
    pub recorder_version: String,
}

impl Workload {
    /// What has one clock: the Envoy node, else the pod; empty if unknown.
    pub fn host(&self) -> &str {
        if self.node_id.is_empty() {
            &self.pod_name
        } else {
            &self.node_id
        }
    }
}

/// Nanoseconds since [`Call::started_unix_ns`]; `None` where the event was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// END_STREAM of the request passed.
    pub request_end_ns: Option<u64>,
    /// Response headers arrived.
    pub response_headers_ns: Option<u64>,
    /// END_STREAM of the response passed.
    pub response_end_ns: Option<u64>,
    /// The stream ended, in whatever way.
    pub duration_ns: Option<u64>,
}

/// One header field of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Header {
    /// Lower case. Nothing guarantees UTF-8.
    pub name: Bytes,
    /// As it crossed the wire (`-bin` values stay base64).
    pub value: Bytes,
    /// Is the value a keyed hash (or empty) in place of a secret?
    pub redacted: bool,
}

/// One direction of a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Direction {
    /// The messages whose bytes were captured, the last one possibly cut.
    pub messages: Vec<Message>,
    /// Messages that crossed the wire, captured or not; `None` if their number is not known.
    pub messages_count: Option<u64>,
    /// Exact length of the body, 5-byte prefixes included.
    pub body_bytes: u64,
    /// XXH3-64 of the whole body, captured or not.
    pub body_digest: Option<u64>,
    /// Is `messages` short of what crossed the wire?
    pub truncated: bool,
    /// Was END_STREAM seen?
    pub end_stream: bool,
    /// Value of `grpc-encoding` for this direction; empty if none was seen.
    pub encoding: Bytes,
}

/// One length-prefixed gRPC message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Nanoseconds from the call's start until its last captured byte arrived; `None` if unknown.
    pub offset_ns: Option<u64>,
    /// The compressed flag of its prefix.
    pub compressed: bool,
    /// Length as its prefix declares it.
    pub declared_bytes: u32,
    /// Its bytes as they crossed the wire, without prefix; shorter than `declared_bytes` if cut.
    pub bytes: Bytes,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum End {
    /// Not said.
    #[default]
    Unknown,
    /// Both directions ended.
    Complete,
    /// The answer ended before the request did.
    ResponseFirst,
    /// Cancelled, reset, timed out or disconnected before the answer ended.
    Aborted,
}
