//! `twintap fsck` on what a collector left, whole and damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::batches::Sender;
use super::collector::{Collector, accounting};

const CALLS: u64 = 20;

/// A data directory with published calls.
fn published() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &[]);
    assert_eq!(collector.post(&Sender::new(7).encoded(CALLS)).status, 200);
    assert!(collector.stop().success());
    close(data.path());
    data
}

/// One with acknowledged batches that are only in the journal.
fn journaled() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(data.path(), &["publish_interval=1h"]);
    let mut sender = Sender::new(7);
    for _ in 0..3 {
        assert_eq!(collector.post(&sender.encoded(CALLS)).status, 200);
    }
    collector.kill();
    close(data.path());
    data
}

/// As the collector makes it, unlike `tempfile`.
fn close(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

fn run(command: &str, arguments: &[&str], data_dir: &Path) -> (Option<i32>, String) {
    let mut twintap = Command::new(env!("CARGO_BIN_EXE_twintap"));
    let output = twintap.arg(command).args(arguments).arg(data_dir).output();
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn fsck(arguments: &[&str], data_dir: &Path) -> (Option<i32>, String) {
    run("fsck", arguments, data_dir)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
    found
}

/// Changes the byte in the middle.
fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_whole_has_no_findings() {
    for (data, expected) in [
        (published(), "20 calls in 1 file "),
        (
            journaled(),
            "0 calls in 0 files and 4 frames in 1 segment of",
        ),
    ] {
        let (code, told) = fsck(&[], data.path());
        assert_eq!(code, Some(0), "{told}");
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn files_are_not_damaged_because_descriptors_are_wanting() {
    let data = published();
    let mut codes = Vec::new();
    for descriptors in 3..16 {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n $0; exec \"$@\""]);
        shell.arg(descriptors.to_string());
        shell.args([env!("CARGO_BIN_EXE_twintap"), "fsck", "--repair"]);
        let output = shell.arg(data.path()).output().unwrap();
        codes.push(output.status.code());
    }
    assert!(!codes.contains(&Some(4)), "{codes:?}");
    assert!(codes.contains(&Some(3)), "{codes:?}");
    assert_eq!(codes.last(), Some(&Some(0)), "{codes:?}");
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_moved_aside_and_counted() {
    let data = published();
    let parts = files(data.path(), "parquet");
    assert_eq!(parts.len(), 1);
    spoil(&parts[0]);
    let before = fs::read(&parts[0]).unwrap();
    assert_eq!(run("compare", &[], data.path()).0, Some(3));

    let (code, told) = fsck(&["--output", "json"], data.path());
    assert_eq!(code, Some(4));
    let told: Value = serde_json::from_str(&told).unwrap();
    let finding = &told["findings"][0];
    assert_eq!(finding["severity"], "damaged", "{told:#}");
    assert_eq!(finding["path"], parts[0].to_str().unwrap());
    assert_eq!(
        fs::read(&parts[0]).unwrap(),
        before,
        "a check changes nothing"
    );

    let (code, told) = fsck(&["--repair"], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(told.starts_with("aside"), "{told}");
    assert!(told.contains("0 calls in 0 files"), "{told}");
    assert!(!told.contains("fsck --repair"), "{told}");
    assert!(!parts[0].exists());
    let aside = files(&data.path().join("quarantine"), "parquet");
    assert_eq!(fs::read(&aside[0]).unwrap(), before, "nothing is lost");
    // What is lost stays so, however often it is looked for.
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(
        told.contains("1 damaged files were moved to quarantine by an earlier repair"),
        "{told}"
    );
    // Comparisons work again, and know that something is missing.
    let (code, told) = run("compare", &[], data.path());
    assert_eq!(code, Some(4), "{told}");
}

#[test]
fn damaged_files_of_one_part_keep_their_places() {
    let data = published();
    let part = files(data.path(), "parquet").remove(0);
    let other = data.path().join("calls/v1/dt=2020-01-01/hh=00");
    fs::create_dir_all(&other).unwrap();
    let other = other.join(part.file_name().unwrap());
    for path in [&part, &other] {
        fs::write(path, path.to_str().unwrap()).unwrap();
    }
    let (code, told) = fsck(&["--repair"], data.path());
    assert_eq!(code, Some(4), "{told}");
    for path in [part, other] {
        let place = path.strip_prefix(data.path()).unwrap();
        let aside = data.path().join("quarantine").join(place);
        assert_eq!(fs::read_to_string(aside).unwrap(), path.to_str().unwrap());
    }
    let accounting = files(data.path(), "json");
    let texts = accounting
        .iter()
        .map(|path| fs::read_to_string(path).unwrap());
    assert!(
        texts
            .into_iter()
            .any(|text| text.contains("\"damaged_stretches\": 2"))
    );
}

#[test]
fn what_could_not_be_checked_is_not_called_damaged() {
    let data = journaled();
    let segment = files(data.path(), "segment").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 9;
    fs::write(&segment, bytes).unwrap();
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("journal format 9 is newer"), "{told}");
}

#[test]
fn damage_within_the_journal_is_told_and_a_torn_end_is_no_loss() {
    let data = journaled();
    let segment = files(data.path(), "segment").remove(0);
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 5]).unwrap();
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("bytes are torn, as a crash leaves them"),
        "{told}"
    );

    fs::write(&segment, &whole).unwrap();
    spoil(&segment);
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("1 damaged stretches"), "{told}");
    // The collector goes on with the rest.
    let collector = Collector::start(data.path(), &[]);
    assert!(collector.stop().success());
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("40 calls in 1 file "), "{told}");
    assert!(
        told.contains("1 damaged stretches of the journal were passed over"),
        "{told}"
    );
}

