//! Data directories: what recorded calls tell about the set-up that recorded them.

use std::ffi::OsStr;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use twintap::call::{Call, CallId, Direction, End, Header, Position, Role, Status};
use twintap::store::parquet::{WriteSettings, write_part};
use uuid::Uuid;

use super::program::{answer, doctor, fixtures, ids};

/// Start of the first call: 2026-08-01T10:00:00Z.
const START_NS: u64 = 1_785_578_400_000_000_000;
/// Calls of each side.
const CALLS: u64 = 100;

fn call(number: u64, role: Role) -> Call {
    let side = u8::from(role == Role::Candidate);
    let mut call = Call {
        id: CallId {
            producer_id: [side; 16],
            record_number: number + 1,
        },
        role,
        position: Position::Inbound,
        rpc_method: "shop.v1.Orders/GetOrder".to_owned(),
        started_unix_ns: START_NS + number * 1_000_000,
        pair_id: Bytes::from(format!("pair-{number}")),
        request_metadata: vec![header("content-type", "application/grpc")],
        response: Direction {
            end_stream: true,
            ..Direction::default()
        },
        status: Some(Status::OK),
        http_status: Some(200),
        end: End::Complete,
        sampled_ppm: 1_000_000,
        ..Call::default()
    };
    call.workload = std::sync::Arc::new(twintap::call::Workload {
        recorder_version: "0.1.0".to_owned(),
        ..Default::default()
    });
    call
}

pub(crate) fn header(name: &'static str, value: &'static str) -> Header {
    Header {
        name: Bytes::from_static(name.as_bytes()),
        value: Bytes::from_static(value.as_bytes()),
        redacted: false,
    }
}

/// [`CALLS`] pairs, after `change` was made to each call.
pub(crate) fn recording(change: impl Fn(u64, &mut Call)) -> TempDir {
    recording_of(|_, _| true, change)
}

/// The calls of [`recording`] that `keep` takes.
fn recording_of(keep: impl Fn(u64, Role) -> bool, change: impl Fn(u64, &mut Call)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let calls = (0..CALLS).flat_map(|number| {
        let roles = [Role::Primary, Role::Candidate].into_iter();
        let calls = roles.filter(|role| keep(number, *role)).map(|role| {
            let mut call = call(number, role);
            change(number, &mut call);
            call
        });
        calls.collect::<Vec<_>>()
    });
    let id = Uuid::from_u128(1);
    write_part(
        calls.collect::<Vec<_>>(),
        folder.path(),
        id,
        &WriteSettings::default(),
    )
    .unwrap();
    folder
}

pub(crate) fn examine(folder: &TempDir) -> Value {
    examine_with(folder, &[])
}

fn examine_with(folder: &TempDir, files: &[&Path]) -> Value {
    let mut arguments: Vec<&OsStr> = ["--output", "json", "--data-dir"].map(OsStr::new).into();
    arguments.push(folder.path().as_os_str());
    arguments.extend(files.iter().map(|file| file.as_os_str()));
    let output = doctor(&arguments);
    let answer = answer(&output);
    assert_eq!(answer["problems"], serde_json::json!([]));
    answer
}

fn finds(id: &str, change: impl Fn(u64, &mut Call)) {
    let answer = examine(&recording(change));
    assert_eq!(ids(&answer), [id], "{:#}", answer["findings"]);
}

#[test]
fn a_recording_in_which_all_is_well_gives_no_alarm() {
    let answer = examine(&recording(|_, call| {
        if call.role == Role::Candidate {
            call.request_metadata
                .push(header("x-forwarded-for", "10.0.0.7"));
        }
    }));
    assert_eq!(answer["findings"], serde_json::json!([]), "{answer:#}");
}

#[test]
fn mirrored_calls_over_http1_are_seen_by_their_framing() {
    finds("grpc-port", |_, call| {
        if call.role == Role::Candidate {
            call.request_metadata
                .push(header("transfer-encoding", "chunked"));
        }
    });
}

