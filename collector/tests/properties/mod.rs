//! What must hold for any input whatever, one `check` per decoder of the collector and the filter.
//!
//! The fuzz targets in `collector/fuzz/` and the replay of their corpora in `fuzz_corpus.rs` call the
//! same functions. A check panics where its property does not hold.

#![allow(dead_code, reason = "each fuzz target uses one check")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are not marked as tests"
)]

pub(crate) mod accounting;
pub(crate) mod call;
pub(crate) mod descriptor_set;
pub(crate) mod filter_config;
pub(crate) mod folder;
pub(crate) mod framing;
pub(crate) mod identity;
pub(crate) mod journal;
pub(crate) mod messages;
pub(crate) mod parquet;
pub(crate) mod proto_file;
pub(crate) mod records;
pub(crate) mod rules;
#[path = "../../../decode/tests/properties/script.rs"]
pub(crate) mod script;
pub(crate) mod set_up;
pub(crate) mod types;

/// Panics unless the property holds for this input.
pub(crate) type Check = fn(&[u8]);

/// Every target by the name of its corpus.
pub(crate) const TARGETS: [(&str, Check); 12] = [
    ("records", records::check),
    ("journal", journal::check),
    ("accounting", accounting::check),
    ("parquet", parquet::check),
    ("messages", messages::check),
    ("descriptor_set", descriptor_set::check),
    ("proto_file", proto_file::check),
    ("rules", rules::check),
    ("set_up", set_up::check),
    ("filter_config", filter_config::check),
    ("identity", identity::check),
    ("framing", framing::check),
];
