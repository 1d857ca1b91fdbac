//! The columns of `calls`, schema version 1: name, type, meaning, and where in a [`Call`] each
//! value comes from.
//!
//! This table is the schema. `docs/dataset.md` shows it to analysts, and a test compares the two.
//! Field ids are for ever: a column may be added with a new id, none may change its type or meaning
//! without a new major version.

use super::SCHEMA_VERSION;
use crate::call::{Call, End, Header, Message, Position};

/// One top-level column.
#[derive(Debug)]
pub(super) struct Column {
    /// Parquet field id; those of nested fields follow from it.
    pub(super) id: i32,
    pub(super) name: &'static str,
    pub(super) values: Values,
    /// What it holds and where it comes from, for people.
    pub(super) meaning: &'static str,
}

/// A call on its way into the dataset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) call: &'a Call,
    pub(super) bucket: u16,
}

/// Type of a column, and the function that takes its value from a row. Text and bytes that are
/// optional are NULL where they are empty.
#[derive(Debug)]
pub(super) enum Values {
    Bool(for<'a> fn(Row<'a>) -> bool),
    Int32(for<'a> fn(Row<'a>) -> i32),
    OptionalInt32(for<'a> fn(Row<'a>) -> Option<i32>),
    Int64(for<'a> fn(Row<'a>) -> i64),
    OptionalInt64(for<'a> fn(Row<'a>) -> Option<i64>),
    /// Microseconds since the Unix epoch, UTC.
    Timestamp(for<'a> fn(Row<'a>) -> i64),
    Text(for<'a> fn(Row<'a>) -> &'a [u8]),
    OptionalText(for<'a> fn(Row<'a>) -> &'a [u8]),
    OptionalBytes(for<'a> fn(Row<'a>) -> &'a [u8]),
    Id(for<'a> fn(Row<'a>) -> [u8; 16]),
    OptionalId(for<'a> fn(Row<'a>) -> Option<[u8; 16]>),
    Metadata(for<'a> fn(Row<'a>) -> &'a [Header]),
    /// The map of a `Metadata` column, which comes earlier and has the id `shows`.
    MetadataMap {
        shows: i32,
        of: for<'a> fn(Row<'a>) -> &'a [Header],
    },
    Messages(for<'a> fn(Row<'a>) -> &'a [Message]),
}

use Values::{
    Bool, Id, Int32, Int64, Messages, Metadata, MetadataMap, OptionalBytes, OptionalId,
    OptionalInt32, OptionalInt64, OptionalText, Text, Timestamp,
};

const fn column(id: i32, name: &'static str, values: Values, meaning: &'static str) -> Column {
    Column {
        id,
        name,
        values,
        meaning,
    }
}

const _: () = assert!(SCHEMA_VERSION == 1, "this table is version 1");

