//! Old and new with descriptors of their own.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, Value};

use super::shop::{answers, text};
use super::{only, schema};
use crate::compare::drift::{CHANGES_MAX, ChangeKind, Effect};
use crate::compare::rules::{Rules, file};
use crate::compare::{LooksLike, Outcome, Schema, Settings, Severity, Verdict, compare};

const OLD: &str = r#"
    syntax = "proto3";
    package shop.v1;
    service Shop { rpc Get(Query) returns (Item); rpc Gone(Query) returns (Item); }
    message Query { string id = 1; }
    message Item {
      string name = 1;
      int32 stock = 2;
      Colour colour = 3;
      string note = 4;
      repeated Part parts = 5;
      map<string, Colour> by_side = 6;
      oneof delivery { string parcel = 7; string pickup = 8; }
      int32 weight = 9;
      string picture = 10;
      int32 offset = 11;
      string old_only = 12;
    }
    message Part { int32 id = 1; Colour colour = 2; }
    enum Colour { NONE = 0; RED = 1; BLUE = 2; }
"#;

/// The old types with replacements.
fn drifted(changes: &[(&str, &str)]) -> Drifted {
    let mut proto = OLD.to_owned();
    for (old, new) in changes {
        assert!(proto.contains(old), "{old}");
        proto = proto.replace(old, new);
    }
    let (old, new) = (schema(OLD), schema(&proto));
    Drifted {
        settings: Settings {
            schema: Some(old.clone().with_candidate(&new)),
            ..Settings::default()
        },
        old,
        new,
    }
}

struct Drifted {
    settings: Settings,
    old: Schema,
    new: Schema,
}

fn item(schema: &Schema, fields: &[(&str, Value)]) -> Vec<u8> {
    let mut item = DynamicMessage::new(schema.message("shop.v1.Item").unwrap());
    for (name, value) in fields {
        item.set_field_by_name(name, value.clone());
    }
    item.encode_to_vec()
}

impl Drifted {
    fn compare(&self, old: &[(&str, Value)], new: &[(&str, Value)]) -> Verdict {
        let (old, new) = (item(&self.old, old), item(&self.new, new));
        compare(&answers([old]), &answers([new]), &self.settings)
    }

    fn changes(&self) -> Vec<(String, ChangeKind, Effect)> {
        let drift = self.settings.schema.as_ref().unwrap().drift().unwrap();
        let changes = drift.changes().iter();
        changes
            .map(|it| (it.name.clone(), it.kind, it.effect))
            .collect()
    }

    #[track_caller]
    fn only_change(&self) -> (String, ChangeKind, Effect) {
        let mut changes = self.changes();
        assert_eq!(changes.len(), 1, "{changes:?}");
        changes.remove(0)
    }
}

#[track_caller]
fn looks_like(verdict: &Verdict) -> Option<LooksLike> {
    assert_eq!(verdict.differences.len(), 1, "{verdict:#?}");
    verdict.differences[0].looks_like
}

#[test]
fn equal_types_do_not_drift() {
    let same = drifted(&[]);
    assert!(same.changes().is_empty());
    let verdict = same.compare(&[("name", text("a"))], &[("name", text("b"))]);
    assert_eq!(only(&verdict), ("response_message", "name", "value"));
}

#[test]
fn a_renamed_enum_value_is_told_and_does_not_count() {
    let drifted = drifted(&[("BLUE = 2", "AZURE = 2")]);
    let (name, kind, effect) = drifted.only_change();
    assert_eq!(name, "shop.v1.Colour.BLUE");
    assert_eq!((kind, effect), (ChangeKind::EnumValueRenamed, Effect::None));
    let blue = || [("colour", Value::EnumNumber(2))];
    let verdict = drifted.compare(&blue(), &blue());
    assert_eq!(
        only(&verdict),
        ("response_message", "colour", "schema_drift")
    );
    assert_eq!(verdict.outcome, Outcome::Ignored);
    let found = &verdict.differences[0];
    assert_eq!(found.looks_like, Some(LooksLike::EnumRenamed));
    assert_eq!(found.severity, Severity::Note);
    assert_eq!(found.primary.as_deref(), Some("BLUE (2)"));
    assert_eq!(found.candidate.as_deref(), Some("AZURE (2)"));
    // Values that kept their names are equal, bytes and all.
    let red = || [("colour", Value::EnumNumber(1))];
    assert_eq!(drifted.compare(&red(), &red()).outcome, Outcome::Matched);
}

