//! Messages by descriptor.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, Value};

use super::shop::{answer, any, changed, item, message, part, text, time, with};
use super::{by_descriptor, only};
use crate::compare::{LooksLike, Outcome};

/// One line of the table: a change, and the path, kind and explanation it must give.
pub(super) type Line = (
    fn(&mut DynamicMessage),
    &'static str,
    &'static str,
    Option<LooksLike>,
);

fn set(item: &mut DynamicMessage, field: &str, value: Value) {
    item.set_field_by_name(field, value);
}

fn clear(item: &mut DynamicMessage, field: &str) {
    item.clear_field_by_name(field);
}

fn list(values: &[&str]) -> Value {
    Value::List(values.iter().map(|value| text(value)).collect())
}

fn label(key: &str, value: &str) -> (MapKey, Value) {
    (MapKey::String(key.to_owned()), text(value))
}

pub(super) const TABLE: &[Line] = &[
    (
        |i| set(i, "price", Value::F64(12.35)),
        "price",
        "value",
        Some(LooksLike::Rounding),
    ),
    (
        |i| set(i, "price", Value::F64(f64::NAN)),
        "price",
        "value",
        None,
    ),
    (
        |i| set(i, "rating", Value::F32(4.0)),
        "rating",
        "value",
        Some(LooksLike::CutDecimals),
    ),
    (
        |i| set(i, "name", text("a teapot of")),
        "name",
        "value",
        Some(LooksLike::Truncated),
    ),
    (
        |i| set(i, "name", text("A teapot of good size")),
        "name",
        "value",
        Some(LooksLike::LetterCase),
    ),
    (
        |i| set(i, "name", text("a teapot of good size ")),
        "name",
        "value",
        Some(LooksLike::WhiteSpace),
    ),
    (|i| set(i, "name", text("")), "name", "missing", None),
    (
        |i| set(i, "on_sale", Value::Bool(false)),
        "on_sale",
        "value",
        None,
    ),
    (
        |i| set(i, "weight_g", Value::I64(0)),
        "weight_g",
        "value",
        None,
    ),
    (
        |i| set(i, "weight_g", Value::I64(871)),
        "weight_g",
        "value",
        Some(LooksLike::OffByOne),
    ),
    (
        |i| set(i, "colour", Value::EnumNumber(2)),
        "colour",
        "value",
        None,
    ),
    (
        |i| set(i, "colour", Value::EnumNumber(9)),
        "colour",
        "value",
        Some(LooksLike::UnknownEnumNumber),
    ),
    (|i| clear(i, "stock"), "stock", "missing", None),
    (|i| clear(i, "maker"), "maker", "missing", None),
    (
        |i| set(i, "maker", Value::Message(message("shop.v1.Maker"))),
        "",
        "",
        None,
    ),
    (
        |i| set(i, "tags", list(&["old", "red", "round"])),
        "tags",
        "list_order",
        None,
    ),
    (
        |i| set(i, "tags", list(&["red", "old"])),
        "tags[1]",
        "missing",
        None,
    ),
    (
        |i| set(i, "tags", list(&["red", "round", "new", "old"])),
        "tags[2]",
        "extra",
        None,
    ),
    (
        |i| set(i, "tags", list(&["red", "ROUND", "old"])),
        "tags[1]",
        "value",
        Some(LooksLike::LetterCase),
    ),
    (|i| clear(i, "tags"), "tags", "missing", None),
    (
        |i| {
            set(
                i,
                "parts",
                Value::List(vec![part(1, "lid"), part(2, "SPOUT"), part(3, "handle")]),
            )
        },
        "parts[1].name",
        "value",
        Some(LooksLike::LetterCase),
    ),
    (
        |i| {
            set(
                i,
                "parts",
                Value::List(vec![part(1, "lid"), part(3, "handle")]),
            )
        },
        "parts[1]",
        "missing",
        None,
    ),
    (
        |i| {
            set(
                i,
                "labels",
                Value::Map([label("eu", "yes"), label("us", "no")].into()),
            )
        },
        "labels[\"us\"]",
        "extra",
        None,
    ),
    (
        |i| {
            set(
                i,
                "by_size",
                Value::Map([(MapKey::I32(4), part(5, "cup"))].into()),
            )
        },
        "by_size[4].id",
        "value",
        Some(LooksLike::OffByOne),
    ),
    (
        |i| set(i, "letter_g", Value::I32(20)),
        "shipping",
        "oneof_arm",
        None,
    ),
    (|i| clear(i, "parcel"), "parcel", "missing", None),
    (
        |i| set(i, "made_at", time(1_785_585_600, 123_456_789)),
        "made_at",
        "value",
        Some(LooksLike::TimeZone),
    ),
    (
        |i| set(i, "made_at", time(1_785_578_400, 123_000_000)),
        "made_at",
        "value",
        Some(LooksLike::TimePrecision),
    ),
    (|i| clear(i, "made_at"), "made_at", "missing", None),
    (
        |i| {
            set(
                i,
                "extra",
                any(&with("shop.v1.Maker", &[("name", text("ACME"))])),
            )
        },
        "extra[shop.v1.Maker].country",
        "missing",
        None,
    ),
    (
        |i| set(i, "extra", any(&message("shop.v1.Query"))),
        "extra",
        "type",
        None,
    ),
    (
        |i| {
            set(
                i,
                "note",
                Value::Message(message("google.protobuf.StringValue")),
            )
        },
        "note.value",
        "missing",
        None,
    ),
    (
        |i| {
            set(
                i,
                "sizes",
                Value::List([10, 20, 40].map(Value::I32).to_vec()),
            )
        },
        "sizes[2]",
        "missing",
        None,
    ),
];

