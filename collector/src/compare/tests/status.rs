//! Status, message and details.

use bytes::Bytes;
use prost::Message as _;

use super::shop::{answer, answers, header, item, text, with};
use super::{by_descriptor, by_wire, only};
use crate::call::{Call, Status};
use crate::compare::{Outcome, limits};

fn failed(code: u32, message: &'static str) -> Call {
    Call {
        status: Some(Status(code)),
        status_message: Bytes::from_static(message.as_bytes()),
        trailers: vec![header("grpc-status", &code.to_string())],
        trailers_only: true,
        ..answers([])
    }
}

#[test]
fn another_status_is_the_one_difference() {
    let verdict = by_descriptor(&answer(&item()), &failed(12, "no such method"));
    assert_eq!(only(&verdict), ("status", "", "value"));
    let difference = &verdict.differences[0];
    assert_eq!(difference.primary.as_deref(), Some("OK"));
    assert_eq!(
        difference.candidate.as_deref(),
        Some("UNIMPLEMENTED: no such method")
    );
}

#[test]
fn the_status_message_counts_where_the_status_is_equal() {
    let verdict = by_wire(&failed(5, "no item 7"), &failed(5, "item 7 not found"));
    assert_eq!(only(&verdict), ("status_message", "", "value"));
    let verdict = by_wire(&failed(5, "no item 7"), &failed(5, ""));
    assert_eq!(only(&verdict), ("status_message", "", "missing"));
}

#[test]
fn an_answer_without_grpc_status_is_told_by_its_http_status() {
    let gateway = Call {
        status: None,
        http_status: Some(503),
        ..answers([])
    };
    let verdict = by_wire(&answer(&item()), &gateway);
    assert_eq!(
        verdict.differences[0].candidate.as_deref(),
        Some("no grpc-status, HTTP 503")
    );
}

#[test]
fn trailers_only_and_full_answers_of_one_status_are_equal() {
    let only = failed(5, "no");
    let full = Call {
        trailers_only: false,
        response_metadata: vec![
            header(":status", "200"),
            header("content-type", "application/grpc"),
        ],
        ..only.clone()
    };
    let only = Call {
        trailers: vec![
            header(":status", "200"),
            header("content-type", "application/grpc"),
            header("grpc-status", "5"),
        ],
        ..only
    };
    assert_eq!(by_wire(&full, &only).outcome, Outcome::Matched);
}

fn with_detail(country: &str) -> Call {
    let maker = with("shop.v1.Maker", &[("country", text(country))]);
    let prost_reflect::Value::Message(any) = super::shop::any(&maker) else {
        unreachable!()
    };
    let mut details = b"\x08\x05\x12\x02no\x1a".to_vec();
    prost::encoding::encode_varint(any.encoded_len() as u64, &mut details);
    details.extend(any.encode_to_vec());
    Call {
        status_details: details.into(),
        ..failed(5, "no")
    }
}

#[test]
fn status_details_are_compared_by_what_is_inside() {
    let verdict = by_descriptor(&with_detail("DE"), &with_detail("de"));
    assert_eq!(
        only(&verdict),
        (
            "status_details",
            "details[0][shop.v1.Maker].country",
            "value"
        )
    );
    let verdict = by_wire(&with_detail("DE"), &with_detail("de"));
    assert_eq!(
        only(&verdict),
        ("status_details", "details[0][shop.v1.Maker].2", "value")
    );
    let verdict = by_wire(&with_detail("DE"), &failed(5, "no"));
    assert_eq!(only(&verdict), ("status_details", "", "missing"));
}

#[test]
fn details_that_are_too_large_to_compare_are_not_taken_for_equal() {
    let with = |last: u8| {
        let mut details = vec![0xff; 8 * usize::try_from(limits::WORK_MAX).unwrap()];
        details.push(last);
        Call {
            status_details: details.into(),
            ..failed(5, "no")
        }
    };
    assert_eq!(
        only(&by_wire(&with(1), &with(2))),
        ("status_details", "", "too_large")
    );
}