#[test]
fn a_rule_can_make_a_renamed_enum_value_count() {
    let mut drifted = drifted(&[("BLUE = 2", "AZURE = 2")]);
    let rules = "version: 1\nrules: [{ name: strict, ignore: schema_drift, severity: error }]";
    let mut strict = Rules::default();
    strict.extend(file::parse(rules, "rules.yaml").unwrap());
    drifted.settings.rules = strict;
    let blue = || [("colour", Value::EnumNumber(2))];
    assert_eq!(
        drifted.compare(&blue(), &blue()).outcome,
        Outcome::Mismatched
    );
}

#[test]
fn renamed_enum_values_are_found_in_lists_and_maps() {
    let drifted = drifted(&[("BLUE = 2", "AZURE = 2")]);
    let fields = |schema: &Schema| {
        let mut part = DynamicMessage::new(schema.message("shop.v1.Part").unwrap());
        part.set_field_by_name("colour", Value::EnumNumber(2));
        let sides = [(MapKey::String("top".to_owned()), Value::EnumNumber(2))];
        [
            ("parts", Value::List(vec![Value::Message(part)])),
            ("by_side", Value::Map(sides.into_iter().collect())),
        ]
    };
    let verdict = drifted.compare(&fields(&drifted.old), &fields(&drifted.new));
    let paths: Vec<&str> = verdict.differences.iter().map(|it| &*it.path).collect();
    assert_eq!(paths, ["parts[0].colour", "by_side[\"top\"]"]);
}

#[test]
fn an_enum_value_with_another_number_is_explained() {
    let drifted = drifted(&[("BLUE = 2", "GREEN = 2; BLUE = 3")]);
    let kinds: Vec<_> = drifted.changes().into_iter().map(|it| it.1).collect();
    assert!(
        kinds.contains(&ChangeKind::EnumValueRenumbered),
        "{kinds:?}"
    );
    let verdict = drifted.compare(
        &[("colour", Value::EnumNumber(2))],
        &[("colour", Value::EnumNumber(3))],
    );
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    assert_eq!(looks_like(&verdict), Some(LooksLike::EnumRenumbered));
}

#[test]
fn a_renamed_field_is_the_same_field() {
    let drifted = drifted(&[("string note = 4", "string remark = 4")]);
    assert_eq!(drifted.only_change().1, ChangeKind::FieldRenamed);
    let verdict = drifted.compare(&[("note", text("a"))], &[("remark", text("a"))]);
    assert_eq!(verdict.outcome, Outcome::Matched);
    let verdict = drifted.compare(&[("note", text("a"))], &[("remark", text("b"))]);
    assert_eq!(only(&verdict), ("response_message", "note", "value"));
}

#[test]
fn fields_of_one_side_are_missing_or_extra() {
    let drifted = drifted(&[("string old_only = 12;", "string new_only = 13;")]);
    let kinds: Vec<_> = drifted.changes().into_iter().map(|it| it.1).collect();
    assert_eq!(kinds, [ChangeKind::FieldAdded, ChangeKind::FieldRemoved]);
    let verdict = drifted.compare(&[("old_only", text("x"))], &[]);
    assert_eq!(only(&verdict), ("response_message", "old_only", "missing"));
    assert_eq!(looks_like(&verdict), Some(LooksLike::FieldRemoved));
    let verdict = drifted.compare(&[], &[("new_only", text("x"))]);
    assert_eq!(only(&verdict), ("response_message", "new_only", "extra"));
    assert_eq!(looks_like(&verdict), Some(LooksLike::FieldAdded));
    assert_eq!(drifted.compare(&[], &[]).outcome, Outcome::Matched);
    // Both sent it: one knows it, the other passed it on.
    let bytes = item(&drifted.old, &[("old_only", text("x"))]);
    let (a, b) = (answers([bytes.clone()]), answers([bytes]));
    assert_eq!(compare(&a, &b, &drifted.settings).outcome, Outcome::Matched);
    // Both sent it, and not the same.
    let other = item(&drifted.old, &[("old_only", text("y"))]);
    let verdict = compare(&a, &answers([other]), &drifted.settings);
    assert_eq!(only(&verdict), ("response_message", "old_only", "value"));
    let found = &verdict.differences[0];
    assert_eq!(
        (found.primary.as_deref(), found.candidate.as_deref()),
        (Some("\"x\""), Some("field 12, length-delimited: \"y\""))
    );
}

