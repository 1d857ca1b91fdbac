//! Records to calls: what is found where, what is unknown, and no panic on anything.

use bytes::Bytes;
use proptest::prelude::*;
use twintap_record::{self as wire, Body, Message as _};

use super::*;
use crate::call::Status;

fn block(headers: &[(&'static str, &'static str)]) -> HeaderBlock {
    let headers = headers.iter().map(|(name, value)| wire::Header {
        name: Bytes::from_static(name.as_bytes()),
        value: Bytes::from_static(value.as_bytes()),
        redacted: false,
    });
    HeaderBlock {
        headers: headers.collect(),
        ..HeaderBlock::default()
    }
}

fn record(request: &[(&'static str, &'static str)]) -> Record {
    let path = [(":path", "/shop.v1.Cart/Add"), (":authority", "cart:50051")];
    Record {
        number: 7,
        started_unix_ns: 1_700_000_000_123_456_789,
        request_headers: Some(block(&[&path[..], request].concat())),
        ..Record::default()
    }
}

fn answered(trailers: &[(&'static str, &'static str)]) -> Record {
    Record {
        response_headers: Some(block(&[
            (":status", "200"),
            ("content-type", "application/grpc"),
        ])),
        response_trailers: Some(block(trailers)),
        ..record(&[])
    }
}

fn call(record: Record) -> Call {
    from_record(&Recorder::new([9; 16], &Producer::default()), record)
}

fn role(role: wire::Role, position: wire::Position, shadow: bool) -> Role {
    let producer = Producer {
        role: role as i32,
        position: position as i32,
        ..Producer::default()
    };
    from_record(
        &Recorder::new([9; 16], &producer),
        Record {
            shadow,
            ..record(&[])
        },
    )
    .role
}

#[test]
fn the_request_line_and_identity_are_found() {
    let call = call(record(&[]));
    assert_eq!(
        call.id,
        CallId {
            producer_id: [9; 16],
            record_number: 7
        }
    );
    assert_eq!(
        (call.rpc_method.as_str(), &*call.authority),
        ("shop.v1.Cart/Add", &b"cart:50051"[..])
    );
    assert_eq!(call.request_metadata.len(), 2, "pseudo-headers stay");
    assert!(!call.incomplete);
}

#[test]
fn a_query_is_no_part_of_the_method() {
    let path = |path| Record {
        request_headers: Some(block(&[(":path", path)])),
        ..record(&[])
    };
    assert_eq!(
        call(path("/shop.v1.Cart/Add?4f?")).rpc_method,
        "shop.v1.Cart/Add"
    );
    assert!(call(path("?4f")).incomplete);
}

#[test]
fn the_record_field_wins_over_the_pair_id_header() {
    let stamped = record(&[("x-twintap-pair-id", "header")]);
    assert_eq!(call(stamped.clone()).pair_id, "header");
    assert_eq!(
        call(Record {
            pair_id: "field".into(),
            ..stamped
        })
        .pair_id,
        "field"
    );
}

#[test]
fn trace_ids_are_taken_from_traceparent_then_b3_then_multi_header_b3() {
    let parent = (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    );
    let single = ("b3", "a3ce929d0e0e4736-00f067aa0ba902b7-1");
    let multi = ("x-b3-traceid", "0000000000000001");
    let last = |headers: &[_]| call(record(headers)).trace_id.map(|id| id[15]);
    assert_eq!(last(&[multi, single, parent]), Some(0x36));
    assert_eq!(
        last(&[multi, single, ("traceparent", "00-bad")]),
        Some(0x36)
    );
    assert_eq!(last(&[multi, ("b3", "0")]), Some(1));
    assert_eq!(last(&[]), None);
}

#[test]
fn ids_that_are_not_text_count_as_absent() {
    let call = call(Record {
        pair_id: Bytes::from_static(b"\xff\xfe"),
        ..record(&[])
    });
    assert!(call.pair_id.is_empty() && call.incomplete);
}

#[test]
fn the_role_comes_from_configuration_else_from_the_shadow_in_upstream_position() {
    use wire::Position as P;
    use wire::Role as R;
    assert_eq!(role(R::Unspecified, P::Upstream, false), Role::Primary);
    assert_eq!(role(R::Unspecified, P::Upstream, true), Role::Candidate);
    assert_eq!(role(R::Unspecified, P::Inbound, false), Role::Unknown);
    assert_eq!(role(R::Unspecified, P::Outbound, false), Role::Unknown);
    assert_eq!(role(R::Secondary, P::Upstream, true), Role::Secondary);
}

#[test]
fn enum_numbers_of_the_future_are_unknown() {
    let producer = Producer {
        role: 99,
        position: -1,
        ..Producer::default()
    };
    let recorder = Recorder::new([0; 16], &producer);
    let call = from_record(
        &recorder,
        Record {
            end: 77,
            ..record(&[])
        },
    );
    assert_eq!(
        (call.role, call.position, call.end),
        (Role::Unknown, Position::Unknown, End::Unknown)
    );
}

