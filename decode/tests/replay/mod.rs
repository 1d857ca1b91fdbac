//! Corpora of fuzz targets, replayed with stable Rust: each seed as it is, and some hundred
//! mutations of them that are the same in each run.
//!
//! `collector/tests/fuzz_corpus.rs` uses this file too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

use std::path::{Path, PathBuf};

use crate::properties::Check;

/// What is replayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay<'a> {
    /// The folder that has a folder of seeds for each target.
    pub(crate) corpora: &'a str,
    /// Every target by the name of its corpus.
    pub(crate) targets: &'a [(&'a str, Check)],
    /// Bytes of all corpora together, at most.
    pub(crate) corpora_bytes_max: usize,
    /// Mutations of one target.
    pub(crate) mutations_max: usize,
    /// Bytes that the mutations of one target have together, so that large seeds do not make it slow.
    pub(crate) mutated_bytes_max: usize,
}

impl Replay<'_> {
    fn folder(&self, target: &str) -> PathBuf {
        Path::new(self.corpora).join(target)
    }

    /// The seeds of a target by name.
    fn seeds_of(&self, target: &str) -> Vec<(String, Vec<u8>)> {
        let folder = self.folder(target);
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let seed = |path: PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(&path).unwrap())
        };
        paths.into_iter().map(seed).collect()
    }

    /// Checks each seed.
    pub(crate) fn seeds(&self) {
        for (target, check) in self.targets {
            let seeds = self.seeds_of(target);
            assert!(!seeds.is_empty(), "{target} has no seeds");
            for (name, seed) in seeds {
                println!("{target}/{name}");
                check(&seed);
            }
        }
    }

    /// Checks mutations of the seeds.
    pub(crate) fn mutations(&self) {
        for (target, check) in self.targets {
            let seeds = self.seeds_of(target);
            let mut random = Xorshift(0x2545_f491_4f6c_dd1d);
            let mut bytes = 0;
            for number in 0..self.mutations_max {
                let mut input = seeds[random.below(seeds.len())].1.clone();
                let other = &seeds[random.below(seeds.len())].1;
                for _ in 0..=random.below(4) {
                    mutate(&mut input, other, &mut random);
                }
                bytes += input.len();
                if bytes > self.mutated_bytes_max {
                    break;
                }
                // Shown when the test fails, to find the input by.
                println!("{target} mutation {number}");
                check(&input);
            }
        }
    }

    /// Panics if the corpora are larger than a repository should have.
    pub(crate) fn is_small(&self) {
        let seeds = self
            .targets
            .iter()
            .flat_map(|(target, _)| self.seeds_of(target));
        let bytes: usize = seeds.map(|(_, seed)| seed.len()).sum();
        assert!(bytes < self.corpora_bytes_max, "{bytes}");
    }

    /// Writes seeds: target, name and bytes of each.
    pub(crate) fn write(&self, seeds: Vec<(&str, &str, Vec<u8>)>) {
        for (target, name, seed) in seeds {
            let folder = self.folder(target);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), seed).unwrap();
        }
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
