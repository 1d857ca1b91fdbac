//! Gates, forms and coverage, as a pipeline meets them.

use super::recording::{Recording, calls, stdout};
use super::venv;

/// The service of [`calls`], and what they do not show of it.
const PROTO: &str = r#"
    syntax = "proto3";
    package shop.v1;
    service Shop {
      rpc GetItem(Query) returns (Item);
      rpc Never(Query) returns (Item);
    }
    message Query { string id = 1; }
    message Item { string city = 1; oneof delivery { string parcel = 2; } Size size = 3; }
    enum Size { SMALL = 0; LARGE = 1; }
"#;

const FORMS: [&str; 6] = ["text", "json", "junit", "markdown", "html", "sarif"];

fn descriptors(recording: &Recording) -> String {
    use prost::Message as _;
    let proto = recording.path().join("shop.proto");
    std::fs::write(&proto, PROTO).unwrap();
    let set = protox::compile([&proto], [recording.path()]).unwrap();
    let file = recording.path().join("shop.binpb");
    std::fs::write(&file, set.encode_to_vec()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// 200 pairs of which 20 differ.
fn recording() -> Recording {
    Recording::new().part(calls(0, 200, 10)).dropped(0)
}

fn code(recording: &Recording, arguments: &[&str]) -> i32 {
    recording.compare(arguments).status.code().unwrap()
}

#[test]
fn a_gate_decides_the_exit_code() {
    let recording = recording();
    for (conditions, expected) in [
        (&["mismatch_rate > 10%"][..], 0),
        (&["mismatch_rate >= 10%"], 1),
        (&["mismatch_rate > 50%", "judged < 1000"], 1),
        (&["mismatch_rate > 50%", "mismatch_rate[other.*] > 1%"], 4),
        // No latency was recorded.
        (&["mismatch_rate > 50%", "latency_p99_shift > 10%"], 4),
        (&["mismatch_rate > 50%", "coverage_fields < 10%"], 4),
        // The default stands beside gates on other figures.
        (&["judged < 100"], 1),
    ] {
        let arguments: Vec<&str> = conditions.iter().flat_map(|c| ["--fail-if", *c]).collect();
        assert_eq!(code(&recording, &arguments), expected, "{conditions:?}");
    }
    assert_eq!(
        code(
            &recording,
            &["--fail-over", "1", "--fail-if", "judged < 100"]
        ),
        0
    );
}

#[test]
fn the_report_names_gate_value_and_threshold() {
    let condition = "mismatch_rate[shop.*] > 0.5%";
    let text = stdout(&recording().compare(&["--fail-if", condition]));
    let gate = text.split("Gates\n").nth(1).unwrap();
    assert!(gate.contains(&format!("FAILED   {condition}")), "{text}");
    assert!(gate.contains("is 10.0 % in shop.v1.Shop/GetItem"), "{text}");
}

#[test]
fn a_mistake_in_a_condition_is_pointed_at() {
    let output = recording().compare(&["--fail-if", "mismatch_rat > 1%"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    for part in [
        "column 1: unknown metric `mismatch_rat`",
        "known are mismatch_rate,",
        "\n  ^",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn several_forms_are_written_in_one_run() {
    let recording = recording();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let files: Vec<String> = FORMS
        .iter()
        .map(|form| format!("{form}={}", path(form)))
        .collect();
    let mut arguments: Vec<&str> = files.iter().flat_map(|f| ["--write-report", f]).collect();
    arguments.extend(["--output", "json", "--no-write"]);
    let output = recording.compare(&arguments);
    assert_eq!(std::fs::read(path("json")).unwrap(), output.stdout);
    for form in FORMS {
        let text = std::fs::read_to_string(path(form)).unwrap();
        assert!(text.contains("shop.v1.Shop"), "{form}: {text}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), FORMS.len());
}

#[test]
fn every_form_is_equal_whatever_the_order_of_files_and_passes() {
    let all = calls(0, 300, 7);
    let mut reversed = all.clone();
    reversed.reverse();
    let (first, second) = reversed.split_at(211);
    let two = Recording::new().part(first.to_vec()).part(second.to_vec());
    let recordings = [(Recording::new().part(all), "512"), (two, "1")];
    let reports = recordings.map(|(recording, memory_mib)| {
        let folder = recording.path().to_str().unwrap().to_owned();
        let descriptors = descriptors(&recording);
        let file = |form: &str| format!("{form}={folder}/report.{form}");
        let files = FORMS.map(file);
        let mut arguments: Vec<&str> = files.iter().flat_map(|f| ["--write-report", f]).collect();
        arguments.extend(["--run-id", "01990000-0000-7000-8000-000000000000"]);
        arguments.extend(["--no-write", "--memory-mib", memory_mib]);
        arguments.extend(["--descriptors", &descriptors]);
        recording.compare(&arguments);
        FORMS.map(|form| {
            let text = std::fs::read_to_string(format!("{folder}/report.{form}")).unwrap();
            text.replace(&folder, "")
        })
    });
    let [one, two] = reports;
    for (form, (one, two)) in FORMS.iter().zip(one.iter().zip(&two)) {
        assert_eq!(one, two, "{form}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_comparing() {
    let recording = recording();
    let folder = recording.path().to_str().unwrap();
    for (file, code) in [
        ("html=/no/such/folder/report.html".to_owned(), 3),
        (format!("html={folder}"), 3),
        ("pdf=report.pdf".to_owned(), 2),
        ("report.html".to_owned(), 2),
    ] {
        let output = recording.compare(&["--write-report", &file]);
        assert_eq!(output.status.code(), Some(code), "{file}: {output:?}");
        assert!(output.stdout.is_empty());
    }
    let twice = [
        "--write-report",
        "json=a.json",
        "--write-report",
        "html=a.json",
    ];
    assert_eq!(code(&recording, &twice), 2);
}

#[test]
fn coverage_says_what_the_traffic_never_showed() {
    let recording = recording();
    let descriptors = descriptors(&recording);
    let output = recording.compare(&["--descriptors", &descriptors, "--output", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let coverage = &report["coverage"];
    assert_eq!(
        coverage["methods"],
        serde_json::json!({ "seen": 1, "of": 2 })
    );
    assert_eq!(
        coverage["fields"],
        serde_json::json!({ "seen": 2, "of": 4 })
    );
    assert_eq!(
        coverage["enum_values"],
        serde_json::json!({ "seen": 1, "of": 2 })
    );
    let never = &coverage["by_method"][0]["response_never_seen"];
    assert_eq!(never["fields"], serde_json::json!(["parcel", "size"]));
    assert_eq!(never["oneof_arms"], serde_json::json!(["parcel"]));
    assert_eq!(never["enum_values"], serde_json::json!(["size = LARGE"]));
    let gates = ["--fail-over", "1", "--fail-if", "coverage_fields < 50%"];
    let arguments = [&["--descriptors", &descriptors][..], &gates].concat();
    assert_eq!(code(&recording, &arguments), 0);
    let text = stdout(&recording.compare(&["--descriptors", &descriptors]));
    for part in [
        "never called: shop.v1.Shop/Never",
        "response never had: parcel, size",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn of_a_rule_that_applied_to_nothing_is_told_why() {
    let recording = recording();
    let descriptors = descriptors(&recording);
    let rules = recording.path().join("rules.yaml");
    let text = "version: 1\nrules:\n  - { name: unlike, path: city, class: uuid }\n  \
                - { name: known, path: city, ignore: true }\n  \
                - { name: beaten, path: city, normalize: [case] }\n  \
                - { name: typo, path: cit, ignore: true }\n  \
                - { name: equal, path: size, ignore: true }\n  \
                - { name: uncalled, method: shop.v1.Shop/Never, ignore: true }\n";
    std::fs::write(&rules, text).unwrap();
    let arguments = [
        "--descriptors",
        &descriptors,
        "--rules",
        rules.to_str().unwrap(),
    ];
    let output = recording.compare(&[&arguments[..], &["--output", "json"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let uses = report["rules"].as_array().unwrap();
    let why: Vec<_> = uses
        .iter()
        .map(|rule| rule["why_nothing"].as_str())
        .collect();
    assert_eq!(
        why,
        [
            Some("nothing_fits"),
            None,
            Some("taken_before"),
            Some("no_such_field"),
            Some("nothing_differs"),
            Some("no_call"),
        ]
    );
    let told = stdout(&recording.compare(&arguments));
    let told: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("applied to nothing: its methods' types have no such field"),
        "{told}"
    );
}

#[test]
fn the_json_report_is_what_its_schema_says() {
    let recording = recording();
    let descriptors = descriptors(&recording);
    let folder = tempfile::tempdir().unwrap();
    let write = |recording: &Recording, name: &str, arguments: &[&str]| {
        let output = recording.compare(&[&["--output", "json"], arguments].concat());
        let file = folder.path().join(name);
        std::fs::write(&file, output.stdout).unwrap();
        file
    };
    let gates = [
        "--fail-if",
        "lost > 0",
        "--fail-if",
        "latency_p50_shift[*] > 1ms",
    ];
    let empty = Recording::new();
    let files = [
        write(&recording, "plain.json", &[]),
        write(&recording, "gates.json", &gates),
        write(
            &recording,
            "coverage.json",
            &["--descriptors", &descriptors],
        ),
        write(&empty, "empty.json", &["--no-write"]),
    ];
    let schema =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json");
    let mut arguments = vec![schema.as_path()];
    arguments.extend(files.iter().map(|file| file.as_path()));
    let golden =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/golden/report.json");
    arguments.push(&golden);
    venv::run("check_report.py", &arguments);
}
