//! The corpora of `decode/fuzz/`, replayed: each seed as it is, and a few thousand mutations of
//! them that are the same in each run.
//!
//! `cargo test -p twintap-decode --test fuzz_corpus -- --ignored` writes the generated seeds anew
//! (`decode/fuzz/corpus/README.md`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

#[path = "tls/peers.rs"]
mod peers;
mod properties;
mod seeds;
mod support;

use std::path::{Path, PathBuf};

/// Bytes of all corpora together.
const CORPORA_BYTES_MAX: u64 = 200_000;

/// Bytes that the mutations of one target have together, so that large seeds do not make it slow.
const MUTATED_BYTES: usize = 300_000;

/// Mutations of one target.
const MUTATIONS_MAX: usize = 1000;

fn corpus(target: &str) -> PathBuf {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    corpora.join(target)
}

/// The seeds of a target by name.
fn seeds_of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seed = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(&path).unwrap())
    };
    paths.into_iter().map(seed).collect()
}

#[test]
fn every_seed_has_the_properties() {
    for (target, check) in properties::TARGETS {
        let seeds = seeds_of(target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for (name, seed) in seeds {
            println!("{target}/{name}");
            check(&seed);
        }
    }
}

#[test]
fn mutated_seeds_have_the_properties() {
    for (target, check) in properties::TARGETS {
        let seeds: Vec<_> = seeds_of(target).into_iter().map(|(_, seed)| seed).collect();
        let mut random = Xorshift(0x2545_f491_4f6c_dd1d);
        let mut bytes = 0;
        for number in 0..MUTATIONS_MAX {
            let mut input = seeds[random.below(seeds.len())].clone();
            let other = &seeds[random.below(seeds.len())];
            for _ in 0..=random.below(4) {
                mutate(&mut input, other, &mut random);
            }
            bytes += input.len();
            if bytes > MUTATED_BYTES {
                break;
            }
            // Shown when the test fails, to find the input by.
            println!("{target} mutation {number}");
            check(&input);
        }
    }
}

#[test]
fn corpora_are_small() {
    let folders = properties::TARGETS.map(|(target, _)| seeds_of(target));
    let bytes = folders.iter().flatten().map(|(_, seed)| seed.len() as u64);
    assert!(bytes.sum::<u64>() < CORPORA_BYTES_MAX);
}

#[test]
#[ignore = "writes the generated seeds into the corpora"]
fn seeds_are_written_anew() {
    for (target, name, seed) in seeds::all() {
        let folder = corpus(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), seed).unwrap();
    }
}

/// One change, of the kinds that fuzzers make.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Xorshift) {
    let at = random.below(input.len() + 1);
    let len = random.below(16.min(input.len() + 1 - at)) + 1;
    let end = (at + len).min(input.len());
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.byte(),
        2 => input[at..end].fill([0, 0xff, 0x7f, 0x80][random.below(4)]),
        3 => drop(input.drain(at..end)),
        4 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let from = random.below(other.len() + 1);
            let to = (from + 64).min(other.len());
            input.splice(at..at, other[from..to].iter().copied());
        }
        _ => input.truncate(at),
    }
}

/// Marsaglia's generator: enough to scatter changes, the same in each run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[1]
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % limit.max(1)
    }
}
