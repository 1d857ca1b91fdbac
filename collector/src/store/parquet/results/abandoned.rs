//! Removes what comparisons that were ended half-way left of their files.
//!
//! Who writes such a file holds a lock on it, so one that can be locked is nobody's. Runs that began less than
//! [`BEGINNING_MS`] before are left alone: they may have created a file and not locked it yet. What cannot be
//! removed stays, and harms nobody: it is never read.

use std::fs::{self, File};
use std::path::Path;

use uuid::Uuid;

use crate::store::parquet::layout::{UNFINISHED, run_path};

/// How long a run may take from its id to its lock.
const BEGINNING_MS: u64 = 60_000;

/// Removes unfinished files of `dataset` that runs long before `run` left below `root` (the data directory).
pub(super) fn sweep(root: &Path, dataset: &str, run: Uuid) {
    let path = run_path(root, dataset, run);
    let Some(runs) = path.parent().and_then(Path::parent) else {
        return;
    };
    for folder in fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = folder.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix("run="));
        let Some(id) = id.and_then(|id| Uuid::parse_str(id).ok()) else {
            continue;
        };
        if began_ms(id).saturating_add(BEGINNING_MS) > began_ms(run) {
            continue;
        }
        let unfinished = run_path(root, dataset, id).with_added_extension(UNFINISHED);
        let file = File::options().write(true).open(&unfinished);
        if file.is_ok_and(|file| file.try_lock().is_ok()) && fs::remove_file(&unfinished).is_ok() {
            // If there is nothing else in it.
            fs::remove_dir(folder.path()).ok();
        }
    }
}

/// When the run with this UUID of version 7 began, in milliseconds since the Unix epoch.
fn began_ms(run: Uuid) -> u64 {
    let timestamp = run.get_timestamp().map(|timestamp| timestamp.to_unix());
    timestamp.map_or(u64::MAX, |(seconds, ns)| {
        seconds.saturating_mul(1000) + u64::from(ns) / 1_000_000
    })
}

#[cfg(test)]
mod tests {
    use uuid::{NoContext, Timestamp};

    use super::*;

    #[test]
    fn only_what_nobody_writes_goes() {
        let root = tempfile::tempdir().unwrap();
        let run = |seconds| Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0));
        let unfinished = |seconds| {
            let path =
                run_path(root.path(), "pairs", run(seconds)).with_added_extension(UNFINISHED);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "half").unwrap();
            path
        };
        let (abandoned, written, young) = (unfinished(1000), unfinished(2000), unfinished(3570));
        let writing = File::open(&written).unwrap();
        writing.try_lock().unwrap();
        let finished = run_path(root.path(), "pairs", run(1500));
        fs::create_dir_all(finished.parent().unwrap()).unwrap();
        fs::write(&finished, "whole").unwrap();
        sweep(root.path(), "pairs", run(3600));
        assert!(!abandoned.parent().unwrap().exists());
        assert!([written, young, finished].iter().all(|path| path.exists()));
        sweep(&root.path().join("none"), "pairs", run(3600));
    }
}
