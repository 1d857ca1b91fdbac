//! Whole calls: streams, cut bodies, compression, aborted calls.

use std::io::Write as _;

use prost::Message as _;
use prost_reflect::Value;

use super::shop::{answer, answers, changed, item};
use super::{by_descriptor, by_wire, only};
use crate::call::{Call, End};
use crate::compare::{Incomparable, Kind, Outcome};

fn stream(weights: impl IntoIterator<Item = i64>) -> Call {
    answers(weights.into_iter().map(|weight| {
        changed(|item| item.set_field_by_name("weight_g", Value::I64(weight))).encode_to_vec()
    }))
}

#[test]
fn one_missing_message_of_a_stream_is_one_difference() {
    let verdict = by_descriptor(&stream(0..50), &stream((0..50).filter(|w| *w != 20)));
    assert_eq!(only(&verdict), ("response_message", "", "message_missing"));
    assert_eq!(verdict.differences[0].message_index, Some(20));
    let verdict = by_wire(&stream((0..50).filter(|w| *w != 20)), &stream(0..50));
    assert_eq!(only(&verdict).2, "message_extra");
}

#[test]
fn a_missing_message_is_found_where_all_others_differ_too() {
    let changed_price = |weights: Vec<i64>| {
        answers(weights.into_iter().map(|weight| {
            let change = |item: &mut prost_reflect::DynamicMessage| {
                item.set_field_by_name("weight_g", Value::I64(weight));
                item.set_field_by_name("price", Value::F64(12.35));
            };
            changed(change).encode_to_vec()
        }))
    };
    let verdict = by_descriptor(&stream(0..10), &changed_price((0..9).collect()));
    let missing = verdict
        .differences
        .iter()
        .filter(|d| d.kind.name() == "message_missing")
        .count();
    assert_eq!(
        (missing, verdict.differences.len()),
        (1, 10),
        "{verdict:#?}"
    );
}

/// Cuts the captured response after `kept` messages.
fn cut(mut call: Call, kept: usize) -> Call {
    call.response.messages.truncate(kept);
    call.response.truncated = true;
    call
}

#[test]
fn equal_digests_make_cut_bodies_equal() {
    let verdict = by_wire(&cut(stream(0..9), 2), &cut(stream(0..9), 3));
    assert_eq!(verdict.outcome, Outcome::Matched);
}

#[test]
fn a_difference_beyond_the_capture_is_said_to_be_there() {
    let verdict = by_wire(&cut(stream([1, 2, 3]), 1), &cut(stream([1, 2, 300]), 1));
    assert_eq!(only(&verdict).2, "beyond_capture");
    let verdict = by_wire(&cut(stream([1, 2, 3]), 1), &cut(stream([1, 2]), 1));
    assert_eq!(only(&verdict).2, "message_missing");
}

#[test]
fn another_digest_of_a_cut_body_proves_no_difference() {
    let truncated = Outcome::Incomparable(Incomparable::Truncated);
    // As long, so it may be the same in another order.
    let verdict = by_wire(&cut(stream([1, 2, 3]), 1), &cut(stream([1, 2, 4]), 1));
    assert_eq!(verdict.outcome, truncated);
    // Nothing was captured, so nothing says that both sides encode alike.
    let verdict = by_wire(&cut(stream([1, 2, 3]), 0), &cut(stream([1, 2, 300]), 0));
    assert_eq!(verdict.outcome, truncated);
    // The part of a message that was captured differs already.
    let part = |weight: i64| {
        let mut call = stream([weight]);
        let message = &mut call.response.messages[0];
        message.bytes.truncate(message.bytes.len() - 1);
        call.response.truncated = true;
        call
    };
    assert_eq!(by_wire(&part(1), &part(300)).outcome, truncated);
}

