//! Reports and datasets.

use super::recording::{Recording, calls, stdout};

const RUN_ID: &str = "01990000-0000-7000-8000-000000000000";

fn json(recording: &Recording, arguments: &[&str]) -> serde_json::Value {
    let output = recording.compare(&[&["--output", "json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn the_report_does_not_depend_on_files_or_passes() {
    let all = calls(0, 300, 7);
    let mut reversed = all.clone();
    reversed.reverse();
    let one = Recording::new().part(all);
    let (first, second) = reversed.split_at(211);
    let two = Recording::new().part(first.to_vec()).part(second.to_vec());
    let run = |recording: &Recording, memory: &str| {
        let mut report = json(
            recording,
            &["--run-id", RUN_ID, "--no-write", "--memory-mib", memory],
        );
        report["scope"]["data_dir"] = "".into();
        report.to_string()
    };
    assert_eq!(run(&one, "512"), run(&two, "1"));
}

#[test]
fn pairs_and_differences_are_written_under_the_run() {
    let recording = Recording::new().part(calls(0, 50, 5));
    let report = json(&recording, &[]);
    for dataset in ["pairs", "differences"] {
        let files = recording.files(dataset);
        assert_eq!(files.len(), 1, "{files:?}");
        let run = format!("run={}", report["run_id"].as_str().unwrap());
        assert!(files[0].to_str().unwrap().contains(&run), "{files:?}");
    }
    let untouched = Recording::new().part(calls(0, 5, 0));
    untouched.compare(&["--no-write"]);
    assert!(untouched.files("pairs").is_empty());
}

#[test]
fn time_and_method_narrow_the_comparison() {
    let recording = Recording::new().part(calls(0, 100, 0));
    let since = json(&recording, &["--since", "2026-08-01T10:00:00.090Z"]);
    assert_eq!(since["completeness"]["pairs"], 10);
    let until = json(&recording, &["--until", "2026-08-01T10:00:00.090Z"]);
    assert_eq!(until["completeness"]["pairs"], 90);
    assert_eq!(
        json(&recording, &["--method", "*/GetItem"])["completeness"]["pairs"],
        100
    );
    assert_eq!(
        json(&recording, &["--method", "other.*"])["completeness"]["pairs"],
        0
    );
}

#[test]
fn help_teaches_by_examples() {
    let help = stdout(&Recording::new().compare(&["--help"]));
    for word in ["Examples:", "--descriptors", "Exit codes"] {
        assert!(help.contains(word), "{help}");
    }
}