#[test]
fn one_planted_change_is_one_difference() {
    let old = answer(&item());
    for (index, (change, path, kind, looks_like)) in TABLE.iter().enumerate() {
        let new = answer(&changed(change));
        let verdict = by_descriptor(&old, &new);
        if kind.is_empty() {
            // An emptied message: each of its fields is missing.
            assert_eq!(verdict.differences.len(), 2, "line {index}");
            continue;
        }
        assert_eq!(
            only(&verdict),
            ("response_message", *path, *kind),
            "line {index}"
        );
        assert_eq!(
            verdict.differences[0].looks_like, *looks_like,
            "line {index}: {verdict:#?}"
        );
        assert_eq!(verdict.outcome, Outcome::Mismatched);
    }
}

#[test]
fn swapping_the_sides_mirrors_the_kind() {
    let old = answer(&item());
    for (change, ..) in TABLE {
        let new = answer(&changed(change));
        let (there, back) = (by_descriptor(&old, &new), by_descriptor(&new, &old));
        let mirrored: Vec<_> = there
            .differences
            .iter()
            .map(|found| found.kind.mirrored())
            .collect();
        let kinds: Vec<_> = back.differences.iter().map(|found| found.kind).collect();
        assert_eq!(mirrored, kinds);
    }
}

#[test]
fn a_call_equals_itself() {
    let call = answer(&item());
    assert_eq!(by_descriptor(&call, &call).outcome, Outcome::Matched);
    let mut without_digest = call.clone();
    without_digest.response.body_digest = None;
    assert_eq!(
        by_descriptor(&without_digest, &call).outcome,
        Outcome::Matched
    );
}

#[test]
fn an_explicit_default_against_absence_is_a_kind_of_its_own() {
    let absent = answer(&changed(|item| item.clear_field_by_name("stock")));
    let zero = answer(&changed(|item| {
        item.set_field_by_name("stock", Value::I32(0))
    }));
    assert_eq!(only(&by_descriptor(&absent, &zero)).2, "default_vs_absent");
    assert_eq!(only(&by_descriptor(&zero, &absent)).2, "default_vs_absent");
    let empty = message("shop.v1.Maker");
    let none = answer(&changed(|item| item.clear_field_by_name("maker")));
    let empty = answer(&changed(|item| {
        item.set_field_by_name("maker", Value::Message(empty))
    }));
    let verdict = by_descriptor(&none, &empty);
    assert_eq!(
        only(&verdict),
        ("response_message", "maker", "default_vs_absent")
    );
}

