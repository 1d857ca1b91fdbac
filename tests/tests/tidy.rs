//! Keeps what is easy to let rot: module docs, the map in ARCHITECTURE.md, the direction of imports,
//! what only one place may do, file sizes, paths of somebody's machine.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file beyond which it must be listed below, with a reason.
const LINES_MAX: usize = 500;

/// Files longer than [`LINES_MAX`] and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// Stages of the collector, and the modules that each may use besides itself. No cycle, and nothing
/// that a call reaches later.
const STAGES: &[(&str, &[&str])] = &[
    ("metrics", &[]),
    ("sources", &["clock", "metrics"]),
    ("call", &[]),
    ("store", &["call", "clock", "metrics"]),
    ("pair", &["call"]),
    ("compare", &["call"]),
    (
        "report",
        &["call", "pair", "compare", "store", "escape", "share"],
    ),
    (
        "noise",
        &["call", "pair", "compare", "report", "escape", "share"],
    ),
    ("doctor", &["call", "pair", "compare", "escape", "share"]),
];

struct Source {
    /// Relative to the repository's root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// What the compiler sees of the file: no comments, no test modules at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let until_tests = self.text.split("\n#[cfg(test)]\nmod tests {").next();
        let lines = until_tests.unwrap_or_default().lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || self.path.ends_with("tests.rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of the repository whose name ends with one of `suffixes`.
fn files(suffixes: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
                if !hidden && !["target", "twintap-data", "__pycache__"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
                let relative = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                found.push(Source {
                    path: relative,
                    text,
                });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn none(offences: Vec<String>, rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn every_module_opens_with_its_purpose() {
    let without = files(&[".rs"])
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "));
    none(
        without.map(|file| file.path).collect(),
        "line 1 must be `//! ` and say what this is for",
    );
}

#[test]
fn every_path_in_the_documents_exists() {
    let folders = [
        "capture/",
        "collector/",
        "decode/",
        "demo/",
        "envoy/",
        "filter/",
        "istio/",
        "record/",
        "tests/",
    ];
    let mut missing = Vec::new();
    for document in files(&["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"]) {
        let folder = Path::new(&document.path).parent().unwrap().to_path_buf();
        for quoted in document.text.split('`').skip(1).step_by(2) {
            let path = quoted.split_whitespace().next().unwrap_or_default();
            let plain = !path.contains(['*', '<', '{', '$', ':']);
            if !plain || !folders.iter().any(|folder| path.starts_with(folder)) {
                continue;
            }
            if !root().join(path).exists() && !root().join(&folder).join(path).exists() {
                missing.push(format!("{}: {path}", document.path));
            }
        }
    }
    none(missing, "paths that documents name must exist");
}

#[test]
fn stages_use_only_what_they_work_on() {
    let mut offences = Vec::new();
    for file in files(&[".rs"]).iter().filter(|file| !file.is_test()) {
        let Some(inside) = file.path.strip_prefix("collector/src/") else {
            continue;
        };
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        let Some((_, allowed)) = STAGES.iter().find(|(stage, _)| *stage == module) else {
            continue;
        };
        for (line, text) in file.code() {
            for used in text.split("crate::").skip(1) {
                let end = used.find(|c: char| !c.is_alphanumeric() && c != '_');
                let used = &used[..end.unwrap_or(used.len())];
                if used != module && !allowed.contains(&used) {
                    offences.push(format!("{}:{line}: uses crate::{used}", file.path));
                }
            }
        }
    }
    none(
        offences,
        "stages use only what they work on (see STAGES in this test)",
    );
}

/// Words that may stand only in files whose path begins with one of the prefixes.
fn only_in(words: &[&str], scope: &str, homes: &[&str], rule: &str) {
    let mut offences = Vec::new();
    for file in files(&[".rs"]) {
        let at_home = homes.iter().any(|home| file.path.starts_with(home));
        if at_home || file.is_test() || !file.path.starts_with(scope) {
            continue;
        }
        for (line, text) in file.code() {
            if let Some(word) = words.iter().find(|word| text.contains(**word)) {
                offences.push(format!("{}:{line}: {word}", file.path));
            }
        }
    }
    none(offences, rule);
}

#[test]
fn only_the_pipeline_spawns() {
    only_in(
        &["tokio::spawn", "spawn_blocking", "thread::spawn", "JoinSet"],
        "collector/src/",
        &["collector/src/pipeline.rs", "collector/src/pipeline/"],
        "only collector/src/pipeline.rs spawns",
    );
}

#[test]
fn only_the_parquet_store_knows_arrow() {
    only_in(
        &[
            "use arrow",
            "arrow_array::",
            "arrow_schema::",
            "use parquet::",
            "parquet::arrow",
        ],
        "collector/src/",
        &["collector/src/store/parquet/"],
        "only collector/src/store/parquet knows Arrow and Parquet",
    );
}

#[test]
fn only_the_filters_wasm_folder_talks_to_the_host() {
    only_in(
        &["unsafe ", "unsafe{", "extern \"C\"", "no_mangle"],
        "filter/src/",
        &["filter/src/wasm/"],
        "only filter/src/wasm calls the host",
    );
}

#[test]
fn decode_pair_compare_and_doctor_know_no_runtime_clock_or_file() {
    for stage in [
        "decode/src/",
        "collector/src/pair/",
        "collector/src/compare/",
        "collector/src/doctor/",
    ] {
        only_in(
            &[
                "tokio::",
                "std::fs",
                "fs::File",
                "SystemTime::now",
                "Instant::now",
            ],
            stage,
            &[],
            "decode, pair, compare and doctor do no I/O and read no clock",
        );
    }
}

#[test]
fn long_files_are_listed_with_a_reason() {
    let long = files(&[".rs", ".py"]).into_iter().filter(|file| {
        let listed = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        file.text.lines().count() > LINES_MAX && !listed
    });
    none(
        long.map(|file| file.path).collect(),
        "split these files, or list them with a reason",
    );
}

#[test]
fn nothing_names_a_path_of_somebodys_machine() {
    // Written so that this file does not contain what it looks for.
    let paths = [
        "/ho\u{6d}e/",
        "/ro\u{6f}t/",
        "/wo\u{72}k/",
        "/Use\u{72}s/",
        "/tm\u{70}/wt",
    ];
    let mut offences = Vec::new();
    let endings = [
        ".rs", ".py", ".md", ".toml", ".yaml", ".yml", ".json", "Makefile", "run",
    ];
    for file in files(&endings) {
        for (index, text) in file.text.lines().enumerate() {
            if paths.iter().any(|path| text.contains(path)) {
                offences.push(format!("{}:{}: {text}", file.path, index + 1));
            }
        }
    }
    none(offences, "paths must not be those of one machine");
}

#[test]
fn every_planted_difference_is_marked_in_the_demo() {
    let sources = files(&[".rs", "README.md"]);
    let in_demo = |file: &&Source| file.path.starts_with("demo/");
    let planted = fs::read_to_string(root().join("demo/planted.json")).unwrap();
    let planted: serde_json::Value = serde_json::from_str(&planted).unwrap();
    let mut unmarked = Vec::new();
    for difference in planted["planted"].as_array().unwrap() {
        let id = difference["id"].as_str().unwrap();
        let marked = |ending: &str, mark: String| {
            let mut files = sources
                .iter()
                .filter(in_demo)
                .filter(|f| f.path.ends_with(ending));
            files.any(|file| file.text.contains(&mark))
        };
        if !marked(".rs", format!("planted: {id}")) || !marked("README.md", format!("`{id}`")) {
            unmarked.push(id.to_owned());
        }
    }
    none(
        unmarked,
        "demo/planted.json, the candidate's `planted:` marks and demo/README.md agree",
    );
}
