//! Calls to write: one of every kind for examples, any at all for properties.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use twintap::call::{
    Call, CallId, Certainty, Direction, End, Header, Message, Position, Role, Status, Timing,
    Workload,
};

/// 2026-11-21 09:59:59.5 UTC.
pub(crate) const STARTED_UNIX_NS: u64 = 1_795_255_199_500_000_000;

/// Call `number` of a pair stream: primaries are even, their candidates odd. They start 100 ms
/// apart, so that five of them pass before the hour ends.
pub(crate) fn call(number: u64) -> Call {
    let pair = number / 2;
    let is_candidate = number % 2 == 1;
    let message = |text: String| Message {
        offset_ns: Some(1_000 + number),
        compressed: false,
        declared_bytes: u32::try_from(text.len()).unwrap(),
        bytes: text.into(),
    };
    Call {
        id: CallId {
            producer_id: [u8::from(is_candidate) + 1; 16],
            record_number: number,
        },
        role: if is_candidate {
            Role::Candidate
        } else {
            Role::Primary
        },
        position: Position::Upstream,
        workload: Arc::new(Workload {
            service: "cart".into(),
            pod_name: "cart-0".into(),
            pod_namespace: "shop".into(),
            workload_name: "cart".into(),
            node_id: "sidecar~10.0.0.1~cart-0.shop~shop".into(),
            app_version: "v1".into(),
            recorder_version: "0.1.0".into(),
        }),
        rpc_method: if pair.is_multiple_of(2) {
            "shop.v1.Cart/Add"
        } else {
            "shop.v1.Cart/Get"
        }
        .into(),
        authority: "cart:50051".into(),
        started_unix_ns: STARTED_UNIX_NS + number * 100_000_000 + 123,
        timing: Timing {
            request_end_ns: Some(10),
            response_headers_ns: Some(1_000_000),
            response_end_ns: Some(2_000_000),
            duration_ns: Some(2_000_000 + number * 1000),
        },
        pair_id: format!("pair-{pair}").into(),
        request_id: format!("f5a88b34-0a41-4bf4-8c3e-{pair:012}").into(),
        trace_id: Some(u128::from(pair + 1).to_be_bytes()),
        attempt: Some(1),
        request_metadata: vec![
            header(":path", b"/shop.v1.Cart/Add"),
            header("x-tag", b"a"),
            header("x-tag", b"b"),
            header("blob-bin", b"AAEC"),
            Header {
                redacted: true,
                ..header("authorization", b"6b1f")
            },
        ],
        response_metadata: vec![header(":status", b"200"), header("x-raw", b"caf\xe9")],
        trailers: vec![header(
            "grpc-status",
            if is_candidate { b"5" } else { b"0" },
        )],
        trailers_only: false,
        request: Direction {
            messages: vec![message(format!("request {pair}"))],
            messages_count: Some(1),
            body_bytes: 5 + 9,
            body_digest: Some(u64::MAX - pair),
            truncated: false,
            end_stream: true,
            encoding: "identity".into(),
        },
        response: Direction {
            messages: vec![message("first".into()), message("second, cut".into())],
            messages_count: Some(3),
            body_bytes: 4_000,
            body_digest: Some(7),
            truncated: true,
            end_stream: true,
            encoding: Bytes::new(),
        },
        status: Some(Status(if is_candidate { 5 } else { 0 })),
        status_message: if is_candidate { "no such cart" } else { "" }.into(),
        status_details: if is_candidate { vec![8, 5] } else { Vec::new() }.into(),
        http_status: Some(200),
        cluster_name: "outbound|50051||cart".into(),
        route_name: "default".into(),
        server_address: "10.0.0.2:50051".into(),
        client_address: "10.0.0.1:41000".into(),
        peer_identity: "spiffe://cluster.local/ns/shop/sa/cart".into(),
        response_flags: 1 << 40,
        response_code_details: "via_upstream".into(),
        end: End::Complete,
        sampled_ppm: 1_000_000,
        incomplete: false,
        method_certainty: Certainty::Seen,
        status_certainty: Certainty::Seen,
        gap: false,
        stream_id: None,
    }
}

pub(crate) fn calls(count: u64) -> Vec<Call> {
    (0..count).map(call).collect()
}

pub(crate) fn header(name: &'static str, value: &'static [u8]) -> Header {
    Header {
        name: name.into(),
        value: Bytes::from_static(value),
        redacted: false,
    }
}

