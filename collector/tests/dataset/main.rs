//! The dataset: what is written is read back equal, by twintap, DuckDB and pyarrow.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests document themselves, and their helpers stop at the first surprise"
)]

mod engines;
mod files;
mod refusals;
mod results;
mod round_trip;
mod samples;
mod venv;
