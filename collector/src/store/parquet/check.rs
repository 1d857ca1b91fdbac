//! Files of `calls`, one by one: a comparison stops at the first that cannot be read, a check names all.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::contain::contain;
use super::from_rows::FromRows;
use super::layout::{EXTENSION, UNFINISHED, calls_folder};
use super::part::Part;
use super::{Projection, ReadError};
use crate::call::PAIR_BUCKETS;

/// The files below `root` (the data directory), each list by name.
#[derive(Debug, Default)]
pub struct PartFiles {
    /// With their final names.
    pub whole: Vec<PathBuf>,
    /// That a crash left half-written, or that are being written.
    pub unfinished: Vec<PathBuf>,
}

/// Lists the files of `calls`.
pub fn part_files(root: &Path) -> io::Result<PartFiles> {
    let mut files = PartFiles::default();
    let folder = calls_folder(root);
    if !folder.try_exists()? {
        return Ok(files);
    }
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        let of = |extension: &str| {
            entry
                .path()
                .extension()
                .is_some_and(|found| found == extension)
        };
        if !entry.file_type().is_file() {
            continue;
        }
        if of(EXTENSION) {
            files.whole.push(entry.into_path());
        } else if of(UNFINISHED) {
            files.unfinished.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Reads every value of the file at `path`; says how many calls it has.
pub fn check_part(path: &Path) -> Result<u64, ReadError> {
    let part = Part::open(path.to_owned())?;
    let buckets = 0..u16::try_from(PAIR_BUCKETS).unwrap_or(u16::MAX);
    let mut batches = part.read(&buckets, Projection::Everything)?;
    let mut from_rows = FromRows::default();
    let mut rows = 0;
    loop {
        let calls = contain(path, || {
            let batch = batches.next().transpose()?;
            batch.map(|batch| from_rows.calls(&batch)).transpose()
        })?;
        match calls {
            Some(calls) => rows += calls.len() as u64,
            None => break,
        }
    }
    match rows == part.rows {
        true => Ok(rows),
        false => contain(path, || {
            let problem = format!("{rows} rows, and {} by the footer", part.rows);
            Err(parquet::errors::ParquetError::General(problem))
        }),
    }
}
