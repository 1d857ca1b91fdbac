//! The record contract between the filter (writer) and the collector (reader).
//!
//! `record.proto` is the contract and its documentation; this crate holds the types generated from
//! it, the versions, and the limits both sides keep. No I/O. Bytes fields are zero-copy slices of
//! the batch they were decoded from.
//!
//! Not here: the filter's encoder, which is written by hand so that it cannot panic
//! (`filter/src/wire.rs`), and the decision what a record means (`twintap::call`).

#[allow(
    missing_docs,
    clippy::all,
    reason = "generated from record.proto, where the documentation is"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/twintap.record.v1.rs"));
}

pub use generated::*;
pub use prost::Message;

/// Major version of the contract that this crate writes and reads.
pub const VERSION: u32 = 1;

/// Bytes in `RecordBatch.producer_id`.
pub const PRODUCER_ID_LEN: usize = 16;

/// The largest encoded batch the filter sends. The collector accepts larger ones by default.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Path of the collector's endpoint.
pub const PATH: &str = "/v1/records";

/// Content type of an encoded [`RecordBatch`].
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// Header of the answer that acknowledges a batch: how many of its records are stored, now or since an earlier
/// attempt. An answer without it acknowledges nothing, whatever its status says: it is of a proxy on the way, or
/// of another service.
pub const ACKNOWLEDGED_HEADER: &str = "x-twintap-acknowledged";

/// Request header that is equal on the primary and the mirrored copy of one call.
pub const PAIR_ID_HEADER: &str = "x-twintap-pair-id";

/// Request header that marks replayed traffic, which is never recorded.
pub const REPLAY_HEADER: &str = "x-twintap-replay";
