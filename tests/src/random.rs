//! Random numbers that a printed seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A sequence of numbers that follows from its seed.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    /// The seed is `TWINTAP_SEED`, or of this moment; it is printed, with the name of the family.
    pub fn of_run(family: &str) -> Self {
        let given = std::env::var("TWINTAP_SEED").ok();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::from(now.expect("after 1970").subsec_nanos())
        });
        eprintln!("{family}: TWINTAP_SEED={seed}");
        Self::new(seed)
    }

    /// That of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// What repeats the sequence.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) % end
    }

    /// A length below `end`.
    pub fn length(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("below a length")
    }

    /// One of `all`, which is not empty.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.length(all.len())]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Any bytes, this many.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.below(u64::MAX).to_le_bytes());
        words.take(count).collect()
    }

    /// In another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for index in (1..all.len()).rev() {
            let other = self.below(index as u64 + 1);
            all.swap(index, usize::try_from(other).expect("below a length"));
        }
    }
}
