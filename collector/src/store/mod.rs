//! Keeps calls: a journal that is durable before anything is acknowledged, then Parquet.
//!
//! ```text
//! <data>/                      mode 0700
//!   twintap.json               format of the directory; locked by the collector that uses it
//!   journal/                   received batches that are not in Parquet yet
//!   calls/v1/dt=.../hh=...     the dataset
//!   quarantine/                records that could not be decoded, or that Parquet refused
//!   accounting.json            what became of every call
//! ```

pub mod accounting;
pub mod data_dir;
pub mod fsck;
pub(crate) mod hex;
pub mod journal;
pub mod parquet;
pub mod publisher;
pub mod quarantine;
