//! The data directory: made private, used by one collector at a time, never by an older one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::accounting::Accounting;
use super::journal;
use super::journal::disk::FILE_MODE;
use super::regular;

/// Mode of directories with recorded traffic.
pub const DIR_MODE: u32 = 0o700;
/// Names the directory's format; its lock is the directory's lock.
pub(super) const MARKER: &str = "twintap.json";
/// How deep folders of a data directory lie in it.
const FOLDERS_DEEP_MAX: usize = 4;
/// Format of the directory as a whole. The parts have their own versions.
const FORMAT: u32 = 1;
/// How often the lock is asked for before the directory counts as in use.
const LOCK_ATTEMPTS_MAX: u32 = 10;
/// Between two of these.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The file system refused.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Two collectors on one directory.
    #[error("data directory {0} is in use by another collector")]
    InUse(PathBuf),
    /// A newer twintap made it.
    #[error(
        "data directory {path} has format {found}, this twintap knows up to {FORMAT}: use the newer twintap"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// There is nothing of that name.
    #[error("data directory {0} does not exist")]
    Absent(PathBuf),
    /// It is something else.
    #[error("{0} is a file, not a data directory")]
    NoFolder(PathBuf),
    /// No collector made it.
    #[error(
        "{0} is no data directory: {MARKER}, which serve, ingest and capture write there, is missing"
    )]
    NotOne(PathBuf),
    /// The collector's accounting is of another version.
    #[error("{0}: use the twintap that wrote it")]
    Accounting(io::Error),
    /// The marker is not one.
    #[error(
        "{0} is damaged: it is not a data directory's marker. If nobody made it so on purpose, remove it, and \
         `twintap serve` makes it anew"
    )]
    BadMarker(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct Marker {
    format: u32,
}

/// A data directory that is ours until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: Arc<File>,
}

impl DataDir {
    /// Makes the directory, if need be, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        create_durably(path)?;
        let marker = path.join(MARKER);
        match regular::metadata(&marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("open", &marker)(error));
            }
            _ => {}
        }
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&marker)
            .map_err(io_error("open", &marker))?;
        take(&lock, || std::thread::sleep(LOCK_PAUSE)).map_err(|error| match error {
            Errno::WOULDBLOCK => DataDirError::InUse(path.to_owned()),
            error => io_error("lock", &marker)(error.into()),
        })?;
        check_or_write_marker(&mut lock, path, &marker)?;
        Accounting::refuse_other_version(path).map_err(DataDirError::Accounting)?;
        Accounting::sweep_unfinished(path)
            .and_then(|()| Accounting::cut_short_all(path))
            .map_err(io_error("update the accounting of", path))?;
        create_dir(&journal::directory(path))?;
        sync_dir(path)?;
        Ok(Self {
            path: path.to_owned(),
            lock: Arc::new(lock),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is locked, for whoever goes on writing: the directory is ours until all of these are dropped.
    pub fn lock(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }
}

/// Locks `file`, which others may hold for a moment to look whether it is free ([`is_in_use`]).
fn take(file: &File, mut pause: impl FnMut()) -> Result<(), Errno> {
    for _ in 1..LOCK_ATTEMPTS_MAX {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => pause(),
            answer => return answer,
        }
    }
    flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// Refuses a directory that no collector made, or a newer one: nothing is to be written there.
pub fn check(path: &Path) -> Result<(), DataDirError> {
    let marker = path.join(MARKER);
    match regular::read_to_string(&marker) {
        Ok(text) => check_marker(&text, path, &marker),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DataDirError::NotOne(path.to_owned()))
        }
        Err(error) => Err(io_error("read", &marker)(error)),
    }
}

/// Refuses what is no folder.
pub fn refuse_absent(path: &Path) -> Result<(), DataDirError> {
    match path {
        folder if folder.is_dir() => Ok(()),
        file if file.exists() => Err(DataDirError::NoFolder(file.to_owned())),
        absent => Err(DataDirError::Absent(absent.to_owned())),
    }
}

/// The data directory that `path` lies in, if it is a folder of one.
pub fn holding(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let outer = path.ancestors().skip(1).take(FOLDERS_DEEP_MAX);
    let mut outer = outer.filter(|folder| folder.join(MARKER).is_file());
    outer.next().map(Path::to_owned)
}

