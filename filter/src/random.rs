//! Pair ids and jitter: xoshiro256++ (Blackman and Vigna, 2018), seeded by the host.
//!
//! Ids must be unique, not secret: nobody is granted anything for knowing one.

use crate::redaction::hex_digit;

/// Bytes of a pair id as a header value: 128 bits in hexadecimal.
pub const ID_BYTES: usize = 32;

/// A generator.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// From `seed`; all zero is replaced, since the generator would stay there.
    pub fn new(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        let (words, _) = seed.as_chunks::<8>();
        for (target, word) in state.iter_mut().zip(words) {
            *target = u64::from_le_bytes(*word);
        }
        if state == [0; 4] {
            state = [0x9e37_79b9_7f4a_7c15, 1, 2, 3];
        }
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// 128 random bits in hexadecimal.
    pub fn id(&mut self) -> [u8; ID_BYTES] {
        let mut id = [0; ID_BYTES];
        let (halves, _) = id.as_chunks_mut::<16>();
        for half in halves {
            let mut bits = self.next_u64();
            for digit in half {
                *digit = hex_digit((bits & 0x0f) as u8);
                bits >>= 4;
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_do_not_repeat() {
        let mut random = Random::new([0; 32]);
        let ids: HashSet<_> = (0..10_000).map(|_| random.id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().flatten().all(u8::is_ascii_hexdigit));
    }

    /// The reference implementation's first outputs from the state 1, 2, 3, 4.
    #[test]
    fn it_is_the_published_generator() {
        let mut seed = [0; 32];
        for (index, byte) in [(0, 1), (8, 2), (16, 3), (24, 4)] {
            seed[index] = byte;
        }
        let mut random = Random::new(seed);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }
}
