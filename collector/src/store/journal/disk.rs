//! What the journal asks of the file system, so that tests can make each step fail.

use std::fmt::Debug;
use std::fs::{self, File, Metadata};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

/// Mode of files with recorded traffic.
pub const FILE_MODE: u32 = 0o600;

/// A directory of segment files.
pub trait Disk: Debug + Send {
    /// Creates an empty file; its name is durable only after [`Self::sync_dir`].
    fn create(&mut self, name: &str) -> io::Result<Box<dyn SegmentFile>>;
    /// Makes names and removals durable.
    fn sync_dir(&mut self) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Is the file `name` where it was created, and the lock of the data directory where others look for it? Else
    /// somebody has removed or moved them or the directory: what is written is not found again, or by two collectors.
    fn is_in_place(&self, name: &str) -> io::Result<bool>;
    /// Bytes that are free for this user.
    fn free_bytes(&mut self) -> io::Result<u64>;
}

/// An open segment, written at its end.
pub trait SegmentFile: Debug + Send {
    /// Appends all of `parts`, or fails with some of it written.
    fn append(&mut self, parts: [&[u8]; 2]) -> io::Result<()>;
    /// Cuts the file to `length` bytes and goes on writing there.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Returns when everything appended is on stable storage.
    fn sync(&mut self) -> io::Result<()>;
}

/// A real directory.
#[derive(Debug)]
pub struct DirDisk {
    dir: PathBuf,
    handle: File,
    lock: Option<Lock>,
}

/// What is locked, and where others look for it.
#[derive(Debug)]
struct Lock {
    file: Arc<File>,
    path: PathBuf,
}

impl DirDisk {
    /// The existing directory `dir`.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            handle: File::open(dir)?,
            lock: None,
        })
    }

    /// In the data directory that is locked by `file`, which was found at `path`.
    #[must_use]
    pub fn locked_by(self, file: Arc<File>, path: PathBuf) -> Self {
        Self {
            lock: Some(Lock { file, path }),
            ..self
        }
    }
}

impl Disk for DirDisk {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        // Never by path: there may be another directory by now, of another collector.
        let flags =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.handle, name, flags, Mode::from_raw_mode(FILE_MODE))?;
        Ok(Box::new(File::from(file)))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    fn is_in_place(&self, name: &str) -> io::Result<bool> {
        if let Some(lock) = &self.lock {
            let held = identity(&lock.file.metadata()?);
            if unless_absent(fs::metadata(&lock.path))?.map(|found| identity(&found)) != Some(held)
            {
                return Ok(false);
            }
        }
        let found = unless_absent(fs::symlink_metadata(self.dir.join(name)))?;
        Ok(found.is_some())
    }

    fn free_bytes(&mut self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Says which file it is, whatever its name.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn unless_absent(found: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    match found {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        found => found.map(Some),
    }
}

impl SegmentFile for File {
    fn append(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        let [head, body] = parts;
        let mut written = loop {
            match self.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        for part in parts {
            let rest = part.get(written..).unwrap_or_default();
            self.write_all(rest)?;
            written = written.saturating_sub(part.len());
        }
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
