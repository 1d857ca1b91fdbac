//! Rows of figures for `docs/reliability.md`, kept in `target/reliability.json`.

use std::fs;
use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::artifacts;

/// Keeps the row of a family, in place of the one of an earlier run. `row` is an object; `table` names
/// the table that it is a row of.
pub fn keep(table: &str, family: &str, mut row: Value) {
    // Families end at different times, in threads of one process.
    static FILE: Mutex<()> = Mutex::new(());
    let path = artifacts::target().join("reliability.json");
    let _guard = FILE.lock().expect("nobody panics while holding it");
    let rows = fs::read(&path).unwrap_or_default();
    let mut rows: Map<String, Value> = serde_json::from_slice(&rows).unwrap_or_default();
    row["table"] = table.into();
    row["is_full"] = std::env::var_os("TWINTAP_FULL").is_some().into();
    rows.insert(family.to_owned(), row);
    let text = serde_json::to_vec_pretty(&rows).expect("it is JSON");
    fs::write(&path, text).expect("target/ can be written");
}
