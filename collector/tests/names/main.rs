//! Names of calls on connections that were captured from the middle, through the whole of ingest.
//!
//! `TWINTAP_CAPTURES=DIR cargo test -p twintap --test names -- --nocapture` also cuts connections of
//! the large captures of that folder and prints how many calls get a name.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, with the helpers that only they use"
)]

mod captures;
mod client;
mod descriptors;
mod random;
#[path = "../../../decode/tests/support/records.rs"]
mod records;
mod run;
mod sisters;
