//! What groups have in common and hang on, as a user sees it.

use std::sync::Arc;

use bytes::Bytes;
use twintap::call::{Call, Header, Role, Workload};

use super::recording::{Recording, call, stdout};

const PROTO: &str = r#"
    syntax = "proto3";
    package shop.v1;
    service Shop { rpc GetItem(Query) returns (Item); }
    message Query { string country = 1; }
    message Item { string city = 1; }
"#;

const COUNTRIES: [&str; 3] = ["DE", "FR", "<script>alert(1)</script>"];

/// Calls from three countries, of which one gets prices that are 5 too high, and of a tenant and a pod
/// that take turns.
fn recording() -> Recording {
    let calls = (0..240u64).flat_map(|number| {
        let turn = usize::try_from(number).unwrap();
        let country = COUNTRIES[turn % 3];
        let side = |role: Role| {
            let more = u64::from(role == Role::Candidate && country == COUNTRIES[2]) * 5;
            Call {
                request: call(number, role, country).response,
                request_metadata: vec![Header {
                    name: Bytes::from_static(b"x-tenant"),
                    value: Bytes::copy_from_slice(["a", "b"][turn / 3 % 2].as_bytes()),
                    redacted: false,
                }],
                workload: Arc::new(Workload {
                    pod_name: format!("pod-{}", turn / 7 % 4),
                    ..Workload::default()
                }),
                ..call(number, role, &(100 + number * 3 + more).to_string())
            }
        };
        [Role::Primary, Role::Candidate].map(side)
    });
    Recording::new().part(calls.collect()).dropped(0)
}

fn run(recording: &Recording, form: &str) -> String {
    let proto = recording.path().join("shop.proto");
    std::fs::write(&proto, PROTO).unwrap();
    let proto = proto.to_str().unwrap();
    stdout(&recording.compare(&["--no-write", "--output", form, "--proto", proto]))
}

#[test]
fn the_field_that_separates_is_named_in_every_form() {
    let recording = recording();
    let report: serde_json::Value = serde_json::from_str(&run(&recording, "json")).unwrap();
    let group = &report["differences"][0];
    assert_eq!(group["explanation"]["name"], "constant_offset", "{group}");
    let correlations = group["correlations"].as_array().unwrap();
    assert_eq!(correlations.len(), 1, "{group}");
    let correlation = &correlations[0];
    assert_eq!(correlation["feature"], "request.country");
    assert_eq!(correlation["value"], format!("{:?}", COUNTRIES[2]));
    assert_eq!(
        (&correlation["is_only"], &correlation["rate_with"]),
        (&true.into(), &1.0.into())
    );
    assert_eq!(group["more_examples"].as_array().map(Vec::len), Some(2));
    assert_eq!(group["first_seen"], "2026-08-01T10:00:00.002Z");
    assert_eq!(group["last_seen"], "2026-08-01T10:00:00.239Z");
    for (form, country) in [
        ("text", "when request.country = \"<script>"),
        ("markdown", r#"when request.country \= \"\<script\>"#),
        ("html", "when request.country = &#34;&#60;script&#62;"),
        ("sarif", r#"when request.country = \"<script>"#),
        ("junit", "when request.country = &quot;&lt;script&gt;"),
    ] {
        let text = run(&recording, form);
        assert!(text.contains(country), "{form}: {text}");
        assert!(text.contains("always 5 more"), "{form}: {text}");
    }
}
