//! JSON: messages of `application/grpc+json`, bodies that say what they are, and fields of which a
//! rule says so.

use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use super::shop::{answer, answers, changed, header, text};
use super::{by_descriptor, by_wire, compare, only};
use crate::call::Call;
use crate::compare::json::by_rule;
use crate::compare::leaf::Leaf;
use crate::compare::render::Raw;
use crate::compare::rules::{Rules, file};
use crate::compare::sink::Sink;
use crate::compare::{Kind, LooksLike, Outcome, Place, Settings, Verdict, limits};

/// A call that answers with JSON messages.
fn json(messages: &[&str]) -> Call {
    let mut call = answers(messages.iter().map(|text| text.as_bytes().to_vec()));
    call.response_metadata
        .retain(|header| header.name != "content-type");
    let content_type = header("content-type", "application/grpc+json; charset=utf-8");
    call.response_metadata.push(content_type);
    call
}

fn compared(primary: &str, candidate: &str) -> Verdict {
    by_descriptor(&json(&[primary]), &json(&[candidate]))
}

#[test]
fn how_json_is_written_does_not_count() {
    for (a, b) in [
        (
            r#"{"a":1,"b":[true,null]}"#,
            "{ \"b\": [ true, null ],\n \"a\": 1.0 }",
        ),
        (r#"{"name":"é"}"#, r#"{"name":"\u00e9"}"#),
        ("100", "1e2"),
        (r#"{"a":1,"a":2}"#, r#"{"a" :1, "a": 2}"#),
    ] {
        assert_eq!(compared(a, b).outcome, Outcome::Matched, "{a} {b}");
    }
}

#[test]
fn what_json_says_differently_is_named_by_its_path() {
    for (a, b, path, kind) in [
        (
            r#"{"a":{"b":[1,2,3]}}"#,
            r#"{"a":{"b":[1,5,3]}}"#,
            "a.b[1]",
            "value",
        ),
        (r#"{"a":1}"#, r#"{"a":"1"}"#, "a", "type"),
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, "b", "missing"),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, "b", "extra"),
        (r#"{"a":null}"#, "{}", "a", "default_vs_absent"),
        (r#"{"a b.c":1}"#, r#"{"a b.c":2}"#, "[\"a b.c\"]", "value"),
        ("[1,2,3]", "[3,1,2]", "", "list_order"),
        ("[{\"id\":1},{\"id\":2}]", "[{\"id\":2}]", "[0]", "missing"),
        ("9007199254740993", "9007199254740992", "", "value"),
        ("0", "-0", "", "value"),
        (r#"{"a":1}"#, "no json", "", "undecodable"),
    ] {
        let verdict = compared(a, b);
        assert_eq!(only(&verdict), ("response_message", path, kind), "{a} {b}");
        assert_eq!(verdict.outcome, Outcome::Mismatched);
    }
}

#[test]
fn differences_in_json_are_explained() {
    for (a, b, expected) in [
        (r#"{"a":"x y"}"#, r#"{"a":"x  y"}"#, LooksLike::WhiteSpace),
        (r#"{"a":12.345678}"#, r#"{"a":12.35}"#, LooksLike::Rounding),
        (r#"{"a":41}"#, r#"{"a":42}"#, LooksLike::OffByOne),
        (r#"{"a":1}"#, r#"{"a":1,"a":2}"#, LooksLike::RepeatedKey),
        (r#"{"a":0}"#, r#"{"a":-0}"#, LooksLike::Sign),
    ] {
        let verdict = compared(a, b);
        assert_eq!(verdict.differences.len(), 1, "{a} {b}: {verdict:#?}");
        assert_eq!(verdict.differences[0].looks_like, Some(expected), "{a} {b}");
    }
}

#[test]
fn what_only_one_side_calls_json_is_compared_as_bytes() {
    let (a, b) = ("{\"a\":1}", "{ \"a\": 1 }");
    let mut plain = json(&[b]);
    plain.response_metadata = answers([]).response_metadata;
    let verdict = by_wire(&json(&[a]), &plain);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    // Two texts that are no JSON are two texts.
    assert_eq!(only(&compared("a", "b")).2, "value");
    assert_eq!(compared("same", "same").outcome, Outcome::Matched);
}

#[test]
fn streams_of_json_are_aligned() {
    let messages: Vec<String> = (0..20).map(|n| format!("{{\"n\":{n}}}")).collect();
    let texts: Vec<&str> = messages.iter().map(String::as_str).collect();
    let verdict = by_wire(&json(&texts), &json(&[&texts[..7], &texts[8..]].concat()));
    assert_eq!(only(&verdict).2, "message_missing");
    assert_eq!(verdict.differences[0].message_index, Some(7));
}

fn with_rules(rules: &str, primary: &Call, candidate: &Call) -> Verdict {
    let mut parsed = Rules::default();
    parsed.extend(file::parse(rules, "rules.yaml").unwrap());
    let settings = Settings {
        schema: Some(super::shop::schema()),
        rules: parsed,
        ..Settings::default()
    };
    compare(primary, candidate, &settings)
}

#[test]
fn a_field_holds_json_where_a_rule_says_so() {
    let named = |json: &str| answer(&changed(|item| item.set_field_by_name("name", text(json))));
    let (a, b) = (named(r#"{"x":1,"y":2}"#), named(r#"{ "y": 2, "x": 1 }"#));
    // Without a rule it is a text.
    assert_eq!(
        only(&by_descriptor(&a, &b)),
        ("response_message", "name", "value")
    );
    let rule = "version: 1\nrules: [{ name: j, path: name, json: true }]";
    let verdict = with_rules(rule, &a, &b);
    assert_eq!(verdict.outcome, Outcome::Ignored);
    assert_eq!(verdict.differences[0].ignored_by.as_deref(), Some("j"));
    let verdict = with_rules(rule, &a, &named(r#"{"x":1,"y":3}"#));
    assert_eq!(only(&verdict), ("response_message", "name.y", "value"));
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    // Rules know the paths inside.
    let deeper = "version: 1\nrules: [{ name: j, path: name, json: true }, \
                  { name: y, path: name.y, tolerance: { absolute: 1 } }]";
    assert_eq!(
        with_rules(deeper, &a, &named(r#"{"x":1,"y":3}"#)).outcome,
        Outcome::Ignored
    );
    // What is no JSON stays what it was.
    let verdict = with_rules(rule, &named("red"), &named("blue"));
    assert_eq!(only(&verdict), ("response_message", "name", "value"));
    // Without a descriptor, paths are numbers.
    let by_number = Settings {
        rules: {
            let mut rules = Rules::default();
            let yaml = "version: 1\nrules: [{ name: j, path: '1', json: true }]";
            rules.extend(file::parse(yaml, "rules.yaml").unwrap());
            rules
        },
        ..Settings::default()
    };
    let verdict = compare(&a, &named(r#"{"x":1,"y":3}"#), &by_number);
    assert_eq!(only(&verdict), ("response_message", "1.y", "value"));
}

#[test]
fn json_is_paid_for_before_it_is_read() {
    let mut rules = Rules::default();
    let json = "version: 1\nrules: [{ name: j, path: name, json: true }]";
    rules.extend(file::parse(json, "rules.yaml").unwrap());
    let long = |end: &str| format!("{{\"x\":\"{}\"{end}", "y".repeat(10_000));
    // Whatever reading them would tell: equal, different, no JSON.
    for (a, b) in [("}", " }"), ("}", ",\"z\":1}"), ("", "?")] {
        let (a, b) = (long(a), long(b));
        let mut sink = Sink::new(&rules, "a.B/C");
        sink.place(Place::ResponseMessage);
        sink.enter_field("name");
        assert!(sink.spend(usize::try_from(limits::WORK_MAX).unwrap() - 100));
        by_rule(a.as_bytes(), b.as_bytes(), &mut sink);
        assert!(sink.take_exhausted(), "{b}");
        let side = |text| Some((Raw::Text(text), Leaf::Text(text)));
        sink.report_values(Kind::Value, side(&a), side(&b), None);
        assert!(sink.take_exhausted(), "{b}");
        let (differences, _, hidden) = sink.finish();
        assert!(
            differences.is_empty() && hidden.is_empty(),
            "{differences:?}"
        );
    }
}

const BODY: &str = r#"
    syntax = "proto3";
    package google.api;
    message HttpBody { string content_type = 1; bytes data = 2; }
    message Page { HttpBody body = 1; }
    service Pages { rpc Get(Page) returns (Page); rpc Raw(Page) returns (HttpBody); }
"#;

#[test]
fn an_http_body_that_says_it_is_json_is_compared_as_json() {
    let schema = super::schema(BODY);
    let call = |method: &str, content_type: &str, data: &str| {
        let body = schema.message("google.api.HttpBody").unwrap();
        let mut message = DynamicMessage::new(body);
        message.set_field_by_name("content_type", text(content_type));
        message.set_field_by_name("data", Value::Bytes(data.to_owned().into()));
        if method == "Get" {
            let mut page = DynamicMessage::new(schema.message("google.api.Page").unwrap());
            page.set_field_by_name("body", Value::Message(message));
            message = page;
        }
        Call {
            rpc_method: format!("google.api.Pages/{method}"),
            ..answers([message.encode_to_vec()])
        }
    };
    let settings = Settings {
        schema: Some(schema.clone()),
        ..Settings::default()
    };
    for (method, prefix) in [("Get", "body."), ("Raw", "")] {
        let verdict = |content_type: &str, new: &str| {
            let old = call(method, content_type, r#"{"a":1,"b":2}"#);
            compare(&old, &call(method, content_type, new), &settings)
        };
        let reordered = r#"{ "b": 2, "a": 1 }"#;
        assert_eq!(
            verdict("application/json", reordered).outcome,
            Outcome::Matched
        );
        assert_eq!(
            verdict("text/plain", reordered).outcome,
            Outcome::Mismatched
        );
        let changed = verdict(
            "application/problem+json; charset=utf-8",
            r#"{"a":1,"b":3}"#,
        );
        let path = format!("{prefix}data.b");
        assert_eq!(only(&changed), ("response_message", path.as_str(), "value"));
    }
}