/// Refuses a directory of a newer format, for readers, to whom one without a marker is as good.
pub fn refuse_newer(path: &Path) -> Result<(), DataDirError> {
    match check(path) {
        Err(error @ DataDirError::Newer { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// Has the directory at `path` a marker that a power cut tore, and that the next start writes again?
pub(super) fn has_torn_marker(path: &Path) -> bool {
    let text = regular::read_to_string(&path.join(MARKER)).unwrap_or_default();
    is_torn(&text, &whole_marker())
}

/// Does anybody hold the directory at `path`?
pub fn is_in_use(path: &Path) -> io::Result<bool> {
    let path = path.join(MARKER);
    let marker = match regular::open(&path) {
        Ok(marker) => marker,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            let named = format!("{}: {error}", path.display());
            return Err(io::Error::new(error.kind(), named));
        }
    };
    // Shared, and given up at once: readers do not lock each other out.
    match flock(&marker, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn check_or_write_marker(file: &mut File, dir: &Path, path: &Path) -> Result<(), DataDirError> {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(io_error("read", path))?;
    let json = whole_marker();
    if text.trim().is_empty() || is_torn(&text, &json) {
        file.rewind()
            .and_then(|()| file.write_all(json.as_bytes()))
            .and_then(|()| file.sync_all())
            .map_err(io_error("write", path))?;
        return Ok(());
    }
    check_marker(&text, dir, path)
}

fn whole_marker() -> String {
    format!("{{\"format\":{FORMAT}}}\n")
}

/// Is `text` what a power cut leaves of `whole`: its beginning, or zeros in places? Nothing was acknowledged
/// before the marker was synced.
fn is_torn(text: &str, whole: &str) -> bool {
    let mut bytes = text.bytes().zip(whole.bytes());
    text != whole
        && text.len() <= whole.len()
        && bytes.all(|(byte, whole)| byte == whole || byte == 0)
}

fn check_marker(text: &str, dir: &Path, path: &Path) -> Result<(), DataDirError> {
    match serde_json::from_str::<Marker>(text) {
        Ok(Marker { format }) if format > FORMAT => Err(DataDirError::Newer {
            path: dir.to_owned(),
            found: format,
        }),
        Ok(_) => Ok(()),
        Err(_) => Err(DataDirError::BadMarker(path.to_owned())),
    }
}

/// Creates the folder, with those above it, where there is none; their names survive a power cut.
fn create_durably(path: &Path) -> Result<(), DataDirError> {
    let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let new = path.ancestors().take_while(is_new).count();
    create_dir(path)?;
    // Of a folder that exists, a killed collector may not have got as far as that.
    for (index, folder) in path.ancestors().take(new.max(1)).enumerate() {
        let parent = match folder.parent() {
            // That of a relative path's first name is the current one.
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => break,
        };
        match sync_dir(parent) {
            // Somebody else made it, where this user may not look.
            Err(DataDirError::Io { error, .. })
                if index >= new && error.kind() == io::ErrorKind::PermissionDenied => {}
            answer => answer?,
        }
    }
    Ok(())
}

fn sync_dir(path: &Path) -> Result<(), DataDirError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error("sync", path))
}

fn create_dir(path: &Path) -> Result<(), DataDirError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(path)
        .map_err(io_error("create directory", path))?;
    let is_dir = fs::metadata(path)
        .map_err(io_error("inspect", path))?
        .is_dir();
    if is_dir {
        return Ok(());
    }
    Err(io_error("create directory", path)(
        io::ErrorKind::NotADirectory.into(),
    ))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |error| DataDirError::Io {
        action,
        path,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_collector_on_one_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(
            DataDir::open(dir.path()),
            Err(DataDirError::InUse(_))
        ));
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_look_at_the_lock_does_not_keep_a_collector_from_starting() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join(MARKER);
        fs::write(&marker, "").unwrap();
        let file = File::open(&marker).unwrap();
        let look = File::open(&marker).unwrap();
        flock(&look, FlockOperation::NonBlockingLockShared).unwrap();
        let mut look = Some(look);
        take(&file, || drop(look.take())).unwrap();
    }

    #[test]
    fn a_marker_that_a_power_cut_tore_is_written_again() {
        for torn in ["", "{", "{\"form", "\0\0\0", "{\"format\":\0}\n"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(MARKER), torn).unwrap();
            drop(DataDir::open(dir.path()).unwrap());
            check(dir.path()).unwrap();
        }
        for foreign in ["{\"forms", "[]", "{\"format\":1}\n\0"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(MARKER), foreign).unwrap();
            let error = DataDir::open(dir.path()).unwrap_err();
            assert!(matches!(error, DataDirError::BadMarker(_)), "{foreign}");
        }
    }

    #[test]
    fn a_directory_of_a_newer_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARKER), "{\"format\":2}").unwrap();
        let error = DataDir::open(dir.path()).unwrap_err();
        assert!(
            matches!(error, DataDirError::Newer { found: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn only_what_a_collector_made_may_be_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let error = check(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::NotOne(_)), "{error}");
        drop(DataDir::open(dir.path()).unwrap());
        check(dir.path()).unwrap();
        fs::write(dir.path().join(MARKER), "{\"format\":2}").unwrap();
        let error = check(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::Newer { .. }), "{error}");
    }

    #[test]
    fn what_is_made_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let _open = DataDir::open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), DIR_MODE);
        assert_eq!(mode(&path.join(journal::DIRECTORY)), DIR_MODE);
        assert_eq!(mode(&path.join(MARKER)), FILE_MODE);
    }
}