#[test]
fn mirrored_calls_that_the_new_service_could_not_read_are_a_matter_of_the_port_too() {
    let answer = examine(&recording(|number, call| {
        if call.role == Role::Candidate && number < 10 {
            call.status = Some(Status(14));
            call.trailers_only = true;
            call.response_flags = 1 << 23;
        }
    }));
    assert_eq!(ids(&answer), ["candidate-down", "grpc-port"], "{answer:#}");
    let texts = answer["findings"].to_string();
    assert!(
        texts.contains("10 mirrored calls (10.0 %) ended in a protocol error"),
        "{texts}"
    );
    // A recorder at the caller gets that proxy's answer, and no flag.
    finds("grpc-port", |_, call| {
        if call.role == Role::Candidate {
            call.status = Some(Status(14));
            call.trailers_only = true;
            call.status_message = Bytes::from_static(
                b"upstream connect error or disconnect/reset before headers. reset reason: protocol error",
            );
        }
    });
}

#[test]
fn what_the_new_service_made_of_a_call_without_answer_says_nothing_of_the_port() {
    let answer = examine(&recording(|_, call| match call.role {
        Role::Candidate => {
            call.status = Some(Status(14));
            call.trailers_only = true;
            call.response_flags = 1 << 23;
        }
        _ => call.end = End::Aborted,
    }));
    let ids = ids(&answer);
    assert!(!ids.iter().any(|id| id == "grpc-port"), "{answer:#}");
}

#[test]
fn mirrored_calls_that_were_cut_off_are_counted() {
    finds("early-cancel", |number, call| {
        if number >= 10 {
            return;
        }
        match call.role {
            // The new service's proxy says that the caller reset it.
            Role::Candidate => (call.end, call.response_flags) = (End::Aborted, 1 << 28),
            _ => call.end = End::ResponseFirst,
        }
    });
}

#[test]
fn calls_that_broke_off_and_nobody_knows_why_are_told_as_such() {
    for position in [Position::Inbound, Position::Wire] {
        let answer = examine(&recording(|_, call| {
            call.position = position;
            if call.role == Role::Candidate {
                call.end = End::Aborted;
                call.response.end_stream = false;
                call.status = None;
                call.http_status = None;
            }
        }));
        assert_eq!(ids(&answer), ["candidate-down"], "{answer:#}");
        let finding = &answer["findings"][0];
        assert_eq!(
            finding["severity"], "warning",
            "all of them, and still no error"
        );
        let what = finding["what"].as_str().unwrap();
        assert!(
            what.ends_with("broke off, and nothing recorded tells by whom: no reason recorded 100"),
            "{what}"
        );
    }
}

#[test]
fn a_new_service_that_is_down_is_told_from_calls_that_were_cut_off() {
    // At the caller Envoy tells nothing of a copy that found nobody.
    finds("candidate-down", |number, call| {
        (call.position, call.id.producer_id) = (Position::Upstream, [7; 16]);
        call.id.record_number += CALLS * u64::from(call.role == Role::Candidate);
        if call.role == Role::Candidate && number < 10 {
            call.end = End::Aborted;
            call.status = None;
            call.http_status = None;
        }
    });
    // At the new service's proxy it does.
    let answer = examine(&recording(|_, call| {
        if call.role == Role::Candidate {
            call.status = Some(Status(14));
            call.trailers_only = true;
            call.response_flags = 1 << 5;
            call.response_code_details =
                Bytes::from_static(b"upstream_reset_before_response_started{connection_failure}");
        }
    }));
    assert_eq!(ids(&answer), ["candidate-down"], "{answer:#}");
    let finding = &answer["findings"][0];
    assert_eq!(finding["severity"], "error");
    let what = finding["what"].as_str().unwrap();
    assert!(what.ends_with("answered: no connection 100"), "{what}");
}

#[test]
fn calls_recorded_at_two_places_are_duplicates() {
    let folder = recording(|_, _| {});
    let copies = (0..CALLS).map(|number| Call {
        id: CallId {
            producer_id: [9; 16],
            record_number: number + 1,
        },
        position: Position::Outbound,
        ..call(number, Role::Primary)
    });
    write_part(
        copies.collect::<Vec<_>>(),
        folder.path(),
        Uuid::from_u128(2),
        &WriteSettings::default(),
    )
    .unwrap();
    let answer = examine(&folder);
    assert_eq!(ids(&answer), ["duplicates"], "{answer:#}");
}

#[test]
fn calls_without_a_partner_are_a_matter_of_ids() {
    finds("pair-id", |number, call| {
        if call.role == Role::Candidate && number < 30 {
            call.pair_id = Bytes::from(format!("other-{number}"));
        }
    });
}

