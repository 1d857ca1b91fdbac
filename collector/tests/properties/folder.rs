//! Folders for what is read from files: in memory where the machine has such.

use std::path::Path;

/// Where syncing costs nothing.
const IN_MEMORY: &str = "/dev/shm";

/// A folder that goes when it is dropped.
pub(crate) fn temporary() -> tempfile::TempDir {
    let memory = Path::new(IN_MEMORY);
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.unwrap()
}
