//! What became of calls whose accounting or files are gone, or whose ingest did not end.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Place;
use crate::before::{
    CAPTURE, OTHER, accountings, calls, cut_short, data_dir, ingested, losses, only_accounting,
    refused,
};

/// What a comparison says, and its exit code.
fn compared(place: &Place) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twintap"));
    command.args(["compare", "--no-write", "--output", "json"]);
    let output = command.arg(data_dir(place)).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_default())
}

#[test]
fn calls_whose_accounting_was_removed_are_not_vouched_for_and_not_doubled() {
    let place = Place::new();
    ingested(&place, &[CAPTURE]);
    let first = only_accounting(&place);
    let of_first = calls(&place);
    ingested(&place, &[OTHER]);
    let all = calls(&place);
    assert_eq!(compared(&place).1["completeness"]["loss"]["unaccounted"], 0);
    std::fs::remove_file(first).unwrap();
    let (code, report) = compared(&place);
    assert_eq!(code, Some(4), "{report:#}");
    assert_eq!(report["completeness"]["loss"]["unaccounted"], of_first);
    let doubts = report["answer"]["doubts"].to_string();
    assert!(
        doubts.contains("no accounting file knows who recorded"),
        "{doubts}"
    );
    for capture in [CAPTURE, OTHER] {
        let told = refused(&place, &[capture]);
        assert!(told.contains("whose accounting file is gone"), "{told}");
    }
    assert_eq!(calls(&place), all);
    ingested(&place, &["--again", CAPTURE]);
    assert_eq!(calls(&place), all + of_first);
    let mut fsck = Command::new(env!("CARGO_BIN_EXE_twintap"));
    let told = fsck.arg("fsck").arg(data_dir(&place)).output().unwrap();
    assert_eq!(told.status.code(), Some(3));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("no accounting file knows who recorded"),
        "{told}"
    );
}

#[test]
fn a_comparison_names_calls_of_an_ingest_that_did_not_end() {
    let place = Place::new();
    ingested(&place, &[CAPTURE]);
    cut_short(&only_accounting(&place));
    let (code, report) = compared(&place);
    assert_eq!(code, Some(4));
    let loss = &report["completeness"]["loss"];
    assert_eq!(loss["partial_ingests"], 1, "{loss}");
    assert_eq!(loss["partly_ingested"], calls(&place), "{loss}");
    assert_eq!(loss["unaccounted"], 0, "{loss}");
    let mut fsck = Command::new(env!("CARGO_BIN_EXE_twintap"));
    let told = fsck.arg("fsck").arg(data_dir(&place)).output().unwrap();
    assert_eq!(told.status.code(), Some(0), "what there is can be read");
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("an ingest that was cut short"), "{told}");
    assert!(told.contains("Ingesting its files again"), "{told}");
}

/// The files of the dataset.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(parts(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_a_repair_moved_aside_may_be_ingested_again() {
    let place = Place::new();
    ingested(&place, &[CAPTURE, OTHER]);
    let once = calls(&place);
    let part = parts(&data_dir(&place).join("calls")).remove(0);
    std::fs::write(&part, "spoilt").unwrap();
    let mut fsck = Command::new(env!("CARGO_BIN_EXE_twintap"));
    fsck.args(["fsck", "--repair"]).arg(data_dir(&place));
    assert_eq!(fsck.output().unwrap().status.code(), Some(4));
    assert_eq!(losses(&place), 1);
    let told = refused(&place, &[OTHER]);
    assert!(
        told.contains("some of the calls are gone: ingest all of its files again"),
        "{told}"
    );
    let told = ingested(&place, &[CAPTURE, OTHER]);
    let expected = format!("of the {once} calls of an ingest of these files");
    assert!(told.contains(&expected), "{told}");
    assert_eq!((calls(&place), losses(&place)), (once, 0));
    assert_eq!(accountings(&place).len(), 1);
    assert!(refused(&place, &[CAPTURE]).contains("was ingested before"));
}
