//! Keeps calls: a journal that is durable before anything is acknowledged, then Parquet.
//!
//! ```text
//! <data>/                      mode 0700
//!   twintap.json               format of the directory; locked by the collector that uses it
//!   journal/                   received batches that are not in Parquet yet
//!   calls/v1/dt=.../hh=...     the dataset
//!   pairs/v1/run=...           what comparisons found, a folder each
//!   differences/v1/run=...     the same, a row a difference
//!   quarantine/                records that could not be decoded, or that Parquet refused; files that fsck moved aside
//!   accounting.json            what became of every call that filters sent
//!   accounting-<id>.json       the same of one ingest or live capture
//! ```

pub mod accounting;
pub mod data_dir;
pub mod fsck;
pub(crate) mod hex;
pub mod journal;
pub mod parquet;
pub mod publisher;
pub mod quarantine;
mod regular;
