//! Options, exit codes and forms of the answer.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::program::{answer, doctor, examine, fixtures, ids, stdout};

fn fixture(name: &str) -> OsString {
    fixtures().join(name).into()
}

fn code(arguments: &[OsString]) -> i32 {
    doctor(arguments).status.code().unwrap()
}

#[test]
fn the_exit_code_follows_the_worst_finding() {
    let option = |text: &str| OsString::from(text);
    assert_eq!(code(&[fixture("clean")]), 0);
    assert_eq!(code(&[fixture("grpc-port/bad-unsaid.yaml")]), 1);
    let warning = fixture("duplicates/bad-retries.yaml");
    assert_eq!(code(std::slice::from_ref(&warning)), 0);
    assert_eq!(code(&[warning, option("--fail-on"), option("warning")]), 1);
    let info = fixture("listener-drain/bad-inline.yaml");
    assert_eq!(code(&[info, option("--fail-on"), option("info")]), 1);
    assert_eq!(code(&[option("/does/not/exist.yaml")]), 3);
    assert_eq!(code(&[option("--explain"), option("no-such-trap")]), 2);
    assert_eq!(code(&[]), 2);
}

#[test]
fn an_ignored_trap_is_not_looked_for() {
    let bad = fixture("grpc-port/bad-unsaid.yaml");
    let arguments = [
        bad,
        "--ignore".into(),
        "grpc-port".into(),
        "--output".into(),
        "json".into(),
    ];
    let output = doctor(&arguments);
    assert_eq!(ids(&answer(&output)), Vec::<String>::new());
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn standard_input_is_read() {
    let text = std::fs::read(fixture("grpc-port/bad-unsaid.yaml")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_twintap"))
        .args(["doctor", "-", "--output", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let answer = answer(&child.wait_with_output().unwrap());
    assert_eq!(ids(&answer), ["grpc-port"]);
    assert_eq!(answer["inputs"][0]["input"], "-");
}

#[test]
fn the_text_names_place_reason_and_remedy() {
    let text = stdout(&doctor(&[fixture("grpc-port/bad-unsaid.yaml")]));
    for words in [
        "Kubernetes: 2 Service,",
        "error grpc-port",
        "bad-unsaid.yaml:15 Service shop/orders-next spec.ports[0]",
        "why:",
        "appProtocol: grpc",
        "without an Envoy's /config_dump",
        "1 error, 0 warnings",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
}

#[test]
fn a_finding_in_json_has_all_that_the_text_has() {
    let answer = examine(&[fixtures().join("grpc-port/bad-unsaid.yaml")]);
    let finding = &answer["findings"][0];
    assert_eq!(answer["version"], 1);
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["where"]["object"], "Service shop/orders-next");
    assert_eq!(finding["where"]["path"], "spec.ports[0]");
    assert_eq!(finding["where"]["document"], 2);
    assert_eq!(finding["where"]["line"], 15);
    for key in ["what", "why", "remedy"] {
        assert!(
            finding[key].as_str().is_some_and(|text| text.len() > 20),
            "{key}"
        );
    }
}

#[test]
fn what_could_not_be_looked_at_is_said_of_every_trap() {
    let answer = examine(&[fixtures().join("grpc-port/good-said.yaml")]);
    let not_checked = answer["not_checked"].as_array().unwrap();
    let said = |id: &str, needs: &str| {
        not_checked.iter().any(|missing| {
            missing["id"] == id
                && missing["needs"]
                    .as_str()
                    .is_some_and(|text| text.contains(needs))
        })
    };
    assert!(said("grpc-port", "/stats"));
    assert!(said("trailers", "--data-dir"));
    assert!(said("collector-denied", "AuthorizationPolicy"));
    assert!(!said("grpc-port", "Service YAML"));
}

#[test]
fn what_was_not_looked_at_is_counted_with_a_few_examples() {
    let text = stdout(&doctor(&[fixture("grpc-port/good-said.yaml")]));
    let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = "without recorded calls (--data-dir): ";
    let end = " traps (grpc-port, early-cancel, duplicates, and ";
    let (_, line) = whole.split_once(start).unwrap();
    let (count, rest) = line.split_once(end).unwrap();
    let (more, _) = rest.split_once(" more)").unwrap();
    let number = |text: &str| text.parse::<u32>().unwrap();
    assert_eq!(number(count), 3 + number(more), "{text}");
}

#[test]
fn a_long_list_of_inputs_that_nothing_reads_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..9 {
        let path = folder.path().join(format!("{number}.yaml"));
        std::fs::write(path, "apiVersion: v1\nkind: Odd\n").unwrap();
    }
    std::fs::copy(
        fixture("grpc-port/good-said.yaml"),
        folder.path().join("x.yaml"),
    )
    .unwrap();
    let text = stdout(&doctor(&[folder.path()]));
    assert_eq!(text.matches("no check reads: Odd").count(), 3, "{text}");
    assert!(
        text.contains("and 6 inputs of which no check reads anything"),
        "{text}"
    );
    assert!(text.contains("x.yaml: Kubernetes: "), "{text}");
}

#[test]
fn without_any_manifest_that_is_one_reason() {
    let root = fixtures().join("../../../../envoy/mirror.yaml");
    let text = stdout(&doctor(&[root]));
    assert!(
        text.contains("without any YAML of Kubernetes or Istio: "),
        "{text}"
    );
    assert!(!text.contains("without Service YAML"), "{text}");
}

#[test]
fn several_candidates_are_told_from_two_copies_to_one() {
    let path = fixtures().join("duplicates/bad-two-mirrors.yaml");
    let answer = examine(std::slice::from_ref(&path));
    let finding = &answer["findings"][0];
    assert_eq!(finding["severity"], "info");
    assert!(
        finding["what"]
            .as_str()
            .unwrap()
            .contains("compare --candidate")
    );

    let folder = tempfile::tempdir().unwrap();
    let twice = std::fs::read_to_string(&path)
        .unwrap()
        .replace("orders-third", "orders-next");
    let path = folder.path().join("twice.yaml");
    std::fs::write(&path, twice).unwrap();
    assert_eq!(examine(&[path])["findings"][0]["severity"], "warning");
}

#[test]
fn the_list_and_the_explanations_cover_all_traps() {
    let list = stdout(&doctor(&["--list"]));
    assert_eq!(list.lines().count(), twintap::doctor::traps::ALL.len());
    for trap in &twintap::doctor::traps::ALL {
        assert!(list.contains(trap.id));
        let text = stdout(&doctor(&["--explain", trap.id]));
        for title in ["Why it hurts", "What to do", "How it is seen"] {
            assert!(text.contains(title), "{text}");
        }
    }
}

#[test]
fn descriptors_tell_which_mirrored_methods_stream_or_write() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("orders.proto"),
        "syntax = \"proto3\"; package shop.v1; message M {} service Orders {\n\
         rpc GetOrder(M) returns (M);\n rpc GetAll(stream M) returns (M);\n rpc Gate(M) returns (M);\n\
         rpc GetSafe(M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; } }",
    )
    .unwrap();
    let arguments = [
        fixture("mirrored-writes/bad-service.yaml"),
        "--proto".into(),
        folder.path().into(),
        "--output".into(),
        "json".into(),
    ];
    let answer = answer(&doctor(&arguments));
    assert_eq!(ids(&answer), ["mirror-stall", "mirrored-writes"]);
    let text = answer["findings"].to_string();
    assert!(
        text.contains("shop.v1.Orders/GetAll, whose client sends a stream"),
        "{text}"
    );
    assert!(
        text.contains("side effects: shop.v1.Orders/Gate\""),
        "{text}"
    );
}

#[test]
fn the_documentation_has_the_table_of_traps() {
    let docs = fixtures().join("../../../../docs/doctor.md");
    let text = std::fs::read_to_string(docs).unwrap();
    for trap in &twintap::doctor::traps::ALL {
        let row = format!(
            "| {} | `{}` | {} | {} |",
            trap.number,
            trap.id,
            trap.severity.name(),
            trap.title
        );
        assert!(text.contains(&row), "docs/doctor.md lacks the row\n{row}");
    }
}
