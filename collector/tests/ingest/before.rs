//! What was ingested before: refused, or replaced where it did not come to its end.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::captures::pcap;
use crate::{Place, stderr};

pub(crate) const CAPTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../decode/tests/cases/interop/go-python.pcap.zst"
);
pub(crate) const OTHER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../decode/tests/cases/interop/go-java.pcap.zst"
);

pub(crate) fn data_dir(place: &Place) -> PathBuf {
    place.0.path().join("data")
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command.arg("ingest").args(arguments);
    command.arg("--data-dir").arg(data_dir(place));
    command
}

fn ingest(place: &Place, arguments: &[&str]) -> Output {
    command(place, arguments).output().unwrap()
}

/// Ingests, which must succeed; says what was told.
pub(crate) fn ingested(place: &Place, arguments: &[&str]) -> String {
    let output = ingest(place, arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stderr(&output)
}

/// Ingests, which must be refused; says why.
pub(crate) fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = ingest(place, arguments);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    stderr(&output)
}

/// How many calls the dataset has.
pub(crate) fn calls(place: &Place) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command
        .args(["fsck", "--output", "json"])
        .arg(data_dir(place));
    let checked: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    checked["calls"].as_u64().unwrap()
}

pub(crate) fn accountings(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir(place)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_accounting = |path: &PathBuf| path.to_str().unwrap().contains("/accounting-");
    paths.filter(is_accounting).collect()
}

fn read(accounting: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(accounting).unwrap()).unwrap()
}

/// The accounting of the only ingest.
pub(crate) fn only_accounting(place: &Place) -> PathBuf {
    let [path] = &accountings(place)[..] else {
        panic!("one ingest, {:?}", accountings(place));
    };
    path.clone()
}

/// Leaves what a process leaves that was killed before its end: calls, and the accounting of the beginning.
pub(crate) fn cut_short(path: &Path) {
    let mut accounting = read(path);
    accounting["is_partial"] = true.into();
    accounting["damaged_stretches"] = 1.into();
    std::fs::write(path, accounting.to_string()).unwrap();
}

pub(crate) fn losses(place: &Place) -> u64 {
    let all = accountings(place);
    let losses = all
        .iter()
        .map(|path| read(path)["damaged_stretches"].as_u64().unwrap());
    losses.sum()
}

#[test]
fn a_capture_whose_calls_are_in_the_dataset_is_refused() {
    let place = Place::new();
    let copy = place.file("copy.pcap.zst", &std::fs::read(CAPTURE).unwrap());
    let twice = refused(&place, &[CAPTURE, CAPTURE]);
    assert!(twice.contains("is given twice"), "{twice}");
    ingested(&place, &[CAPTURE]);
    let told = refused(&place, &[copy.to_str().unwrap()]);
    assert!(
        told.contains("copy.pcap.zst was ingested before (at "),
        "{told}"
    );
    assert!(told.contains("as /"), "{told}");
    let once = calls(&place);
    ingested(&place, &["--again", CAPTURE]);
    assert_eq!(calls(&place), 2 * once);
}

#[test]
fn what_an_interrupted_ingest_left_is_replaced() {
    let place = Place::new();
    ingested(&place, &[CAPTURE]);
    let once = calls(&place);
    cut_short(&only_accounting(&place));
    let told = ingested(&place, &[CAPTURE]);
    let expected = format!("this one replaces the {once} calls that it left");
    assert!(told.contains(&expected), "{told}");
    assert_eq!((calls(&place), losses(&place)), (once, 0));
    assert!(refused(&place, &[CAPTURE]).contains("was ingested before"));
}

#[test]
fn what_an_interrupted_second_ingest_left_is_replaced_by_another() {
    let place = Place::new();
    ingested(&place, &[CAPTURE]);
    let (once, first) = (calls(&place), accountings(&place));
    ingested(&place, &["--again", CAPTURE]);
    let second = accountings(&place)
        .into_iter()
        .find(|path| !first.contains(path));
    cut_short(&second.unwrap());
    assert_eq!((calls(&place), losses(&place)), (2 * once, 1));
    assert!(refused(&place, &[CAPTURE]).contains("was ingested before"));
    let told = ingested(&place, &["--again", CAPTURE]);
    let expected = format!("this one replaces the {once} calls that it left");
    assert!(told.contains(&expected), "{told}");
    assert_eq!((calls(&place), losses(&place)), (2 * once, 0));
}

