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
        if part.is_of_run()? {
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

/// May the file at `path` be one of the run of one of the producers from `min` to `max`?
pub(super) fn may_be_part_of(path: &Path, min: [u8; 16], max: [u8; 16]) -> bool {
    let runs = of_run(Uuid::from_bytes(min))..=of_run(Uuid::from_bytes(max));
    id_of(path).is_some_and(|id| runs.contains(&of_run(id)))
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
    use parquet::file::metadata::PageIndexPolicy;

    use super::*;
    use crate::call::{Call, CallId};
    use crate::store::parquet::part::load;
    use crate::store::parquet::{WriteSettings, write_part};

    #[test]
    fn values_of_files_that_are_of_no_run_by_their_statistics_are_not_read() {
        let root = tempfile::tempdir().unwrap();
        let call = |producer_id| Call {
            id: CallId {
                producer_id,
                record_number: 1,
            },
            ..Call::default()
        };
        let write = |calls, id| {
            let settings = WriteSettings::default();
            write_part(calls, root.path(), id, &settings).unwrap();
        };
        let run = Uuid::now_v7().into_bytes();
        write(vec![call(run)], run_part(run, 1));
        // Ids of filters are random; those of files begin with the time, and so with zeros.
        let segment = Uuid::now_v7();
        write(vec![call([0xa0; 16]), call([0xb0; 16])], segment);
        let files = part_files(root.path()).unwrap().whole;
        let is_segments = |path: &&PathBuf| id_of(path) == Some(segment);
        let path = files.iter().find(is_segments).unwrap();
        let mut bytes = fs::read(path).unwrap();
        let footer = Part::open(path.clone()).unwrap();
        let (_, metadata) = load(&footer.path, PageIndexPolicy::Skip).unwrap();
        let columns = metadata.metadata().row_group(0).columns();
        let ids = columns
            .iter()
            .find(|it| it.column_path().string() == "producer_id");
        let (start, length) = ids.unwrap().byte_range();
        let range = usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap();
        bytes[range].fill(0xff);
        fs::write(path, bytes).unwrap();
        let unknown = unknown_runs(root.path(), []).unwrap();
        assert_eq!((unknown.files.len(), unknown.calls), (1, 1));
    }

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
