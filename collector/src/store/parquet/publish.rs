//! A file appears under its name whole and durable, or not at all.
//!
//! Written beside its place as `.<name>.tmp`, then: fsync the file, rename, fsync the folder and those above it, up
//! to the root, whose own name is durable ([`data_dir`](crate::store::data_dir)). Dropped before that, the unfinished
//! file is removed; after a crash it stays, is never read, and is overwritten when the same part is written again, or
//! removed by who finds that nobody writes it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::WriteError;
use super::checksum;
use super::layout::unfinished_path;
use crate::store::data_dir::DIR_MODE;
use crate::store::journal::disk::FILE_MODE;

/// A file on its way.
#[derive(Debug)]
pub(super) struct Unpublished {
    root: PathBuf,
    unfinished: PathBuf,
    path: PathBuf,
    is_published: bool,
}

impl Unpublished {
    /// Creates the unfinished file of `path`, which lies below `root`, and the folders between.
    pub(super) fn create(root: &Path, path: PathBuf) -> Result<(Self, File), WriteError> {
        let folder = path.parent().unwrap_or(root);
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(folder)
            .map_err(io_error("create", folder))?;
        let unfinished = unfinished_path(&path);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&unfinished)
            .map_err(io_error("create", &unfinished))?;
        let root = root.to_owned();
        Ok((
            Self {
                root,
                unfinished,
                path,
                is_published: false,
            },
            file,
        ))
    }

    /// Where the file will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the checksum `sum` into `file`, which [`Self::create`] opened.
    pub(super) fn seal(&self, file: &File, sum: u64) -> Result<(), WriteError> {
        checksum::seal(file, sum).map_err(io_error("write the checksum of", &self.unfinished))
    }

    /// Makes `file`, which [`Self::create`] opened, durable under its name; answers its size.
    pub(super) fn publish(mut self, file: &File) -> Result<(PathBuf, u64), WriteError> {
        file.sync_all()
            .map_err(io_error("fsync", &self.unfinished))?;
        let bytes = file
            .metadata()
            .map_err(io_error("stat", &self.unfinished))?
            .len();
        fs::rename(&self.unfinished, &self.path).map_err(io_error("rename", &self.unfinished))?;
        self.is_published = true;
        self.sync_folders()?;
        Ok((std::mem::take(&mut self.path), bytes))
    }

    /// From the file's folder up to `root`: any name in them may be new. What is above is somebody else's, and may be
    /// closed to this user.
    fn sync_folders(&self) -> Result<(), WriteError> {
        for folder in self.path.ancestors().skip(1) {
            // A root that is the current folder may have no name.
            let is_unnamed = folder.as_os_str().is_empty();
            let opened = File::open(if is_unnamed { Path::new(".") } else { folder });
            opened
                .and_then(|folder| folder.sync_all())
                .map_err(io_error("fsync", folder))?;
            if folder == self.root {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        if !self.is_published {
            // The file may be gone already; nothing depends on its removal.
            drop(fs::remove_file(&self.unfinished));
        }
    }
}

/// Makes a [`WriteError`] of the system's answer.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_published() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/part.parquet");
        let (unpublished, mut file) = Unpublished::create(root.path(), path.clone()).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(names(path.parent().unwrap()), [".part.parquet.tmp"]);
        assert_eq!(unpublished.publish(&file).unwrap(), (path.clone(), 5));
        assert_eq!(names(path.parent().unwrap()), ["part.parquet"]);
    }

    #[test]
    fn nothing_above_the_root_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let handle = File::open(folder.path()).unwrap();
        // The folder by a name whose parent cannot be synced.
        let root = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        let above = File::open(root.parent().unwrap()).unwrap();
        above.sync_all().unwrap_err();
        let path = root.join("a/part.parquet");
        let (unpublished, file) = Unpublished::create(&root, path).unwrap();
        unpublished.publish(&file).unwrap();
        assert_eq!(names(&folder.path().join("a")), ["part.parquet"]);
    }

    #[test]
    fn what_is_made_is_private() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b/part.parquet");
        let (unpublished, file) = Unpublished::create(root.path(), path.clone()).unwrap();
        unpublished.publish(&file).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), FILE_MODE);
        assert_eq!(mode(&root.path().join("a/b")), DIR_MODE);
        assert_eq!(mode(&root.path().join("a")), DIR_MODE);
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("part.parquet");
        drop(Unpublished::create(root.path(), path).unwrap());
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn an_error_names_action_and_path() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("calls"), "a file where a folder should be").unwrap();
        let path = root.path().join("calls/part.parquet");
        let error = Unpublished::create(root.path(), path).unwrap_err();
        assert!(error.to_string().starts_with("create ") && error.to_string().ends_with("calls"));
    }
}
