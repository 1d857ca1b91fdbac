//! Reports and datasets.

use twintap::call::{Call, CallId, Role};

use super::recording::{Recording, call, calls, stdout};

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
fn every_form_is_the_same_whatever_order_calls_come_in() {
    let all = calls(0, 400, 9);
    // Late, out of order, twice, in parts of any size; one side in one file, the other in another.
    let (old, new): (Vec<Call>, Vec<Call>) = all
        .iter()
        .cloned()
        .partition(|call| call.role == Role::Primary);
    let stride = |calls: &[Call], step: usize| -> Vec<Call> {
        let indices = (0..step).flat_map(|start| (start..calls.len()).step_by(step));
        indices.map(|index| calls[index].clone()).collect()
    };
    let recordings = [
        Recording::new().part(all.clone()),
        Recording::new().part(new.clone()).part(old.clone()),
        Recording::new().part(stride(&all, 7)),
        stride(&all, 13)
            .chunks(50)
            .fold(Recording::new(), |recording, part| {
                recording.part(part.to_vec())
            }),
    ];
    let forms = ["text", "json", "junit", "markdown", "html", "sarif"];
    for form in forms {
        let of = |recording: &Recording, memory: &str| {
            let arguments = ["--run-id", RUN_ID, "--no-write", "--memory-mib", memory];
            let output = recording.compare(&[&arguments[..], &["--output", form]].concat());
            let folder = recording.path().to_str().unwrap();
            stdout(&output).replace(folder, "DATA")
        };
        let first = of(&recordings[0], "512");
        assert!(!first.is_empty());
        for recording in &recordings {
            for memory in ["512", "1"] {
                assert_eq!(of(recording, memory), first, "{form}, {memory} MiB");
            }
        }
    }
}

#[test]
fn one_of_several_candidates_is_chosen_by_name() {
    let mirrored = |number, cluster: &'static str, text| Call {
        id: CallId {
            producer_id: [cluster.as_bytes()[6]; 16],
            record_number: number + 1,
        },
        cluster_name: cluster.into(),
        ..call(number, Role::Candidate, text)
    };
    let calls = (0..20).flat_map(|number| {
        [
            call(number, Role::Primary, "x"),
            mirrored(number, "shop-v2", "x"),
            mirrored(number, "shop-v3-rc", "y"),
        ]
    });
    let recording = Recording::new().part(calls.collect()).dropped(0);
    let unpaired = |report: &serde_json::Value| report["completeness"]["unpaired"].clone();
    let several = json(&recording, &[]);
    assert_eq!(unpaired(&several)["several_candidates"], 60);
    for (name, mismatched) in [("shop-v2", 0), ("shop-v3-rc", 20)] {
        let report = json(&recording, &["--candidate", name]);
        assert_eq!(report["answer"]["mismatched"], mismatched, "{name}");
        assert_eq!(unpaired(&report)["other_candidate"], 20);
        assert_eq!(report["answer"]["incomplete_rate"], 0.0);
    }
}

#[test]
fn a_side_that_lost_its_pair_id_is_compared_all_the_same() {
    let with_request_id = |call: Call, number: u64| Call {
        request_id: format!("request-{number}").into(),
        ..call
    };
    let calls = (0..40).flat_map(|number| {
        let mut new = with_request_id(call(number, Role::Candidate, "new"), number);
        if number % 2 == 0 {
            new.pair_id = Default::default();
        }
        [
            with_request_id(call(number, Role::Primary, "old"), number),
            new,
        ]
    });
    let report = json(&Recording::new().part(calls.collect()), &[]);
    let found_by = &report["completeness"]["pairs_found_by"];
    assert_eq!(
        (&found_by["pair_id"], &found_by["request_id"]),
        (&20.into(), &20.into())
    );
    // Their messages were read again: each pair has the one difference.
    assert_eq!(report["differences"][0]["pairs"], 40);
    assert_eq!(report["differences"].as_array().unwrap().len(), 1);
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
    let text = stdout(&untouched.compare(&["--no-write"]));
    assert!(untouched.files("pairs").is_empty());
    let names_run = |text: &str| text.lines().any(|line| line.starts_with("run "));
    assert!(!names_run(&text), "nothing can be looked up by it: {text}");
    assert!(names_run(&stdout(&untouched.compare(&[]))));
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
    let wide = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["compare", "--help"])
        .env("COLUMNS", "400")
        .output()
        .unwrap();
    let help = stdout(&wide);
    let sentence = "nothing could be judged, or calls were lost and could hide more";
    assert!(
        help.contains(sentence),
        "wrapped once, by the terminal's width: {help}"
    );
    for word in ["Examples:", "--descriptors", "Exit codes"] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn a_report_fits_the_columns_that_it_is_given() {
    let mut calls = calls(0, 60, 3);
    for call in &mut calls {
        call.timing.response_end_ns = Some(1_000_000);
        call.timing.duration_ns = Some(1_000_000);
    }
    let mut of_another = calls.clone();
    for call in &mut of_another {
        call.rpc_method = call.rpc_method.replace("shop", "another");
        call.pair_id = [b"another-", &call.pair_id[..]].concat().into();
        call.id.record_number += 1_000;
    }
    let recording = Recording::new().part(calls).part(of_another).dropped(0);
    let widest = |columns: Option<&str>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"));
        command
            .args(["compare", "--no-write"])
            .arg(recording.path());
        command.env_remove("COLUMNS");
        command.envs(columns.map(|columns| ("COLUMNS", columns)));
        let text = stdout(&command.output().unwrap());
        let is_path = |line: &&str| line.contains(recording.path().to_str().unwrap());
        let lines = text.lines().filter(|line| !is_path(line));
        let widest = lines.map(|line| line.chars().count()).max().unwrap();
        (widest, text)
    };
    let (plain, text) = widest(None);
    assert!(plain <= 80, "{text}");
    let (wide, _) = widest(Some("140"));
    assert!((81..=140).contains(&wide), "{wide}");
    // Methods of one name are told apart where all are in one table.
    let latency = text.split("\nLatency").nth(1).unwrap();
    let latency: String = latency.split_whitespace().collect();
    assert!(latency.contains("another."), "{text}");
}

#[test]
fn help_says_which_gates_replace_the_threshold() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["compare", "--help"])
        .env("COLUMNS", "400")
        .output()
        .unwrap();
    let help = stdout(&output);
    let words: Vec<&str> = help.split_whitespace().collect();
    let expected = "0 unless a --fail-if says how large that rate of all methods together may be";
    assert!(words.join(" ").contains(expected), "{help}");
}
