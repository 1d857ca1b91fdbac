//! The machine is small and shared by the tests: those that measure time or memory, or fill both
//! cores, run alone; the others run beside each other.
//!
//! A lock on a file in the target directory, so that it also holds between test processes.

use std::fs::File;
use std::thread::{self, JoinHandle};

use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::runtime::Builder;

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

/// Runs `work` in a thread of its own, and what it starts, at the lowest priority: for a collector, which elsewhere
/// has a machine of its own, where it must not be taken for what the filter costs.
pub fn aside<T: Send + 'static, F: Future<Output = T>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> JoinHandle<T> {
    let run = move || {
        let priority = setpriority_process(Some(gettid()), 19);
        priority.expect("a thread may always take less");
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("no more than memory").block_on(work())
    };
    let thread = thread::Builder::new().name("collector".to_owned());
    thread.spawn(run).expect("a thread")
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
