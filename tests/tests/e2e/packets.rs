//! `twintap ingest`: captures of real conversations become the calls that were made.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use twintap_e2e::grpc::{Answer, Call, Client, Server};
use twintap_e2e::relay::{Packet, Relay, pcap};
use twintap_e2e::{Stored, artifacts};

/// A directory for captures and data.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data_dir(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn ingest(arguments: &[&str], files: &[&Path]) -> Output {
    Command::new(artifacts::twintap())
        .arg("ingest")
        .args(arguments)
        .args(files)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Calls a server of `answer` through a relay: `count` calls, the number of each as its request id.
async fn conversation(
    answer: impl Fn(u64) -> Answer + Send + Sync + 'static,
    count: u64,
) -> (std::net::SocketAddr, Vec<Packet>) {
    let server = Server::answering(move |head| {
        let number = head.headers["x-call"].to_str().unwrap().parse().unwrap();
        answer(number)
    })
    .await;
    let relay = Relay::to(server.address()).await;
    let client = Client::connect(relay.address()).await;
    for number in 0..count {
        let call = Call::unary("shop.v1.Cart/Add", format!("item {number}"))
            .header("x-call", number.to_string())
            .header(
                "x-request-id",
                format!("00000000-0000-4000-8000-{number:012}"),
            )
            .header("authorization", "Bearer wire-canary-7431");
        client.call(call).await;
    }
    drop(client);
    (server.address(), relay.packets())
}