/// All columns, in file order.
#[rustfmt::skip]
pub(super) const COLUMNS: &[Column] = &[
    column(1, "pair_bucket", Int32(|row| i32::from(row.bucket)), "XXH3-64 of the pairing key mod 256"),
    column(2, "pair_id", OptionalText(|row| &row.call.pair_id), "`x-twintap-pair-id`: equal on both sides of a pair"),
    column(3, "request_id", OptionalText(|row| &row.call.request_id), "`x-request-id`, as received"),
    column(4, "trace_id", OptionalId(|row| row.call.trace_id), "trace id of `traceparent`, else of B3"),
    column(5, "producer_id", Id(|row| row.call.id.producer_id), "who recorded it"),
    column(6, "record_number", Int64(|row| saturate(row.call.id.record_number)), "number at that recorder, from 1"),
    column(7, "role", Text(|row| row.call.role.as_str().as_bytes()), "`primary`, `candidate`, `secondary` or `unknown`"),
    column(8, "position", Text(|row| position(row.call.position)), "`inbound`, `upstream`, `outbound`, `wire` (rebuilt from packets) or `unknown`"),
    column(9, "service", OptionalText(|row| row.call.workload.service.as_bytes()), "free name from the recorder's configuration"),
    column(10, "workload_name", OptionalText(|row| row.call.workload.workload_name.as_bytes()), "Istio workload of the recorder"),
    column(11, "pod_name", OptionalText(|row| row.call.workload.pod_name.as_bytes()), "Kubernetes pod of the recorder"),
    column(12, "pod_namespace", OptionalText(|row| row.call.workload.pod_namespace.as_bytes()), "Kubernetes namespace of the recorder"),
    column(13, "node_id", OptionalText(|row| row.call.workload.node_id.as_bytes()), "Envoy node id of the recorder"),
    column(14, "app_version", OptionalText(|row| row.call.workload.app_version.as_bytes()), "`version` label of the recorder's pod"),
    column(15, "recorder_version", OptionalText(|row| row.call.workload.recorder_version.as_bytes()), "version of the filter module; of twintap, if `position` is `wire`"),
    column(16, "rpc_method", Text(|row| row.call.rpc_method.as_bytes()), "`package.Service/Method`: `:path` without its leading slash"),
    column(17, "authority", OptionalText(|row| &row.call.authority), "`:authority`"),
    column(18, "started_at", Timestamp(|row| started_at_us(row.call)), "request headers arrived at the recorder"),
    column(19, "started_ns_rest", Int32(|row| started_ns_rest(row.call)), "0 to 999: nanoseconds beyond `started_at`"),
    column(20, "duration_ns", OptionalInt64(|row| row.call.timing.duration_ns.map(saturate)), "from the start to the end of the stream, in whatever way it ended; the report's latency is `response_end_ns`"),
    column(21, "request_end_ns", OptionalInt64(|row| row.call.timing.request_end_ns.map(saturate)), "from the start to END_STREAM of the request"),
    column(22, "response_headers_ns", OptionalInt64(|row| row.call.timing.response_headers_ns.map(saturate)), "from the start to response headers"),
    column(23, "response_end_ns", OptionalInt64(|row| row.call.timing.response_end_ns.map(saturate)), "from the start to END_STREAM of the response"),
    column(24, "attempt", OptionalInt32(|row| row.call.attempt.map(saturate_32)), "Envoy's attempt count, from 1; NULL where the position cannot know"),
    column(25, "status_code", OptionalInt32(|row| row.call.status.map(|status| saturate_32(status.0))), "`grpc-status`; NULL if none was seen or it was no number"),
    column(26, "status_name", OptionalText(|row| status_name(row.call)), "name of `status_code`, such as `NOT_FOUND`; NULL for numbers without a name"),
    column(27, "status_message", OptionalText(|row| &row.call.status_message), "`grpc-message`, percent-decoded"),
    column(28, "status_details", OptionalBytes(|row| &row.call.status_details), "`grpc-status-details-bin`, decoded: a `google.rpc.Status`"),
    column(29, "http_status", OptionalInt32(|row| row.call.http_status.map(i32::from)), "`:status`"),
    column(30, "trailers_only", Bool(|row| row.call.trailers_only), "was the response one header block with END_STREAM?"),
    column(31, "end", Text(|row| end(row.call.end)), "`complete`, `response_first`, `aborted` or `unknown`"),
    column(32, "request_metadata", Metadata(|row| &row.call.request_metadata), "exact, in wire order, pseudo-headers included; a `-bin` value is base64 or, between peers of gRPC's C core, the bytes themselves behind a NUL"),
    column(33, "response_metadata", Metadata(|row| &row.call.response_metadata), "as above; empty for Trailers-Only"),
    column(34, "response_trailers", Metadata(|row| &row.call.trailers), "as above; for Trailers-Only the one block that was sent"),
    column(35, "request_metadata_map", MetadataMap { shows: 32, of: |row| &row.call.request_metadata }, "for people: repeated names joined by `, `"),
    column(36, "response_metadata_map", MetadataMap { shows: 33, of: |row| &row.call.response_metadata }, "as above"),
    column(37, "response_trailers_map", MetadataMap { shows: 34, of: |row| &row.call.trailers }, "as above"),
    column(38, "request_messages", Messages(|row| &row.call.request.messages), "captured messages, the last one possibly cut"),
    column(39, "response_messages", Messages(|row| &row.call.response.messages), "as above"),
    column(40, "request_messages_count", OptionalInt64(|row| row.call.request.messages_count.map(saturate)), "exact, captured or not; NULL if unknown"),
    column(41, "response_messages_count", OptionalInt64(|row| row.call.response.messages_count.map(saturate)), "as above"),
    column(42, "request_body_bytes", Int64(|row| saturate(row.call.request.body_bytes)), "exact, captured or not, message prefixes included"),
    column(43, "response_body_bytes", Int64(|row| saturate(row.call.response.body_bytes)), "as above"),
    column(44, "request_body_digest", OptionalInt64(|row| row.call.request.body_digest.map(u64::cast_signed)), "XXH3-64 of the whole body, captured or not"),
    column(45, "response_body_digest", OptionalInt64(|row| row.call.response.body_digest.map(u64::cast_signed)), "as above"),
    column(46, "request_truncated", Bool(|row| row.call.request.truncated), "were fewer bytes or messages kept than crossed?"),
    column(47, "response_truncated", Bool(|row| row.call.response.truncated), "as above"),
    column(48, "request_end_stream", Bool(|row| row.call.request.end_stream), "was END_STREAM seen?"),
    column(49, "response_end_stream", Bool(|row| row.call.response.end_stream), "as above"),
    column(50, "request_encoding", OptionalText(|row| &row.call.request.encoding), "`grpc-encoding` of the request"),
    column(51, "response_encoding", OptionalText(|row| &row.call.response.encoding), "`grpc-encoding` of the response"),
    column(52, "incomplete", Bool(|row| row.call.incomplete), "could something of the call not be seen or decoded?"),
    column(53, "cluster_name", OptionalText(|row| &row.call.cluster_name), "Envoy cluster the call went to"),
    column(54, "route_name", OptionalText(|row| &row.call.route_name), "Envoy route; the filter does not ask for it yet, so always NULL"),
    column(55, "server_address", OptionalText(|row| &row.call.server_address), "`ip:port` of the server"),
    column(56, "client_address", OptionalText(|row| &row.call.client_address), "`ip:port` of the client"),
    column(57, "peer_identity", OptionalText(|row| &row.call.peer_identity), "SPIFFE id of the peer"),
    column(58, "response_flags", Int64(|row| row.call.response_flags.cast_signed()), "Envoy response flags, a bit set"),
    column(59, "response_code_details", OptionalText(|row| &row.call.response_code_details), "Envoy response code details"),
    column(60, "sampled_ppm", Int32(|row| saturate_32(row.call.sampled_ppm)), "sampling rate in force, parts per million"),
    column(61, "rpc_method_certainty", Text(|row| row.call.method_certainty.as_str().as_bytes()), "`seen`, or, rebuilt from packets, `inferred`, `ambiguous` or `unknown`"),
    column(62, "status_certainty", Text(|row| row.call.status_certainty.as_str().as_bytes()), "as above, of `status_code`"),
    column(63, "gap", Bool(|row| row.call.gap), "were bytes of this call lost between the wire and the capture?"),
    column(64, "stream_id", OptionalInt32(|row| row.call.stream_id.map(saturate_32)), "HTTP/2 stream, of calls rebuilt from packets"),
];

/// Columns with a greater id came later: files without them are read as if all was seen.
pub(super) const FIRST_COLUMNS_LAST_ID: i32 = 60;

/// Counts and durations beyond 63 bits do not come from [`crate::call::from_record`].
fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn saturate_32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn started_at_us(call: &Call) -> i64 {
    saturate(call.started_unix_ns / 1000)
}

fn started_ns_rest(call: &Call) -> i32 {
    i32::try_from(call.started_unix_ns % 1000).unwrap_or(0)
}

fn status_name(call: &Call) -> &'static [u8] {
    call.status
        .and_then(crate::call::Status::name)
        .unwrap_or_default()
        .as_bytes()
}

fn position(position: Position) -> &'static [u8] {
    match position {
        Position::Unknown => b"unknown",
        Position::Inbound => b"inbound",
        Position::Upstream => b"upstream",
        Position::Outbound => b"outbound",
        Position::Wire => b"wire",
    }
}

fn end(end: End) -> &'static [u8] {
    match end {
        End::Unknown => b"unknown",
        End::Complete => b"complete",
        End::ResponseFirst => b"response_first",
        End::Aborted => b"aborted",
    }
}