#[test]
fn status_message_and_details_are_decoded() {
    let call = call(answered(&[
        ("grpc-status", "5"),
        ("grpc-message", "no%20item"),
        ("grpc-status-details-bin", "CAUSAm5v"),
    ]));
    assert_eq!(call.status, Some(Status(5)));
    assert_eq!(
        (&*call.status_message, &*call.status_details),
        (&b"no item"[..], &b"\x08\x05\x12\x02no"[..])
    );
    assert_eq!(
        (call.http_status, call.trailers_only, call.incomplete),
        (Some(200), false, false)
    );
}

#[test]
fn bad_trailers_cost_their_value_and_mark_the_call() {
    let cases: [&[(&str, &str)]; 5] = [
        &[("grpc-status", "abc")],
        &[("grpc-status", "-1")],
        &[("grpc-status", "2147483648")],
        &[("grpc-status", "0"), ("grpc-status", "13")],
        &[("grpc-status", "3"), ("grpc-status-details-bin", "!")],
    ];
    for trailers in cases {
        assert!(call(answered(trailers)).incomplete, "{trailers:?}");
    }
    assert_eq!(call(answered(cases[0])).status, None);
    assert_eq!(
        call(answered(cases[3])).status,
        Some(Status(0)),
        "the first counts"
    );
}

#[test]
fn an_answer_without_status_is_not_incomplete_but_unknown() {
    let call = call(answered(&[]));
    assert_eq!((call.status, call.incomplete), (None, false));
}

#[test]
fn an_error_page_is_an_answer_without_status_and_without_messages() {
    let page = [(":status", "502"), ("content-type", "text/html")];
    let call = call(Record {
        response_headers: Some(block(&page)),
        response_body: Some(Body {
            captured: Bytes::from_static(b"<html>"),
            bytes_count: 6,
            end_stream: true,
            ..Body::default()
        }),
        end: wire::End::Complete as i32,
        ..record(&[])
    });
    assert_eq!((call.status, call.http_status), (None, Some(502)));
    assert!(call.response.messages.is_empty() && !call.incomplete);
}

#[test]
fn an_answer_of_another_content_type_has_its_messages_if_it_has_a_status() {
    let body = Body {
        captured: Bytes::from_static(b"\0\0\0\0\x01x"),
        bytes_count: 6,
        end_stream: true,
        ..Body::default()
    };
    let odd = [(":status", "200"), ("content-type", "application/x-odd")];
    let mut hidden = block(&[(":status", "200"), ("content-type", "")]);
    hidden.headers[1].redacted = true;
    for (headers, trailers) in [
        (block(&odd), Some(block(&[("grpc-status", "0")]))),
        (block(&[odd[0], ("content-type", "Application/gRPC")]), None),
        (hidden, None),
    ] {
        let call = call(Record {
            response_headers: Some(headers),
            response_body: Some(body.clone()),
            response_trailers: trailers,
            ..record(&[])
        });
        assert_eq!(call.response.messages.len(), 1);
    }
}

#[test]
fn trailers_only_is_told_by_end_stream_or_by_a_status_in_headers() {
    let headers = [(":status", "200"), ("grpc-status", "12")];
    let ended = HeaderBlock {
        end_stream: true,
        ..block(&headers)
    };
    for response in [ended, block(&headers)] {
        let call = call(Record {
            response_headers: Some(response),
            ..record(&[])
        });
        assert!(call.trailers_only && call.response_metadata.is_empty());
        assert_eq!(
            (call.trailers.len(), call.status, call.http_status),
            (2, Some(Status(12)), Some(200))
        );
    }
}

#[test]
fn headers_without_end_are_not_trailers_only() {
    let response_headers = Some(block(&[(":status", "200")]));
    let call = call(Record {
        response_headers,
        ..record(&[])
    });
    assert!(!call.trailers_only && call.trailers.is_empty());
    assert_eq!(call.response_metadata.len(), 1);
}

#[test]
fn a_status_in_headers_before_a_body_counts_and_is_not_trailers_only() {
    let body = Body {
        captured: Bytes::from_static(b"\0\0\0\0\0"),
        bytes_count: 5,
        ..Body::default()
    };
    let call = call(Record {
        response_headers: Some(block(&[(":status", "200"), ("grpc-status", "0")])),
        response_body: Some(body),
        ..record(&[])
    });
    assert_eq!((call.trailers_only, call.status), (false, Some(Status::OK)));
}

#[test]
fn zero_means_not_seen() {
    let call = call(Record {
        timing: Some(wire::Timing {
            end_ns: 5,
            ..Default::default()
        }),
        ..record(&[])
    });
    assert_eq!(
        call.timing,
        Timing {
            duration_ns: Some(5),
            ..Timing::default()
        }
    );
    assert_eq!(call.attempt, None);
}

