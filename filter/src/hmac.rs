//! HMAC-SHA-256 (RFC 2104, FIPS 180-4): padding around sha2's compression function.
//!
//! The key's two blocks are compressed once, at configure time; a value then costs its own blocks
//! and two more. Not here: keys of any secrecy discipline beyond that; the key never leaves the VM.

use sha2::block_api::compress256;

use crate::copy::copy;

const BLOCK_BYTES: usize = 64;
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A key, ready to use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hmac {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl core::fmt::Debug for Hmac {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Hmac(***)")
    }
}

impl Hmac {
    /// From a key of any length.
    pub fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        if key.len() > BLOCK_BYTES {
            let mut state = INITIAL;
            absorb(&mut state, key, 0);
            copy(&mut block, &to_bytes(&state));
        } else {
            copy(&mut block, key);
        }
        let keyed = |pad: u8| {
            let mut state = INITIAL;
            compress256(&mut state, &[block.map(|byte| byte ^ pad)]);
            state
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    /// The code of `message`.
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        let mut inner = self.inner;
        absorb(&mut inner, message, BLOCK_BYTES as u64);
        let mut outer = self.outer;
        absorb(&mut outer, &to_bytes(&inner), BLOCK_BYTES as u64);
        to_bytes(&outer)
    }
}

/// Compresses `message`, its padding and its length; `before` bytes were compressed already.
fn absorb(state: &mut [u32; 8], message: &[u8], before: u64) {
    let (blocks, rest) = message.as_chunks::<BLOCK_BYTES>();
    compress256(state, blocks);
    let mut last = [0; BLOCK_BYTES];
    let used = copy(&mut last, rest);
    if let Some(end) = last.get_mut(used) {
        *end = 0x80;
    }
    let length_at = BLOCK_BYTES.saturating_sub(8);
    if used >= length_at {
        compress256(state, &[last]);
        last = [0; BLOCK_BYTES];
    }
    let bits = before.wrapping_add(message.len() as u64).wrapping_mul(8);
    if let Some(tail) = last.last_chunk_mut::<8>() {
        *tail = bits.to_be_bytes();
    }
    compress256(state, &[last]);
}

fn to_bytes(state: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (words, _) = bytes.as_chunks_mut::<4>();
    for (target, word) in words.iter_mut().zip(state) {
        *target = word.to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 4231, section 4.
    #[test]
    fn the_vectors_of_rfc_4231_hold() {
        let cases: [(&[u8], &[u8], &str); 4] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size \
                  data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(hex(&Hmac::new(key).mac(message)), expected);
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_another_implementation(
            key in proptest::collection::vec(any::<u8>(), 0..150),
            message in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let expected = hmac_sha256::HMAC::mac(&message, &key);
            prop_assert_eq!(Hmac::new(&key).mac(&message), expected);
        }
    }
}
