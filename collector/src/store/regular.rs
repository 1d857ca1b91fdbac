//! Reading what should be a regular file: opening a pipe waits for its other end, and a device may never end.
//!
//! What is something else is [`io::ErrorKind::InvalidInput`]. Links are followed. Not for names that others may
//! change meanwhile: the directory is ours.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// What the system knows of the regular file at `path`.
pub(super) fn metadata(path: &Path) -> io::Result<Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "is no regular file",
    ))
}

/// Opens it for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    metadata(path)?;
    File::open(path)
}

/// All that it holds.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    metadata(path)?;
    fs::read(path)
}

/// All that it holds, as text.
pub(super) fn read_to_string(path: &Path) -> io::Result<String> {
    metadata(path)?;
    fs::read_to_string(path)
}
