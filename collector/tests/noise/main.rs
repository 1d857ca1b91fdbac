//! `twintap rules suggest` as a user runs it: a data directory in, a rules file out, and what
//! `twintap compare` makes of it.

#![cfg(test)]
#![allow(missing_docs, reason = "tests document themselves")]

#[path = "../compare/recording.rs"]
#[allow(dead_code, reason = "shared with the tests of `twintap compare`")]
mod recording;

use std::path::Path;
use std::process::{Command, Output};

use bytes::Bytes;
use recording::{Recording, call, stdout};
use twintap::call::{Call, Role};

fn twintap(arguments: &[&str], data_dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    let output = command.args(arguments).arg(data_dir).output();
    output.unwrap()
}

fn suggest(recording: &Recording, arguments: &[&str]) -> String {
    let output = twintap(
        &[&["rules", "suggest"], arguments].concat(),
        recording.path(),
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    stdout(&output)
}

/// A token of its own for each number and salt.
fn token(number: u64, salt: u64) -> String {
    format!(
        "cursor_{:016x}",
        (number * 7 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

fn answer(number: u64, role: Role, text: &str) -> Call {
    let call = call(number, role, text);
    Call {
        rpc_method: "shop.v1.Shop/List".to_owned(),
        ..call
    }
}

/// Three runs: the token is noise, in `GetItem` the candidate alone writes the city otherwise.
fn three_runs() -> Vec<Call> {
    let roles = [Role::Primary, Role::Candidate, Role::Secondary];
    let tokens = (0..60)
        .flat_map(|number| roles.map(|role| answer(number, role, &token(number, role as u64))));
    let cities = (60..90).flat_map(|number| {
        roles.map(|role| {
            let city = if role == Role::Candidate {
                "BERLIN"
            } else {
                "Berlin"
            };
            call(number, role, city)
        })
    });
    tokens.chain(cities).collect()
}

#[test]
fn noise_becomes_a_rule_and_the_true_difference_stays() {
    let recording = Recording::new().part(three_runs()).dropped(0);
    let yaml = suggest(&recording, &[]);
    for line in [
        "    method: \"shop.v1.Shop/List\"",
        "    path: \"1\"",
        "    class: token",
        "  # value: primary and secondary differ in 60 of 60 pairs (100 %); primary and candidate in 60 of 60 pairs (100 %), all of which this rule takes",
        "# 1 place where only the candidate differs, never the old service from itself: true differences",
    ] {
        assert!(yaml.lines().any(|found| found == line), "{line}\n{yaml}");
    }
    assert!(yaml.contains("pair pair-0: \"cursor_"), "{yaml}");
    assert!(!yaml.contains("GetItem"), "{yaml}");
    // Nothing was applied, and nothing written beside the answer.
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = recording.compare(&[&["--output", "json", "--no-write"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(json(&[])["answer"]["mismatched"], 90);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("noise.yaml");
    let name = file.to_str().unwrap();
    assert_eq!(suggest(&recording, &["--output", name]), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), yaml);
    // What somebody may have worked on is kept.
    std::fs::write(&file, "mine").unwrap();
    let again = twintap(&["rules", "suggest", "--output", name], recording.path());
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(suggest(&recording, &["--output", name, "--force"]), "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), yaml);
    let check = twintap(&["rules", "check"], &file);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(stdout(&check).ends_with("1 rule, valid\n"), "{check:?}");
    let ruled = json(&["--rules", name]);
    assert_eq!(
        (
            ruled["answer"]["mismatched"].as_u64(),
            ruled["total"]["ignored"].as_u64()
        ),
        (Some(30), Some(60))
    );
    // What a rule takes for equal is not suggested again.
    assert!(suggest(&recording, &["--rules", name]).contains("# no noise was found"));
}

#[test]
fn the_rules_do_not_depend_on_files_or_passes() {
    let mut calls = three_runs();
    // Repeats too: of which more than are kept.
    calls.extend((100..160).map(|number| Call {
        request: call(number % 3, Role::Primary, "").request,
        rpc_method: "shop.v1.Shop/Again".to_owned(),
        ..answer(number, Role::Primary, &token(number, 0))
    }));
    let one = Recording::new().part(calls.clone());
    calls.reverse();
    let (first, second) = calls.split_at(101);
    let two = Recording::new().part(first.to_vec()).part(second.to_vec());
    let yaml = suggest(&one, &[]);
    assert_eq!(yaml, suggest(&two, &["--memory-mib", "1"]));
    assert!(
        yaml.contains("equal requests to the primary differ in 12 of 12 pairs"),
        "{yaml}"
    );
}

/// With the id that Envoy gives each call, and by which a lost side would be looked for.
fn with_request_id(call: Call) -> Call {
    Call {
        request_id: Bytes::from([b"request-", &call.pair_id[..]].concat()),
        ..call
    }
}

#[test]
fn calls_without_a_candidate_are_evidence_whatever_ids_they_have() {
    let calls = three_runs().into_iter().map(with_request_id);
    // Half of the requests were never mirrored to the candidate.
    let is_whole =
        |call: &Call| call.role != Role::Candidate || call.id.record_number.is_multiple_of(2);
    let recording = Recording::new().part(calls.filter(is_whole).collect());
    let yaml = suggest(&recording, &["--memory-mib", "1"]);
    let line = "  # value: primary and secondary differ in 60 of 60 pairs (100 %); primary and candidate in 30 of 30 pairs (100 %), all of which this rule takes";
    assert!(yaml.lines().any(|found| found == line), "{yaml}");
    // Nor are they taken for equal answers once their messages are gone.
    let repeats = (0..20).map(|number| {
        with_request_id(Call {
            request: call(0, Role::Primary, "").request,
            ..answer(number, Role::Primary, &token(number, 0))
        })
    });
    let yaml = suggest(&Recording::new().part(repeats.collect()), &[]);
    assert!(
        yaml.contains("equal requests to the primary differ in 4 of 4 pairs"),
        "{yaml}"
    );
}

#[test]
fn two_runs_of_the_old_service_are_enough_to_see_noise() {
    let calls = three_runs().into_iter().map(with_request_id);
    let old = calls.filter(|call| call.role != Role::Candidate);
    let output = twintap(
        &["rules", "suggest"],
        Recording::new().part(old.collect()).path(),
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(", 90 of primary and secondary"), "{told}");
}

#[test]
fn an_expired_rule_is_told_of() {
    let recording = Recording::new().part(three_runs());
    let file = recording.path().join("old.yaml");
    let rules = "version: 1\nrules:\n  - { name: old, ignore: true, expires: 2020-01-01 }\n";
    std::fs::write(&file, rules).unwrap();
    let rules = ["rules", "suggest", "--rules", file.to_str().unwrap()];
    let output = twintap(&rules, recording.path());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("rule \"old\" has expired and is not applied"),
        "{told}"
    );
}

#[test]
fn repeats_of_a_request_show_noise_too() {
    // Every request asks the same, and the old service alone was recorded.
    let calls = (0..20).map(|number| Call {
        request: call(0, Role::Primary, "").request,
        ..answer(number, Role::Primary, &token(number, 0))
    });
    let yaml = suggest(&Recording::new().part(calls.collect()), &[]);
    assert!(
        yaml.contains("equal requests to the primary differ in"),
        "{yaml}"
    );
    assert!(yaml.contains("class: token"), "{yaml}");
}

#[test]
fn a_recording_without_noise_says_so() {
    let calls = recording::calls(0, 20, 0);
    let recording = Recording::new().part(calls);
    let yaml = suggest(
        &recording,
        &["--method", "shop.*", "--since", "2026-01-01T00:00:00Z"],
    );
    assert!(yaml.contains("# no noise was found"), "{yaml}");
    assert!(yaml.ends_with("version: 1\nrules: []\n"), "{yaml}");
}

#[test]
fn wrong_usage_and_missing_data_say_what() {
    let recording = Recording::new();
    let exit = |arguments: &[&str], path: &Path| {
        twintap(&[&["rules", "suggest"], arguments].concat(), path)
            .status
            .code()
    };
    assert_eq!(exit(&["--relative-over", "2"], recording.path()), Some(2));
    assert_eq!(exit(&["--since", "yesterday"], recording.path()), Some(2));
    assert_eq!(exit(&["--output", "."], recording.path()), Some(2));
    assert_eq!(exit(&[], &recording.path().join("none")), Some(3));
    let help = stdout(&twintap(&["rules", "suggest", "--help"], Path::new(".")));
    for word in ["Examples:", "--relative-over", "secondary", "Exit codes"] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn hostile_pair_ids_stay_in_their_comment() {
    let hostile = |call: Call| Call {
        pair_id: Bytes::from(
            [
                &call.pair_id[..],
                b"\n  - name: x\n    ignore: true\n\x1b[2J",
            ]
            .concat(),
        ),
        ..call
    };
    let calls = three_runs().into_iter().map(hostile);
    let yaml = suggest(&Recording::new().part(calls.collect()), &[]);
    assert!(
        yaml.lines().all(|line| !line.starts_with("  - name: x")),
        "{yaml}"
    );
    assert!(
        yaml.chars().all(|c| c == '\n' || !c.is_control()),
        "{yaml:?}"
    );
}
