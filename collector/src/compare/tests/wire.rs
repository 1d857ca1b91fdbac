//! Messages without a descriptor.

use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use super::shop::{answer, answers, changed, item, part, text};
use super::{by_wire, only};
use crate::compare::{LooksLike, Outcome};

type Line = (
    fn(&mut DynamicMessage),
    &'static str,
    &'static str,
    Option<LooksLike>,
);

const TABLE: &[Line] = &[
    (
        |i| i.set_field_by_name("price", Value::F64(12.35)),
        "2",
        "value",
        Some(LooksLike::Rounding),
    ),
    (
        |i| i.set_field_by_name("name", text("a teapot of")),
        "1",
        "value",
        Some(LooksLike::Truncated),
    ),
    (
        |i| i.set_field_by_name("weight_g", Value::I64(0)),
        "4",
        "missing",
        None,
    ),
    (
        |i| i.set_field_by_name("colour", Value::EnumNumber(2)),
        "6",
        "value",
        Some(LooksLike::OffByOne),
    ),
    (|i| i.clear_field_by_name("maker"), "8", "missing", None),
    (
        |i| {
            i.set_field_by_name(
                "parts",
                Value::List(vec![part(1, "lid"), part(2, "SPOUT"), part(3, "handle")]),
            )
        },
        "10[1].2",
        "value",
        Some(LooksLike::LetterCase),
    ),
    (
        |i| {
            i.set_field_by_name(
                "parts",
                Value::List(vec![part(1, "lid"), part(3, "handle")]),
            )
        },
        "10[1]",
        "missing",
        None,
    ),
    (
        |i| {
            i.set_field_by_name(
                "tags",
                Value::List(["old", "red", "round"].map(text).to_vec()),
            )
        },
        "9",
        "list_order",
        None,
    ),
];

#[test]
fn one_planted_change_is_one_difference_by_wire_field() {
    let old = answer(&item());
    for (index, (change, path, kind, looks_like)) in TABLE.iter().enumerate() {
        let verdict = by_wire(&old, &answer(&changed(change)));
        assert_eq!(
            only(&verdict),
            ("response_message", *path, *kind),
            "line {index}"
        );
        assert_eq!(
            verdict.differences[0].looks_like, *looks_like,
            "line {index}"
        );
    }
}

#[test]
fn the_order_of_different_fields_does_not_count() {
    let verdict = by_wire(
        &answers([b"\x08\x01\x10\x02".to_vec()]),
        &answers([b"\x10\x02\x08\x01".to_vec()]),
    );
    assert_eq!(verdict.outcome, Outcome::Matched);
}

#[test]
fn another_wire_type_is_another_type() {
    let verdict = by_wire(
        &answers([b"\x08\x01".to_vec()]),
        &answers([b"\x0a\x011".to_vec()]),
    );
    assert_eq!(only(&verdict), ("response_message", "1", "type"));
}

#[test]
fn a_map_in_another_order_is_said_to_be_reordered() {
    // Without a descriptor a map cannot be told from a list of messages.
    let entry = |key: u8, value: u8| vec![0x0a, 4, 0x08, key, 0x10, value];
    let (ab, ba) = (
        [entry(1, 2), entry(3, 4)].concat(),
        [entry(3, 4), entry(1, 2)].concat(),
    );
    let verdict = by_wire(&answers([ab]), &answers([ba]));
    assert_eq!(only(&verdict).2, "list_order");
    assert_eq!(verdict.differences[0].looks_like, Some(LooksLike::MapOrder));
}

#[test]
fn a_call_equals_itself_by_wire() {
    let mut call = answer(&item());
    call.response.body_digest = None;
    assert_eq!(by_wire(&call, &call).outcome, Outcome::Matched);
    assert!(!item().encode_to_vec().is_empty());
}

#[test]
fn long_values_that_differ_late_do_not_look_equal() {
    let long = |end: &str| text(&format!("{}{end}", "x".repeat(9_000)));
    let old = changed(|i| i.set_field_by_name("name", long("old")));
    let new = changed(|i| i.set_field_by_name("name", long("new")));
    for compare in [by_wire, super::by_descriptor] {
        let verdict = compare(&answer(&old), &answer(&new));
        let found = &verdict.differences[0];
        let (a, b) = (
            found.primary.as_deref().unwrap(),
            found.candidate.as_deref().unwrap(),
        );
        assert!(a.ends_with("xold\"") && b.ends_with("xnew\""), "{a} {b}");
        assert!(a.starts_with("(8777 characters cut)…x"), "{a}");
        assert!(a.chars().count() <= crate::compare::limits::VALUE_CHARS_MAX);
    }
}

#[test]
fn long_lists_in_another_order_do_not_look_equal() {
    let parts = |last: [i32; 2]| {
        let parts = (1..400).chain(last).map(|id| part(id, "lid")).collect();
        changed(|i| i.set_field_by_name("parts", Value::List(parts)))
    };
    let (old, new) = (answer(&parts([500, 501])), answer(&parts([501, 500])));
    for compare in [by_wire, super::by_descriptor] {
        let verdict = compare(&old, &new);
        let found = &verdict.differences[0];
        assert_eq!(found.kind.name(), "list_order");
        let side = found.primary.as_deref().unwrap();
        assert!(side.starts_with("(399 elements cut)…["), "{side}");
        assert_ne!(found.primary, found.candidate);
    }
}
