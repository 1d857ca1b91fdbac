//! Pairs judged by rules: what a rule takes for equal, and what it must not.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use super::shop::{answer, answers, item, message, part, schema, text, time, with};
use crate::call::{Call, Status};
use crate::compare::rules::{Preset, file};
use crate::compare::{Kind, Outcome, Rules, Settings, Severity, Verdict, compare};

fn rules(yaml: &str) -> Rules {
    let mut rules = Rules::default();
    rules.extend(file::parse(&format!("version: 1\nrules:\n{yaml}"), "test").unwrap());
    rules
}

fn judge(primary: &Call, candidate: &Call, yaml: &str) -> Verdict {
    let settings = Settings {
        schema: Some(schema()),
        rules: rules(yaml),
        ..Settings::default()
    };
    compare(primary, candidate, &settings)
}

/// The item, and the item with `fields` set.
fn changed(fields: &[(&str, Value)]) -> (Call, Call) {
    let mut other = item();
    for (name, value) in fields {
        other.set_field_by_name(name, value.clone());
    }
    (answer(&item()), answer(&other))
}

fn parts(list: &[Value]) -> Call {
    answer(&with(
        "shop.v1.Item",
        &[("parts", Value::List(list.to_vec()))],
    ))
}

fn priced(id: i32, price: f64) -> Value {
    let fields = [("id", Value::I32(id)), ("price", Value::F64(price))];
    Value::Message(with("shop.v1.Part", &fields))
}

#[test]
fn each_action_takes_for_equal_what_it_says_and_no_more() {
    let uuid = |digit: &str| text(&format!("{}-9d0c-4c9e-8f8e-0a7c2b6c1d11", digit.repeat(8)));
    let id = |digit| with("shop.v1.Item", &[("name", uuid(digit))]);
    let cases: &[(&str, (Call, Call), Outcome)] = &[
        (
            "{ name: r, path: price, tolerance: { absolute: 0.01 } }",
            changed(&[("price", Value::F64(12.35))]),
            Outcome::Ignored,
        ),
        (
            "{ name: r, path: price, tolerance: { absolute: 0.001 } }",
            changed(&[("price", Value::F64(12.35))]),
            Outcome::Mismatched,
        ),
        (
            "{ name: r, path: weight_g, tolerance: { relative: 1% } }",
            changed(&[("weight_g", Value::I64(878))]),
            Outcome::Ignored,
        ),
        (
            "{ name: r, path: weight_g, tolerance: { relative: 0.01 } }",
            changed(&[("weight_g", Value::I64(880))]),
            Outcome::Mismatched,
        ),
        (
            "{ name: r, path: made_at, tolerance: { time: 2s } }",
            (
                answer(&with("shop.v1.Item", &[("made_at", time(100, 0))])),
                answer(&with("shop.v1.Item", &[("made_at", time(101, 5))])),
            ),
            Outcome::Ignored,
        ),
        (
            "{ name: r, path: name, class: uuid }",
            (answer(&id("1")), answer(&id("2"))),
            Outcome::Ignored,
        ),
        (
            "{ name: r, path: name, class: uuid }",
            changed(&[("name", text("another"))]),
            Outcome::Mismatched,
        ),
        (
            "{ name: r, path: name, matches: 'a \\w+ of .*' }",
            changed(&[("name", text("a kettle of bad size"))]),
            Outcome::Ignored,
        ),
        (
            // The whole value has to match.
            "{ name: r, path: name, matches: 'a \\w+' }",
            changed(&[("name", text("a kettle of bad size"))]),
            Outcome::Mismatched,
        ),
        (
            "{ name: r, path: name, normalize: [case, white_space] }",
            changed(&[("name", text("A  teapot of GOOD size"))]),
            Outcome::Ignored,
        ),
        (
            "{ name: r, path: discount, empty_equals_absent: true }",
            changed(&[("discount", Value::F64(0.0))]),
            Outcome::Ignored,
        ),
        (
            "{ name: r, path: discount, empty_equals_absent: true }",
            changed(&[("discount", Value::F64(0.5))]),
            Outcome::Mismatched,
        ),
        (
            "{ name: r, path: price, ignore: [missing, extra] }",
            changed(&[("price", Value::F64(1.0))]),
            Outcome::Mismatched,
        ),
        (
            "{ name: r, path: maker, ignore: true }",
            changed(&[("maker", Value::Message(message("shop.v1.Maker")))]),
            Outcome::Ignored,
        ),
        (
            "{ name: r, method: 'shop.v1.Shop/Watch', path: price, ignore: true }",
            changed(&[("price", Value::F64(1.0))]),
            Outcome::Mismatched,
        ),
        (
            // Responses, unless it says otherwise.
            "{ name: r, place: request_message, path: price, ignore: true }",
            changed(&[("price", Value::F64(1.0))]),
            Outcome::Mismatched,
        ),
    ];
    for (rule, (old, new), outcome) in cases {
        let verdict = judge(old, new, &format!("- {rule}"));
        assert_eq!(
            verdict.outcome, *outcome,
            "{rule}: {:#?}",
            verdict.differences
        );
    }
}

