//! `twintap ingest` of TLS connections: between real peers in memory, in captures written by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    dead_code,
    reason = "helpers of tests are not marked as tests, and these are shared"
)]

mod before;
mod captures;
#[path = "../../benches/pcap/client_saw.rs"]
mod client_saw;
#[path = "../../../decode/tests/support/frames.rs"]
mod frames;
mod gone;
#[path = "../../../decode/tests/tls/peers.rs"]
mod peers;
mod replace;

use std::path::PathBuf;
use std::process::{Command, Output};

use captures::{SERVER_PORT, pcap, pcapng};
use frames::{SETTINGS, client_opening, frame, request, response};
use peers::{Act, Options, Seen, connect};
use serde_json::Value;
use twintap_decode::stream::Way::{Forward, Reverse};

/// Two calls within TLS.
fn two_calls(options: Options) -> Seen {
    let opening = [client_opening(), request(1, "/shop.v1.Cart/Get", b"one")].concat();
    let answer = [frame(SETTINGS, 0, 0, &[]), response(1, b"1")].concat();
    let acts = [
        Act::Send(Forward, opening),
        Act::Send(Reverse, answer),
        Act::Send(Forward, request(3, "/shop.v1.Cart/Add", &[7; 20_000])),
        Act::Send(Reverse, response(3, b"2")),
    ];
    connect(options, &acts)
}

/// A folder for captures and key logs.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn ingest(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command
        .args(["ingest", "--format", "ndjson"])
        .args(arguments);
    command.output().unwrap()
}

/// Each call's method and status.
fn calls(output: &Output) -> Vec<(String, u64)> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let call = |line: &str| {
        let call: Value = serde_json::from_str(line).unwrap();
        let method = call["method"].as_str().unwrap().to_owned();
        (method, call["status"].as_u64().unwrap())
    };
    let mut calls: Vec<_> = text.lines().map(call).collect();
    calls.sort();
    calls
}

fn both() -> Vec<(String, u64)> {
    ["/shop.v1.Cart/Add", "/shop.v1.Cart/Get"]
        .map(|method| (method.to_owned(), 0))
        .to_vec()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_key_log_shows_the_calls_within_tls() {
    for options in [Options::tls12(), Options::tls13()] {
        let (place, seen) = (Place::new(), two_calls(options));
        let capture = place.file("a.pcap", &pcap(&seen.sent));
        let keys = place.file("keys.log", &seen.key_log);
        let (capture, keys) = (capture.to_str().unwrap(), keys.to_str().unwrap());
        let output = ingest(&["--strict", "--port", "50443", "--tls-keylog", keys, capture]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(calls(&output), both());
        assert!(stderr(&output).contains("1 connections = 1 decrypted + 0 not\n"));
    }
}

#[test]
fn secrets_within_a_capture_are_used_without_being_asked() {
    let (place, seen) = (Place::new(), two_calls(Options::tls13()));
    // Before everything, and behind the server's first flight.
    for at in [0, 5] {
        let capture = place.file("a.pcapng", &pcapng(&seen.sent, &seen.key_log, at));
        for threads in ["1", "3"] {
            let output = ingest(&["--threads", threads, capture.to_str().unwrap()]);
            assert_eq!(calls(&output), both(), "{}", stderr(&output));
            assert!(stderr(&output).contains("1 blocks of TLS with "));
        }
    }
}

#[test]
fn the_environment_names_no_key_log() {
    let (place, seen) = (Place::new(), two_calls(Options::tls13()));
    let capture = place.file("a.pcap", &pcap(&seen.sent));
    let keys = place.file("keys.log", &seen.key_log);
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command.args(["ingest", "--format", "ndjson"]).arg(capture);
    let output = command.env("SSLKEYLOGFILE", keys).output().unwrap();
    assert_eq!(calls(&output), []);
    assert!(stderr(&output).contains("= 0 decrypted + 1 not (no_secrets 1)\n"));
}

#[test]
fn strict_misses_tls_connections_of_servers_that_were_asked_for() {
    let (place, seen) = (Place::new(), two_calls(Options::tls13()));
    let capture = place.file("a.pcap", &pcap(&seen.sent));
    let capture = capture.to_str().unwrap();
    // With calls in the clear, which nothing asks to be whole.
    let clear = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../decode/tests/cases/interop/go-python.pcap.zst"
    );
    let server = format!("10.0.0.2:{SERVER_PORT}");
    for (asked, expected) in [
        (&[][..], 0),
        (&["--port", "50443"], 4),
        (&["--candidate", &server], 4),
        (&["--primary", "127.0.0.1"], 0),
        // It answered no call.
        (&["--primary", "10.0.0.9:50443"], 4),
    ] {
        let output = ingest(&[&["--strict"], asked, &[capture, clear]].concat());
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(expected), "{asked:?}: {told}");
    }
}

