//! Random numbers that a printed seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A sequence of numbers that follows from its seed.
#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    /// The seed is `TWINTAP_SEED`, or of this moment; it is printed, with the name of the family.
    pub(crate) fn of_run(family: &str) -> Self {
        let given = std::env::var("TWINTAP_SEED").ok();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(now.expect("after 1970").subsec_nanos())
        });
        eprintln!("{family}: TWINTAP_SEED={seed}");
        Self::new(seed)
    }

    /// That of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) % end
    }

    /// In another order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for index in (1..all.len()).rev() {
            let other = self.below(index as u64 + 1);
            all.swap(index, usize::try_from(other).expect("below a length"));
        }
    }
}