#[test]
fn a_cut_body_without_digest_cannot_be_judged() {
    let mut call = cut(stream([1, 2, 3]), 1);
    call.response.body_digest = None;
    let verdict = by_wire(&call, &call);
    assert_eq!(
        verdict.outcome,
        Outcome::Incomparable(Incomparable::Truncated)
    );
}

fn gzip(mut call: Call, level: u32) -> Call {
    call.response.encoding = bytes::Bytes::from_static(b"gzip");
    for message in &mut call.response.messages {
        let compression = flate2::Compression::new(level);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), compression);
        encoder.write_all(&message.bytes).unwrap();
        message.bytes = encoder.finish().unwrap().into();
        message.declared_bytes = u32::try_from(message.bytes.len()).unwrap();
        message.compressed = true;
    }
    call.response.body_digest = Some(u64::from(level));
    call
}

#[test]
fn compression_does_not_count() {
    let plain = answer(&item());
    assert_eq!(
        by_descriptor(&plain, &gzip(plain.clone(), 1)).outcome,
        Outcome::Matched
    );
    let verdict = by_descriptor(&gzip(plain.clone(), 9), &gzip(plain, 1));
    assert_eq!(verdict.outcome, Outcome::Matched);
}

#[test]
fn what_is_compressed_and_does_not_say_how_is_no_answer() {
    let plain = answer(&item());
    let mut marked = gzip(plain.clone(), 6);
    marked.response.encoding = bytes::Bytes::new();
    for (primary, candidate) in [(&plain, &marked), (&marked, &plain)] {
        let verdict = by_descriptor(primary, candidate);
        assert_eq!(verdict.outcome, Outcome::Mismatched);
        assert_eq!(verdict.differences[0].kind, Kind::Undecodable);
    }
}

#[test]
fn equal_bytes_that_are_compressed_in_unlike_ways_cannot_be_judged() {
    let mut unknown = gzip(answer(&item()), 6);
    unknown.response.encoding = bytes::Bytes::from_static(b"lzma");
    let mut unsaid = unknown.clone();
    unsaid.response.encoding = bytes::Bytes::new();
    let verdict = by_descriptor(&unknown, &unsaid);
    assert_eq!(
        verdict.outcome,
        Outcome::Incomparable(Incomparable::Undecodable)
    );
    let alike = by_descriptor(&unknown, &unknown);
    assert_eq!(alike.outcome, Outcome::Matched);
}

#[test]
fn an_unknown_compression_cannot_be_judged() {
    let mut call = gzip(answer(&item()), 6);
    call.response.encoding = bytes::Bytes::from_static(b"lzma");
    let verdict = by_descriptor(&answer(&item()), &call);
    assert_eq!(
        verdict.outcome,
        Outcome::Incomparable(Incomparable::Undecodable)
    );
}

#[test]
fn an_aborted_call_is_never_a_difference() {
    let old = stream(0..5);
    let mut new = stream(0..2);
    new.end = End::Aborted;
    let verdict = by_wire(&old, &new);
    assert_eq!(
        verdict.outcome,
        Outcome::Incomparable(Incomparable::CandidateAborted)
    );
    assert!(verdict.differences.is_empty());
    let verdict = by_wire(&new, &old);
    assert_eq!(
        verdict.outcome,
        Outcome::Incomparable(Incomparable::PrimaryAborted)
    );
}

#[test]
fn a_call_that_was_not_seen_whole_cannot_be_judged() {
    let seen = stream(0..2);
    let unseen = Call {
        incomplete: true,
        ..seen.clone()
    };
    for other in [&seen, &stream(0..3)] {
        assert_eq!(
            by_wire(other, &unseen).outcome,
            Outcome::Incomparable(Incomparable::Incomplete)
        );
    }
}

#[test]
fn a_request_that_never_ended_is_not_compared() {
    let mut new = answer(&item());
    new.request = super::shop::direction([]);
    new.request.end_stream = false;
    assert_eq!(by_wire(&answer(&item()), &new).outcome, Outcome::Matched);
}