#[test]
fn types_that_share_an_encoding_are_compared_by_value() {
    let drifted = drifted(&[("int32 stock = 2", "int64 stock = 2")]);
    let (_, kind, effect) = drifted.only_change();
    assert_eq!((kind, effect), (ChangeKind::FieldType, Effect::Lossy));
    let verdict = drifted.compare(&[("stock", Value::I32(-7))], &[("stock", Value::I64(-7))]);
    assert_eq!(verdict.outcome, Outcome::Matched);
    let big = Value::I64(5_000_000_000);
    let verdict = drifted.compare(&[("stock", Value::I32(7))], &[("stock", big)]);
    assert_eq!(only(&verdict), ("response_message", "stock", "value"));
    assert_eq!(looks_like(&verdict), Some(LooksLike::TypeChanged));
}

#[test]
fn text_and_bytes_are_compared_by_byte() {
    let drifted = drifted(&[("string picture", "bytes picture")]);
    let bytes = |value: &'static [u8]| Value::Bytes(bytes::Bytes::from_static(value));
    let verdict = drifted.compare(&[("picture", text("ab"))], &[("picture", bytes(b"ab"))]);
    assert_eq!(verdict.outcome, Outcome::Matched);
    let verdict = drifted.compare(&[("picture", text("ab"))], &[("picture", bytes(b"\xff"))]);
    assert_eq!(only(&verdict), ("response_message", "picture", "value"));
}

#[test]
fn equal_bytes_of_another_encoding_are_drift_that_counts() {
    let drifted = drifted(&[("int32 offset", "sint32 offset")]);
    assert_eq!(drifted.only_change().2, Effect::Breaking);
    // The same byte 2 is 2 to the old and 1 to the new.
    let verdict = drifted.compare(&[("offset", Value::I32(2))], &[("offset", Value::I32(1))]);
    assert_eq!(
        only(&verdict),
        ("response_message", "offset", "schema_drift")
    );
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    assert_eq!(looks_like(&verdict), Some(LooksLike::TypeChanged));
    assert_eq!(drifted.compare(&[], &[]).outcome, Outcome::Matched);
}

