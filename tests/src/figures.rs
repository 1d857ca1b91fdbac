//! Rows of figures for `docs/reliability.md`, kept in `target/reliability.json`.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use serde_json::{Map, Value};

use crate::artifacts;

/// Keeps the row of a family, in place of the one of an earlier run. `row` is an object; `table` names
/// the table that it is a row of.
pub fn keep(table: &str, family: &str, mut row: Value) {
    let path = artifacts::target().join("reliability.json");
    let mut file = File::options();
    let file = file.create(true).truncate(false).read(true).write(true);
    let mut file = file.open(path).expect("target/ can be written");
    // Families end at different times, in threads and processes.
    file.lock().expect("the file's lock");
    let mut rows = Vec::new();
    file.read_to_end(&mut rows).expect("it can be read");
    let mut rows: Map<String, Value> = serde_json::from_slice(&rows).unwrap_or_default();
    row["table"] = table.into();
    row["is_full"] = std::env::var_os("TWINTAP_FULL").is_some().into();
    rows.insert(family.to_owned(), row);
    let text = serde_json::to_vec_pretty(&rows).expect("it is JSON");
    file.rewind().expect("a file can be rewound");
    file.set_len(0).expect("it can be written");
    file.write_all(&text).expect("it can be written");
}
