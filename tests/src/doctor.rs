//! `twintap doctor` as users run it, and what it found.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::istio::Manifests;
use crate::{Envoy, live};

/// A run in preparation.
#[derive(Clone, Debug, Default)]
pub struct Doctor {
    arguments: Vec<String>,
    input: Vec<u8>,
    inputs: usize,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Findings as `id severity where`: the object and the path in it, or the path alone.
    pub found: Vec<String>,
    /// The exit code.
    pub code: i32,
    /// All of the answer.
    pub answer: Value,
}

impl Doctor {
    /// A run with nothing to look at.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at manifests, on its standard input.
    #[must_use]
    pub fn manifests(mut self, manifests: &Manifests) -> Self {
        self.input = manifests.documents().into_bytes();
        self.arguments.push("-".to_owned());
        self.inputs += 1;
        self
    }

    /// Looks at a running Envoy.
    #[must_use]
    pub fn envoy(mut self, envoy: &Envoy) -> Self {
        self.option("--envoy-admin", &envoy.admin_address().to_string());
        // Server, configuration, statistics.
        self.inputs += 3;
        self
    }

    /// Looks at recorded calls.
    #[must_use]
    pub fn data(mut self, directory: &Path) -> Self {
        self.option("--data-dir", &directory.display().to_string());
        self.inputs += 1;
        self
    }

    /// Leaves a trap out.
    #[must_use]
    pub fn ignoring(mut self, trap: &str) -> Self {
        self.option("--ignore", trap);
        self
    }

    fn option(&mut self, name: &str, value: &str) {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
    }

    /// Looks. Panics if anything of what was given is not understood.
    pub fn run(self) -> Diagnosis {
        let mut child = live::twintap()
            .args(["doctor", "--output", "json"])
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("twintap starts");
        let mut stdin = child.stdin.take().expect("standard input");
        stdin.write_all(&self.input).expect("manifests are read");
        drop(stdin);
        let output = child.wait_with_output().expect("twintap ends");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer in JSON");
        assert_eq!(answer["problems"], json!([]));
        let taken = answer["inputs"].as_array().map_or(0, Vec::len);
        assert_eq!(taken, self.inputs, "{:#}", answer["inputs"]);
        let findings = answer["findings"].as_array().into_iter().flatten();
        Diagnosis {
            found: findings.map(line).collect(),
            code: output.status.code().expect("an exit code"),
            answer,
        }
    }
}

impl Diagnosis {
    /// Findings of one trap.
    pub fn of(&self, trap: &str) -> Vec<&str> {
        let is_of = |line: &&String| line.split(' ').next() == Some(trap);
        let found = self.found.iter().filter(is_of);
        found.map(String::as_str).collect()
    }
}

fn line(finding: &Value) -> String {
    let place = &finding["where"];
    let parts = [
        &finding["id"],
        &finding["severity"],
        &place["object"],
        &place["path"],
    ];
    let parts: Vec<&str> = parts.iter().filter_map(|part| part.as_str()).collect();
    parts.join(" ")
}
