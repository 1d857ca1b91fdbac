//! Old and new services with types of their own: what the report says of it.

use super::recording::{Recording, calls, stdout};
use super::venv;

const OLD: &str = r#"
    syntax = "proto3";
    package shop.v1;
    service Shop { rpc GetItem(Query) returns (Item); rpc Gone(Query) returns (Item); }
    message Query { string id = 1; }
    message Item { string city = 1; Size size = 2; int32 stock = 3; }
    enum Size { SMALL = 0; LARGE = 1; }
"#;

/// Old and new types in files of `recording`'s folder, as arguments.
fn types(recording: &Recording) -> [String; 4] {
    let new = OLD
        .replace("string city", "string town")
        .replace("LARGE = 1", "HUGE = 1")
        .replace("int32 stock", "sint32 stock")
        .replace("rpc Gone(Query) returns (Item);", "");
    let write = |name: &str, text: &str| {
        let file = recording.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    [
        "--proto".to_owned(),
        write("old.proto", OLD),
        "--candidate-proto".to_owned(),
        write("new.proto", &new),
    ]
}

#[test]
fn the_report_says_how_the_descriptors_differ() {
    let recording = Recording::new().part(calls(0, 20, 10)).dropped(0);
    let types = types(&recording);
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let output = recording.compare(&[&types[..], &["--output", "json"]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let drift = &report["schema_drift"];
    assert_eq!(
        (&drift["breaking"], &drift["lossy"]),
        (&2.into(), &0.into()),
        "{drift}"
    );
    assert_eq!(drift["changes"][0]["name"], "shop.v1.Item.stock");
    assert_eq!(drift["changes"][0]["change"], "field_type");
    assert_eq!(drift["changes"][0]["effect"], "breaking");
    // Paths have the old names.
    assert_eq!(report["differences"][0]["path"], "city");
    let file = recording.path().join("report.json");
    std::fs::write(&file, &output.stdout).unwrap();
    let schema =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json");
    venv::run("check_report.py", &[&schema, &file]);
    for form in ["text", "markdown", "html"] {
        let output = recording.compare(&[&types[..], &["--output", form]].concat());
        let text = stdout(&output);
        assert!(text.contains("2 breaking"), "{form}: {text}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn without_types_of_its_own_the_candidate_has_no_drift() {
    let recording = Recording::new().part(calls(0, 20, 10)).dropped(0);
    let types = types(&recording);
    let output = recording.compare(&[&types[0], &types[1], "--output", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema_drift"], serde_json::Value::Null);
    let output = recording.compare(&[&types[2], &types[3]]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "types of the candidate alone"
    );
}
