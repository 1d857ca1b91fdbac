//! The accounting files of a data directory: which there are, and reading and replacing them.
//!
//! Errors name the file. One that is damaged is [`io::ErrorKind::InvalidData`], one of another version is
//! [`io::ErrorKind::Unsupported`]; one that went between listing and reading is not there.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use super::{Accounting, VERSION};
use crate::store::data_dir;
use crate::store::journal::disk::FILE_MODE;
use crate::store::regular;

/// Name of the collector's file in the data directory.
pub const FILE_NAME: &str = "accounting.json";
/// Names of the files of captures.
const CAPTURE_PREFIX: &str = "accounting-";
const CAPTURE_SUFFIX: &str = ".json";
/// Appended to the name of a file that is being written.
const UNFINISHED_SUFFIX: &str = ".tmp";

/// A file, and what it holds.
#[derive(Debug)]
pub struct LoadedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says, or why that cannot be told.
    pub accounting: io::Result<Accounting>,
}

impl Accounting {
    /// Reads all of `data_dir`: the collector's and those of captures. Without the lock held by anyone,
    /// a capture that was not over was cut short, and the journal knows more than the collector's file.
    pub fn load_all(data_dir: &Path) -> io::Result<Vec<Self>> {
        Self::load_all_while(data_dir, || data_dir::is_in_use(data_dir))
    }

