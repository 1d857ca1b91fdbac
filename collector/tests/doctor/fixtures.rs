//! Fixtures: per trap, set-ups that fall into it and set-ups that do not.
//!
//! `fixtures/<trap>/bad-*` finds exactly that trap, `fixtures/<trap>/good-*` finds nothing; each is a
//! file or a folder whose files belong together. `fixtures/clean` is one whole set-up.

use std::path::PathBuf;

use super::program::{entries, examine, fixtures, ids};

/// Traps that are seen in recorded calls only: `recordings.rs` has their cases.
const RECORDED_ONLY: [&str; 2] = ["hop-headers", "trailers"];

/// Cases of the trap `id` whose names begin with `kind`.
fn cases(id: &str, kind: &str) -> Vec<(String, Vec<PathBuf>)> {
    let found = entries(&fixtures().join(id)).into_iter();
    found
        .filter(|(name, _)| name.starts_with(kind))
        .map(|(name, path)| {
            let files = if path.is_dir() {
                entries(&path).into_iter().map(|(_, path)| path).collect()
            } else {
                vec![path]
            };
            (format!("{id}/{name}"), files)
        })
        .collect()
}

fn traps() -> impl Iterator<Item = &'static str> {
    let all = twintap::doctor::traps::ALL.iter().map(|trap| trap.id);
    all.filter(|id| !RECORDED_ONLY.contains(id))
}

#[test]
fn every_bad_set_up_finds_its_trap_and_no_other() {
    let mut wrong = Vec::new();
    for id in traps() {
        let bad = cases(id, "bad");
        assert!(!bad.is_empty(), "{id} has no bad fixture");
        for (name, files) in bad {
            let answer = examine(&files);
            if ids(&answer) != [id] || answer["problems"] != serde_json::json!([]) {
                wrong.push(format!(
                    "{name}: {:#}{:#}",
                    answer["findings"], answer["problems"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_good_set_up_gives_an_alarm() {
    let mut wrong = Vec::new();
    for id in traps() {
        let good = cases(id, "good");
        assert!(!good.is_empty(), "{id} has no good fixture");
        for (name, files) in good {
            let answer = examine(&files);
            if answer["findings"] != serde_json::json!([])
                || answer["problems"] != serde_json::json!([])
            {
                wrong.push(format!(
                    "{name}: {:#}{:#}",
                    answer["findings"], answer["problems"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_fixtures_is_a_trap() {
    for (name, _) in entries(&fixtures()) {
        let is_known = name == "clean" || twintap::doctor::traps::by_id(&name).is_some();
        assert!(is_known, "fixtures/{name} is no trap");
    }
}

#[test]
fn a_whole_set_up_of_istio_that_is_right_gives_no_alarm() {
    let answer = examine(&[fixtures().join("clean")]);
    assert_eq!(answer["findings"], serde_json::json!([]), "{answer:#}");
    assert_eq!(answer["problems"], serde_json::json!([]));
}
