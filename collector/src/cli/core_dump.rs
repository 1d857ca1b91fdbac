//! No core dumps: what is in memory is for nobody's disk.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Less than any core file has. To a program that a kernel pipes cores to, only this very limit says
/// that there is to be none; 0 does not (core(5)).
const CORE_BYTES_MAX: u64 = 1;

/// From now on a crash of this process, or of one that it starts, leaves no core behind.
///
/// For commands that hold secrets: keys, tokens, captures before redaction. A debugger may still
/// attach, where the system lets it.
pub(super) fn refuse() {
    let limit = Rlimit {
        current: Some(CORE_BYTES_MAX),
        maximum: Some(CORE_BYTES_MAX),
    };
    // Fails only where somebody has allowed less, which no core file has either.
    setrlimit(Resource::Core, limit).ok();
}