    fn load_all_while(
        data_dir: &Path,
        is_in_use: impl Fn() -> io::Result<bool>,
    ) -> io::Result<Vec<Self>> {
        let (mut captures, mut collectors) = (Vec::new(), Ok(None));
        for file in Self::load_each(data_dir)? {
            match (file.path.ends_with(FILE_NAME), file.accounting) {
                (true, Ok(accounting)) => collectors = Ok(Some(accounting)),
                // It is not synced: a power cut tears it. The journal has all of it.
                (true, Err(error)) if error.kind() == ErrorKind::InvalidData => {
                    collectors = Err(error);
                }
                (_, accounting) => captures.push((accounting?, file.path)),
            }
        }
        if !is_in_use()? {
            match Self::renew(&mut collectors, data_dir) {
                Ok(()) => {}
                // A collector has started, and takes segments away.
                Err(_) if is_in_use()? => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            // A capture says that it is over before it gives up the lock: it may have done both by now.
            for (accounting, path) in captures.iter_mut().filter(|(capture, _)| capture.is_open) {
                if let Some(now) = load_file(path)? {
                    *accounting = now;
                }
                accounting.cut_short();
            }
        }
        let captures = captures.into_iter().map(|(accounting, _)| accounting);
        Ok(collectors?.into_iter().chain(captures).collect())
    }

    /// Reads each file of `data_dir`, by name, as it is.
    pub fn load_each(data_dir: &Path) -> io::Result<Vec<LoadedFile>> {
        let mut all = Vec::new();
        for path in paths(data_dir)? {
            if let Some(accounting) = load_file(&path).transpose() {
                all.push(LoadedFile { path, accounting });
            }
        }
        Ok(all)
    }

    /// Reads those of captures.
    pub fn of_captures(data_dir: &Path) -> io::Result<Vec<Self>> {
        let mut files = Self::load_each(data_dir)?;
        files.retain(|file| !file.path.ends_with(FILE_NAME));
        files.into_iter().map(|file| file.accounting).collect()
    }

    /// Refuses a collector's file of another version: it would be written over.
    pub(in crate::store) fn refuse_other_version(data_dir: &Path) -> io::Result<()> {
        match Self::load(data_dir) {
            Err(error) if error.kind() == ErrorKind::Unsupported => Err(error),
            _ => Ok(()),
        }
    }

    /// For whoever has taken the lock of `data_dir`: captures that were not over never will be.
    pub(in crate::store) fn cut_short_all(data_dir: &Path) -> io::Result<()> {
        for file in Self::load_each(data_dir)? {
            if let Err(error) = &file.accounting
                && error.kind() == ErrorKind::InvalidInput
            {
                // No regular file: nothing can take its place.
                return file.accounting.map(drop);
            }
            // One that this version cannot read is for those who want to read it to complain about.
            if let Ok(mut accounting) = file.accounting
                && accounting.is_open
            {
                accounting.cut_short();
                accounting.save_capture(data_dir)?;
            }
        }
        Ok(())
    }

    /// For whoever has taken the lock of `data_dir`: what a crash left half-written goes.
    pub(in crate::store) fn sweep_unfinished(data_dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(data_dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .and_then(|name| name.strip_suffix(UNFINISHED_SUFFIX));
            if name.is_some_and(is_accounting) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Nobody knows what was captured since it was written.
    fn cut_short(&mut self) {
        let lost = u64::from(std::mem::take(&mut self.is_open));
        self.damaged_stretches = self.damaged_stretches.saturating_add(lost);
    }

    /// Reads the collector's file of `data_dir`.
    pub fn load(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(FILE_NAME);
        load_file(&path)?.ok_or_else(|| named(&path, ErrorKind::NotFound, "is not there"))
    }

    /// Replaces the file of `data_dir`. Not synced: it can be rebuilt from the journal.
    pub fn save(&self, data_dir: &Path) -> io::Result<()> {
        self.write_file(data_dir, FILE_NAME)?.publish()
    }

    /// Writes the file of a capture into `data_dir`, durably: nothing could rebuild it.
    pub fn save_capture(&self, data_dir: &Path) -> io::Result<()> {
        let unpublished = self.write_file(data_dir, &self.capture_name())?;
        // Before it has its name: a torn file of that name would be in the way of all that read it.
        unpublished.file.sync_all()?;
        unpublished.publish()?;
        File::open(data_dir)?.sync_all()
    }

    /// For a collector whose journal `segment` can tell no figures of before: keeps those of its file beside it, in
    /// one of their own, as what is in the journal is counted anew. Doing it again does no more.
    pub(in crate::store) fn keep_forgotten(data_dir: &Path, segment: Uuid) -> io::Result<()> {
        let mut kept = match Self::load(data_dir) {
            Ok(accounting) => accounting,
            // Damaged like the journal, or never written.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let producers = kept
            .producers
            .iter_mut()
            .map(|producer| &mut producer.figures);
        for figures in producers.chain([&mut kept.total, &mut kept.forgotten]) {
            figures.without_journal();
        }
        let unpublished = kept.write_file(data_dir, &beside(&segment.simple().to_string()))?;
        unpublished.file.sync_all()?;
        unpublished.publish()?;
        fs::remove_file(data_dir.join(FILE_NAME))?;
        File::open(data_dir)?.sync_all()
    }

    /// Removes the file of a capture, durably: as if it had never been ingested.
    pub fn remove_capture(&self, data_dir: &Path) -> io::Result<()> {
        fs::remove_file(data_dir.join(self.capture_name()))?;
        File::open(data_dir)?.sync_all()
    }

    fn capture_name(&self) -> String {
        let producer = self.producers.first();
        beside(producer.map_or("", |producer| &producer.producer_id))
    }

    /// Writes what is to have `name` in `data_dir`.
    fn write_file(&self, data_dir: &Path, name: &str) -> io::Result<Unpublished> {
        let temporary = data_dir.join(format!("{name}{UNFINISHED_SUFFIX}"));
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&temporary)?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        file.write_all(&json)?;
        Ok(Unpublished {
            file,
            temporary,
            path: data_dir.join(name),
        })
    }
}

/// A file that was written and has not its name yet.
struct Unpublished {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Unpublished {
    fn publish(self) -> io::Result<()> {
        fs::rename(self.temporary, self.path)
    }
}

/// What every version says.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What the file at `path` says; `None` if there is none (any more).
fn load_file(path: &Path) -> io::Result<Option<Accounting>> {
    let bytes = match regular::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(path, error.kind(), &error.to_string())),
    };
    let damaged = |error: serde_json::Error| {
        let what = format!("is no accounting file: {error}");
        named(path, ErrorKind::InvalidData, &what)
    };
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if version != VERSION {
        let what = format!("has version {version}, this twintap reads {VERSION}");
        return Err(named(path, ErrorKind::Unsupported, &what));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

fn named(path: &Path, kind: ErrorKind, what: &str) -> io::Error {
    io::Error::new(kind, format!("{} {what}", path.display()))
}

/// Name of a file beside the collector's.
fn beside(id: &str) -> String {
    format!("{CAPTURE_PREFIX}{id}{CAPTURE_SUFFIX}")
}

/// Is that the name of an accounting file?
fn is_accounting(name: &str) -> bool {
    let is_capture = name.starts_with(CAPTURE_PREFIX) && name.ends_with(CAPTURE_SUFFIX);
    name == FILE_NAME || is_capture
}

/// All accounting files of `data_dir`, by name.
fn paths(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_accounting(&name) {
            paths.push(data_dir.join(name));
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounting::Figures;
    use crate::store::data_dir::DataDir;

    fn of_running_capture() -> Accounting {
        Accounting {
            is_open: true,
            ..Accounting::of_capture(&[7; 16], Figures::default(), 2, 1)
        }
    }

    fn damaged_stretches(data_dir: &Path) -> u64 {
        let all = Accounting::load_all(data_dir).unwrap();
        all.iter()
            .map(|accounting| accounting.damaged_stretches)
            .sum()
    }

    #[test]
    fn a_capture_that_runs_lacks_nothing_that_it_does_not_say() {
        let dir = tempfile::tempdir().unwrap();
        let _running = DataDir::open(dir.path()).unwrap();
        of_running_capture().save_capture(dir.path()).unwrap();
        assert_eq!(damaged_stretches(dir.path()), 2);
    }

    #[test]
    fn a_capture_that_was_killed_lacks_its_end() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path()).unwrap());
        of_running_capture().save_capture(dir.path()).unwrap();
        assert_eq!(damaged_stretches(dir.path()), 3, "as nobody runs");
        for _ in 0..2 {
            let _other = DataDir::open(dir.path()).unwrap();
            assert_eq!(
                damaged_stretches(dir.path()),
                3,
                "nor does another make it run"
            );
        }
    }

    #[test]
    fn a_collector_is_not_a_capture() {
        let dir = tempfile::tempdir().unwrap();
        let _collector = DataDir::open(dir.path()).unwrap();
        Accounting {
            version: VERSION,
            ..Accounting::default()
        }
        .save(dir.path())
        .unwrap();
        let text = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert!(
            !text.contains("is_open") && !text.contains("packets"),
            "{text}"
        );
        assert_eq!(damaged_stretches(dir.path()), 0);
    }

    #[test]
    fn a_capture_that_ends_while_it_is_looked_at_was_not_cut_short() {
        let dir = tempfile::tempdir().unwrap();
        of_running_capture().save_capture(dir.path()).unwrap();
        let all = Accounting::load_all_while(dir.path(), || {
            let ended = Accounting {
                is_open: false,
                ..of_running_capture()
            };
            ended.save_capture(dir.path())?;
            Ok(false)
        });
        assert_eq!(all.unwrap()[0].damaged_stretches, 2);
    }

    #[test]
    fn a_file_of_a_capture_that_cannot_be_synced_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let capture = of_running_capture();
        let path = dir.path().join(capture.capture_name());
        // Takes all that is written, and refuses to be synced.
        let temporary = format!("{}{UNFINISHED_SUFFIX}", path.display());
        std::os::unix::fs::symlink("/dev/null", temporary).unwrap();
        let error = capture.save_capture(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!path.is_symlink());
    }

    #[test]
    fn a_collectors_file_of_another_version_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, "{\"version\":2}").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("accounting.json has version 2"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"version\":2}");
        // One that a power cut tore is.
        fs::write(&path, "").unwrap();
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_torn_file_of_the_collector_is_an_error_where_no_journal_has_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), "").unwrap();
        let error = Accounting::load_all(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn who_takes_the_lock_sweeps_what_a_crash_left_half_written() {
        let dir = tempfile::tempdir().unwrap();
        let swept = ["accounting.json.tmp", "accounting-07.json.tmp"];
        let kept = ["notes.tmp", "accounting.json", "accounting-07.json"];
        for name in swept.iter().chain(&kept) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let _lock = DataDir::open(dir.path()).unwrap();
        assert!(swept.iter().all(|name| !dir.path().join(name).exists()));
        assert!(kept.iter().all(|name| dir.path().join(name).exists()));
    }

    #[test]
    fn a_file_that_went_since_it_was_listed_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load_file(&dir.path().join(FILE_NAME)).unwrap(), None);
    }

    #[test]
    fn what_is_damaged_or_of_another_version_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (text, kind) in [
            ("{\"version\":1", ErrorKind::InvalidData),
            ("{\"version\":1}", ErrorKind::InvalidData),
            ("{\"version\":2}", ErrorKind::Unsupported),
        ] {
            fs::write(dir.path().join("accounting-07.json"), text).unwrap();
            let error = Accounting::load_all(dir.path()).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("accounting-07.json"), "{error}");
        }
    }
}
