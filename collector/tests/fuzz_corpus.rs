//! The corpora of `collector/fuzz/`, replayed.
//!
//! `cargo test -p twintap --test fuzz_corpus -- --ignored` writes the generated seeds anew
//! (`collector/fuzz/corpus/README.md`).

mod properties;
#[path = "../../decode/tests/replay/mod.rs"]
mod replay;
mod seeds;

use replay::Replay;

const REPLAY: Replay<'_> = Replay {
    corpora: concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"),
    targets: &properties::TARGETS,
    corpora_bytes_max: 200_000,
    mutations_max: 500,
    mutated_bytes_max: 1_500_000,
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
fn generated_seeds_are_what_is_generated_now() {
    for (target, name, seed) in seeds::all() {
        let file = std::path::Path::new(REPLAY.corpora).join(target).join(name);
        let kept = std::fs::read(&file).unwrap();
        assert!(kept == seed, "{}: write the seeds anew", file.display());
    }
}

#[test]
#[ignore = "writes the generated seeds into the corpora"]
fn seeds_are_written_anew() {
    REPLAY.write(seeds::all());
}
