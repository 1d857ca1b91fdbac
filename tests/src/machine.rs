//! The machine is small and shared by the tests: those that measure time or memory, or fill both
//! cores, run alone; the others run beside each other.
//!
//! A lock on a file in the target directory, so that it also holds between test processes.

use std::fs::File;

use crate::artifacts;

/// Holds the machine until dropped.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "closing the file releases the lock")] File);

/// For tests that may run beside others.
pub fn shared() -> Hold {
    let file = lock_file();
    file.lock_shared().expect("the machine's lock");
    Hold(file)
}

/// For tests that must run alone.
pub fn alone() -> Hold {
    let file = lock_file();
    file.lock().expect("the machine's lock");
    Hold(file)
}

/// The figure as promised, if `TWINTAP_FULL` is set; else one that fits into every check.
pub fn sized<T>(full: T, default: T) -> T {
    if std::env::var_os("TWINTAP_FULL").is_some() {
        full
    } else {
        default
    }
}

fn lock_file() -> File {
    let path = artifacts::target().join("e2e.lock");
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("target directory exists")
}
