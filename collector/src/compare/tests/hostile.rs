//! Hostile bytes: every answer is bounded, none is a panic.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::Value;

use super::shop::{answer, answers, changed, item, with};
use super::{by_descriptor, by_wire, only};
use crate::compare::{Outcome, limits};

/// Time that one hostile pair may take in a test build.
const TIME_MAX: Duration = Duration::from_secs(20);

fn within_time<T>(work: impl FnOnce() -> T) -> T {
    let clock = jiff::Timestamp::now();
    let result = work();
    let took = jiff::Timestamp::now().duration_since(clock);
    assert!(took.unsigned_abs() < TIME_MAX, "took {took}");
    result
}

/// `depth` messages in field 21, one in the other.
fn nested(depth: usize, innermost: &[u8]) -> Vec<u8> {
    let mut bytes = innermost.to_vec();
    for _ in 0..depth {
        let mut outer = vec![0xaa, 0x01];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.extend(&bytes);
        bytes = outer;
    }
    bytes
}

#[test]
fn deep_nesting_is_bounded() {
    for depth in [90, 101, 10_000] {
        let (a, b) = (
            answers([nested(depth, b"\x20\x01")]),
            answers([nested(depth, b"\x20\x02")]),
        );
        assert_ne!(
            within_time(|| by_wire(&a, &b)).outcome,
            Outcome::Matched,
            "{depth}"
        );
        assert_ne!(
            within_time(|| by_descriptor(&a, &b)).outcome,
            Outcome::Matched,
            "{depth}"
        );
    }
}

#[test]
fn lists_are_told_apart_as_deep_as_messages_are_decoded() {
    let bundles = |weight: i64| {
        let innermost = changed(|item| item.set_field_by_name("weight_g", Value::I64(weight)));
        answer(&(0..70).fold(innermost, |inner, _| {
            with(
                "shop.v1.Item",
                &[("bundle", Value::List(vec![Value::Message(inner)]))],
            )
        }))
    };
    let verdict = by_descriptor(&bundles(1), &bundles(2));
    assert!(
        only(&verdict).1.ends_with("bundle[0].weight_g"),
        "{verdict:#?}"
    );
}

#[test]
fn what_is_nested_too_deep_to_look_at_is_too_large() {
    let nested = |weight: i64| {
        let innermost = changed(|item| item.set_field_by_name("weight_g", Value::I64(weight)));
        answer(&(0..60).fold(innermost, |inner, _| {
            with("shop.v1.Item", &[("extra", super::shop::any(&inner))])
        }))
    };
    assert_eq!(only(&by_descriptor(&nested(1), &nested(2))).2, "too_large");
}

#[test]
fn malformed_bytes_are_compared_as_bytes() {
    let good = answer(&item());
    for bytes in [
        &b"\x00"[..],
        b"\x0e",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x7f",
        b"\x0b",
        b"\x0b\x14",
        b"\x0a\x02\xff\xfe",
        b"\x9a\x01\x03\x0a\xff\xff",
    ] {
        let bad = answers([bytes.to_vec()]);
        assert_eq!(by_descriptor(&bad, &bad.clone()).outcome, Outcome::Matched);
        assert_eq!(
            by_descriptor(&good, &bad).outcome,
            Outcome::Mismatched,
            "{bytes:x?}"
        );
        assert_eq!(
            by_wire(&bad, &good).outcome,
            Outcome::Mismatched,
            "{bytes:x?}"
        );
    }
}

#[test]
fn many_differences_of_one_list_leave_room_for_others() {
    let list = |offset: i32| {
        let numbers =
            |count: i32| Value::List((0..count).map(|n| Value::I32(n + offset)).collect());
        answer(&changed(|item| {
            item.set_field_by_name("sizes", numbers(1000));
            item.set_field_by_name("rating", Value::F32(offset as f32));
        }))
    };
    let verdict = by_descriptor(&list(0), &list(1_000_000));
    let kept = |path: &str| {
        let mut found = verdict.differences.iter();
        found.find(|it| it.path == path).map(|it| it.more_alike)
    };
    assert_eq!((kept("sizes[0]"), kept("rating")), (Some(800), Some(0)));
    assert_eq!(
        (verdict.differences_omitted, verdict.counted_omitted),
        (800, 800)
    );
    assert!(!verdict.is_cut);
}

#[test]
fn lists_of_100_000_elements_stay_within_the_budget() {
    let list = |offset: i32| {
        let sizes = (0..100_000).map(|size| Value::I32(size + offset)).collect();
        answer(&changed(|item| {
            item.set_field_by_name("sizes", Value::List(sizes))
        }))
    };
    let (a, b) = (list(0), list(1_000_000));
    let verdict = within_time(|| by_descriptor(&a, &b));
    assert_eq!(verdict.differences.len(), limits::DIFFERENCES_MAX);
    assert_eq!(
        verdict.differences_omitted,
        100_000 - limits::DIFFERENCES_MAX as u64
    );
    let shifted = list(1);
    let verdict = within_time(|| by_descriptor(&a, &shifted));
    assert_eq!(verdict.differences.len(), 2);
}

#[test]
fn a_million_unknown_fields_stay_within_the_budget() {
    let many = |value: u8| answers([[0xc8, 0x3e, value].repeat(300_000)]);
    let (a, b) = (many(1), many(2));
    assert_ne!(
        within_time(|| by_descriptor(&a, &b)).outcome,
        Outcome::Matched
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_two_byte_strings_are_compared(
        a in prop::collection::vec(any::<u8>(), 0..200), b in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let same = a == b;
        let (a, b) = (answers([a]), answers([b]));
        for verdict in [by_wire(&a, &b), by_descriptor(&a, &b)] {
            if same {
                prop_assert_eq!(verdict.outcome, Outcome::Matched);
            }
        }
        prop_assert_eq!(by_wire(&a, &b).differences.len(), by_wire(&b, &a).differences.len());
    }

    #[test]
    fn one_flipped_byte_never_panics(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = item().encode_to_vec();
        let index = at.index(bytes.len());
        bytes[index] ^= 1 << bit;
        let flipped = answers([bytes]);
        let _verdict = by_descriptor(&answer(&item()), &flipped);
        let _verdict = by_wire(&answer(&item()), &flipped);
    }
}

#[test]
fn decompression_is_capped() {
    let mut bomb = answer(&item());
    let zeros = vec![0u8; limits::MESSAGE_BYTES_MAX + 1];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    bomb.response.encoding = Bytes::from_static(b"gzip");
    bomb.response.messages[0].bytes = encoder.finish().unwrap().into();
    bomb.response.messages[0].declared_bytes =
        u32::try_from(bomb.response.messages[0].bytes.len()).unwrap();
    bomb.response.messages[0].compressed = true;
    bomb.response.body_digest = None;
    assert!(matches!(
        by_wire(&answer(&item()), &bomb).outcome,
        Outcome::Incomparable(_)
    ));
}
