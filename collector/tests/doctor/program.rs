//! Runs the program and reads its JSON.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs `twintap doctor` with `arguments`.
pub(crate) fn doctor<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_twintap"))
        .arg("doctor")
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What it found in `paths`.
pub(crate) fn examine(paths: &[PathBuf]) -> Value {
    let mut arguments: Vec<PathBuf> = paths.to_vec();
    arguments.extend(["--output".into(), "json".into()]);
    answer(&doctor(&arguments))
}

pub(crate) fn answer(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        let told = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {text}{told}")
    })
}

/// Ids of the findings, each once.
pub(crate) fn ids(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap();
    let mut ids: Vec<String> = findings
        .iter()
        .map(|finding| finding["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The folder with fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor/fixtures")
}

/// Names and paths in `folder`, by name.
pub(crate) fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut entries: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .collect();
    entries.sort();
    entries
}