#[test]
fn without_presence_default_and_absent_are_equal() {
    let absent = super::shop::answers([vec![]]);
    // weight_g = 0 and name = "" written out, as some encoders do.
    let explicit = super::shop::answers([vec![0x20, 0x00, 0x0a, 0x00]]);
    assert_eq!(by_descriptor(&absent, &explicit).outcome, Outcome::Matched);
}

#[test]
fn what_cannot_be_decoded_is_judged_so_though_it_is_equal_on_both_sides() {
    // name = 1 is no UTF-8 on both sides; on_sale = 5 is a varint of 2 and of 1, both true.
    let two = super::shop::answers([b"\x0a\x02\xff\xfe\x28\x02".to_vec()]);
    let one = super::shop::answers([b"\x0a\x02\xff\xfe\x28\x01".to_vec()]);
    let verdict = by_descriptor(&two, &one);
    assert_eq!(only(&verdict), ("response_message", "5", "value"));
}

#[test]
fn of_two_arms_written_the_last_one_counts() {
    // parcel = 13, letter_g = 14.
    let both = super::shop::answers([b"\x6a\x01x\x70\x05".to_vec()]);
    let last = super::shop::answers([b"\x70\x05".to_vec()]);
    assert_eq!(by_descriptor(&both, &last).outcome, Outcome::Matched);
    let other = super::shop::answers([b"\x70\x05\x6a\x01x".to_vec()]);
    assert_eq!(only(&by_descriptor(&other, &last)).2, "oneof_arm");
}

#[test]
fn the_order_of_fields_and_packing_do_not_count() {
    let packed = super::shop::answers([b"\x0a\x01x\x9a\x01\x02\x0a\x14".to_vec()]);
    let unpacked = super::shop::answers([b"\x98\x01\x0a\x98\x01\x14\x0a\x01x".to_vec()]);
    assert_eq!(by_descriptor(&packed, &unpacked).outcome, Outcome::Matched);
}

#[test]
fn the_order_of_map_entries_does_not_count() {
    let entries = |flip: bool| {
        let (a, b) = (
            b"\x5a\x06\x0a\x01a\x12\x01x".to_vec(),
            b"\x5a\x06\x0a\x01b\x12\x01y".to_vec(),
        );
        super::shop::answers([if flip { [b, a] } else { [a, b] }.concat()])
    };
    assert_eq!(
        by_descriptor(&entries(false), &entries(true)).outcome,
        Outcome::Matched
    );
}

#[test]
fn nan_equals_nan_and_negative_zero_differs_from_zero() {
    let discount = |value: f64| {
        answer(&changed(|item| {
            item.set_field_by_name("discount", Value::F64(value))
        }))
    };
    let other_nan = f64::from_bits(f64::NAN.to_bits() ^ 1);
    assert_eq!(
        by_descriptor(&discount(f64::NAN), &discount(other_nan)).outcome,
        Outcome::Matched
    );
    let verdict = by_descriptor(&discount(0.0), &discount(-0.0));
    assert_eq!(only(&verdict), ("response_message", "discount", "value"));
    assert_eq!(verdict.differences[0].looks_like, Some(LooksLike::Sign));
}

#[test]
fn a_field_the_descriptor_does_not_know_is_found() {
    let mut bytes = item().encode_to_vec();
    bytes.extend(b"\xc2\x3e\x03new");
    let verdict = by_descriptor(&answer(&item()), &super::shop::answers([bytes]));
    assert_eq!(only(&verdict), ("response_message", "1000", "extra"));
}

#[test]
fn list_order_and_another_value_are_two_differences() {
    let new = changed(|item| set(item, "tags", list(&["round", "red", "ancient"])));
    let verdict = by_descriptor(&answer(&item()), &answer(&new));
    let found: Vec<_> = verdict
        .differences
        .iter()
        .map(|d| (d.path.as_str(), d.kind.name()))
        .collect();
    assert_eq!(found, [("tags", "list_order"), ("tags[2]", "value")]);
}

#[test]
fn bytes_that_are_not_the_type_are_undecodable() {
    let broken = super::shop::answers([vec![0x0a, 0x50, b'x']]);
    let verdict = by_descriptor(&answer(&item()), &broken);
    assert_eq!(only(&verdict).2, "undecodable");
}
