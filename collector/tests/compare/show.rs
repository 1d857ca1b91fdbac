//! `twintap show`: from an id in a report to both sides of the pair.

use bytes::Bytes;
use twintap::call::{Call, Role};

use super::recording::{Recording, call, calls, stdout};

fn code(output: &std::process::Output) -> i32 {
    output.status.code().unwrap()
}

fn json(output: &std::process::Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Call `number`, both sides, under another id than the pair id.
fn under(number: u64, identify: impl Fn(Call) -> Call) -> Vec<Call> {
    [(Role::Primary, "Berlin"), (Role::Candidate, "BERLIN")]
        .map(|(role, text)| {
            identify(Call {
                pair_id: Bytes::new(),
                ..call(number, role, text)
            })
        })
        .to_vec()
}

#[test]
fn a_pair_without_any_id_is_shown_by_what_its_primary_was_recorded_as() {
    let without_ids = |call: Call| Call {
        request_id: Bytes::new(),
        trace_id: None,
        ..call
    };
    let pairs = (0..3)
        .flat_map(|number| under(number, without_ids))
        .map(|mut call| {
            call.request.body_digest = Some(call.id.record_number / 2);
            call
        });
    let recording = Recording::new().part(pairs.collect()).dropped(0);
    let report = json(&recording.compare(&["--pair-by-digest", "--output", "json"]));
    assert_eq!(
        report["completeness"]["pairs_found_by"]["digest"], 3,
        "{report:#}"
    );
    let example = &report["differences"][0]["example"];
    let name = example["correlation_key"].as_str().unwrap();
    let output = recording.show(name, &["--output", "json"]);
    assert_eq!(code(&output), 1);
    let shown = json(&output);
    let found = shown["found"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{shown:#}");
    assert_eq!(found[0]["found_by"], "digest");
    assert_eq!(found[0]["primary"]["started_at"], example["at"]);
    let text = stdout(&recording.show(name, &[]));
    assert!(
        text.contains("no id: found by method and request"),
        "{text}"
    );
    let other = name.replace(|c: char| c.is_ascii_digit(), "7");
    assert_eq!(code(&recording.show(&other, &[])), 3);
}

#[test]
fn the_example_of_a_report_is_shown_with_the_same_paths() {
    let recording = Recording::new()
        .part(calls(0, 60, 7))
        .part(calls(60, 60, 7))
        .dropped(0);
    let report = recording.compare(&["--output", "json"]);
    let group = &json(&report)["differences"][0];
    let example = &group["example"];
    let pair = example["correlation_key"].as_str().unwrap();
    let output = recording.show(pair, &["--output", "json"]);
    assert_eq!(code(&output), 1);
    let found = &json(&output)["found"];
    assert_eq!(found.as_array().unwrap().len(), 1);
    let difference = &found[0]["differences"][0];
    for key in ["path", "primary", "candidate"] {
        assert_eq!(difference[key], example[key], "{difference}");
    }
    assert_eq!(found[0]["found_by"], "pair_id");
    let text = stdout(&recording.show(pair, &[]));
    for told in [
        "shop.v1.Shop/GetItem",
        "DIFFERENT",
        "≠ 1",
        "\"BERLIN\"",
        "upper or lower case",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(
        !text.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
}

#[test]
fn exit_codes_tell_equal_different_alone_and_not_there() {
    let mut all = calls(0, 20, 0);
    all.push(call(20, Role::Primary, "alone"));
    all.extend(calls(21, 1, 1));
    let recording = Recording::new().part(all);
    assert_eq!(code(&recording.show("pair-3", &[])), 0);
    assert_eq!(code(&recording.show("pair-21", &[])), 1);
    let alone = recording.show("pair-20", &[]);
    assert_eq!(code(&alone), 4);
    let text = stdout(&alone);
    assert!(text.contains("NO PARTNER: candidate missing"), "{text}");
    assert!(text.contains("\"alone\""), "{text}");
    let gone = recording.show("pair-99", &[]);
    assert_eq!(code(&gone), 3);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("\"pair-99\""));
    assert_eq!(code(&recording.show("pair-3", &["--output", "xml"])), 2);
}

#[test]
fn a_second_run_of_the_old_service_is_shown_and_is_no_doubt() {
    let secondary = |number| call(number, Role::Secondary, "again");
    let mut all = calls(0, 2, 0);
    all.extend([secondary(1), secondary(7)]);
    let recording = Recording::new().part(all);
    let beside = recording.show("pair-1", &[]);
    let text = stdout(&beside);
    assert!(
        text.contains("NOT COMPARED: secondary") && text.contains("EQUAL"),
        "{text}"
    );
    assert_eq!(code(&beside), 0);
    assert_eq!(code(&recording.show("pair-7", &[])), 4);
}

#[test]
fn rules_hold_for_one_pair_too() {
    let recording = Recording::new().part(calls(0, 9, 4));
    let rules = recording.path().join("rules.yaml");
    std::fs::write(
        &rules,
        "version: 1\nrules:\n  - { name: known, ignore: true }\n",
    )
    .unwrap();
    let output = recording.show("pair-4", &["--rules", rules.to_str().unwrap()]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(
        text.contains("~ 1") && text.contains("(ignored by known)"),
        "{text}"
    );
}

#[test]
fn request_and_trace_ids_find_their_calls() {
    let id = |digit: char| Bytes::from(format!("f5a88b34-0a41-{digit}bf4-8c3e-0123456789ab"));
    // Envoy rewrote one digit of the mirrored call's id.
    let rewritten = under(1, |call| Call {
        request_id: id(if call.role == Role::Primary { '9' } else { 'a' }),
        ..call
    });
    let traced = under(2, |call| Call {
        trace_id: Some([0xab; 16]),
        ..call
    });
    // A pair id is stronger, but people know the request id.
    let both = [Role::Primary, Role::Candidate].map(|role| Call {
        request_id: Bytes::from_static(b"known-to-people"),
        ..call(3, role, "x")
    });
    let recording = Recording::new()
        .part(calls(10, 50, 0))
        .part([rewritten, traced, both.to_vec()].concat());
    for (asked, found_by, exit) in [
        ("f5a88b34-0a41-4bf4-8c3e-0123456789ab", "request_id", 1),
        ("f5a88b34-0a41-9bf4-8c3e-0123456789ab", "request_id", 1),
        (&*"ab".repeat(16), "trace_id", 1),
        ("known-to-people", "pair_id", 0),
    ] {
        let output = recording.show(asked, &["--output", "json"]);
        assert_eq!(code(&output), exit, "{asked}");
        let found = &json(&output)["found"];
        assert_eq!(found.as_array().unwrap().len(), 1, "{asked}");
        assert_eq!(found[0]["found_by"], found_by, "{asked}");
    }
}

#[test]
fn of_many_calls_of_one_trace_some_are_shown_and_the_others_counted() {
    let traced = (0..30).flat_map(|number| {
        under(number, |call| Call {
            trace_id: Some([7; 16]),
            ..call
        })
    });
    let recording = Recording::new().part(traced.collect());
    let output = recording.show(&"07".repeat(16), &["--max", "4", "--output", "json"]);
    let shown = json(&output);
    assert_eq!(shown["found"].as_array().unwrap().len(), 4);
    assert_eq!(shown["omitted"], 26);
}

#[test]
fn show_pairs_by_a_weaker_id_as_compare_does() {
    let sent = |number: u64, role: Role, pair_id: &'static str| Call {
        pair_id: Bytes::from_static(pair_id.as_bytes()),
        request_id: Bytes::from_static(b"r-1"),
        request: call(1, role, "x").request,
        ..call(number, role, "x")
    };
    let both = vec![sent(1, Role::Primary, "p-1"), sent(2, Role::Candidate, "")];
    // Another call of the same request id, that has a partner of its own.
    let other = vec![
        sent(3, Role::Primary, "p-3"),
        sent(4, Role::Candidate, "p-3"),
    ];
    // And one that fits as well, without a partner.
    let rival = vec![sent(5, Role::Candidate, "")];
    let all = [both.clone(), other.clone(), rival].concat();
    for (calls, found) in [(both.clone(), 1), ([both, other].concat(), 1), (all, 0)] {
        let recording = Recording::new().part(calls).dropped(0);
        let report = json(&recording.compare(&["--output", "json"]));
        let by_request = &report["completeness"]["pairs_found_by"]["request_id"];
        assert_eq!(by_request.as_u64().unwrap_or(0), found);
        let shown = json(&recording.show("p-1", &["--output", "json"]));
        assert_eq!(shown["found"].as_array().unwrap().len(), 1, "{shown}");
        let expected = if found == 1 { "request_id" } else { "" };
        let found_by = shown["found"][0]["found_by"].as_str();
        assert_eq!(found_by.unwrap_or_default(), expected, "{shown}");
    }
}

#[test]
fn calls_that_were_not_looked_at_are_told_and_make_the_answer_unsafe() {
    let traced = (0..10_001).map(|number| Call {
        pair_id: Bytes::new(),
        trace_id: Some([7; 16]),
        ..call(number, Role::Primary, "x")
    });
    let mut last = call(10_001, Role::Primary, "x");
    last.rpc_method = "shop.v1.Shop/Other".to_owned();
    last.pair_id = Bytes::new();
    last.trace_id = Some([7; 16]);
    let recording = Recording::new().part(traced.chain([last]).collect());
    let trace = "07".repeat(16);
    let output = recording.show(&trace, &["--max", "1"]);
    assert_eq!(code(&output), 4);
    let text = stdout(&output);
    let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("More than 10 000 calls share this id"),
        "{text}"
    );
    // Of one method there is nothing that was left out.
    let method = ["--method", "*/Other", "--output", "json"];
    let shown = json(&recording.show(&trace, &method));
    assert!(shown["stopped_at_calls"].is_null(), "{shown}");
    assert_eq!(shown["found"].as_array().unwrap().len(), 1);
}

#[test]
fn a_sure_pair_is_no_doubt_however_many_share_its_trace() {
    let traced = |number, role| Call {
        trace_id: Some([7; 16]),
        ..call(number, role, "x")
    };
    let both = |number| [Role::Primary, Role::Candidate].map(|role| traced(number, role));
    let others = (1..10_101).map(|number| traced(number, Role::Primary));
    let recording = Recording::new().part(both(0).into_iter().chain(others).collect());
    let pair_id = both(0)[0].pair_id.clone();
    let pair_id = std::str::from_utf8(&pair_id).unwrap();
    let output = recording.show(pair_id, &["--output", "json"]);
    let shown = json(&output);
    assert_eq!(shown["found"].as_array().unwrap().len(), 1, "{shown}");
    assert!(shown["stopped_at_calls"].is_null(), "{shown}");
    assert_eq!(code(&output), 0);
}
