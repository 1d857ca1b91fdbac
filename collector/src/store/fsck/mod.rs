//! Is all of a data directory readable, and what became of what is not? Checks, and repairs without loss.
//!
//! | file | what |
//! | --- | --- |
//! | [`journal`] | segments: damaged frames, torn ends; are all records there that should be? |
//! | [`dataset`] | files of `calls`: their checksums, and every value is decoded |
//! | [`figures`] | accounting files: can they be read, do their sums hold, what do they say is lost? |
//! | [`aside`] | where a repair moves what cannot be read |
//!
//! Checking changes nothing. Repairing takes the data directory's lock, moves files that cannot be read into
//! `quarantine/` (nothing is deleted but what was never whole), counts them as damaged stretches before it
//! does, so that no comparison passes for complete, writes the collector's accounting anew from the journal if
//! it is damaged, and takes rights away from others. The journal needs no repair: the
//! collector passes over what is damaged, counts it, and cuts a torn end, which was never acknowledged.

mod aside;
mod dataset;
mod figures;
mod journal;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::data_dir::{self, DataDir, DataDirError};
use aside::Aside;
pub use aside::replaced;

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Note,
    /// A repair, or the collector's next start, mends it without loss.
    Repairable,
    /// The file system or its version kept it from being checked, or what there is to check it by is gone:
    /// nobody knows.
    Unchecked,
    /// Recorded calls cannot be read. A repair moves them aside, so that others can be compared.
    Damaged,
    /// Recorded calls are gone: there is nothing left to mend.
    Lost,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it means.
    pub severity: Severity,
    /// Where, as given to the check.
    pub path: PathBuf,
    /// What it is.
    pub what: String,
    /// Was it mended?
    pub is_repaired: bool,
}

/// What was checked, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Segments of the journal that could be read, damaged ones included.
    pub segments: u64,
    /// Valid frames in them.
    pub frames: u64,
    /// Files of `calls` that can be read.
    pub parts: u64,
    /// Those without a checksum, as an earlier twintap wrote them: a flipped bit in them may go unseen.
    pub parts_without_checksum: u64,
    /// Calls in them.
    pub calls: u64,
    /// Findings, in the order of the check.
    pub findings: Vec<Finding>,
}

/// Why nothing can be checked.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// Not a data directory, in use, or of a newer version.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The file system refused.
    #[error("{action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Checked {
    fn found(&mut self, severity: Severity, path: &Path, what: impl Into<String>) {
        self.findings.push(Finding {
            severity,
            path: path.to_owned(),
            what: what.into(),
            is_repaired: false,
        });
    }

    fn repaired(&mut self, severity: Severity, path: &Path, what: impl Into<String>) {
        self.found(severity, path, what);
        if let Some(last) = self.findings.last_mut() {
            last.is_repaired = true;
        }
    }

    /// A file that cannot be read, which is moved aside if told to where.
    fn damaged(
        &mut self,
        path: &Path,
        what: String,
        aside: Option<&mut Aside<'_>>,
    ) -> Result<(), FsckError> {
        let Some(aside) = aside else {
            self.found(Severity::Damaged, path, what);
            return Ok(());
        };
        let to = aside.take(path).map_err(io_error("move aside", path))?;
        let what = format!("{what}; moved to {}", to.display());
        self.repaired(Severity::Damaged, path, what);
        Ok(())
    }

    /// The worst finding, whether mended or not.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Is anything left to mend?
    pub fn is_repair_due(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| {
            let mends = [Severity::Repairable, Severity::Damaged].contains(&finding.severity);
            mends && !finding.is_repaired
        })
    }
}

/// Checks the data directory at `path`, and mends it if `repair_at_unix_ns` says when. `on_part` hears of
/// each file of the dataset before it is read, with how many there are.
pub fn check(
    path: &Path,
    repair_at_unix_ns: Option<u64>,
    mut on_part: impl FnMut(u64),
) -> Result<Checked, FsckError> {
    let marker = path.join(data_dir::MARKER);
    // A damaged one is what is mended here.
    if !marker.try_exists().map_err(io_error("read", &marker))? {
        return Err(DataDirError::NotOne(path.to_owned()).into());
    }
    let is_torn = data_dir::has_torn_marker(path);
    if !is_torn {
        data_dir::check(path)?;
    }
    let mut checked = Checked::default();
    let _lock = match repair_at_unix_ns {
        Some(_) => Some(DataDir::open(path)?),
        None => None,
    };
    if is_torn {
        let (marker, what) = (path.join(data_dir::MARKER), "torn, as by a power cut");
        match repair_at_unix_ns {
            Some(_) => checked.repaired(Severity::Repairable, &marker, what),
            None => checked.found(Severity::Repairable, &marker, what),
        }
    }
    let is_in_use = repair_at_unix_ns.is_none()
        && data_dir::is_in_use(path).map_err(io_error("look at the lock of", path))?;
    if is_in_use {
        let what = "in use: what is being written is not judged";
        checked.found(Severity::Note, path, what);
    }
    let mut aside = repair_at_unix_ns.map(|now_unix_ns| Aside::new(path, now_unix_ns));
    journal::check(path, is_in_use, &mut checked)?;
    let accountings = figures::read(path, aside.as_mut(), is_in_use, &mut checked)?;
    if !is_in_use {
        journal::check_records(path, &accountings, &mut checked);
    }
    dataset::check(path, aside.as_mut(), is_in_use, &mut checked, &mut on_part)?;
    // While calls are being written, figures are of another moment than the files.
    if !is_in_use {
        figures::check(path, &accountings, &mut checked);
    }
    rights(path, repair_at_unix_ns.is_some(), &mut checked)?;
    Ok(checked)
}

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// Recorded traffic is for its owner. Below a folder that lets nobody else in, nothing is reached.
fn rights(path: &Path, repair: bool, checked: &mut Checked) -> Result<(), FsckError> {
    let metadata = fs::metadata(path).map_err(io_error("inspect", path))?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let what = format!("mode {mode:04o} lets others reach recorded traffic");
    if repair {
        let closed = fs::Permissions::from_mode(mode & !OTHERS);
        fs::set_permissions(path, closed).map_err(io_error("change the mode of", path))?;
        checked.repaired(Severity::Repairable, path, what);
    } else {
        checked.found(Severity::Repairable, path, what);
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FsckError {
    let path = path.to_owned();
    move |error| FsckError::Io {
        action,
        path,
        error,
    }
}
