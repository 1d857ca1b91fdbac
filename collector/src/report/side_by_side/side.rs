//! What is known of one side besides what it carried: who recorded it, when, how it ended.

use serde::Serialize;

use crate::call::{Call, Certainty, End, Position};
use crate::report::rows::time_text;
use crate::store::hex::hex;

/// One side of a call.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// `primary`, `candidate`, `secondary` or `unknown`.
    pub role: &'static str,
    /// Random id of the recorder, hexadecimal.
    pub producer_id: String,
    /// Number of the record there.
    pub record_number: u64,
    /// `upstream`, `inbound`, `outbound`, `wire` or `unknown`.
    pub position: &'static str,
    /// Name of the recorded service, as the recorder was told.
    pub service: String,
    /// Who ran the recorder: pod, else Envoy node; empty if unknown.
    pub workload: String,
    /// Value of its `version` label.
    pub app_version: String,
    /// Address of the server.
    pub server_address: String,
    /// Start, RFC 3339.
    pub started_at: String,
    /// Request headers until the end of the request, in nanoseconds.
    pub request_end_ns: Option<u64>,
    /// Until response headers.
    pub response_headers_ns: Option<u64>,
    /// Until the end of the response.
    pub response_end_ns: Option<u64>,
    /// Until the stream ended.
    pub duration_ns: Option<u64>,
    /// Number of this attempt.
    pub attempt: Option<u32>,
    /// Bytes of the request's body, captured or not.
    pub request_body_bytes: u64,
    /// Likewise of the response's.
    pub response_body_bytes: u64,
    /// What makes it less than a whole call seen for sure.
    pub flags: Vec<&'static str>,
}

impl Side {
    pub(super) fn of(call: &Call) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let workload = &call.workload;
        let names = [
            &workload.pod_name,
            &workload.workload_name,
            &workload.node_id,
        ];
        let named = names.into_iter().find(|name| !name.is_empty());
        Self {
            role: call.role.as_str(),
            producer_id: hex(&call.id.producer_id),
            record_number: call.id.record_number,
            position: match call.position {
                Position::Unknown => "unknown",
                Position::Inbound => "inbound",
                Position::Upstream => "upstream",
                Position::Outbound => "outbound",
                Position::Wire => "wire",
            },
            service: workload.service.clone(),
            workload: named.cloned().unwrap_or_default(),
            app_version: workload.app_version.clone(),
            server_address: text(&call.server_address),
            started_at: time_text(call.started_unix_ns),
            request_end_ns: call.timing.request_end_ns,
            response_headers_ns: call.timing.response_headers_ns,
            response_end_ns: call.timing.response_end_ns,
            duration_ns: call.timing.duration_ns,
            attempt: call.attempt,
            request_body_bytes: call.request.body_bytes,
            response_body_bytes: call.response.body_bytes,
            flags: flags(call),
        }
    }
}

fn flags(call: &Call) -> Vec<&'static str> {
    let flags = [
        ("request_truncated", call.request.truncated),
        ("response_truncated", call.response.truncated),
        ("incomplete", call.incomplete),
        ("gap", call.gap),
        ("trailers_only", call.trailers_only),
        ("aborted", call.end == End::Aborted),
        ("response_first", call.end == End::ResponseFirst),
        ("end_not_seen", call.end == End::Unknown),
        ("method_not_seen", call.method_certainty != Certainty::Seen),
        ("status_not_seen", call.status_certainty != Certainty::Seen),
    ];
    let set = flags.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(name, _)| name).collect()
}
