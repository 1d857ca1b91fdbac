//! Foreign text on the terminal: names, values and paths steer nothing.

use std::ffi::OsString;
use std::path::Path;

use twintap::call::{Role, Workload};

use super::program::{doctor, fixtures, stdout};
use super::recordings::{header, recording};

/// Colour, title of the window, C1 control, right-to-left override, and an invisible character.
const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{200b}";

/// What the doctor prints, after a look at every character of it.
fn text_of(arguments: &[OsString]) -> String {
    let text = stdout(&doctor(arguments));
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    let found: Vec<char> = text.chars().filter(|c| steers(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
    text
}

fn write(folder: &Path, name: &str, text: &str) -> OsString {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.into()
}

/// [`HOSTILE`] as JSON and YAML write it.
fn quoted() -> String {
    HOSTILE
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect()
}

/// A set-up with one finding, on a Service whose name ends as `end` says, quoted.
fn service_named(end: &str) -> String {
    let text = std::fs::read_to_string(fixtures().join("grpc-port/bad-unsaid.yaml")).unwrap();
    ["name", "host"].iter().fold(text, |text, key| {
        text.replace(
            &format!("{key}: orders-next,"),
            &format!("{key}: \"orders-next{end}\","),
        )
    })
}

#[test]
fn names_of_kubernetes_objects_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let shown = text_of(&[write(folder.path(), "mesh.yaml", &service_named(&quoted()))]);
    assert!(
        shown.contains("Service shop/orders-next\\u{1b}[31m"),
        "{shown}"
    );
}

#[test]
fn a_line_break_in_a_name_begins_no_line() {
    let text = service_named("\\n  error grpc-port  forged");
    let folder = tempfile::tempdir().unwrap();
    let shown = text_of(&[write(folder.path(), "mesh.yaml", &text)]);
    let begin = |line: &&str| line.starts_with("  error grpc-port");
    assert_eq!(shown.lines().filter(begin).count(), 1, "{shown}");
}

#[test]
fn the_state_of_a_server_is_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = quoted();
    let text = format!(
        "{{\"version\": \"0/1.40{hostile}/x\", \"state\": \"{hostile}INITIALIZING\", \
         \"command_line_options\": {{}}}}"
    );
    let shown = text_of(&[write(folder.path(), "server_info.json", &text)]);
    assert!(shown.contains("state \\u{1b}[31m"), "{shown}");
}

#[test]
fn names_of_files_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{HOSTILE}.yaml");
    let missing = folder.path().join(format!("missing{HOSTILE}")).into();
    let shown = text_of(&[write(folder.path(), &name, "a: [\n"), missing]);
    assert!(shown.contains("missing\\u{1b}[31m"), "{shown}");
}

#[test]
fn what_calls_carried_is_escaped() {
    let folder = recording(|number, call| {
        let value = format!("text/{HOSTILE}").into();
        let mut content_type = header("content-type", "");
        content_type.value = value;
        if number < 50 {
            call.request_metadata = vec![content_type];
        }
        if call.role == Role::Candidate {
            let mut foreign = header("", "1");
            foreign.name = format!("x-{HOSTILE}").into();
            call.request_metadata.push(foreign);
        }
        call.pair_id = Default::default();
        call.request_id = format!("same{HOSTILE}").into();
        call.workload = std::sync::Arc::new(Workload {
            recorder_version: format!("{number}{HOSTILE}"),
            ..Workload::default()
        });
    });
    let shown = text_of(&["--data-dir".into(), folder.path().into()]);
    for words in ["text/\\u{1b}[31m", "version-skew", "pair-id"] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
}

#[test]
fn metadata_of_one_side_is_escaped() {
    let folder = recording(|_, call| {
        if call.role == Role::Candidate {
            let mut foreign = header("", "1");
            foreign.name = format!("x-{HOSTILE}").into();
            call.request_metadata.push(foreign);
        }
    });
    let shown = text_of(&["--data-dir".into(), folder.path().into()]);
    assert!(shown.contains("x-\\u{1b}[31m"), "{shown}");
}
