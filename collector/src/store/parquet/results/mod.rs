//! The `pairs` and `differences` datasets: what one comparison run found.
//!
//! `<data>/pairs/v1/run=<uuid>/part-0.parquet` and `<data>/differences/v1/run=<uuid>/part-0.parquet`.
//! Rows are buffered in bounded batches; the file appears under its name when `finish` returns, and
//! not at all if the writer is dropped.

mod abandoned;
pub(super) mod differences;
pub(super) mod pairs;
pub(super) mod table;

pub use differences::{DifferenceRow, DifferencesWriter};
pub use pairs::{PairRow, PairsWriter, SideRow};
