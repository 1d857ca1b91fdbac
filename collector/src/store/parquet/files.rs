//! Which files `calls` has: the one answer for all that read, check, sweep or take them back.
//!
//! `calls/v1/dt=<date>/hh=<hour>/*`, as [`super::layout`] names them, by hour and name; symbolic links are
//! followed. What lies elsewhere is not part of the dataset: nothing reads it, nothing removes it. Files come
//! and go while this looks; it opens none.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::layout::{EXTENSION, Hour, UNFINISHED, calls_folder};

/// The files below `root` (the data directory), each list by hour and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PartFiles {
    /// With their final names.
    pub whole: Vec<PathBuf>,
    /// That a crash left half-written, or that are being written.
    pub unfinished: Vec<PathBuf>,
}

/// Lists the files of `calls`.
pub fn part_files(root: &Path) -> io::Result<PartFiles> {
    part_files_within(root, &(0..u64::MAX))
}

/// As [`part_files`], of the hours only that overlap `range`, in nanoseconds since the Unix epoch.
pub(super) fn part_files_within(root: &Path, range: &Range<u64>) -> io::Result<PartFiles> {
    let mut files = PartFiles::default();
    for (dt, dt_folder) in entries(&calls_folder(root))? {
        if !dt.starts_with("dt=") {
            continue;
        }
        for (hh, hh_folder) in entries(&dt_folder)? {
            let hour = Hour::from_folders(&dt, &hh);
            if !hour.is_some_and(|hour| hour.overlaps(range)) {
                continue;
            }
            for (_, path) in entries(&hh_folder)? {
                let extension = path.extension().unwrap_or_default();
                if extension == EXTENSION {
                    files.whole.push(path);
                } else if extension == UNFINISHED {
                    files.unfinished.push(path);
                }
            }
        }
    }
    Ok(files)
}

/// Names and paths in `folder`, by name; none if it does not exist. Errors name it.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(named(error)),
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.map_err(named)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push((name, entry.path()));
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use uuid::Uuid;

    use super::*;
    use crate::call::Call;
    use crate::store::parquet::{Dataset, WriteSettings, write_part};

    #[test]
    fn what_is_read_is_what_is_checked() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let part = write_part(
            [Call::default()],
            elsewhere.path(),
            Uuid::nil(),
            &WriteSettings::default(),
        );
        let part = part.unwrap().paths.remove(0);
        let calls = calls_folder(root.path());
        let linked = calls.join("dt=2026-11-21");
        let hour = calls.join("dt=2026-11-22/hh=09");
        let astray = calls.join("dt=2026-11-22/hh=25");
        for folder in [&linked, &hour, &astray] {
            fs::create_dir_all(folder).unwrap();
        }
        symlink(part.parent().unwrap(), linked.join("hh=10")).unwrap();
        symlink(&part, hour.join("part-1.parquet")).unwrap();
        fs::write(hour.join(".part-2.parquet.tmp"), "half").unwrap();
        for folder in [&calls, &astray, hour.parent().unwrap()] {
            fs::write(folder.join("part-3.parquet"), "stray").unwrap();
        }
        let files = part_files(root.path()).unwrap();
        let whole = [
            linked.join("hh=10").join(part.file_name().unwrap()),
            hour.join("part-1.parquet"),
        ];
        assert_eq!(files.whole, whole);
        assert_eq!(files.unfinished, [hour.join(".part-2.parquet.tmp")]);
        let dataset = Dataset::open(root.path()).unwrap();
        assert!(dataset.paths().eq(&whole));
    }

    #[test]
    fn a_data_directory_without_calls_has_no_files() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(part_files(root.path()).unwrap(), PartFiles::default());
    }
}