fn echo(_: u64) -> Answer {
    Answer::echo()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_captured_services_compare_like_recorded_ones() {
    let place = Place::new();
    let (old, primary) = conversation(echo, 40).await;
    let is_planted = |number: u64| number % 10 == 3;
    let new = move |number| {
        if is_planted(number) {
            Answer::trailers_only(5, "gone")
        } else {
            Answer::echo()
        }
    };
    let (new, candidate) = conversation(new, 40).await;
    let files = [
        place.file("old.pcap", &pcap(&primary)),
        place.file("new.pcap", &pcap(&candidate)),
    ];
    let (old, new, data_dir) = (old.to_string(), new.to_string(), place.data_dir());
    let arguments = [
        "--primary",
        &old,
        "--candidate",
        &new,
        "--strict",
        "--data-dir",
    ];
    let arguments = [&arguments[..], &[data_dir.to_str().unwrap()]].concat();
    let output = ingest(&arguments, &[&files[0], &files[1]]);
    assert!(output.status.success(), "{}", stderr(&output));

    let stored = Stored::read(&data_dir);
    assert_eq!(stored.with("role", "primary").rows.len(), 40);
    assert_eq!(stored.with("role", "candidate").rows.len(), 40);
    assert_eq!(stored.with("position", "wire").rows.len(), 80);
    assert!(
        stored.rows.iter().all(|row| row["incomplete"] == false),
        "{stored:?}"
    );

    let output = Command::new(artifacts::twintap())
        .args(["compare", "--output", "json"])
        .arg(&data_dir)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = &report["answer"];
    let judged = (&answer["judged"], &answer["mismatched"]);
    assert_eq!(judged, (&40.into(), &4.into()), "{report:#}");
    assert_eq!(answer["is_valid"], true, "{report:#}");
    assert_eq!(report["completeness"]["pairs_found_by"]["request_id"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_say_what_was_called_and_answered() {
    let place = Place::new();
    let (_, packets) = conversation(echo, 3).await;
    let file = place.file("a.pcap", &pcap(&packets));
    let output = ingest(&["--format", "ndjson"], &[&file]);
    let lines = lines(&output);
    assert_eq!(lines.len(), 3, "{}", stderr(&output));
    for (number, line) in lines.iter().enumerate() {
        let id = format!("00000000-0000-4000-8000-{number:012}");
        assert_eq!(line["request_id"], id.as_str());
        assert_eq!(line["method"], "/shop.v1.Cart/Add");
        assert_eq!(line["method_certainty"], "seen");
        assert_eq!(
            (&line["status"], &line["status_certainty"]),
            (&0.into(), &"seen".into())
        );
        assert_eq!(line["stream_id"], 2 * number + 1);
        assert_eq!(line["flags"], serde_json::json!([]));
        assert_eq!(line["request_sha256"], line["response_sha256"], "an echo");
        assert_eq!(line["request_sha256"][0].as_str().unwrap().len(), 64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_and_piped_captures_are_the_same_capture() {
    let place = Place::new();
    let (_, packets) = conversation(echo, 20).await;
    let plain = pcap(&packets);
    let file = place.file("a.pcap", &plain);
    let whole = lines(&ingest(&["--format", "ndjson", "--threads", "1"], &[&file]));
    assert_eq!(whole.len(), 20);
    let half = packets.len() / 2;
    let (first, second) = packets.split_at(half);
    let rotated = [
        place.file("a.0.pcap", &pcap(first)),
        place.file("a.1.pcap", &pcap(second)),
    ];
    let rotated = ingest(
        &["--format", "ndjson", "--threads", "1"],
        &[&rotated[0], &rotated[1]],
    );
    assert_eq!(lines(&rotated), whole, "a capture in two files");

    let mut piped = Command::new(artifacts::twintap())
        .args(["ingest", "--format", "ndjson", "--threads", "1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(&plain).unwrap();
    assert_eq!(
        lines(&piped.wait_with_output().unwrap()),
        whole,
        "from standard input"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_capture_ends_on_request_with_all_its_calls() {
    let (_, packets) = conversation(echo, 10).await;
    let mut live = Command::new(artifacts::twintap())
        .args(["ingest", "--format", "ndjson", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = live.stdin.take().unwrap();
    stdin.write_all(&pcap(&packets)).unwrap();
    // The last call is told without waiting for the end: then everything was read.
    let mut stdout = std::io::BufReader::new(live.stdout.take().unwrap());
    let mut told = Vec::new();
    while told.len() < 10 {
        let mut line = String::new();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "{told:?}");
        told.push(line);
    }
    let pid = rustix::process::Pid::from_child(&live);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = live.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("calls        10 = 10 written"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_capture_are_not_kept() {
    let place = Place::new();
    let (_, packets) = conversation(echo, 5).await;
    let file = place.file("a.pcap", &pcap(&packets));
    let data_dir = place.data_dir();
    let output = ingest(&["--data-dir", data_dir.to_str().unwrap()], &[&file]);
    assert!(output.status.success(), "{}", stderr(&output));
    let stored = Stored::read_whole(&data_dir);
    assert_eq!(stored.rows.len(), 5);
    let text = format!("{stored:?}");
    assert!(text.contains("authorization"), "the name is kept");
    assert!(!text.contains("wire-canary-7431"), "the value is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_flagged_and_counted() {
    let place = Place::new();
    let (_, packets) = conversation(echo, 60).await;
    // Every 97th packet was not captured.
    let lossy: Vec<Packet> = packets
        .iter()
        .enumerate()
        .filter(|(index, _)| index % 97 != 50)
        .map(|(_, packet)| packet.clone())
        .collect();
    let whole = place.file("whole.pcap", &pcap(&packets));
    let lossy = place.file("lossy.pcap", &pcap(&lossy));
    let truth = lines(&ingest(&["--format", "ndjson"], &[&whole]));
    let output = ingest(&["--format", "ndjson", "--strict"], &[&lossy]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let rebuilt = lines(&output);
    let flagged = |line: &&Value| line["flags"] != serde_json::json!([]);
    let flagged_count = rebuilt.iter().filter(flagged).count();
    // Each loss costs the call it belongs to, and some behind it until HPACK's state is proved.
    let is_likely = (1..=45).contains(&flagged_count) && rebuilt.len() >= 55;
    assert!(is_likely, "{flagged_count} of {} flagged", rebuilt.len());
    for line in &rebuilt {
        let stream = &line["stream_id"];
        let truth = truth.iter().find(|it| it["stream_id"] == *stream);
        let truth = truth.expect("no call that never was");
        for value in ["method", "status"] {
            let is_sure = line[format!("{value}_certainty")] == "seen";
            assert!(
                !is_sure || line[value] == truth[value],
                "{line} is sure of what was not so: {truth}"
            );
        }
        if line["flags"] == serde_json::json!([]) {
            assert_eq!(line, truth, "a call without flags is whole");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_the_capture_cuts_off_are_never_judged() {
    let place = Place::new();
    let (_, packets) = conversation(echo, 8).await;
    let whole = place.file("whole.pcap", &pcap(&packets));
    let truth = lines(&ingest(&["--format", "ndjson"], &[&whole]));
    for count in (1..packets.len()).step_by(3) {
        let cut = place.file("cut.pcap", &pcap(&packets[..count]));
        for line in lines(&ingest(&["--format", "ndjson"], &[&cut])) {
            let truth = truth.iter().find(|it| it["stream_id"] == line["stream_id"]);
            if line["flags"] == serde_json::json!([]) {
                assert_eq!(Some(&line), truth, "whole after {count} packets");
            } else {
                let is_sure = line["status_certainty"] == "seen";
                assert!(
                    !is_sure || line["status"] == 0,
                    "after {count} packets: {line}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_file_costs_itself_only() {
    let place = Place::new();
    let (_, packets) = conversation(echo, 4).await;
    let good = place.file("good.pcap", &pcap(&packets));
    let bad = place.file("bad.pcap", b"this is a text, and not a capture");
    let output = ingest(
        &["--format", "ndjson"],
        &[&bad, Path::new("/nowhere.pcap"), &good],
    );
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(lines(&output).len(), 4, "the good file counts");
    let errors = stderr(&output);
    assert!(
        errors.contains("bad.pcap: packet 1 at byte 0: neither pcap nor pcapng"),
        "{errors}"
    );
    assert!(errors.contains("failed to open /nowhere.pcap"), "{errors}");

    let mut cut = pcap(&packets);
    cut.truncate(cut.len() - 7);
    let cut = place.file("cut.pcap", &cut);
    let output = ingest(&["--format", "ndjson"], &[&cut]);
    assert_eq!(lines(&output).len(), 4, "all that is before the cut counts");
    assert!(
        stderr(&output).contains("the input ends 7 bytes before the record does"),
        "{}",
        stderr(&output)
    );
}