#[test]
fn strict_misses_calls_and_secrets_that_came_to_nothing() {
    let (place, seen) = (Place::new(), two_calls(Options::tls13()));
    let capture = place.file("a.pcap", &pcap(&seen.sent));
    let other = place.file("keys.log", &two_calls(Options::tls12()).key_log);
    let (capture, other) = (capture.to_str().unwrap(), other.to_str().unwrap());
    let clear = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../decode/tests/cases/interop/go-python.pcap.zst"
    );
    for (arguments, told) in [
        (&[capture][..], "no call was found: TLS needs --tls-keylog"),
        (
            &["--port", "1", capture],
            "no call was found: all TCP segments are of other ports",
        ),
        (
            &["--tls-keylog", other, clear],
            "--tls-keylog opened nothing: there is no TLS connection",
        ),
        (
            &["--tls-keylog", other, clear, capture],
            "--tls-keylog opened nothing: it has no secret of any",
        ),
    ] {
        for (strict, expected) in [(&[][..], 0), (&["--strict"], 4)] {
            let output = ingest(&[strict, arguments].concat());
            assert!(stderr(&output).contains(told), "{}", stderr(&output));
            assert_eq!(output.status.code(), Some(expected), "{arguments:?}");
        }
    }
}

#[test]
fn bytes_behind_a_nul_are_metadata_of_a_whole_call() {
    let capture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../decode/tests/cases/interop/python-python.pcap.zst"
    );
    let output = ingest(&["--strict", capture]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_side_that_was_not_named_is_told_where_calls_are_to_be_compared() {
    let place = Place::new();
    for (roles, format, expected) in [
        (
            &[][..],
            "parquet",
            Some("without --primary and --candidate "),
        ),
        (
            &["--primary", ":50051"],
            "parquet",
            Some("without --candidate "),
        ),
        (
            &["--candidate", ":50051"],
            "parquet",
            Some("without --primary "),
        ),
        (
            &["--primary", ":50051", "--candidate", "127.0.0.1"],
            "parquet",
            None,
        ),
        (&[], "ndjson", None),
    ] {
        let data_dir = place.0.path().join(format!("{}{format}", roles.join("")));
        let fixed = [
            "--format",
            format,
            "--data-dir",
            data_dir.to_str().unwrap(),
            before::CAPTURE,
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
        let output = command
            .arg("ingest")
            .args(roles)
            .args(fixed)
            .output()
            .unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let said = told
            .lines()
            .find(|line| line.contains("has nothing to pair"));
        assert_eq!(said.is_some(), expected.is_some(), "{told}");
        assert!(
            said.is_none_or(|said| said.contains(expected.unwrap())),
            "{told}"
        );
    }
}

/// Two pcaps: the first `count` packets of one, and the others.
fn split(pcap: &[u8], count: usize) -> [Vec<u8>; 2] {
    let mut at = 24;
    for _ in 0..count {
        let len = u32::from_le_bytes(pcap[at + 8..at + 12].try_into().unwrap());
        at += 16 + usize::try_from(len).unwrap();
    }
    [pcap[..at].to_vec(), [&pcap[..24], &pcap[at..]].concat()]
}

#[test]
fn files_of_a_capture_that_rotates_are_one_capture() {
    let place = Place::new();
    let whole = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../decode/tests/cases/interop/go-python.pcap.zst"
    );
    let bytes = zstd::decode_all(&std::fs::read(whole).unwrap()[..]).unwrap();
    let [first, second] = split(&bytes, 300);
    let (first, second) = (place.file("1.pcap", &first), place.file("2.pcap", &second));
    let both = ingest(&[first.to_str().unwrap(), second.to_str().unwrap()]);
    assert_eq!(both.status.code(), Some(0), "{}", stderr(&both));
    let lines = |output: &Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(!lines(&both).is_empty());
    assert_eq!(lines(&both), lines(&ingest(&[whole])));
    assert!(
        !stderr(&both).contains("began before the capture"),
        "{}",
        stderr(&both)
    );
}

#[test]
fn why_names_are_missing_is_told_with_what_to_do() {
    let place = Place::new();
    let whole = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../decode/tests/cases/interop/go-python.pcap.zst"
    );
    let told = |arguments: &[&str]| {
        let output = ingest(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    let begun = "began before the capture";
    assert!(!told(&[whole]).contains(begun));
    let bytes = zstd::decode_all(&std::fs::read(whole).unwrap()[..]).unwrap();
    let cut = place.file("cut.pcap", &split(&bytes, 300)[1]);
    let text = told(&["--quiet", cut.to_str().unwrap()]);
    for part in [
        begun,
        "begin the capture, then restart the client",
        "--descriptors",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn why_calls_are_incomplete_is_told_where_their_names_were_seen() {
    let place = Place::new();
    let whole = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../decode/tests/cases/interop/java-go.pcap.zst"
    );
    let bytes = zstd::decode_all(&std::fs::read(whole).unwrap()[..]).unwrap();
    let cut = place.file("cut.pcap", &split(&bytes, 300)[1]);
    let text = stderr(&ingest(&["--quiet", cut.to_str().unwrap()]));
    for part in ["metadata was not seen", "may be why calls are incomplete ("] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_no_key_log_is_refused_and_what_is_malformed_is_told() {
    let (place, seen) = (Place::new(), two_calls(Options::tls13()));
    let capture = place.file("a.pcap", &pcap(&seen.sent));
    let capture = capture.to_str().unwrap();
    let other = place.file("other.txt", b"# a comment\nnothing of the kind\n");
    let output = ingest(&["--tls-keylog", other.to_str().unwrap(), capture]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "other.txt is no key log: line 2 is malformed";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    let spoilt = place.file(
        "keys.log",
        &[b"CLIENT_RANDOM 00 00\n", &seen.key_log[..]].concat(),
    );
    let output = ingest(&["--tls-keylog", spoilt.to_str().unwrap(), capture]);
    assert_eq!(calls(&output), both());
    let expected = "keys.log: 1 malformed lines, the first is line 1\n";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn a_file_that_cannot_be_read_is_input_and_one_that_is_wrong_is_usage() {
    let (place, seen) = (Place::new(), two_calls(Options::tls13()));
    let capture = place.file("a.pcap", &pcap(&seen.sent));
    let wrong = place.file("wrong", b"\n");
    let (capture, wrong) = (capture.to_str().unwrap(), wrong.to_str().unwrap());
    for option in [
        "--tls-keylog",
        "--redaction-key-file",
        "--descriptors",
        "--proto",
    ] {
        let output = ingest(&[option, "/nowhere/x", capture]);
        assert_eq!(output.status.code(), Some(3), "{option}");
        let told = stderr(&output);
        assert!(
            told.contains("/nowhere/x") && told.matches("os error").count() == 1,
            "{told}"
        );
    }
    let output = ingest(&["--redaction-key-file", wrong, capture]);
    assert_eq!(output.status.code(), Some(2));
    let output = ingest(&["--descriptors", capture, capture]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_name_that_no_metadata_has_is_no_secret_that_could_be_kept() {
    for name in ["x-user-*", "a,b", "x-token ", "", ":path"] {
        let output = ingest(&["--redact-header", name, before::CAPTURE]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let told = stderr(&output);
        assert!(
            told.contains("is no name of metadata that could be redacted"),
            "{told}"
        );
    }
}

#[test]
fn a_name_mistyped_leaves_no_trace() {
    let place = Place::new();
    let data = place.0.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command.args(["ingest", "gone.pcap", "away.pcap"]);
    let output = command.arg("--data-dir").arg(&data).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("gone.pcap"), "{}", stderr(&output));
    assert!(!data.exists());
}

#[test]
fn captured_tls_traffic_has_what_the_client_saw() {
    let Some(folder) = std::env::var_os("TWINTAP_CAPTURES").map(PathBuf::from) else {
        println!("skipped: TWINTAP_CAPTURES names no folder of captures");
        return;
    };
    let path = |name: String| folder.join(name).to_str().unwrap().to_owned();
    for name in ["tls12", "tls13"] {
        let (capture, keys) = (path(format!("{name}.pcap")), path(format!("{name}.keys")));
        let inside = path(format!("{name}.dsb.pcapng"));
        let truth = std::fs::read_to_string(path(format!("{name}.truth.jsonl"))).unwrap();
        for arguments in [&["--tls-keylog", &keys, &capture][..], &[&inside]] {
            let output = ingest(arguments);
            let lines = String::from_utf8(output.stdout).unwrap();
            let seen = client_saw::compare(&lines, &truth);
            println!("{name} {seen:?}");
            let wrong = (seen.phantom, seen.wrong_certain);
            assert_eq!((wrong, seen.perfect), ((0, 0), seen.calls));
        }
    }
}
