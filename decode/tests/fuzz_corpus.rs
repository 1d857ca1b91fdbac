//! The corpora of `decode/fuzz/`, replayed.
//!
//! `cargo test -p twintap-decode --test fuzz_corpus -- --ignored` writes the generated seeds anew
//! (`decode/fuzz/corpus/README.md`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are not marked as tests"
)]

#[path = "tls/peers.rs"]
mod peers;
mod properties;
mod replay;
mod seeds;
mod support;

use replay::Replay;

const REPLAY: Replay<'_> = Replay {
    corpora: concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"),
    targets: &properties::TARGETS,
    corpora_bytes_max: 200_000,
    mutations_max: 1000,
    mutated_bytes_max: 300_000,
};

#[test]
fn every_seed_has_the_properties() {
    REPLAY.seeds();
}

#[test]
fn mutated_seeds_have_the_properties() {
    REPLAY.mutations();
}

#[test]
fn corpora_are_small() {
    REPLAY.is_small();
}

#[test]
#[ignore = "writes the generated seeds into the corpora"]
fn seeds_are_written_anew() {
    REPLAY.write(seeds::all());
}
