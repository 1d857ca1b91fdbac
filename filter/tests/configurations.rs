//! The bad-input catalogue of the plugin configuration: each case is refused as a whole, the filter
//! becomes inert and says so once, and traffic passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use support::{GRPC, ROOT, Rig};
use twintap_filter::config::{Config, Position, Refusal};

fn refusal(text: &[u8]) -> Option<Refusal> {
    Config::try_from_json(text).err().map(|error| error.refusal)
}

fn with(key: &str, value: &str) -> String {
    format!(r#"{{"position":"inbound","collector_cluster":"c","{key}":{value}}}"#)
}

#[test]
fn broken_texts_are_refused() {
    let deep = "[".repeat(10_000);
    let big = format!(r#"{{"service":"{}"}}"#, "x".repeat(10 * 1024 * 1024));
    let cases: &[(&str, &[u8], Refusal)] = &[
        ("empty", b"", Refusal::Syntax),
        ("white space", b"  ", Refusal::Syntax),
        ("null", b"null", Refusal::NotAnObject),
        ("an array", b"[]", Refusal::NotAnObject),
        ("a string", b"\"x\"", Refusal::NotAnObject),
        ("an empty object", b"{}", Refusal::Missing),
        ("not UTF-8", b"{\"position\":\"\xff\"}", Refusal::Syntax),
        ("a byte order mark", b"\xef\xbb\xbf{}", Refusal::Syntax),
        ("10 MiB", big.as_bytes(), Refusal::TooLong),
        ("nested 10 000 deep", deep.as_bytes(), Refusal::NotAnObject),
        ("cut off", b"{\"position\":\"inb", Refusal::Syntax),
        ("a trailing comma", b"{\"record\":true,}", Refusal::Syntax),
        ("single quotes", b"{'position':'inbound'}", Refusal::Syntax),
        ("a comment", b"{/**/}", Refusal::Syntax),
        ("YAML", b"position: inbound", Refusal::Syntax),
        (
            "text behind",
            b"{\"position\":\"outbound\"} x",
            Refusal::NotAnObject,
        ),
        ("a NUL", b"{\"position\":\"inbound\0\"}", Refusal::Syntax),
        (
            "two objects",
            b"{\"position\":\"outbound\"}{}",
            Refusal::NotAnObject,
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(refusal(text), Some(*expected), "{name}");
    }
}

#[test]
fn wrong_values_are_refused() {
    use Refusal::{Missing, OutOfRange, RepeatedKey, Syntax, TooLong, UnknownKey, WrongType};
    let many = format!("[{}]", vec![r#""a.B/C""#; 1000].join(","));
    let rules = format!("[{}]", vec![r#""a.B/C""#; 10_000].join(","));
    let long = format!("\"{}\"", "x".repeat(300));
    let cases: &[(String, Refusal)] = &[
        (r#"{"collector_cluster":"c"}"#.into(), Missing),
        (r#"{"position":"inbound"}"#.into(), Missing),
        (
            r#"{"position":"sideways","collector_cluster":"c"}"#.into(),
            OutOfRange,
        ),
        (
            r#"{"position":"upstream","collector_cluster":"c","stamp_pair_id":true}"#.into(),
            OutOfRange,
        ),
        (r#"{"position":"outbound","record":true}"#.into(), Missing),
        (
            r#"{"position":"inbound","collector_cluster":""}"#.into(),
            OutOfRange,
        ),
        (
            format!(
                r#"{{"position":"inbound","collector_cluster":"c","service":{}1"#,
                r#"{"a":"#.repeat(10_000)
            ),
            WrongType,
        ),
        (with("version", "0"), UnknownKey),
        (with("redact_paths", "[\"a.b\"]"), UnknownKey),
        (with("postion", "1"), UnknownKey),
        (with("sample_rat", "1"), UnknownKey),
        (with("", "1"), UnknownKey),
        (with(&"k".repeat(1000), "1"), UnknownKey),
        (with("collector_cluster", "\"d\""), RepeatedKey),
        (with("record", "1"), WrongType),
        (with("record", "\"true\""), WrongType),
        (with("record", "null"), WrongType),
        (with("service", "7"), WrongType),
        (with("sample_rate", "\"1\""), WrongType),
        (with("sample_rate", "true"), WrongType),
        (with("sample_rate", "[]"), WrongType),
        (with("sample_rate", "{}"), WrongType),
        (with("sample_rate", "-0.1"), OutOfRange),
        (with("sample_rate", "1.000001"), OutOfRange),
        (with("sample_rate", "1e400"), OutOfRange),
        (with("sample_rate", "1e-400"), OutOfRange),
        (with("sample_rate", "NaN"), Syntax),
        (with("sample_rate", "Infinity"), Syntax),
        (with("body_bytes_max", "-1"), OutOfRange),
        (with("body_bytes_max", "458753"), OutOfRange),
        (with("body_bytes_max", "1.5"), OutOfRange),
        (with("body_bytes_max", "18446744073709551616"), OutOfRange),
        (
            with("body_bytes_max", "99999999999999999999999999999999"),
            OutOfRange,
        ),
        (with("flush_interval_ms", "0"), OutOfRange),
        (with("send_timeout_ms", "0"), OutOfRange),
        (with("flush_interval_ms", "9"), OutOfRange),
        (with("flush_interval_ms", "10001"), OutOfRange),
        (with("send_timeout_ms", "99"), OutOfRange),
        (with("send_timeout_ms", "60001"), OutOfRange),
        (with("collector_authority", "\"\""), OutOfRange),
        (with("collector_authority", "\"a b\""), OutOfRange),
        (with("collector_authority", "\"a\\r\\nb: c\""), OutOfRange),
        (with("collector_authority", &long), OutOfRange),
        (with("role", "\"shadow\""), OutOfRange),
        (with("include_methods", "\"a.B/C\""), WrongType),
        (with("include_methods", "[1]"), WrongType),
        (with("include_methods", "[[\"a.B/C\"]]"), WrongType),
        (with("include_methods", "[\"(a{1000}){1000}\"]"), OutOfRange),
        (with("include_methods", "[\"a.*.b\"]"), OutOfRange),
        (with("include_methods", "[\"\"]"), OutOfRange),
        (with("include_methods", &many), OutOfRange),
        (with("exclude_methods", &rules), TooLong),
        (with("exclude_methods", "[\"a.B/C\",]"), Syntax),
        (with("redact_headers", "[\"\"]"), OutOfRange),
        (with("redact_headers", "[\":path\"]"), OutOfRange),
        (with("redact_headers", "[\"x-user \"]"), OutOfRange),
        (with("redact_headers", "[\"x-user,x-mail\"]"), OutOfRange),
        (with("redact_headers", "[\"x-user-*\"]"), OutOfRange),
        (with("redact_headers", "[\"x-us\u{e9}r\"]"), OutOfRange),
        (with("redact_headers", "{\"a\":1}"), WrongType),
        (with("redaction_key", "1"), WrongType),
        (
            with("redaction_key", &format!("\"{}\"", "k".repeat(2000))),
            OutOfRange,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            refusal(text.as_bytes()),
            Some(*expected),
            "{}",
            text.chars().take(120).collect::<String>()
        );
    }
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config =
        Config::try_from_json(br#"{"position":"inbound","collector_cluster":"c"}"#).unwrap();
    assert_eq!(config.position, Position::Inbound);
    assert_eq!(config.collector_authority.as_bytes(), b"twintap-collector");
    assert_eq!(
        (config.sample_ppm, config.body_bytes_max),
        (1_000_000, 65_536)
    );
    assert_eq!(
        (config.flush_interval_ms, config.send_timeout_ms),
        (50, 2000)
    );
    assert!(config.record && !config.stamp_pair_id && config.role == 0);
    assert!(!config.methods.recorded(b"grpc.health.v1.Health/Check"));
    assert!(
        !config
            .methods
            .recorded(b"grpc.reflection.v1alpha.ServerReflection/Info")
    );
    let outbound = Config::try_from_json(br#"{"position":"outbound"}"#).unwrap();
    assert!(!outbound.record && outbound.stamp_pair_id);
}

#[test]
fn every_key_is_read() {
    let text = r#" { "position" : "upstream", "collector_cluster": "outbound|9090||c.obs.svc",
        "collector_authority": "c:1", "role": "secondary", "service": "caf\u00e9", "stamp_pair_id": false,
        "record": true, "sample_rate": 2.5e-1, "body_bytes_max": 4.096e3, "include_methods": ["a.*"],
        "exclude_methods": [], "redact_headers": ["x-a", "x-b"], "redaction_key": "k",
        "flush_interval_ms": 20, "send_timeout_ms": 500 } "#;
    let config = Config::try_from_json(text.as_bytes()).unwrap();
    assert_eq!(
        config.collector_cluster.as_bytes(),
        b"outbound|9090||c.obs.svc"
    );
    assert_eq!(config.service.as_bytes(), "caf\u{e9}".as_bytes());
    assert_eq!(
        (config.role, config.sample_ppm, config.body_bytes_max),
        (3, 250_000, 4096)
    );
    assert!(
        config.methods.recorded(b"a.B/C")
            && !config.methods.recorded(b"grpc.health.v1.Health/Check")
    );
    assert_eq!(config.redact_headers.len(), 2);
    assert!(config.redaction_key.is_some());
    assert_eq!(
        (config.flush_interval_ms, config.send_timeout_ms),
        (20, 500)
    );
}

#[test]
fn a_refused_configuration_makes_the_filter_inert_and_says_so_once() {
    let mut rig = Rig::new(r#"{"position":"inbound","colector_cluster":"c"}"#);
    let context = rig.begin(GRPC);
    rig.request(context, b"x", true);
    rig.done(context);
    rig.done(context);
    rig.tick();
    assert!(rig.host.posts.is_empty() && rig.host.stamped.is_empty());
    assert_eq!(rig.host.metrics["ConfigInvalid"], 1);
    assert_eq!(
        rig.host.warnings,
        [
            "twintap: configuration refused, traffic passes unrecorded: unknown key \
          `colector_cluster` at byte 41"
        ]
    );
    assert_eq!(rig.engine.held(), (0, 0, 0));
    assert!(rig.done(ROOT));
    assert_eq!(
        rig.host.metrics["ConfigInvalid"], 0,
        "the gauge counts roots that are there"
    );
}

#[test]
fn a_configuration_the_host_does_not_hand_out_is_refused() {
    let mut rig = Rig::bare(support::PLENTY);
    rig.host.refuse_named = Some("buffer");
    rig.root(ROOT, support::INBOUND);
    assert!(
        !rig.host.metrics.contains_key("ConfigInvalid"),
        "Envoy may be trying it out"
    );
    assert_ne!(rig.host.tick_ms, 0);
    rig.tick();
    assert_eq!(rig.host.tick_ms, 0, "nothing is left to be told");
    rig.tick();
    assert_eq!(rig.host.metrics["ConfigInvalid"], 1);
    rig.host.refuse_named = None;
    rig.root(ROOT, support::INBOUND);
    assert_eq!(rig.host.metrics["ConfigInvalid"], 0);
    assert_ne!(rig.host.tick_ms, 0);
}

#[test]
fn more_roots_than_there_is_room_for_pass_traffic() {
    let mut rig = Rig::new(support::INBOUND);
    for root in 2..=10 {
        rig.root(root, support::INBOUND);
    }
    let context = rig.begin_at(10, GRPC);
    rig.done(context);
    assert_eq!(rig.host.warnings.len(), 2);
    assert_eq!(rig.engine.held(), (0, 0, 0));
    assert_eq!(rig.host.metrics["ConfigInvalid"], 2);
    assert!(rig.done(9) && rig.done(10));
    assert_eq!(rig.host.metrics["ConfigInvalid"], 0);
}
