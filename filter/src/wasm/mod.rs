//! The shell: the module's exports, the host's imports, the static memory. Decides nothing.
#![allow(
    unsafe_code,
    reason = "the host's C interface, and static memory in a single-threaded VM; nowhere else"
)]

mod entry;
mod host;
mod memory;
mod memory_compare;
