//! What must hold for any input whatever, one `check` per layer.
//!
//! The fuzz targets in `decode/fuzz/` and the replay of their corpora in `fuzz_corpus.rs` call the
//! same functions, so that a property is written once and stable Rust tests it too. A check panics
//! where its property does not hold.

#![allow(dead_code, reason = "each fuzz target uses one check")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are not marked as tests"
)]

pub(crate) mod capture_reader;
pub(crate) mod envelope;
pub(crate) mod grpc_body;
pub(crate) mod hpack;
pub(crate) mod http2;
pub(crate) mod link;
mod rfc7541;
pub(crate) mod script;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod whole_path;

/// Panics unless the property holds for this input.
pub(crate) type Check = fn(&[u8]);

/// Every target by the name of its corpus.
pub(crate) const TARGETS: [(&str, Check); 9] = [
    ("capture_reader", capture_reader::check),
    ("envelope", envelope::check),
    ("link", link::check),
    ("tcp", tcp::check),
    ("tls", tls::check),
    ("http2", http2::check),
    ("hpack", hpack::check),
    ("grpc_body", grpc_body::check),
    ("whole_path", whole_path::check),
];
