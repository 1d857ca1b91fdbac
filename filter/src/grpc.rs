//! Counting gRPC messages in a body that arrives in any pieces.
//!
//! A message is a compressed flag (1 byte), a length (4 bytes, big-endian) and that many bytes. A
//! message counts once its five-byte prefix is whole. O(1) a message and a piece: payloads are
//! skipped, not read. Flag values and lengths are not judged here: that is the decoder's matter.

/// Where in the message framing a body is. All zero is its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Framer {
    /// Payload bytes still to come of the current message.
    skip: u32,
    /// Bytes of the next prefix already seen, 0 to 4.
    prefix_len: u8,
    /// The length so far.
    length: u32,
    /// Messages begun.
    messages: u64,
}

const PREFIX_BYTES: u8 = 5;

impl Framer {
    /// At the beginning.
    pub const START: Self = Self {
        skip: 0,
        prefix_len: 0,
        length: 0,
        messages: 0,
    };

    /// Messages whose prefix was seen.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Goes over the next `piece` of the body.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            let skipped = (self.skip as usize).min(rest.len());
            rest = rest.get(skipped..).unwrap_or_default();
            self.skip = self
                .skip
                .saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX));
            let Some((byte, behind)) = rest.split_first() else {
                return;
            };
            rest = behind;
            self.prefix_len = self.prefix_len.saturating_add(1);
            // The flag is shifted out by the four bytes of length.
            self.length = self.length << 8 | u32::from(*byte);
            if self.prefix_len == PREFIX_BYTES {
                self.skip = self.length;
                (self.prefix_len, self.length) = (0, 0);
                self.messages = self.messages.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_counts_once_it_is_whole() {
        let mut framer = Framer::START;
        framer.feed(&[0, 0, 0, 0]);
        assert_eq!(framer.messages(), 0);
        framer.feed(&[1]);
        assert_eq!(framer.messages(), 1);
        framer.feed(&[9, 255, 0, 0, 0, 0]);
        assert_eq!(framer.messages(), 2);
    }

    #[test]
    fn a_length_of_four_gibibytes_is_skipped_not_awaited() {
        let mut framer = Framer::START;
        framer.feed(&[0, 255, 255, 255, 255]);
        for _ in 0..1000 {
            framer.feed(&[0; 1000]);
        }
        assert_eq!(framer.messages(), 1);
    }

    proptest! {
        #[test]
        fn any_chunking_counts_the_same(
            lengths in proptest::collection::vec(0_u8..40, 0..20),
            cuts in proptest::collection::vec(1_usize..30, 1..50),
        ) {
            let mut body = Vec::new();
            for length in &lengths {
                body.extend_from_slice(&[0, 0, 0, 0, *length]);
                body.extend(std::iter::repeat_n(7, usize::from(*length)));
            }
            let mut framer = Framer::START;
            let mut rest = &body[..];
            for cut in cuts.iter().cycle().take(2000) {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                framer.feed(piece);
                rest = behind;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(framer.messages(), lengths.len() as u64);
        }
    }
}
