//! One exit code per answer.

use twintap::call::Role;

use super::recording::{Recording, call, calls, stdout, twintap};

fn code(output: &std::process::Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn equal_answers_are_fine() {
    let output = Recording::new()
        .part(calls(0, 100, 0))
        .dropped(0)
        .compare(&[]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("NO DIFFERENCE FOUND"));
}

#[test]
fn differences_over_the_threshold_fail() {
    let recording = Recording::new().part(calls(0, 100, 10)).dropped(0);
    assert_eq!(code(&recording.compare(&[])), 1);
    assert_eq!(code(&recording.compare(&["--fail-over", "0.09"])), 1);
    assert_eq!(code(&recording.compare(&["--fail-over", "0.1"])), 0);
}

#[test]
fn who_does_not_read_the_report_changes_nothing() {
    let recording = Recording::new().part(calls(0, 100, 10)).dropped(0);
    for form in ["text", "json", "html"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut twintap = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"));
        twintap
            .args(["compare", "--output", form])
            .arg(recording.path());
        let output = twintap.stdout(writer).output().unwrap();
        assert_eq!(
            (code(&output), output.stderr.is_empty()),
            (1, true),
            "{form}"
        );
    }
}

#[test]
fn what_rules_took_for_equal_is_told() {
    let recording = Recording::new().part(calls(0, 100, 10)).dropped(0);
    let rules = recording.path().join("rules.yaml");
    let text = "version: 1\nrules:\n  - { name: known, ignore: true, reason: because }\n  \
                - { name: old, place: trailers, path: x-gone, ignore: true }\n";
    std::fs::write(&rules, text).unwrap();
    let output = recording.compare(&["--rules", rules.to_str().unwrap()]);
    let report = stdout(&output);
    assert_eq!(code(&output), 0, "{report}");
    for told in [
        "ONLY IGNORED DIFFERENCES",
        "10 more only in what rules say does not count",
        "Rule known",
        "applied to 10 differences in 10 pairs",
        "Rule old",
        "applied to nothing",
    ] {
        let plain: String = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(told), "{told}: {report}");
    }
}

#[test]
fn usage_errors_come_before_anything_is_read() {
    let recording = Recording::new().part(calls(0, 1, 0));
    let not_descriptors = recording.files("calls").remove(0);
    for arguments in [
        &["--fail-over", "2"][..],
        &["--fail-over", "NaN"],
        &["--since", "yesterday"],
        &[
            "--since",
            "2026-08-02T00:00:00Z",
            "--until",
            "2026-08-01T00:00:00Z",
        ],
        &["--output", "xml"],
        &["--descriptors", not_descriptors.to_str().unwrap()],
        &["--watch=0"],
        &["--no-such-flag"],
    ] {
        let output = recording.compare(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let output = twintap(Some("/does/not/exist".as_ref()), &[]);
    assert_eq!(code(&output), 3);
    let recording = Recording::new().part(calls(0, 3, 0));
    let output = recording.compare(&["--descriptors", "/does/not/exist"]);
    assert_eq!(code(&output), 3, "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("/does/not/exist"), "{error}");
    let part = recording.files("calls").remove(0);
    std::fs::write(&part, b"PAR1 no PAR1").unwrap();
    let output = recording.compare(&[]);
    assert_eq!(code(&output), 3);
    let error = String::from_utf8(output.stderr).unwrap();
    let name = part.file_name().unwrap().to_str().unwrap();
    assert!(
        error.contains(name) && error.contains("fsck --repair"),
        "{error}"
    );
}

#[test]
fn lost_calls_make_an_answer_without_differences_unsafe() {
    let recording = Recording::new().part(calls(0, 100, 0)).dropped(3);
    let output = recording.compare(&[]);
    assert_eq!(code(&output), 4);
    assert!(stdout(&output).contains("NOT VALID"), "{}", stdout(&output));
    // Three lost calls cannot lift the share over 5 %.
    assert_eq!(code(&recording.compare(&["--fail-over", "0.05"])), 0);
}

#[test]
fn unknown_loss_is_unsafe_and_unreadable_accounting_an_error() {
    let recording = Recording::new().part(calls(0, 100, 0));
    assert_eq!(code(&recording.compare(&[])), 4);
    std::fs::create_dir(recording.path().join("accounting.json")).unwrap();
    assert_eq!(code(&recording.compare(&[])), 3);
}

#[test]
fn nothing_is_written_into_a_folder_that_is_no_data_directory() {
    let copied = Recording::copied().part(calls(0, 20, 10)).dropped(0);
    let output = copied.compare(&[]);
    assert_eq!(code(&output), 3);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("twintap.json") && error.contains("--no-write"),
        "{error}"
    );
    assert!(copied.files("pairs").is_empty() && copied.files("differences").is_empty());
    assert_eq!(code(&copied.compare(&["--no-write"])), 1);
}

#[test]
fn nothing_to_judge_is_unsafe() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(code(&twintap(Some(empty.path()), &["--no-write"])), 4);
    let one_sided: Vec<_> = (0..9)
        .map(|number| call(number, Role::Primary, "x"))
        .collect();
    assert_eq!(code(&Recording::new().part(one_sided).compare(&[])), 4);
}

#[test]
fn a_candidate_that_was_seen_is_not_blamed_for_primaries_that_were_not() {
    let alone: Vec<_> = (0..9)
        .map(|number| {
            let mut call = call(number, Role::Candidate, "x");
            call.cluster_name = "v2".into();
            call
        })
        .collect();
    let recording = Recording::new().part(alone).dropped(0);
    let output = recording.compare(&["--candidate", "v2"]);
    assert_eq!(code(&output), 4);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!error.contains("leaves no pair"), "{error}");
    let error = String::from_utf8(recording.compare(&["--candidate", "v9"]).stderr).unwrap();
    assert!(
        error.contains("leaves no pair: calls were mirrored to"),
        "{error}"
    );
}