/// Any call that `from_record` could make.
pub(crate) fn any_call() -> impl Strategy<Value = Call> {
    let identity = (
        (
            any::<[u8; 16]>(),
            count(),
            role(),
            position(),
            workload(),
            text(),
        ),
        (text(), started_unix_ns(), timing(), text(), text()),
        (
            any::<Option<[u8; 16]>>(),
            prop::option::of(0..i32::MAX.unsigned_abs()),
        ),
    );
    let answer = (
        (metadata(), metadata(), metadata(), any::<bool>()),
        (direction(), direction()),
        (
            prop::option::of(0..i32::MAX.unsigned_abs()),
            text(),
            bytes(),
            any::<Option<u16>>(),
        ),
        (text(), text(), text(), text(), text(), any::<u64>(), text()),
        ((end(), 0..1_000_001_u32, any::<bool>()), wire()),
    );
    (identity, answer).prop_map(|(identity, answer)| {
        let ((producer_id, record_number, role, position, workload, method), times, ids) = identity;
        let (authority, started_unix_ns, timing, pair_id, request_id) = times;
        let (trace_id, attempt) = ids;
        let (blocks, (request, response), outcome, envoy, rest) = answer;
        let ((end, sampled_ppm, incomplete), wire) = rest;
        let (request_metadata, response_metadata, trailers, trailers_only) = blocks;
        let (status, status_message, status_details, http_status) = outcome;
        Call {
            id: CallId {
                producer_id,
                record_number,
            },
            role,
            position,
            workload: Arc::new(workload),
            rpc_method: String::from_utf8(method.to_vec()).unwrap(),
            authority,
            started_unix_ns,
            timing,
            pair_id,
            request_id,
            trace_id,
            attempt,
            request_metadata,
            response_metadata,
            trailers,
            trailers_only,
            request,
            response,
            status: status.map(Status),
            status_message,
            status_details,
            http_status,
            cluster_name: envoy.0,
            route_name: envoy.1,
            server_address: envoy.2,
            client_address: envoy.3,
            peer_identity: envoy.4,
            response_flags: envoy.5,
            response_code_details: envoy.6,
            end,
            sampled_ppm,
            incomplete,
            method_certainty: wire.0,
            status_certainty: wire.1,
            gap: wire.2,
            stream_id: wire.3,
        }
    })
}

/// What only calls from packets have.
fn wire() -> impl Strategy<Value = (Certainty, Certainty, bool, Option<u32>)> {
    let certainty = || {
        prop_oneof![
            Just(Certainty::Seen),
            Just(Certainty::Inferred),
            Just(Certainty::Ambiguous),
            Just(Certainty::Unknown),
        ]
    };
    let stream_id = prop::option::of(0..i32::MAX.unsigned_abs());
    (certainty(), certainty(), any::<bool>(), stream_id)
}

fn count() -> impl Strategy<Value = u64> {
    0..i64::MAX.unsigned_abs()
}

/// Mostly in one hour: each other one is a file of its own.
fn started_unix_ns() -> impl Strategy<Value = u64> {
    prop_oneof![20 => STARTED_UNIX_NS..STARTED_UNIX_NS + 1_000_000, 1 => any::<u64>()]
}

fn text() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(Bytes::new()), "\\PC{0,12}".prop_map(Bytes::from)]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn workload() -> impl Strategy<Value = Workload> {
    prop::array::uniform7("[a-z]{0,3}").prop_map(|names| {
        let [
            service,
            pod_name,
            pod_namespace,
            workload_name,
            node_id,
            app_version,
            recorder_version,
        ] = names;
        Workload {
            service,
            pod_name,
            pod_namespace,
            workload_name,
            node_id,
            app_version,
            recorder_version,
        }
    })
}

fn timing() -> impl Strategy<Value = Timing> {
    prop::array::uniform4(prop::option::of(count())).prop_map(|times| {
        let [
            request_end_ns,
            response_headers_ns,
            response_end_ns,
            duration_ns,
        ] = times;
        Timing {
            request_end_ns,
            response_headers_ns,
            response_end_ns,
            duration_ns,
        }
    })
}

fn metadata() -> impl Strategy<Value = Vec<Header>> {
    let header = (text(), bytes(), any::<bool>()).prop_map(|(name, value, redacted)| Header {
        name,
        value,
        redacted,
    });
    prop::collection::vec(header, 0..5)
}

fn direction() -> impl Strategy<Value = Direction> {
    let message = (
        prop::option::of(count()),
        any::<bool>(),
        any::<u32>(),
        bytes(),
    )
        .prop_map(|(offset_ns, compressed, declared_bytes, bytes)| Message {
            offset_ns,
            compressed,
            declared_bytes,
            bytes,
        });
    let messages = prop::collection::vec(message, 0..4);
    let counts = (prop::option::of(count()), count(), any::<Option<u64>>());
    (messages, counts, any::<(bool, bool)>(), text()).prop_map(
        |(messages, counts, flags, encoding)| Direction {
            messages,
            messages_count: counts.0,
            body_bytes: counts.1,
            body_digest: counts.2,
            truncated: flags.0,
            end_stream: flags.1,
            encoding,
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![
        Role::Unknown,
        Role::Primary,
        Role::Candidate,
        Role::Secondary,
    ])
}

fn position() -> impl Strategy<Value = Position> {
    let all = [
        Position::Unknown,
        Position::Inbound,
        Position::Upstream,
        Position::Outbound,
        Position::Wire,
    ];
    prop::sample::select(all.to_vec())
}

fn end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![
        End::Unknown,
        End::Complete,
        End::ResponseFirst,
        End::Aborted,
    ])
}
