//! The dataset as analysts read it: through DuckDB, in Python.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::artifacts;
use crate::traffic::CALL_HEADER;

/// All rows of the `calls` dataset.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// One JSON object per row; binary columns in hexadecimal, 64-bit integers as they are.
    pub rows: Vec<Value>,
}

impl Stored {
    /// Reads `<data>/calls`, without messages and most metadata.
    pub fn read(data_dir: &Path) -> Self {
        Self::run(data_dir, &[])
    }

    /// Reads every column of `<data>/calls`.
    pub fn read_whole(data_dir: &Path) -> Self {
        Self::run(data_dir, &["--whole"])
    }

    /// Shows `each` every row, one at a time, with these columns, as SQL has them.
    pub fn for_each(data_dir: &Path, columns: &str, each: impl FnMut(Value)) {
        Self::stream(data_dir, &["--columns", columns], each);
    }

    fn run(data_dir: &Path, flags: &[&str]) -> Self {
        let mut rows = vec![];
        Self::stream(data_dir, flags, |row| rows.push(row));
        Self { rows }
    }

    fn stream(data_dir: &Path, flags: &[&str], mut each: impl FnMut(Value)) {
        let mut python = Command::new(artifacts::python())
            .arg(artifacts::script("stored.py"))
            .arg(data_dir)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut errors = python.stderr.take().expect("it is piped");
        // Beside the rows: who does not read both may wait for ever.
        let errors = thread::spawn(move || {
            let mut said = vec![];
            errors.read_to_end(&mut said).map(|_| said)
        });
        let output = BufReader::new(python.stdout.take().expect("it is piped"));
        for line in output.lines() {
            let line = line.expect("stored.py prints text");
            each(serde_json::from_str(&line).expect("rows are JSON"));
        }
        let status = python.wait().expect("python ends");
        let said = errors.join().expect("a thread that reads");
        let said = said.expect("stored.py's errors can be read");
        assert!(
            status.success(),
            "stored.py ended with {status}: {}",
            String::from_utf8_lossy(&said)
        );
    }

    /// Rows with this value in this column.
    pub fn with(&self, column: &str, value: &str) -> Self {
        let rows = self.rows.iter().filter(|row| row[column] == value).cloned();
        Self {
            rows: rows.collect(),
        }
    }

    /// Rows by the number of their planned call.
    pub fn by_call(&self) -> BTreeMap<u64, Vec<&Value>> {
        let mut calls = BTreeMap::<u64, Vec<&Value>>::new();
        for row in &self.rows {
            let number = row["request_metadata_map"][CALL_HEADER].as_str();
            let number = number.and_then(|number| number.parse().ok());
            calls
                .entry(number.expect("every call has a number"))
                .or_default()
                .push(row);
        }
        calls
    }
}
