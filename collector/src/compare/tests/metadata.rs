//! Metadata: what proxies add does not count, what services say does.

use super::shop::{answer, header, item};
use super::{by_wire, only};
use crate::call::{Call, Header};
use crate::compare::difference::Kind;
use crate::compare::rules::{Rule, file};
use crate::compare::sink::Sink;
use crate::compare::{Outcome, Rules, Settings, compare, limits, metadata};

fn call(request: &[(&str, &str)], response: &[(&str, &str)], trailers: &[(&str, &str)]) -> Call {
    let block = |pairs: &[(&str, &str)]| -> Vec<Header> {
        pairs
            .iter()
            .map(|(name, value)| header(name, value))
            .collect()
    };
    Call {
        request_metadata: block(request),
        response_metadata: block(response),
        trailers: block(trailers),
        ..answer(&item())
    }
}

/// What Envoy 1.40 with tracing sends to the primary and to the mirror of one request, and what a
/// Python server and a Rust one answer.
fn recorded() -> (Call, Call) {
    let primary = call(
        &[
            (":scheme", "http"),
            (":method", "POST"),
            (":authority", "shop:21000"),
            (":path", "/shop.v1.Shop/Get"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-python/1.76"),
            ("x-request-id", "f5a88b34-0a41-4bf4-8c3e-0123456789ab"),
            ("x-forwarded-proto", "http"),
            ("grpc-timeout", "1999m"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
            ("x-envoy-expected-rq-timeout-ms", "2000"),
            ("x-envoy-attempt-count", "2"),
            ("x-twintap-pair-id", "p1"),
            ("x-tenant", "a"),
        ],
        &[
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-accept-encoding", "identity, deflate, gzip"),
            ("x-envoy-upstream-service-time", "3"),
            ("x-cost", "4"),
        ],
        &[("grpc-status", "0"), ("x-checksum-bin", "AAEC")],
    );
    let candidate = call(
        &[
            (":scheme", "http"),
            (":method", "POST"),
            (":authority", "shop-shadow:21000"),
            (":path", "/shop.v1.Shop/Get"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-python/1.76"),
            ("x-request-id", "f5a88b34-0a41-9bf4-8c3e-0123456789ab"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "10.0.0.7"),
            ("grpc-timeout", "2000m"),
            ("x-envoy-internal", "true"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00",
            ),
            ("x-envoy-attempt-count", "1"),
            ("x-twintap-pair-id", "p1"),
            ("x-tenant", "a"),
        ],
        &[
            (":status", "200"),
            ("content-type", "application/grpc+proto; charset=utf-8"),
            ("date", "Sat, 01 Aug 2026 10:00:00 GMT"),
            ("server", "envoy"),
            ("x-envoy-upstream-service-time", "1"),
            ("x-envoy-peer-metadata-id", "sidecar~10.0.0.9~new"),
            ("x-cost", "4"),
        ],
        &[("x-checksum-bin", "AAEC"), ("grpc-status", "0")],
    );
    (primary, candidate)
}

#[test]
fn headers_of_the_hop_do_not_count() {
    let (primary, candidate) = recorded();
    let verdict = by_wire(&primary, &candidate);
    assert_eq!(
        verdict.outcome,
        Outcome::Matched,
        "{:#?}",
        verdict.differences
    );
    assert_eq!(
        verdict.hop_headers,
        [
            "grpc-timeout",
            "traceparent",
            "x-envoy-*",
            "x-forwarded-*",
            "date",
            "grpc-accept-encoding",
            "server",
        ]
    );
}

#[test]
fn headers_of_the_hop_are_differences_without_the_default_list() {
    let (primary, candidate) = recorded();
    let settings = Settings {
        default_ignores: false,
        ..Settings::default()
    };
    let verdict = compare(&primary, &candidate, &settings);
    assert_eq!(verdict.differences.len(), 11, "{:#?}", verdict.differences);
}

#[test]
fn metadata_of_the_service_counts() {
    let old = call(
        &[("x-tenant", "a")],
        &[("x-cost", "4")],
        &[("x-checksum-bin", "AAEC")],
    );
    let lines: [(Call, (&str, &str, &str)); 4] = [
        (
            call(
                &[("x-tenant", "b")],
                &[("x-cost", "4")],
                &[("x-checksum-bin", "AAEC")],
            ),
            ("request_metadata", "x-tenant", "value"),
        ),
        (
            call(
                &[("x-tenant", "a")],
                &[("x-cost", "5")],
                &[("x-checksum-bin", "AAEC")],
            ),
            ("response_metadata", "x-cost", "value"),
        ),
        (
            call(&[("x-tenant", "a")], &[("x-cost", "4")], &[]),
            ("trailers", "x-checksum-bin", "missing"),
        ),
        (
            call(
                &[("x-tenant", "a")],
                &[("x-cost", "4"), ("x-new", "1")],
                &[("x-checksum-bin", "AAEC")],
            ),
            ("response_metadata", "x-new", "extra"),
        ),
    ];
    for (new, expected) in lines {
        assert_eq!(only(&by_wire(&old, &new)), expected);
    }
}

#[test]
fn values_are_compared_as_they_are_meant() {
    let old = call(&[], &[("x-a", "1"), ("x-a", "2"), ("x-b-bin", "AAE=")], &[]);
    let new = call(&[], &[("x-b-bin", "AAE"), ("x-a", "1, 2")], &[]);
    assert_eq!(by_wire(&old, &new).outcome, Outcome::Matched);
    let reordered = call(&[], &[("x-b-bin", "AAE"), ("x-a", "2,1")], &[]);
    assert_eq!(
        only(&by_wire(&old, &reordered)),
        ("response_metadata", "x-a", "value")
    );
}

#[test]
fn binary_values_are_equal_however_they_are_written() {
    let base64 = call(&[], &[("x-b-bin", "AAEs"), ("x-b-bin", "LA")], &[]);
    let bytes = call(&[], &[("x-b-bin", "\0\0\x01,"), ("x-b-bin", "\0,")], &[]);
    assert_eq!(by_wire(&base64, &bytes).outcome, Outcome::Matched);

    let other = call(&[], &[("x-b-bin", "\0\0\x02,"), ("x-b-bin", "\0,")], &[]);
    let comparison = by_wire(&base64, &other);
    assert_eq!(only(&comparison), ("response_metadata", "x-b-bin", "value"));
    let difference = &comparison.differences[0];
    assert_eq!(
        difference.primary.as_deref(),
        Some("0x00012c (3 bytes), \",\"")
    );
    assert_eq!(
        difference.candidate.as_deref(),
        Some("0x00022c (3 bytes), \",\"")
    );

    let neither = call(&[], &[("x-b-bin", "*"), ("x-b-bin", "LA")], &[]);
    assert_eq!(
        by_wire(&base64, &neither).differences[0]
            .candidate
            .as_deref(),
        Some("\"*\", \"LA\"")
    );
}

fn ignoring(name: &str) -> Rules {
    let mut rules = Rules::default();
    rules.extend([Rule::ignore_metadata(name)]);
    rules
}

#[test]
fn a_rule_ignores_and_is_named() {
    let (old, new) = (
        call(&[], &[("x-cost", "4")], &[]),
        call(&[], &[("x-cost", "5")], &[]),
    );
    let settings = Settings {
        rules: ignoring("x-c*"),
        ..Settings::default()
    };
    let verdict = compare(&old, &new, &settings);
    assert_eq!(verdict.outcome, Outcome::Ignored);
    assert_eq!(
        verdict.differences[0].ignored_by.as_deref(),
        Some("ignore_metadata x-c*")
    );
}

#[test]
fn a_difference_that_counts_is_not_lost_behind_many_that_are_ignored() {
    let names: Vec<String> = (0..650).map(|number| format!("x-noise-{number}")).collect();
    let with = |value: &str| {
        let noise: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value)).collect();
        call(&noise, &[], &[("x-total", value)])
    };
    let settings = Settings {
        rules: ignoring("x-noise-*"),
        ..Settings::default()
    };
    let verdict = compare(&with("1"), &with("2"), &settings);
    assert_eq!(verdict.outcome, Outcome::Mismatched);
    assert_eq!(
        (verdict.differences_omitted, verdict.counted_omitted),
        (50, 0)
    );
}

#[test]
fn secrets_without_a_hash_are_counted() {
    let secrets = |count: usize| {
        let mut call = call(&vec![("authorization", ""); count], &[], &[]);
        for header in &mut call.request_metadata {
            header.redacted = true;
        }
        call
    };
    let verdict = by_wire(&secrets(2), &secrets(2));
    assert_eq!(
        (verdict.outcome, verdict.secrets_not_judged),
        (Outcome::Matched, 1)
    );
    let verdict = by_wire(&secrets(1), &secrets(2));
    assert_eq!(
        only(&verdict),
        ("request_metadata", "authorization", "value")
    );
    assert_eq!(
        verdict.differences[0].candidate.as_deref(),
        Some("2 redacted")
    );
}

#[test]
fn secrets_are_compared_by_their_hash_if_there_is_one() {
    let secret = |value: &str| {
        let mut call = call(&[("authorization", value)], &[], &[]);
        call.request_metadata[0].redacted = true;
        call
    };
    assert_eq!(
        by_wire(&secret("h1"), &secret("h1")).outcome,
        Outcome::Matched
    );
    let unknown = by_wire(&secret(""), &secret("h1"));
    assert_eq!(
        (unknown.outcome, unknown.secrets_not_judged),
        (Outcome::Matched, 1)
    );
    assert_eq!(
        by_wire(&secret("h1"), &secret("h2")).outcome,
        Outcome::Mismatched
    );
    let clear = call(&[("authorization", "Bearer x")], &[], &[]);
    assert_eq!(by_wire(&secret("h1"), &clear).outcome, Outcome::Ignored);
}

#[test]
fn a_comma_joins_lines_and_is_text_where_both_have_one_line() {
    let trailers = |values: &[&str]| {
        let lines: Vec<_> = values.iter().map(|value| ("x-note", *value)).collect();
        call(&[], &[], &lines)
    };
    let outcome = |a: &[&str], b: &[&str]| by_wire(&trailers(a), &trailers(b)).outcome;
    assert_eq!(outcome(&["a", "b"], &["a, b"]), Outcome::Matched);
    assert_eq!(outcome(&["a", "b"], &["b,a"]), Outcome::Mismatched);
    assert_eq!(
        outcome(&["Hello, world"], &["Hello,world"]),
        Outcome::Mismatched
    );
    assert_eq!(outcome(&[" a "], &["a"]), Outcome::Matched);
}

/// A rule that reads a value as JSON costs work, and messages may have taken all there was.
#[test]
fn a_value_that_nobody_could_pay_for_is_not_equal() {
    let mut rules = Rules::default();
    let yaml = "version: 1\nrules: [{ name: j, place: trailers, path: x-page, json: true }]";
    rules.extend(file::parse(yaml, "rules.yaml").unwrap());
    let settings = Settings {
        rules,
        ..Settings::default()
    };
    let page = |number: u8| {
        let text = format!("{{\"page\": {number}, \"of\": \"{}\"}}", "y".repeat(10_000));
        call(&[], &[], &[("x-page", &text)])
    };
    let (a, b) = (page(1), page(2));
    let mut sink = Sink::new(&settings.rules, "a.B/C");
    assert!(sink.spend(usize::try_from(limits::WORK_MAX).unwrap() - 100));
    metadata::compare(&a, &b, true, &settings, &mut sink);
    let (differences, ..) = sink.finish();
    let [difference] = &*differences else {
        panic!("{differences:?}");
    };
    assert_eq!(
        (&*difference.path, difference.kind),
        ("x-page", Kind::TooLarge)
    );
}