#[test]
fn a_hollow_message_counts_as_empty_however_deep() {
    let inner = with("shop.v1.Item", &[("discount", Value::F64(0.0))]);
    let outer = with("shop.v1.Item", &[("next", Value::Message(inner))]);
    let plain = message("shop.v1.Item");
    let rule = "- { name: r, empty_equals_absent: true }";
    let verdict = judge(&answer(&outer), &answer(&plain), rule);
    assert_eq!(verdict.outcome, Outcome::Ignored);
    let full = with("shop.v1.Item", &[("next", Value::Message(item()))]);
    let verdict = judge(&answer(&full), &answer(&plain), rule);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn a_list_without_order_differs_only_by_its_elements() {
    let old = parts(&[part(1, "lid"), part(2, "spout"), part(3, "handle")]);
    let rule = "- { name: order, path: parts, unordered: true }";
    let turned = parts(&[part(3, "handle"), part(1, "lid"), part(2, "spout")]);
    let verdict = judge(&old, &turned, rule);
    assert_eq!(verdict.outcome, Outcome::Ignored);
    assert_eq!(verdict.differences[0].kind, Kind::ListOrder);
    assert_eq!(verdict.ruled, [("order".into(), 1)]);

    let one_off = parts(&[part(3, "handle"), part(1, "LID"), part(2, "spout")]);
    let verdict = judge(&old, &one_off, rule);
    let counted: Vec<_> = verdict
        .counted()
        .map(|found| (&*found.path, found.kind))
        .collect();
    assert_eq!(counted, [("parts[0].name", Kind::Value)]);

    let fewer = parts(&[part(3, "handle"), part(1, "lid")]);
    let verdict = judge(&old, &fewer, rule);
    let counted: Vec<_> = verdict
        .counted()
        .map(|found| (&*found.path, found.kind))
        .collect();
    assert_eq!(counted, [("parts[1]", Kind::Missing)]);
}

#[test]
fn elements_that_a_rule_takes_for_equal_find_each_other() {
    let old = parts(&[priced(1, 10.0), priced(2, 20.0), priced(3, 30.0)]);
    let new = parts(&[priced(9, 30.001), priced(8, 10.001), priced(7, 20.001)]);
    let yaml = "- { name: order, path: parts, unordered: true }\n\
                - { name: id, path: parts.id, ignore: true }\n\
                - { name: price, path: parts.price, tolerance: { absolute: 0.01 } }";
    let verdict = judge(&old, &new, yaml);
    assert_eq!(
        verdict.outcome,
        Outcome::Ignored,
        "{:#?}",
        verdict.differences
    );
}

#[test]
fn a_keyed_list_pairs_elements_by_their_key() {
    let old = parts(&[priced(1, 10.0), priced(2, 20.0), priced(3, 30.0)]);
    // By value alone, 2 would find the other 20.
    let new = parts(&[priced(3, 20.0), priced(2, 10.0), priced(4, 30.0)]);
    let verdict = judge(
        &old,
        &new,
        "- { name: k, path: parts, unordered: { key: id } }",
    );
    let mut counted: Vec<_> = verdict
        .counted()
        .map(|found| (&*found.path, found.kind))
        .collect();
    counted.sort_unstable();
    assert_eq!(
        counted,
        [
            ("parts[0]", Kind::Missing),
            ("parts[1].price", Kind::Value),
            ("parts[2]", Kind::Extra),
            ("parts[2].price", Kind::Value),
        ]
    );
}

#[test]
fn the_first_rule_that_applies_decides() {
    let (old, new) = changed(&[("price", Value::F64(99.0)), ("rating", Value::F32(1.0))]);
    let yaml = "- { name: prices-matter, path: price, ignore: true, severity: error }\n\
                - { name: told, path: rating, ignore: true, severity: warning }\n\
                - { name: broad, ignore: true }";
    let verdict = judge(&old, &new, yaml);
    let found: Vec<_> = verdict
        .differences
        .iter()
        .map(|found| (&*found.path, found.severity, found.ignored_by.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("price", Severity::Error, None),
            ("rating", Severity::Warning, Some("told")),
        ]
    );
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn rules_count_what_they_hid_beyond_the_differences_kept() {
    let many = |price: f64| {
        let list: Vec<Value> = (0..300).map(|id| priced(id, price)).collect();
        parts(&list)
    };
    let verdict = judge(
        &many(1.0),
        &many(2.0),
        "- { name: all, path: parts.price, ignore: true }",
    );
    assert_eq!(verdict.ruled, [("all".into(), 300)]);
    assert_eq!(verdict.outcome, Outcome::Ignored);
}

#[test]
fn what_is_ignored_never_ends_the_search_for_what_counts() {
    let list = |price: f64, last: f64| {
        let mut list: Vec<Value> = (0..300).map(|id| priced(id, price)).collect();
        list.push(priced(300, last));
        answer(&with(
            "shop.v1.Item",
            &[
                ("parts", Value::List(list)),
                ("rating", Value::F32(if last > 1.0 { 2.0 } else { 1.0 })),
            ],
        ))
    };
    let rule = "- { name: all, path: parts.price, ignore: true }";
    let verdict = judge(&list(1.0, 1.0), &list(2.0, 2.0), rule);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    assert_eq!(verdict.counted().count(), 1);
}

#[test]
fn a_map_key_cannot_pass_for_another_path() {
    let labelled = |value: &str| {
        let key = prost_reflect::MapKey::String("x\"].price".to_owned());
        let map = [(key, text(value))].into_iter().collect();
        answer(&with("shop.v1.Item", &[("labels", Value::Map(map))]))
    };
    let rule = "- { name: r, path: '**.price', ignore: true }";
    let verdict = judge(&labelled("a"), &labelled("b"), rule);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn without_a_descriptor_rules_name_field_numbers() {
    let settings = |yaml| Settings {
        rules: rules(yaml),
        ..Settings::default()
    };
    let old = parts(&[priced(1, 10.0), priced(2, 20.0)]);
    let new = parts(&[priced(2, 20.5), priced(1, 10.5)]);
    let yaml = "- { name: k, path: '10', unordered: { key: '1' } }\n\
                - { name: t, path: '10.3', tolerance: { absolute: 1 } }";
    let verdict = compare(&old, &new, &settings(yaml));
    assert_eq!(
        verdict.outcome,
        Outcome::Ignored,
        "{:#?}",
        verdict.differences
    );
    let yaml = "- { name: t, path: '10.3', tolerance: { absolute: 1 } }";
    let verdict = compare(&old, &new, &settings(yaml));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn the_loose_preset_takes_order_and_emptiness_for_nothing() {
    let mut all = Rules::default();
    all.extend(Preset::Loose.rules().unwrap());
    let settings = Settings {
        schema: Some(schema()),
        rules: all,
        ..Settings::default()
    };
    let old = with(
        "shop.v1.Item",
        &[
            ("tags", Value::List(vec![text("a"), text("b")])),
            ("discount", Value::F64(0.0)),
        ],
    );
    let new = with(
        "shop.v1.Item",
        &[("tags", Value::List(vec![text("b"), text("a")]))],
    );
    let verdict = compare(&answer(&old), &answer(&new), &settings);
    assert_eq!(verdict.outcome, Outcome::Ignored);
    let other = with(
        "shop.v1.Item",
        &[("tags", Value::List(vec![text("b"), text("c")]))],
    );
    let verdict = compare(&answer(&old), &answer(&other), &settings);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn a_message_missing_from_a_stream_can_be_ruled_out_by_kind() {
    let encoded = |item: &DynamicMessage| item.encode_to_vec();
    let old = answers([encoded(&item()), encoded(&message("shop.v1.Item"))]);
    let new = answers([encoded(&item())]);
    let verdict = judge(&old, &new, "- { name: tail, ignore: [message_missing] }");
    assert_eq!(verdict.outcome, Outcome::Ignored);
}

#[test]
fn what_is_ignored_does_not_judge_what_was_cut() {
    let stream = |price: f64, count: u64| {
        let mut call =
            answers([with("shop.v1.Item", &[("price", Value::F64(price))]).encode_to_vec()]);
        call.response.truncated = true;
        call.response.messages_count = Some(count);
        call
    };
    let rule = "- { name: price, path: price, ignore: true }";
    let verdict = judge(&stream(1.0, 100), &stream(2.0, 90), rule);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let verdict = judge(&stream(1.0, 100), &stream(2.0, 100), rule);
    assert!(
        matches!(verdict.outcome, Outcome::Incomparable(_)),
        "{verdict:#?}"
    );
}

#[test]
fn an_element_that_one_side_lacks_is_no_empty_field() {
    let sizes = |list: &[i32]| {
        let list = list.iter().map(|size| Value::I32(*size)).collect();
        answer(&with("shop.v1.Item", &[("sizes", Value::List(list))]))
    };
    let rule = "- { name: empty, empty_equals_absent: true }";
    let verdict = judge(&sizes(&[1, 2]), &sizes(&[1, 2, 0]), rule);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
}

#[test]
fn a_rule_on_the_status_says_nothing_of_the_rest() {
    let old = answer(&item());
    let mut new = answers([]);
    new.status = Some(crate::call::Status(2));
    let rule = |codes: &str| format!("- {{ name: s, place: status, matches: '{codes}' }}");
    let verdict = judge(&old, &new, &rule("OK|UNKNOWN"));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    assert_eq!(verdict.ruled, [("s".into(), 1)]);
    let mut same = old.clone();
    same.status = Some(crate::call::Status(2));
    assert_eq!(
        judge(&old, &same, &rule("OK|UNKNOWN")).outcome,
        Outcome::Ignored
    );
    assert_eq!(
        judge(&old, &same, &rule("UNKNOWN")).outcome,
        Outcome::Mismatched
    );
}

#[test]
fn without_a_descriptor_negative_numbers_do_not_lie_near_each_other() {
    let settings = Settings {
        rules: rules("- { name: t, tolerance: { absolute: 10 } }"),
        ..Settings::default()
    };
    let weighs = |grams: i64| answer(&with("shop.v1.Item", &[("weight_g", Value::I64(grams))]));
    let verdict = compare(&weighs(-5), &weighs(-900), &settings);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let verdict = compare(&weighs(-5), &weighs(-7), &settings);
    assert_eq!(verdict.outcome, Outcome::Ignored);
}

#[test]
fn a_rule_on_the_status_hides_neither_its_message_nor_its_details() {
    let failed = |code, message: &'static str| Call {
        status: Some(Status(code)),
        status_message: Bytes::from_static(message.as_bytes()),
        ..answers([])
    };
    let (old, new) = (failed(5, "no such item"), failed(2, "stack trace: secret"));
    let verdict = judge(&old, &new, "- { name: r, place: status, ignore: true }");
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    let places: Vec<_> = verdict
        .differences
        .iter()
        .map(|it| it.place.name())
        .collect();
    assert_eq!(places, ["status", "status_message"]);
    let same = failed(2, "no such item");
    let verdict = judge(&old, &same, "- { name: r, place: status, ignore: true }");
    assert_eq!(verdict.outcome, Outcome::Ignored);
}
