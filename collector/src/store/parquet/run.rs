//! The files of one run of `ingest` or `capture`: their ids begin alike, so that what a run wrote can be taken
//! back.
//!
//! The id of a part is the run's producer id with the number of the part for its last [`NUMBER_BITS`] bits; what
//! remains of the producer id, 48 bits of time and 42 of chance, is that run's alone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::ReadError;
use super::files::part_files;
use super::part::{Part, io_error};

/// Bits of an id that count the parts of a run.
const NUMBER_BITS: u32 = u32::BITS;

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files.
    pub files: u64,
    /// Calls in them, of those that could be read.
    pub calls: u64,
}

/// Id of a part of the run of `producer_id`.
pub fn run_part(producer_id: [u8; 16], number: u32) -> Uuid {
    Uuid::from_u128(of_run(Uuid::from_bytes(producer_id)) << NUMBER_BITS | u128::from(number))
}

/// Removes, durably, all files below `root` (the data directory) of the run of `producer_id`. Only for who holds
/// the data directory's lock.
pub fn remove_run(root: &Path, producer_id: Uuid) -> io::Result<Removed> {
    let mut removed = Removed::default();
    let mut folders = BTreeSet::new();
    for path in part_files(root)?.whole {
        if id_of(&path).map(of_run) != Some(of_run(producer_id)) {
            continue;
        }
        removed.files += 1;
        removed.calls += Part::open(path.clone()).map_or(0, |part| part.rows);
        fs::remove_file(&path)?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    for folder in folders {
        File::open(folder)?.sync_all()?;
    }
    Ok(removed)
}

/// Calls in the files of the run of `producer_id` that can be read.
pub fn run_calls(root: &Path, producer_id: Uuid) -> Result<u64, ReadError> {
    let files = part_files(root).map_err(io_error("list the calls of", root))?;
    let mut calls = 0;
    for path in files.whole {
        if id_of(&path).map(of_run) == Some(of_run(producer_id)) {
            calls += readable(path)?.map_or(0, |part| part.rows);
        }
    }
    Ok(calls)
}

/// Files of runs of which nothing is known, as far as they can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// By hour and name.
    pub files: Vec<PathBuf>,
    /// In them.
    pub calls: u64,
}

/// Looks for files below `root` (the data directory) of other runs than the `known`.
pub fn unknown_runs(
    root: &Path,
    known: impl IntoIterator<Item = Uuid>,
) -> Result<Unknown, ReadError> {
    let known: BTreeSet<u128> = known.into_iter().map(of_run).collect();
    let mut unknown = Unknown::default();
    let files = part_files(root).map_err(io_error("list the calls of", root))?;
    for path in files.whole {
        // Those of a collector's segments have names like any run's.
        if id_of(&path).is_none_or(|id| known.contains(&of_run(id))) {
            continue;
        }
        let Some(part) = readable(path)? else {
            continue;
        };
        let mut is_of_run = false;
        part.recorded(&mut |recorded| is_of_run |= recorded.is_of_run)?;
        if is_of_run {
            unknown.calls += part.rows;
            unknown.files.push(part.path);
        }
    }
    Ok(unknown)
}

/// The file at `path`; `None` if it is damaged.
fn readable(path: PathBuf) -> Result<Option<Part>, ReadError> {
    match Part::open(path) {
        Ok(part) => Ok(Some(part)),
        Err(error) if error.is_of_the_file() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Is the file at `path` one of the run of `producer_id`?
pub fn is_part_of(path: &Path, producer_id: [u8; 16]) -> bool {
    id_of(path).map(of_run) == Some(of_run(Uuid::from_bytes(producer_id)))
}

fn of_run(id: Uuid) -> u128 {
    id.as_u128() >> NUMBER_BITS
}

fn id_of(path: &Path) -> Option<Uuid> {
    let name = path.file_stem()?.to_str()?;
    Uuid::parse_str(name.strip_prefix("part-")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_run_goes_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let hour = root.path().join("calls/v1/dt=2026-11-21/hh=09");
        fs::create_dir_all(&hour).unwrap();
        let (run, other) = (Uuid::now_v7(), Uuid::now_v7());
        let write = |name: String| fs::write(hour.join(&name), "no Parquet").map(|()| name);
        let of = |run: Uuid, number| format!("part-{}.parquet", run_part(*run.as_bytes(), number));
        for number in [0, 1, u32::MAX] {
            write(of(run, number)).unwrap();
        }
        let mut kept = [
            write(of(other, 0)).unwrap(),
            write("part-.parquet".to_owned()).unwrap(),
        ];
        let removed = remove_run(root.path(), run).unwrap();
        assert_eq!(removed, Removed { files: 3, calls: 0 });
        let left = fs::read_dir(&hour).unwrap();
        let mut left: Vec<_> = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        kept.sort();
        assert_eq!(left, kept);
        assert_eq!(remove_run(root.path(), run).unwrap(), Removed::default());
    }
}