#[test]
fn what_was_interrupted_with_another_file_is_replaced_by_both() {
    let place = Place::new();
    ingested(&place, &[CAPTURE, OTHER]);
    let both = calls(&place);
    cut_short(&only_accounting(&place));
    let told = refused(&place, &[CAPTURE]);
    assert!(told.contains("was ingested in part (at "), "{told}");
    assert!(
        told.contains("go-java.pcap.zst: ingest all of its files again"),
        "{told}"
    );
    ingested(&place, &[OTHER, CAPTURE]);
    assert_eq!((calls(&place), losses(&place)), (both, 0));
}

#[test]
fn a_disk_that_is_full_leaves_a_good_path() {
    let place = Place::new();
    // No file may have more than a few blocks.
    let mut command = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" ingest \"$1\" --data-dir \"$2\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_twintap"), CAPTURE]);
    let output = command.arg(data_dir(&place)).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let expected = "the next one of the same files replaces what it wrote: write ";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    assert_eq!(losses(&place), 1);
    ingested(&place, &[CAPTURE]);
    assert_eq!(losses(&place), 0);
}

/// A pipe, by its name.
fn pipe(place: &Place) -> PathBuf {
    let pipe = place.0.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    pipe
}

/// Begins to ingest a capture and a pipe; gives the pipe when it is the pipe's turn.
fn begun(place: &Place) -> (Child, File) {
    let pipe = pipe(place);
    let mut command = command(place, &[CAPTURE, pipe.to_str().unwrap()]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Opened when the reader has come to it, past all of the capture.
    (child, File::options().write(true).open(&pipe).unwrap())
}

#[test]
fn an_ingest_that_was_killed_may_be_repeated() {
    let place = Place::new();
    let (mut killed, writer) = begun(&place);
    kill_process(Pid::from_child(&killed), Signal::KILL).unwrap();
    killed.wait().unwrap();
    drop(writer);
    assert_eq!(losses(&place), 1);
    ingested(&place, &[CAPTURE]);
    assert_eq!(losses(&place), 0);
    assert!(calls(&place) > 0);
}

#[test]
fn an_ingest_that_was_interrupted_may_be_repeated() {
    let place = Place::new();
    let (interrupted, mut writer) = begun(&place);
    kill_process(Pid::from_child(&interrupted), Signal::INT).unwrap();
    let packets = pcap(&[]);
    writer.write_all(&packets).unwrap();
    // Until nobody reads any more.
    while writer.write_all(&packets[24..]).is_ok() {}
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let expected = "the next one of the same files replaces what it wrote\n";
    assert!(stderr(&output).ends_with(expected), "{}", stderr(&output));
    assert_eq!(losses(&place), 1);
    let once = calls(&place);
    ingested(&place, &[CAPTURE]);
    assert_eq!((calls(&place), losses(&place)), (once, 0));
}

#[test]
fn a_run_that_found_no_calls_does_not_count() {
    let place = Place::new();
    let told = ingested(&place, &["--port", "1", CAPTURE]);
    assert!(told.contains("no call was found"), "{told}");
    let told = ingested(&place, &["--port", "1", CAPTURE, OTHER]);
    assert!(!told.contains("replaces"), "{told}");
    assert_eq!(accountings(&place).len(), 1, "the first is replaced");
    ingested(&place, &[CAPTURE]);
    assert_eq!(
        accountings(&place).len(),
        2,
        "the second was of another file too"
    );
    assert!(refused(&place, &[CAPTURE]).contains("was ingested before"));
}

#[test]
fn a_capture_that_was_compressed_or_has_grown_is_refused() {
    let place = Place::new();
    ingested(&place, &[CAPTURE]);
    let mut plain = zstd::decode_all(&std::fs::read(CAPTURE).unwrap()[..]).unwrap();
    let path = place.file("plain.pcap", &plain);
    let told = refused(&place, &[path.to_str().unwrap()]);
    assert!(
        told.contains("plain.pcap was ingested before (at "),
        "{told}"
    );
    // Its first packet once more.
    let len = u32::from_le_bytes(plain[32..36].try_into().unwrap()) as usize;
    plain.extend_from_within(24..24 + 16 + len);
    let path = place.file("grown.pcap", &plain);
    let told = refused(&place, &[path.to_str().unwrap()]);
    assert!(
        told.contains("the beginning of ") && told.contains("grown.pcap was ingested"),
        "{told}"
    );
}

#[test]
fn the_beginning_of_a_capture_that_is_there_is_refused() {
    let place = Place::new();
    let whole = zstd::decode_all(&std::fs::read(CAPTURE).unwrap()[..]).unwrap();
    let whole_path = place.file("whole.pcap", &whole);
    let part_path = place.file("part.pcap", &whole[..whole.len() / 2]);
    let [whole, part] = [&whole_path, &part_path].map(|path| path.to_str().unwrap());
    for (given, told) in [
        ([whole, part], "part.pcap begins with the same packet as "),
        ([part, whole], "whole.pcap begins with all that "),
    ] {
        let refused = refused(&place, &given);
        assert!(refused.contains(told), "{refused}");
    }
    ingested(&place, &[whole]);
    let expected = "whole.pcap); whether what follows is equal is not known";
    let told = refused(&place, &[part]);
    assert!(told.contains(expected), "{told}");
    // What it would replace is more than it has.
    cut_short(&only_accounting(&place));
    let before = calls(&place);
    let told = refused(&place, &[part]);
    assert!(told.contains("was ingested in part before (at "), "{told}");
    ingested(&place, &["--again", part]);
    assert!(calls(&place) > before, "nothing is replaced");
}

#[test]
fn what_is_no_capture_leaves_no_trace() {
    let place = Place::new();
    let text = place.file("notes.txt", b"this is a text and no capture at all");
    let empty = place.file("empty.pcap", b"");
    let cut = place.file("cut.zst", &std::fs::read(CAPTURE).unwrap()[..9]);
    let folder = place.0.path().to_str().unwrap().to_owned();
    let bad = [&text, &empty, &cut].map(|path| path.to_str().unwrap());
    let bad = [&bad[..], &[&folder, "/nowhere.pcap"]].concat();
    let output = ingest(&place, &bad);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    for name in ["notes.txt: ", "empty.pcap: ", "cut.zst ", "/nowhere.pcap: "] {
        assert!(
            stderr(&output).contains(name),
            "{name}: {}",
            stderr(&output)
        );
    }
    assert!(!data_dir(&place).exists());
    // With one that can be read, it costs itself only.
    let output = ingest(&place, &[&bad[..], &[CAPTURE]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(losses(&place), 0);
    assert!(calls(&place) > 0);
}

#[test]
fn standard_input_that_is_no_capture_leaves_no_accounting() {
    let place = Place::new();
    let text = place.file("notes.txt", b"this is a text and no capture at all");
    let mut command = command(&place, &["-"]);
    let output = command.stdin(File::open(text).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        !stderr(&output).contains("no call was found"),
        "{}",
        stderr(&output)
    );
    assert_eq!(accountings(&place), [] as [PathBuf; 0]);
}

#[test]
fn what_the_system_says_is_told_once() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command
        .args(["ingest", "--format", "ndjson", CAPTURE])
        .stdout(full);
    let told = stderr(&command.output().unwrap());
    assert_eq!(told.matches("os error 28").count(), 1, "{told}");
}

#[test]
fn a_capture_that_breaks_in_the_middle_is_a_loss() {
    let place = Place::new();
    let bytes = std::fs::read(CAPTURE).unwrap();
    let cut = place.file("cut.pcap.zst", &bytes[..bytes.len() / 2]);
    let output = ingest(&place, &[cut.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(losses(&place), 1);
    assert!(calls(&place) > 0);
    assert!(
        !stderr(&output).contains("record does"),
        "it is told once: {}",
        stderr(&output)
    );
}

#[test]
fn calls_that_were_left_out_are_not_said_to_be_there() {
    let place = Place::new();
    ingested(
        &place,
        &["--include-method", "catalog.v2.Catalog/Find", CAPTURE],
    );
    assert_eq!(calls(&place), 17);
    let told = refused(&place, &["--include-method", "interop.v1.*", CAPTURE]);
    assert!(
        told.contains("of methods that were left out then"),
        "{told}"
    );
    assert!(
        told.contains("calls that it took would be there twice"),
        "{told}"
    );
}

#[test]
fn lines_that_nobody_reads_end_as_sigpipe_does() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut lines = command(&place, &["--format", "ndjson", CAPTURE]);
    let output = lines.stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{}", stderr(&output));
}

#[test]
fn a_method_that_no_call_has_is_told() {
    let place = Place::new();
    for options in [
        &["--include-method", "catalog.v2.catalog/*"][..],
        &[
            "--include-method",
            "catalog.v2.*",
            "--exclude-method",
            "catalog.*",
        ],
    ] {
        let arguments = [&["--format", "none", "--strict"], options, &[CAPTURE]].concat();
        let output = ingest(&place, &arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(
            told.contains("no call was written: those that were found"),
            "{told}"
        );
        assert!(told.contains("--include-method"), "{told}");
    }
}

#[test]
fn a_port_says_more_than_a_host() {
    let place = Place::new();
    let told = ingested(&place, &["--format", "none", CAPTURE]);
    assert!(!told.contains("answered no call"), "{told}");
    let with = |one: [&str; 2], other: [&str; 2]| {
        let arguments = [&["--format", "none"], &one[..], &other, &[CAPTURE]].concat();
        ingested(&place, &arguments)
    };
    let primary = ["--primary", "127.0.0.1"];
    let told = with(primary, ["--candidate", "127.0.0.1:1"]);
    let port = told.split("answered by 127.0.0.1:").nth(1).unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let port = format!(":{port}");
    // All are the candidate's then, and the host's other ports answered nothing.
    let told = with(primary, ["--candidate", &port]);
    let expected = "--primary 127.0.0.1 answered no call";
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("--candidate"), "{told}");
    // Of one side, both fit.
    let told = with(primary, ["--primary", &port]);
    assert!(!told.contains("answered no call"), "{told}");
}

#[test]
fn an_address_that_answered_no_call_is_told() {
    let place = Place::new();
    let arguments = [
        "--primary",
        "127.0.0.1",
        "--candidate",
        "10.9.8.7:65000",
        CAPTURE,
    ];
    let told = ingested(&place, &arguments);
    let expected =
        "--candidate 10.9.8.7:65000 answered no call: those found were answered by 127.0.0.1:";
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("--primary 127"), "{told}");
    let strict = [
        "--strict",
        "--format",
        "none",
        "--candidate",
        "10.9.8.7",
        CAPTURE,
    ];
    assert_eq!(ingest(&place, &strict).status.code(), Some(4));
    let strict = [
        "--strict",
        "--format",
        "none",
        "--candidate",
        "127.0.0.1",
        CAPTURE,
    ];
    assert_eq!(ingest(&place, &strict).status.code(), Some(0));
}

#[test]
fn files_in_the_wrong_order_are_told() {
    let place = Place::new();
    let whole = zstd::decode_all(&std::fs::read(CAPTURE).unwrap()[..]).unwrap();
    // Where about the middle a record begins, by the lengths of those before.
    let mut at = 24;
    while at < whole.len() / 2 {
        at += 16 + u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    let first = place.file("a0.pcap", &whole[..at]);
    let second = place.file("a1.pcap", &[&whole[..24], &whole[at..]].concat());
    let [first, second] = [&first, &second].map(|path| path.to_str().unwrap());
    let told = ingested(&place, &["--format", "none", second, first]);
    assert!(told.contains("a0.pcap are older than those of "), "{told}");
    assert!(told.contains("in the order of their packets"), "{told}");
    let told = ingested(&place, &["--format", "none", first, second]);
    assert!(!told.contains("are older than"), "{told}");
}