#[test]
fn a_selection_that_leaves_nothing_is_named_with_what_there_is() {
    let recording = Recording::new().part(calls(0, 20, 0)).dropped(0);
    for (arguments, told) in [
        (
            &["--method", "other.*"][..],
            "--method \"other.*\" leaves no call: there are calls of shop.v1.Shop/GetItem",
        ),
        (
            &["--since", "2026-08-02"],
            "--since leaves no call: those in",
        ),
        (
            &["--until", "2026-08-01"],
            "started from 2026-08-01T10:00:00Z to",
        ),
        (
            &["--candidate", "v9"],
            "--candidate \"v9\" leaves no pair: no mirrored call says",
        ),
    ] {
        let output = recording.compare(arguments);
        assert_eq!(code(&output), 4, "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
    assert!(
        recording
            .compare(&["--since", "2026-08-01"])
            .stderr
            .is_empty()
    );
    let output = Recording::new().compare(&[]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("there are no calls in"), "{error}");
    assert!(!error.contains("meant"), "{error}");
    // A folder of the data directory is none.
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["compare", "--no-write"])
        .arg(recording.path().join("calls"))
        .output();
    let output = program.unwrap();
    assert_eq!(code(&output), 4);
    let error = String::from_utf8(output.stderr).unwrap();
    let meant = format!(
        "is {} meant",
        recording.path().canonicalize().unwrap().display()
    );
    assert!(error.contains(&meant), "{error}");
    let shown = recording.show("pair-1", &["--method", "other.*"]);
    let error = String::from_utf8(shown.stderr).unwrap();
    assert!(
        error.contains("calls of shop.v1.Shop/GetItem do"),
        "{error}"
    );
}

#[test]
fn rules_check_looks_at_all_files_and_the_worst_decides() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = file("good.yaml", "version: 1\nrules: []\n");
    let bad = file("bad.yaml", "no rules\n");
    let gone = folder.path().join("gone.yaml");
    for (files, exit) in [
        (vec![&good], 0),
        (vec![&bad, &good], 2),
        (vec![&gone, &bad, &good], 3),
        (vec![&bad, &gone, &good], 3),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"))
            .args(["rules", "check"])
            .args(&files)
            .output()
            .unwrap();
        assert_eq!(code(&output), exit, "{files:?}");
        assert!(stdout(&output).contains("good.yaml: 0 rules, valid"));
        let told = stdout(&output).contains("bad.yaml:1:1");
        assert_eq!(told, files.contains(&&bad), "{files:?}");
    }
}