#[test]
fn what_is_missing_marks_the_call() {
    let omitted = HeaderBlock {
        omitted_count: 1,
        ..block(&[(":path", "/a/B")])
    };
    let cases = [
        Record {
            request_headers: None,
            ..record(&[])
        },
        Record {
            request_headers: Some(HeaderBlock::default()),
            ..record(&[])
        },
        Record {
            request_headers: Some(omitted),
            ..record(&[])
        },
        Record {
            request_trailers: Some(block(&[("a", "b")])),
            ..record(&[])
        },
        Record {
            started_unix_ns: 0,
            ..record(&[])
        },
        Record {
            timing: Some(wire::Timing {
                end_ns: u64::MAX,
                ..Default::default()
            }),
            ..record(&[])
        },
    ];
    for record in cases {
        assert!(call(record.clone()).incomplete, "{record:?}");
    }
}

#[test]
fn the_server_is_the_local_one_for_inbound_and_the_upstream_host_otherwise() {
    let record = Record {
        upstream_address: "10.0.0.2:80".into(),
        destination_address: "10.0.0.1:80".into(),
        ..record(&[])
    };
    assert_eq!(call(record.clone()).server_address, "10.0.0.2:80");
    let inbound = Producer {
        position: wire::Position::Inbound as i32,
        ..Producer::default()
    };
    let call = from_record(&Recorder::new([0; 16], &inbound), record);
    assert_eq!(call.server_address, "10.0.0.1:80");
}

#[test]
fn nothing_is_copied_but_the_method() {
    let buffer = Bytes::from(answered(&[("grpc-message", "m")]).encode_to_vec());
    let call = call(Record::decode(buffer.clone()).unwrap());
    let within = |bytes: &Bytes| buffer.as_ptr_range().contains(&bytes.as_ptr());
    assert!(within(&call.authority) && within(&call.status_message));
    assert!(
        call.request_metadata
            .iter()
            .all(|header| within(&header.name) && within(&header.value))
    );
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        Just(Bytes::new()),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(Bytes::from),
        "[ -~]{0,40}".prop_map(Bytes::from),
    ]
}

fn any_block() -> impl Strategy<Value = Option<HeaderBlock>> {
    let name = prop_oneof![
        any_bytes(),
        prop::sample::select(vec![
            ":path",
            ":status",
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "b3",
            "traceparent",
            "x-b3-traceid",
            "x-request-id",
            "x-twintap-pair-id",
            "grpc-encoding",
        ])
        .prop_map(Bytes::from),
    ];
    let header =
        (name, any_bytes(), any::<bool>()).prop_map(|(name, value, redacted)| wire::Header {
            name,
            value,
            redacted,
        });
    let headers = prop::collection::vec(header, 0..8);
    prop::option::of((headers, 0..3_u32, any::<bool>()).prop_map(
        |(headers, omitted_count, end_stream)| HeaderBlock {
            headers,
            omitted_count,
            end_stream,
        },
    ))
}

fn any_body() -> impl Strategy<Value = Option<Body>> {
    let fields = (
        any_bytes(),
        any::<u64>(),
        any::<Option<u64>>(),
        any::<u64>(),
        -1..9_i32,
        prop::collection::vec(any::<u64>(), 0..7),
    );
    prop::option::of(fields.prop_map(
        |(captured, bytes_count, digest, messages_count, cut, marks)| Body {
            captured,
            bytes_count,
            digest,
            messages_count,
            cut,
            marks,
            end_stream: true,
        },
    ))
}

proptest! {
    #[test]
    fn any_record_becomes_a_call(
        blocks in (any_block(), any_block(), any_block(), any_block()),
        bodies in (any_body(), any_body()),
        times in any::<[u64; 5]>(),
        enums in any::<[i32; 3]>(),
        id in any_bytes(),
    ) {
        let record = Record {
            number: times[4],
            started_unix_ns: times[4],
            shadow: enums[0] % 2 == 0,
            pair_id: id,
            request_headers: blocks.0,
            request_body: bodies.0,
            request_trailers: blocks.1,
            response_headers: blocks.2,
            response_body: bodies.1,
            response_trailers: blocks.3,
            timing: Some(wire::Timing {
                request_end_ns: times[0],
                response_headers_ns: times[1],
                response_end_ns: times[2],
                end_ns: times[3],
            }),
            end: enums[2],
            ..Record::default()
        };
        let producer = Producer { role: enums[0], position: enums[1], ..Producer::default() };
        let call = from_record(&Recorder::new([1; 16], &producer), record.clone());
        let again = from_record(&Recorder::new([1; 16], &producer), record);
        prop_assert_eq!(call, again);
    }
}
