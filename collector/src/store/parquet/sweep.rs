//! Removes what a crash left half-written among the `calls` files.
//!
//! Only for who holds the data directory's lock: to others such a file may be one that is being
//! written. Comparisons need no lock: of `pairs` and `differences`, each clears away what others left.

use std::fs;
use std::io;
use std::path::Path;

use super::part_files;

/// Removes the unfinished files of `calls` below `root` (the data directory); says how many.
pub fn sweep_unfinished(root: &Path) -> io::Result<usize> {
    let unfinished = part_files(root)?.unfinished;
    unfinished.iter().try_for_each(fs::remove_file)?;
    Ok(unfinished.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unfinished_files_of_calls_go() {
        let root = tempfile::tempdir().unwrap();
        let hour = root.path().join("calls/v1/dt=2026-11-21/hh=09");
        let run = root.path().join("pairs/v1/run=1");
        fs::create_dir_all(&hour).unwrap();
        fs::create_dir_all(&run).unwrap();
        let unfinished = hour.join(".part-1.parquet.tmp");
        let kept = [hour.join("part-1.parquet"), run.join(".part-0.parquet.tmp")];
        for path in kept.iter().chain([&unfinished]) {
            fs::write(path, "bytes").unwrap();
        }
        assert_eq!(sweep_unfinished(root.path()).unwrap(), 1);
        assert!(!unfinished.exists());
        assert!(kept.iter().all(|path| path.exists()));
    }

    #[test]
    fn an_empty_data_directory_has_nothing_to_sweep() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(sweep_unfinished(root.path()).unwrap(), 0);
    }
}
