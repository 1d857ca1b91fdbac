//! Every command that reads what was recorded, and all that it prints and writes.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use twintap_e2e::{Stored, artifacts};

use super::planted::{CONFIGURED, has_request_trailers, is_different};
use super::{KEY, Places, files, values};
use crate::collector::Place;
use crate::oracle::without_variables;

/// Forms of a report.
const FORMS: [&str; 6] = ["text", "json", "junit", "markdown", "html", "sarif"];
/// Pairs that are shown.
const SHOWN: usize = 5;

/// What was printed and written.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// To who asked what was said.
    pub(super) loud: Places,
    /// To everyone.
    pub(super) quiet: Places,
}

impl Told {
    /// Runs `twintap`; standard error is for everyone.
    fn run(&mut self, arguments: &[&str], data_dir: &Path, is_loud: bool) -> Vec<u8> {
        let mut command = Command::new(artifacts::twintap());
        without_variables(&mut command);
        let output = command
            .args(arguments)
            .arg(data_dir)
            .output()
            .expect("it starts");
        let name = format!("twintap {}", arguments.join(" "));
        let errors = String::from_utf8_lossy(&output.stderr);
        // Differences are an answer, and so are calls that cannot be judged.
        let is_answer = matches!(output.status.code(), Some(0 | 1 | 4));
        assert!(is_answer, "{name}: {}: {errors}", output.status);
        self.quiet.insert(format!("{name} 2>"), output.stderr);
        let told = if is_loud {
            &mut self.loud
        } else {
            &mut self.quiet
        };
        told.insert(name, output.stdout.clone());
        output.stdout
    }
}

/// Compares, shows, suggests, checks; the comparison must find exactly what is different.
pub(super) fn read_all(place: &Place, calls: u64) -> Told {
    let mut told = Told::default();
    let data_dir = place.data_dir();
    let mut report = Value::Null;
    for form in FORMS {
        let file = place.file(&format!("report.{form}"));
        let write = format!("{form}={}", file.display());
        let arguments = ["compare", "--output", form, "--write-report", &write];
        let printed = told.run(&arguments, &data_dir, true);
        told.loud.insert(
            format!("report.{form}"),
            fs::read(file).expect("it was written"),
        );
        if form == "json" {
            report = serde_json::from_slice(&printed).expect("it is JSON");
        }
    }
    let judged = (0..calls).filter(|call| !has_request_trailers(*call));
    let (different, equal): (Vec<u64>, Vec<u64>) = judged.partition(|call| is_different(*call));
    let total = &report["total"];
    let figure = |name: &str| total[name].as_u64();
    assert_eq!(
        figure("mismatched"),
        Some(different.len() as u64),
        "{total:#}"
    );
    assert_eq!(figure("matched"), Some(equal.len() as u64), "{total:#}");
    for pair in pairs(&report).iter().take(SHOWN) {
        for form in ["text", "json"] {
            told.run(&["show", pair, "--output", form], &data_dir, true);
        }
    }
    told.run(&["rules", "suggest"], &data_dir, true);
    for form in ["text", "json"] {
        told.run(
            &["doctor", "--output", form, "--data-dir"],
            &data_dir,
            false,
        );
        told.run(&["fsck", "--output", form], &data_dir, false);
    }
    told
}

/// Ids of pairs that the report has examples of.
fn pairs(report: &Value) -> BTreeSet<String> {
    let groups = report["differences"].as_array().into_iter().flatten();
    let keys = groups.filter_map(|group| group["example"]["correlation_key"].as_str());
    keys.map(str::to_owned).collect()
}

/// What came of a capture.
pub(super) struct Ingested {
    pub(super) stored: Stored,
    /// Rows on standard output, and the dataset.
    pub(super) loud: Places,
    /// Summaries.
    pub(super) quiet: Places,
}

/// Ingests a capture with the filter's key, and once without any.
pub(super) fn ingest(place: &Place, capture: &Path, old: SocketAddr) -> Ingested {
    let key = place.file("key");
    fs::write(&key, KEY).expect("a file");
    let (key, old) = (key.display().to_string(), old.to_string());
    let (with_key, without) = (place.file("ingested"), place.file("unkeyed"));
    let (mut loud, mut quiet) = (Places::new(), Places::new());
    let keyed = ["--redaction-key-file", &key];
    let runs = [
        (&with_key, &keyed[..], "parquet"),
        (&without, &[], "parquet"),
        (&without, &keyed, "ndjson"),
    ];
    for (data_dir, more, format) in runs {
        let mut command = Command::new(artifacts::twintap());
        without_variables(&mut command);
        command
            .args(["ingest", "--primary", &old, "--redact-header", CONFIGURED])
            .args(["--format", format, "--data-dir"])
            .arg(data_dir)
            .args(more)
            .arg(capture);
        let output = command.output().expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "ingest: {}: {errors}",
            output.status
        );
        let name = format!("ingest {format} {}", more.join(" "));
        quiet.insert(format!("{name} 2>"), output.stderr);
        loud.insert(name, output.stdout);
    }
    for data_dir in [&with_key, &without] {
        let name = |file: &str| format!("{}/{file}", data_dir.display());
        loud.extend(
            files(data_dir)
                .into_iter()
                .map(|(file, bytes)| (name(&file), bytes)),
        );
        loud.insert(name("values"), values(data_dir));
    }
    let stored = Stored::read_whole(&with_key);
    Ingested {
        stored,
        loud,
        quiet,
    }
}