#[test]
fn what_a_crash_left_half_written_is_mended_and_so_are_rights() {
    let data = published();
    let part = files(data.path(), "parquet").remove(0);
    let unfinished = part.with_file_name(".part-1.parquet.tmp");
    fs::write(&unfinished, "half").unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("half-written"), "{told}");
    assert!(told.contains("mode 0755 lets others reach"), "{told}");
    assert!(unfinished.exists());
    let (code, told) = fsck(&["--repair"], data.path());
    assert_eq!(code, Some(0), "{told}");
    assert!(!unfinished.exists());
    let mode = fs::metadata(data.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_directory_in_use_is_checked_but_not_repaired() {
    let data = tempfile::tempdir().unwrap();
    close(data.path());
    let collector = Collector::start(data.path(), &[]);
    assert_eq!(collector.post(&Sender::new(7).encoded(CALLS)).status, 200);
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("in use"), "{told}");
    let (code, told) = fsck(&["--repair"], data.path());
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("in use by another"), "{told}");
    assert!(collector.stop().success());
}

#[test]
fn what_is_no_data_directory_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["--repair"]] {
        let (code, told) = fsck(arguments, data.path());
        assert_eq!(code, Some(3));
        assert!(told.contains("is no data directory"), "{told}");
    }
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[test]
fn figures_that_contradict_are_told() {
    let data = published();
    let path = data.path().join("accounting.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("\"published\": 20", "\"published\": 21"),
    )
    .unwrap();
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains("stored 20 is not published + journaled"),
        "{told}"
    );
}

#[test]
fn a_damaged_accounting_of_the_collector_is_written_anew_from_the_journal() {
    let data = published();
    let path = data.path().join("accounting.json");
    let before = accounting(data.path());
    for (damage, problem) in [
        (Some("{\"version\": 1, \"tot"), "is no accounting file"),
        (None, "is missing"),
    ] {
        match damage {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let (code, told) = fsck(&[], data.path());
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains(problem), "{told}");
        let (code, told) = fsck(&["--repair"], data.path());
        assert_eq!(code, Some(0), "{told}");
        let after = accounting(data.path());
        assert_eq!(after.total, before.total);
        assert_eq!(after.producers, before.producers);
        assert_eq!(fsck(&[], data.path()).0, Some(0));
    }
}

#[test]
fn calls_that_somebody_removed_are_lost() {
    let data = published();
    for part in files(&data.path().join("calls"), "parquet") {
        fs::remove_file(part).unwrap();
    }
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("20 of 20 calls"), "{told}");
}

