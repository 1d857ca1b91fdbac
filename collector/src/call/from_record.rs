//! A filter's record to a [`Call`]: says what is missing, guesses nothing.
//!
//! Bytes stay slices of the batch; nothing is copied but the method's name. Numbers this code does
//! not know become `Unknown`. Ids and the method must be UTF-8, which all that follow the
//! specifications are: other ids count as absent, and the call as incomplete.

use std::sync::Arc;

use twintap_record::{HeaderBlock, Producer, Record};

use super::direction::{COUNT_MAX, from_body, from_other_body};
use super::fields::{Outcome, RequestFields, ResponseFields, rpc_method, text_id};
use super::{Call, CallId, Certainty, End, Header, Position, Role, Timing, Workload};

/// What all records of one producer have in common: made once per batch, shared by its calls.
#[derive(Clone, Debug)]
pub struct Recorder {
    producer_id: [u8; 16],
    role: Role,
    position: Position,
    workload: Arc<Workload>,
}

impl Recorder {
    /// The recorder that `producer` describes.
    pub fn new(producer_id: [u8; 16], producer: &Producer) -> Self {
        let workload = Workload {
            service: producer.service.clone(),
            pod_name: producer.pod_name.clone(),
            pod_namespace: producer.pod_namespace.clone(),
            workload_name: producer.workload_name.clone(),
            node_id: producer.node_id.clone(),
            app_version: producer.app_version.clone(),
            recorder_version: producer.filter_version.clone(),
        };
        Self {
            producer_id,
            role: role_from_wire(producer.role()),
            position: position_from_wire(producer.position()),
            workload: Arc::new(workload),
        }
    }

    /// The configured role; without one, the upstream position knows the mirrored copies.
    fn role_of(&self, shadow: bool) -> Role {
        match (self.role, self.position, shadow) {
            (Role::Unknown, Position::Upstream, true) => Role::Candidate,
            (Role::Unknown, Position::Upstream, false) => Role::Primary,
            (role, _, _) => role,
        }
    }
}

/// Builds the call that `record`, shipped by `recorder`, tells of.
pub fn from_record(recorder: &Recorder, record: Record) -> Call {
    let end = end_from_wire(record.end());
    let mut incomplete = record.request_headers.is_none()
        || record.started_unix_ns == 0
        // gRPC has no request trailers, and a call no place for them.
        || record.request_trailers.is_some_and(|block| !block.headers.is_empty());

    let (request_metadata, _) = headers(record.request_headers, &mut incomplete);
    let request_fields = RequestFields::find(&request_metadata);
    let request_encoding = request_fields.encoding.clone();
    let request = from_body(record.request_body, request_encoding, &mut incomplete);

    let has_trailers = record.response_trailers.is_some();
    let (mut trailers, _) = headers(record.response_trailers, &mut incomplete);
    let (mut response_metadata, is_end) = headers(record.response_headers, &mut incomplete);
    let response_fields = ResponseFields::find(&response_metadata);
    let has_status = response_fields.has_grpc_status;
    let is_status = |header: &Header| &*header.name == b"grpc-status";
    let is_other =
        response_fields.has_other_content && !has_status && !trailers.iter().any(is_status);
    let from_body = match is_other {
        true => from_other_body,
        false => from_body,
    };
    let response = from_body(
        record.response_body,
        response_fields.encoding,
        &mut incomplete,
    );

    let trailers_only = !has_trailers && response.body_bytes == 0 && (is_end || has_status);
    if trailers_only {
        trailers = std::mem::take(&mut response_metadata);
    }
    // Behind a proxy that merges blocks, the status may be in headers though a body followed.
    let status_block = if has_trailers || trailers_only {
        &trailers
    } else {
        &response_metadata
    };
    let outcome = Outcome::find(status_block, &mut incomplete);

    let pair_id = if record.pair_id.is_empty() {
        request_fields.pair_id
    } else {
        record.pair_id
    };
    let server_address = match recorder.position {
        Position::Inbound if !record.destination_address.is_empty() => record.destination_address,
        _ => record.upstream_address,
    };
    Call {
        id: CallId {
            producer_id: recorder.producer_id,
            record_number: record.number,
        },
        role: recorder.role_of(record.shadow),
        position: recorder.position,
        workload: Arc::clone(&recorder.workload),
        rpc_method: rpc_method(&request_fields.path, &mut incomplete),
        authority: request_fields.authority,
        started_unix_ns: record.started_unix_ns,
        timing: timing(record.timing.unwrap_or_default(), &mut incomplete),
        pair_id: text_id(pair_id, &mut incomplete),
        request_id: text_id(request_fields.request_id, &mut incomplete),
        trace_id: request_fields.trace_id,
        attempt: (record.attempt != 0).then_some(record.attempt),
        request_metadata,
        response_metadata,
        trailers,
        trailers_only,
        request,
        response,
        status: outcome.status,
        status_message: outcome.message,
        status_details: outcome.details,
        http_status: response_fields.http_status,
        cluster_name: record.cluster_name,
        route_name: record.route_name,
        server_address,
        client_address: record.source_address,
        peer_identity: record.peer_identity,
        response_flags: record.response_flags,
        response_code_details: record.response_code_details,
        end,
        sampled_ppm: record.sampled_ppm,
        incomplete,
        // What Envoy hands over, the filter sees.
        method_certainty: Certainty::Seen,
        status_certainty: Certainty::Seen,
        gap: false,
        stream_id: None,
    }
}

/// The headers of a block, and whether it carried END_STREAM.
fn headers(block: Option<HeaderBlock>, incomplete: &mut bool) -> (Vec<Header>, bool) {
    let Some(block) = block else {
        return (Vec::new(), false);
    };
    *incomplete |= block.omitted_count > 0;
    // The types have the same layout, so the vector is reused in place.
    let headers = block.headers.into_iter().map(|header| Header {
        name: header.name,
        value: header.value,
        redacted: header.redacted,
    });
    (headers.collect(), block.end_stream)
}

fn timing(timing: twintap_record::Timing, incomplete: &mut bool) -> Timing {
    let mut seen = |ns: u64| {
        *incomplete |= ns > COUNT_MAX;
        (1..=COUNT_MAX).contains(&ns).then_some(ns)
    };
    Timing {
        request_end_ns: seen(timing.request_end_ns),
        response_headers_ns: seen(timing.response_headers_ns),
        response_end_ns: seen(timing.response_end_ns),
        duration_ns: seen(timing.end_ns),
    }
}

fn role_from_wire(role: twintap_record::Role) -> Role {
    match role {
        twintap_record::Role::Unspecified => Role::Unknown,
        twintap_record::Role::Primary => Role::Primary,
        twintap_record::Role::Candidate => Role::Candidate,
        twintap_record::Role::Secondary => Role::Secondary,
    }
}

fn position_from_wire(position: twintap_record::Position) -> Position {
    match position {
        twintap_record::Position::Unspecified => Position::Unknown,
        twintap_record::Position::Inbound => Position::Inbound,
        twintap_record::Position::Upstream => Position::Upstream,
        twintap_record::Position::Outbound => Position::Outbound,
    }
}

fn end_from_wire(end: twintap_record::End) -> End {
    match end {
        twintap_record::End::Unspecified => End::Unknown,
        twintap_record::End::Complete => End::Complete,
        twintap_record::End::ResponseFirst => End::ResponseFirst,
        twintap_record::End::Aborted => End::Aborted,
    }
}

#[cfg(test)]
#[path = "from_record_tests.rs"]
mod tests;
