//! The dataset as analysts read it: through DuckDB, in Python.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

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

    fn run(data_dir: &Path, flags: &[&str]) -> Self {
        let output = Command::new(artifacts::python())
            .arg(artifacts::script("stored.py"))
            .arg(data_dir)
            .args(flags)
            .output()
            .expect("python starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "stored.py: {errors}");
        let lines = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let rows = lines.map(|line| serde_json::from_slice(line).expect("rows are JSON"));
        Self {
            rows: rows.collect(),
        }
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