#[test]
fn a_damaged_accounting_of_a_capture_is_moved_aside_and_counts_as_loss() {
    let data = published();
    let path = data.path().join("accounting-07.json");
    fs::write(&path, "none").unwrap();
    let (code, told) = fsck(&[], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("accounting-07.json"), "{told}");
    let (code, told) = fsck(&["--repair"], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(data.path().join("quarantine/accounting-07.json").exists());
    let (code, told) = run("compare", &[], data.path());
    assert_eq!(code, Some(4), "{told}");
    assert!(!path.exists());
}

#[test]
fn a_torn_marker_is_mended_and_a_newer_format_is_read_by_nobody() {
    let data = published();
    let marker = data.path().join("twintap.json");
    fs::write(&marker, "{\"form").unwrap();
    let (code, text) = fsck(&[], data.path());
    assert!(code == Some(3) && text.contains("torn"), "{code:?} {text}");
    let (code, text) = fsck(&["--repair"], data.path());
    assert!(code == Some(0) && text.contains("torn"), "{code:?} {text}");
    assert_eq!(fsck(&[], data.path()).0, Some(0));

    fs::write(&marker, "{\"format\":9}").unwrap();
    let commands: [(&str, &[&str]); 5] = [
        ("fsck", &[]),
        ("compare", &["--no-write"]),
        ("rules", &["suggest"]),
        ("show", &["any"]),
        ("doctor", &["--data-dir"]),
    ];
    for (command, arguments) in commands {
        let (code, text) = run(command, arguments, data.path());
        assert!(text.contains("format 9"), "{command}: {text}");
        assert_eq!(code, Some(3), "{command}: {text}");
    }
}

#[test]
fn a_comparison_knows_of_calls_that_were_removed() {
    let data = published();
    for part in files(&data.path().join("calls"), "parquet") {
        fs::remove_file(part).unwrap();
    }
    let (code, told) = run("compare", &["--no-write"], data.path());
    assert_eq!(code, Some(4), "{told}");
    let told: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("20 were written, and their files"), "{told}");
}

#[test]
fn a_comparison_knows_what_the_journal_has_and_what_is_damaged_in_it() {
    let data = journaled();
    let loss = |data: &Path| -> Value {
        let (code, text) = run("compare", &["--no-write", "--output", "json"], data);
        assert_eq!(code, Some(4), "{text}");
        let report = text
            .lines()
            .take_while(|line| !line.starts_with("twintap:"));
        let report: Value = serde_json::from_str(&report.collect::<String>()).unwrap();
        report["completeness"]["loss"].clone()
    };
    // What was acknowledged since the file was written is in the journal only.
    let file = data.path().join("accounting.json");
    fs::remove_file(&file).ok();
    let all = loss(data.path());
    assert_eq!(all["not_yet_in_dataset"], 3 * CALLS, "{all}");
    assert_eq!(all["damaged_stretches"], 0, "{all}");
    // So it is where a power cut tore the file, which is not synced.
    for torn in ["", "{\"version\": 1, \"tot"] {
        fs::write(&file, torn).unwrap();
        assert_eq!(loss(data.path()), all);
    }
    spoil(&files(data.path(), "segment").remove(0));
    let some = loss(data.path());
    assert_eq!(some["not_yet_in_dataset"], 2 * CALLS, "{some}");
    assert_eq!(some["damaged_stretches"], 1, "{some}");
    // A collector that was stopped in order leaves the same.
    let collector = Collector::start(data.path(), &[]);
    assert!(collector.stop().success());
    let after = loss(data.path());
    let missing = ["not_yet_in_dataset", "undelivered"].map(|key| after[key].as_u64().unwrap());
    assert_eq!(missing.iter().sum::<u64>(), CALLS, "{after}");
    assert_eq!(after["damaged_stretches"], 1, "{after}");
}

#[test]
fn a_comparison_refuses_a_file_that_changed_since_it_was_written() {
    let data = published();
    let part = files(data.path(), "parquet").remove(0);
    let bytes = fs::read(&part).unwrap();
    // In the footer, where it changes no value: the name of the program that wrote it.
    let name = b"twintap.writer";
    let at = bytes.windows(name.len()).position(|window| window == name);
    let mut changed = bytes.clone();
    changed[at.unwrap()] ^= 1;
    fs::write(&part, changed).unwrap();
    let (code, told) = run("compare", &["--no-write"], data.path());
    assert_eq!(code, Some(3), "{told}");
    assert!(
        told.contains("not those that were written, by its checksum"),
        "{told}"
    );
    assert!(told.contains("fsck --repair moves"), "{told}");
}
