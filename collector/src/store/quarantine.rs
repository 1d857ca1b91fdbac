//! Records that could not be decoded or encoded: kept aside for a look, bounded, and never tried again.
//!
//! One file per journal segment, `<data>/quarantine/<uuid>.jsonl`, a JSON object a line:
//! `producer_id` and `bytes` (hexadecimal), `record_number`, `reason`. Writing it again after a crash
//! replaces it with the same content.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;
use uuid::Uuid;

use super::journal::disk::FILE_MODE;

/// Directory inside the data directory.
pub const DIRECTORY: &str = "quarantine";
/// Bytes kept per record; the rest is cut.
pub const RECORD_BYTES_MAX: usize = 16 << 10;
/// Records kept per segment; more are only counted.
pub const SEGMENT_RECORDS_MAX: usize = 1000;
/// Files kept; beyond it records are only counted.
pub const FILES_MAX: usize = 100;

/// A record that was set aside.
#[derive(Clone, Debug, Serialize)]
pub struct SetAside {
    /// Hexadecimal.
    pub producer_id: String,
    /// The number it should have had.
    pub record_number: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Hexadecimal, at most [`RECORD_BYTES_MAX`] bytes.
    pub bytes: String,
}

/// Writes what was set aside of `segment`, durably, unless there are [`FILES_MAX`] such files already.
pub fn write(data_dir: &Path, segment: Uuid, records: &[SetAside]) -> io::Result<()> {
    write_and_sync(data_dir, segment, records, |folder| {
        File::open(folder)?.sync_all()
    })
}

fn write_and_sync(
    data_dir: &Path,
    segment: Uuid,
    records: &[SetAside],
    mut sync_folder: impl FnMut(&Path) -> io::Result<()>,
) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let dir = data_dir.join(DIRECTORY);
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    let name = format!("{segment}.jsonl");
    if others(&dir, &name)? >= FILES_MAX {
        return Ok(());
    }
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
    }
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(dir.join(name))?;
    file.write_all(&lines)?;
    file.sync_all()?;
    // The segment is removed after this. Of a folder that is there, a killed collector may not have got as far.
    sync_folder(&dir)?;
    sync_folder(data_dir)
}

/// Files of records in `dir` besides the one called `name`; what `twintap fsck` moved there is none.
fn others(dir: &Path, name: &str) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_other = path.file_name().is_some_and(|found| found != name);
        count += usize::from(is_other && path.extension().is_some_and(|ending| ending == "jsonl"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_file_and_folder_are_made_durable() {
        let data = tempfile::tempdir().unwrap();
        let record = SetAside {
            producer_id: String::new(),
            record_number: 1,
            reason: String::new(),
            bytes: String::new(),
        };
        let mut synced = Vec::new();
        write_and_sync(data.path(), Uuid::nil(), &[record], |folder| {
            synced.push(folder.to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(
            synced,
            [data.path().join(DIRECTORY), data.path().to_owned()]
        );
    }

    #[test]
    fn the_limit_counts_files_of_records_and_not_the_one_written_again() {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join(DIRECTORY);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("part-1.parquet"), "moved aside").unwrap();
        let record = SetAside {
            producer_id: String::new(),
            record_number: 1,
            reason: String::new(),
            bytes: String::new(),
        };
        let names: Vec<Uuid> = (0..=FILES_MAX as u128).map(Uuid::from_u128).collect();
        for name in names.iter().chain(&names[..1]) {
            write(data.path(), *name, std::slice::from_ref(&record)).unwrap();
        }
        let kept = |name: &Uuid| dir.join(format!("{name}.jsonl")).exists();
        assert!(names[..FILES_MAX].iter().all(kept));
        assert!(!kept(&names[FILES_MAX]));
        fs::write(dir.join(format!("{}.jsonl", names[0])), "torn").unwrap();
        write(data.path(), names[0], std::slice::from_ref(&record)).unwrap();
        let again = fs::read_to_string(dir.join(format!("{}.jsonl", names[0]))).unwrap();
        assert!(again.ends_with("}\n"), "{again}");
    }
}