#[test]
fn a_list_and_its_element_share_an_encoding() {
    let drifted = drifted(&[("string note = 4", "repeated string note = 4")]);
    assert_eq!(drifted.only_change().1, ChangeKind::FieldCardinality);
    let list = |texts: &[&str]| {
        [(
            "note",
            Value::List(texts.iter().map(|it| text(it)).collect()),
        )]
    };
    let verdict = drifted.compare(&[("note", text("a"))], &list(&["a"]));
    assert_eq!(verdict.outcome, Outcome::Matched);
    let verdict = drifted.compare(&[("note", text("a"))], &list(&["a", "b"]));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn a_field_that_leaves_its_oneof_is_compared_by_itself() {
    let drifted = drifted(&[(
        "oneof delivery { string parcel = 7; string pickup = 8; }",
        "oneof delivery { string parcel = 7; } string pickup = 8;",
    )]);
    let (name, kind, _) = drifted.only_change();
    assert_eq!(
        (&*name, kind),
        ("shop.v1.Item.pickup", ChangeKind::OneofMoved)
    );
    let pickup = || [("pickup", text("x"))];
    assert_eq!(
        drifted.compare(&pickup(), &pickup()).outcome,
        Outcome::Matched
    );
    let both = [("pickup", text("x")), ("parcel", text("y"))];
    let verdict = drifted.compare(&pickup(), &both);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn methods_and_presence_are_part_of_the_drift() {
    let drifted = drifted(&[
        (
            "rpc Gone(Query) returns (Item);",
            "rpc New(Query) returns (Item);",
        ),
        (
            "rpc Get(Query) returns (Item)",
            "rpc Get(Query) returns (stream Item)",
        ),
        ("int32 weight", "optional int32 weight"),
    ]);
    let changes = drifted.changes();
    for (name, kind, effect) in [
        (
            "shop.v1.Shop/Gone",
            ChangeKind::MethodRemoved,
            Effect::Breaking,
        ),
        ("shop.v1.Shop/New", ChangeKind::MethodAdded, Effect::None),
        (
            "shop.v1.Shop/Get",
            ChangeKind::MethodStreaming,
            Effect::Lossy,
        ),
        (
            "shop.v1.Item.weight",
            ChangeKind::FieldPresence,
            Effect::None,
        ),
    ] {
        assert!(
            changes.contains(&(name.to_owned(), kind, effect)),
            "{name}: {changes:?}"
        );
    }
    assert_eq!(changes.len(), 4, "{changes:?}");
}

#[test]
fn a_field_number_that_changed_is_breaking() {
    let drifted = drifted(&[("string note = 4", "string note = 14")]);
    let (_, kind, effect) = drifted.only_change();
    assert_eq!(
        (kind, effect),
        (ChangeKind::FieldRenumbered, Effect::Breaking)
    );
    let verdict = drifted.compare(&[("note", text("a"))], &[("note", text("a"))]);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn field_numbers_that_were_swapped_are_breaking() {
    let drifted = drifted(&[
        ("string name = 1", "string note = 1"),
        ("string note = 4", "string name = 4"),
    ]);
    let renumbered = |name: &str| {
        let kind = ChangeKind::FieldRenumbered;
        (format!("shop.v1.Item.{name}"), kind, Effect::Breaking)
    };
    assert_eq!(drifted.changes(), [renumbered("name"), renumbered("note")]);
    // The same bytes are a name to the old and a note to the new.
    let verdict = drifted.compare(&[("name", text("a"))], &[("note", text("a"))]);
    assert_eq!(only(&verdict), ("response_message", "name", "schema_drift"));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let found = &verdict.differences[0];
    assert_eq!(found.primary.as_deref(), Some("name: \"a\""));
    assert_eq!(found.candidate.as_deref(), Some("note: \"a\""));
    // Values that differ are told as such.
    let verdict = drifted.compare(&[("name", text("a"))], &[("note", text("b"))]);
    assert_eq!(only(&verdict), ("response_message", "name", "value"));
    assert_eq!(drifted.compare(&[], &[]).outcome, Outcome::Matched);
}

#[test]
fn a_field_number_that_another_field_took_is_breaking() {
    // `name` is gone, `note` has its number, and `remark` that of `note`.
    let drifted = drifted(&[
        ("string name = 1", "string note = 1"),
        ("string note = 4", "string remark = 4"),
    ]);
    let drift = drifted.settings.schema.as_ref().unwrap().drift().unwrap();
    let told: Vec<_> = drift
        .changes()
        .iter()
        .map(|it| {
            let texts = (it.primary.as_deref(), it.candidate.as_deref());
            (&*it.name, it.kind, it.effect, texts)
        })
        .collect();
    let (kind, effect) = (ChangeKind::FieldRenumbered, Effect::Breaking);
    assert_eq!(
        told,
        [
            (
                "shop.v1.Item.name",
                kind,
                effect,
                (Some("name"), Some("note"))
            ),
            ("shop.v1.Item.note", kind, effect, (Some("4"), Some("1"))),
        ]
    );
}

#[test]
fn closed_and_open_enums_are_told_apart() {
    let old = schema(OLD);
    let proto2 = OLD
        .replace("proto3", "proto2")
        .replace("string ", "optional string ")
        .replace("int32 ", "optional int32 ")
        .replace("      Colour colour", "      optional Colour colour")
        .replace("; Colour colour", "; optional Colour colour")
        .replace("map<optional string ", "map<string ")
        .replace(
            "{ optional string parcel = 7; optional string pickup = 8; }",
            "{ string parcel = 7; string pickup = 8; }",
        );
    let with = old.with_candidate(&schema(&proto2));
    let drift = with.drift().unwrap();
    let kinds: Vec<_> = drift.changes().iter().map(|change| change.kind).collect();
    assert!(kinds.contains(&ChangeKind::EnumOpenness), "{kinds:?}");
}

#[test]
fn changes_that_are_not_listed_are_counted_by_effect() {
    let fields = |kind: &str, last: &str| -> String {
        let many = (1..=CHANGES_MAX).map(|n| format!("{kind} a{n} = {n};"));
        let last = format!("{last} z = {};", CHANGES_MAX + 1);
        many.chain([last]).collect()
    };
    let of = |fields: String| {
        schema(&format!(
            "syntax = \"proto3\"; package a; message M {{ {fields} }} service S {{ rpc G(M) returns (M); }}"
        ))
    };
    let old = of(fields("int32", "int32"));
    let both = old.with_candidate(&of(fields("int64", "string")));
    let drift = both.drift().unwrap();
    assert_eq!((drift.changes().len(), drift.omitted()), (CHANGES_MAX, 1));
    assert_eq!(drift.count(Effect::Breaking), 1);
    assert_eq!(drift.count(Effect::Lossy), CHANGES_MAX as u64);
}
