//! `twintap serve`: the real program, over real sockets, on a real disk.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests document themselves, and stop at the first surprise"
)]

mod batches;
mod blocks;
mod cases;
mod catalogue;
mod client;
mod collector;
mod drain;
mod durability;
mod exposure;
mod flow;
mod frames;
mod fsck;
mod http1;
mod http2;
#[path = "../../../decode/tests/support/frames.rs"]
#[allow(dead_code, reason = "shared with the decoder's tests")]
mod http2_bytes;
mod lost_segments;
mod open_files;
mod requests;
mod special_files;
mod wire;
