//! What differs inside lists, maps, `Any` and extensions, also where each side has types of its own.

use prost::encoding::{WireType, encode_key, encode_varint};

use super::shop::answers;
use super::{only, schema};
use crate::compare::rules::{Rules, file};
use crate::compare::{LooksLike, Outcome, Schema, Settings, Verdict, compare};

const OLD: &str = r#"
    syntax = "proto2";
    package shop.v1;
    import "google/protobuf/any.proto";
    service Shop { rpc Get(Query) returns (Basket); }
    message Query {}
    message Basket {
      repeated Item items = 1;
      optional Item one = 2;
      repeated int32 numbers = 3;
      map<string, string> texts = 4;
      optional google.protobuf.Any any = 5;
      optional Paid paid = 6;
    }
    message Item {
      optional int32 id = 1;
      optional int32 count = 2;
      extensions 100 to 200;
    }
    extend Item { optional int32 extra = 100; }
    message Inside { optional int32 x = 1; }
    enum Paid { NONE = 0; PAID = 1; REFUNDED = 2; }
"#;

fn int(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

fn sub(number: u32, inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(inside.len() as u64, &mut out);
    [out, inside.to_vec()].concat()
}

/// With the same types for both, where `changes` is empty.
fn settings(changes: &[(&str, &str)], rules: &str) -> Settings {
    let old = schema(OLD);
    let new = changes.iter().fold(OLD.to_owned(), |proto, (from, to)| {
        assert!(proto.contains(from), "{from}");
        proto.replace(from, to)
    });
    let mut held = Rules::default();
    let yaml = format!("version: 1\nrules: [{rules}]");
    held.extend(file::parse(&yaml, "rules.yaml").unwrap());
    let both = |schema: Schema| match changes.is_empty() {
        true => schema,
        false => schema.with_candidate(&super::schema(&new)),
    };
    Settings {
        schema: Some(both(old)),
        rules: held,
        ..Settings::default()
    }
}

fn judge(settings: &Settings, old: &[u8], new: &[u8]) -> Verdict {
    let (old, new) = (answers([old.to_vec()]), answers([new.to_vec()]));
    compare(&old, &new, settings)
}

#[test]
fn extensions_of_list_elements_are_compared() {
    let same = settings(&[], "");
    let basket = |extra: &[u8]| sub(1, &[&int(1, 7)[..], extra].concat());
    let verdict = judge(&same, &basket(&int(100, 1)), &basket(&int(100, 2)));
    let path = "items[0].(shop.v1.extra)";
    assert_eq!(only(&verdict), ("response_message", path, "value"));
    let verdict = judge(&same, &basket(&int(100, 1)), &basket(b""));
    assert_eq!(only(&verdict), ("response_message", path, "missing"));
    // Also of elements that moved, where order is nothing.
    let unordered = settings(&[], "{ name: r, path: items, unordered: true }");
    let item = |id, extra| sub(1, &[int(1, id), int(100, extra)].concat());
    let (old, new) = (
        [item(1, 1), item(2, 2)].concat(),
        [item(2, 3), item(1, 1)].concat(),
    );
    let verdict = judge(&unordered, &old, &new);
    assert_eq!(verdict.outcome, Outcome::Mismatched, "{verdict:#?}");
}

#[test]
fn a_message_with_nothing_but_an_extension_is_not_empty() {
    let loose = settings(&[], "{ name: r, empty_equals_absent: true }");
    let verdict = judge(&loose, &sub(2, &int(100, 1)), b"");
    assert_eq!(only(&verdict), ("response_message", "one", "missing"));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let shown = verdict.differences[0].primary.as_deref();
    assert_eq!(shown, Some("{(shop.v1.extra): 1}"));
}

#[test]
fn an_extension_that_one_side_knows_is_held_against_what_the_other_has() {
    let gone = settings(&[("extend Item { optional int32 extra = 100; }", "")], "");
    // Something else drifts too, so that each side is read with its own types.
    let basket = |extra: &[u8]| sub(2, &[&int(1, 7)[..], extra].concat());
    let path = "one.(shop.v1.extra)";
    let verdict = judge(&gone, &basket(&int(100, 1)), &basket(b""));
    assert_eq!(only(&verdict), ("response_message", path, "missing"));
    let looks_like = verdict.differences[0].looks_like;
    assert_eq!(looks_like, Some(LooksLike::FieldRemoved));
    let verdict = judge(&gone, &basket(b""), &basket(&int(100, 1)));
    assert_eq!(only(&verdict), ("response_message", path, "extra"));
    let verdict = judge(&gone, &basket(&int(100, 1)), &basket(&int(100, 1)));
    assert_eq!(verdict.outcome, Outcome::Matched);
    let verdict = judge(&gone, &basket(&int(100, 1)), &basket(&int(100, 2)));
    assert_eq!(only(&verdict), ("response_message", path, "value"));
}

#[test]
fn an_extension_of_another_type_counts_wherever_it_is_set() {
    let other = settings(
        &[("optional int32 extra = 100", "optional sint32 extra = 100")],
        "",
    );
    let basket = sub(1, &int(100, 2));
    let verdict = judge(&other, &basket, &basket);
    let path = "items[0].(shop.v1.extra)";
    assert_eq!(only(&verdict), ("response_message", path, "schema_drift"));
    let drift = other.schema.as_ref().unwrap().drift().unwrap();
    assert_eq!(drift.changes()[0].name, "shop.v1.extra");
}

#[test]
fn elements_of_related_types_are_equal_where_their_values_are() {
    let wider = settings(
        &[
            ("repeated int32 numbers", "repeated int64 numbers"),
            ("map<string, string> texts", "map<string, bytes> texts"),
        ],
        "",
    );
    let entry = |text: &[u8]| sub(4, &[sub(1, b"k"), sub(2, text)].concat());
    let basket = |number, text| [int(3, 1), int(3, number), entry(text)].concat();
    let verdict = judge(&wider, &basket(2, b"a"), &basket(2, b"a"));
    assert_eq!(verdict.outcome, Outcome::Matched, "{verdict:#?}");
    let verdict = judge(&wider, &basket(2, b"a"), &basket(3, b"a"));
    assert_eq!(only(&verdict), ("response_message", "numbers[1]", "value"));
    let verdict = judge(&wider, &basket(2, b"a"), &basket(2, b"b"));
    assert_eq!(
        only(&verdict),
        ("response_message", "texts[\"k\"]", "value")
    );
}

#[test]
fn numbers_that_were_swapped_count_in_lists_whose_order_is_nothing() {
    let changes = [
        ("optional int32 id = 1;", "optional int32 count = 1;"),
        ("optional int32 count = 2;", "optional int32 id = 2;"),
    ];
    let swapped = settings(&changes, "{ name: r, path: items, unordered: true }");
    let item = |id, count| sub(1, &[int(1, id), int(2, count)].concat());
    let basket = [item(1, 5), item(2, 6)].concat();
    let verdict = judge(&swapped, &basket, &basket);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let moved = [item(2, 6), item(1, 5)].concat();
    assert_eq!(
        judge(&swapped, &basket, &moved).outcome,
        Outcome::Mismatched
    );
    let ordered = settings(&changes, "");
    let counted = |verdict: &Verdict| {
        let drift = verdict.differences.iter();
        drift.filter(|it| it.kind.name() == "schema_drift").count()
    };
    assert_eq!(counted(&judge(&ordered, &basket, &moved)), 4);
}

#[test]
fn a_type_inside_any_is_read_with_each_sides_own_types() {
    let url = b"type.googleapis.com/shop.v1.Inside";
    let basket = |x| sub(5, &[sub(1, url), sub(2, &int(1, x))].concat());
    let other = settings(&[("optional int32 x = 1", "optional sint32 x = 1")], "");
    let verdict = judge(&other, &basket(2), &basket(2));
    let path = "any[shop.v1.Inside].x";
    assert_eq!(only(&verdict), ("response_message", path, "schema_drift"));
    let drift = other.schema.as_ref().unwrap().drift().unwrap();
    assert!(drift.changes().is_empty(), "{:?}", drift.changes());
}

#[test]
fn enum_values_that_swapped_their_names_count() {
    let swapped = settings(
        &[("PAID = 1; REFUNDED = 2;", "REFUNDED = 1; PAID = 2;")],
        "",
    );
    let verdict = judge(&swapped, &int(6, 1), &int(6, 1));
    assert_eq!(only(&verdict), ("response_message", "paid", "schema_drift"));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let looks_like = verdict.differences[0].looks_like;
    assert_eq!(looks_like, Some(LooksLike::EnumRenumbered));
    let verdict = judge(&swapped, &int(6, 0), &int(6, 0));
    assert_eq!(verdict.outcome, Outcome::Matched);
}

#[test]
fn a_rule_for_an_entry_holds_where_the_other_side_has_no_entries() {
    let entry = |key: &[u8]| sub(4, &[sub(1, key), sub(2, b"x")].concat());
    let ignoring = settings(&[], "{ name: r, path: 'texts[\"eu\"]', ignore: true }");
    let verdict = judge(&ignoring, &entry(b"eu"), b"");
    assert_eq!(verdict.outcome, Outcome::Ignored, "{verdict:#?}");
    let verdict = judge(&ignoring, &[entry(b"eu"), entry(b"us")].concat(), b"");
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn an_alias_that_is_gone_is_the_same_value() {
    let old = OLD.replace(
        "enum Paid { NONE = 0; PAID = 1;",
        "enum Paid { option allow_alias = true; NONE = 0; PAID = 1; SETTLED = 1;",
    );
    let new = old.replace("PAID = 1; SETTLED = 1;", "SETTLED = 1;");
    let new = new.replace("option allow_alias = true;", "");
    let both = Settings {
        schema: Some(super::schema(&old).with_candidate(&super::schema(&new))),
        ..Settings::default()
    };
    let verdict = judge(&both, &int(6, 1), &int(6, 1));
    assert_eq!(verdict.outcome, Outcome::Matched, "{verdict:#?}");
    let drift = both.schema.as_ref().unwrap().drift().unwrap();
    assert!(drift.changes().is_empty(), "{:?}", drift.changes());
}
