//! What `ingest` and `capture` have in common: their options, where calls go, what runs before had to do with
//! it, and what a run came to.

pub(super) mod account;
pub(super) mod destination;
mod key_log;
pub(super) mod options;
pub(super) mod outcome;
mod summary;
