//! What the accounting of a data directory tells: records that were lost, and where.

use serde_json::Value;
use tempfile::TempDir;

use super::program::ids;
use super::recordings::{examine, recording};

/// Writes an accounting whose total has `told`, and 0 else.
fn account(folder: &TempDir, told: &Value) {
    let names = [
        "observed",
        "in_flight",
        "recorded",
        "refused",
        "undelivered",
        "pending",
        "received",
        "duplicates",
        "quarantined",
        "stored",
        "published",
        "journaled",
        "batches",
        "batches_retried",
        "host_errors",
    ];
    let mut figures = serde_json::json!({ "dropped": {}, "skipped": {} });
    for name in names {
        figures[name] = 0.into();
    }
    let mut total = figures.clone();
    for (name, figure) in told.as_object().unwrap() {
        total[name] = figure.clone();
    }
    let accounting = serde_json::json!({
        "version": 1, "written_unix_ns": 0, "forgotten_count": 0, "damaged_stretches": 0,
        "producers": [], "forgotten": figures, "total": total,
    });
    std::fs::write(
        folder.path().join("accounting.json"),
        accounting.to_string(),
    )
    .unwrap();
}

#[test]
fn records_that_never_came_are_a_lost_tail() {
    let folder = recording(|_, _| {});
    account(
        &folder,
        &serde_json::json!({ "observed": 200, "undelivered": 7 }),
    );
    let answer = examine(&folder);
    assert_eq!(ids(&answer), ["lost-tail"], "{answer:#}");
}

#[test]
fn records_that_were_dropped_are_told_with_their_reasons() {
    let folder = recording(|_, _| {});
    let dropped =
        serde_json::json!({ "record_too_large": 2, "buffer_full": 8, "from_tomorrow": 1 });
    account(
        &folder,
        &serde_json::json!({ "observed": 220, "dropped": dropped }),
    );
    let answer = examine(&folder);
    assert_eq!(ids(&answer), ["records-lost"], "{answer:#}");
    let finding = &answer["findings"][0];
    assert_eq!(finding["severity"], "warning");
    let what = finding["what"].as_str().unwrap();
    let start =
        "11 calls (5.0 % of all) were dropped: buffer_full 8 (the collector was away or slow";
    assert!(what.starts_with(start), "{what}");
    let end = "record_too_large 2 (larger than a batch: lower `body_bytes_max`); from_tomorrow 1";
    assert!(what.ends_with(end), "{what}");
}

#[test]
fn records_that_were_refused_or_set_aside_are_lost_too() {
    let folder = recording(|_, _| {});
    let told = serde_json::json!({ "observed": 400, "refused": 3, "quarantined": 300 });
    account(&folder, &told);
    let answer = examine(&folder);
    assert_eq!(ids(&answer), ["records-lost"], "{answer:#}");
    let findings = answer["findings"].as_array().unwrap();
    let told: Vec<_> = findings
        .iter()
        .map(|one| (one["severity"].as_str(), one["what"].as_str().unwrap()))
        .collect();
    assert!(
        matches!(told.as_slice(), [(Some("error"), set_aside), (Some("warning"), refused)]
            if set_aside.starts_with("300 records (75.0 % of all) arrived")
                && refused.starts_with("3 records (0.8 % of all) were in batches")),
        "{told:?}"
    );
}