#[test]
fn a_mirror_of_a_part_of_calls_is_no_matter_of_ids() {
    let folder = recording_of(
        |number, role| role == Role::Primary || number < 10,
        |_, _| {},
    );
    let files = tempfile::tempdir().unwrap();
    let routes = fixtures().join("mirror-stall");
    let route = std::fs::read_to_string(routes.join("good-timeout.yaml")).unwrap();
    let found = |route: Option<&str>| {
        let path = files.path().join("route.yaml");
        let given: Vec<&Path> = match route {
            Some(text) => {
                std::fs::write(&path, text).unwrap();
                vec![&path]
            }
            None => Vec::new(),
        };
        let answer = examine_with(&folder, &given);
        assert_eq!(ids(&answer), ["pair-id"], "{answer:#}");
        let finding = &answer["findings"][0];
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        (text("severity"), text("what"))
    };

    let (severity, what) = found(None);
    assert_eq!(severity, "warning");
    assert!(what.contains("a part of calls is mirrored only"), "{what}");
    assert!(what.contains("or mirrored calls are lost"), "{what}");

    let (severity, what) = found(Some(&route));
    assert_eq!(severity, "info", "{what}");
    assert!(what.starts_with("90 primary calls (90.0 %)"), "{what}");

    let whole = route.replace("value: 10}", "value: 100}");
    assert_ne!(route, whole);
    let (severity, what) = found(Some(&whole));
    assert_eq!(severity, "error", "{what}");
    assert!(what.contains("a mirror of 100 % leaves out"), "{what}");
}

#[test]
fn calls_to_several_candidates_wait_for_a_choice() {
    let folder = recording(|_, _| {});
    let others = (0..CALLS).map(|number| Call {
        id: CallId {
            producer_id: [9; 16],
            record_number: number + 1,
        },
        workload: std::sync::Arc::new(twintap::call::Workload {
            recorder_version: "0.1.0".to_owned(),
            workload_name: "third".to_owned(),
            ..Default::default()
        }),
        ..call(number, Role::Candidate)
    });
    write_part(
        others.collect::<Vec<_>>(),
        folder.path(),
        Uuid::from_u128(2),
        &WriteSettings::default(),
    )
    .unwrap();
    let answer = examine(&folder);
    assert_eq!(ids(&answer), ["duplicates"], "{answer:#}");
    let finding = &answer["findings"][0];
    assert_eq!(finding["severity"], "info");
    assert!(
        finding["what"]
            .as_str()
            .unwrap()
            .contains("compare --candidate")
    );
}

#[test]
fn an_id_that_a_client_uses_for_all_is_named() {
    let answer = examine(&recording(|number, call| {
        call.pair_id = Bytes::new();
        call.request_id = Bytes::from_static(b"constant");
        call.request.body_digest = Some(number);
    }));
    assert_eq!(ids(&answer), ["pair-id"], "{answer:#}");
    let what = answer["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains("\"constant\" has 100"), "{what}");
}

#[test]
fn records_of_records_and_of_health_checks_are_noise() {
    finds("self-recording", |_, call| {
        call.rpc_method = "v1/records".to_owned()
    });
    finds("self-recording", |number, call| {
        if number < 50 {
            call.rpc_method = "grpc.health.v1.Health/Check".to_owned();
        }
    });
}

#[test]
fn several_versions_of_the_filter_are_named() {
    finds("version-skew", |number, call| {
        if number < 50 {
            call.workload = std::sync::Arc::new(twintap::call::Workload {
                recorder_version: "0.2.0".to_owned(),
                ..Default::default()
            });
        }
    });
}

#[test]
fn a_header_of_one_side_that_no_proxy_is_known_for_is_named() {
    finds("hop-headers", |_, call| {
        if call.role == Role::Candidate {
            call.request_metadata.push(header("x-gateway-zone", "eu-1"));
        }
    });
}

#[test]
fn other_content_types_than_grpc_are_named() {
    finds("body-filters", |number, call| {
        if number < 5 {
            call.request_metadata = vec![header("content-type", "application/grpc-web+proto")];
        }
    });
}

#[test]
fn answers_without_a_status_have_lost_their_trailers() {
    finds("trailers", |number, call| {
        if number < 10 {
            call.status = None;
        }
    });
}

#[test]
fn a_folder_that_is_no_data_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = doctor(&["--data-dir".as_ref(), folder.path().as_os_str()]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("is no data directory"), "{text}");
}
