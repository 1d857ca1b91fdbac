//! Which streams are over. Stream identifiers are never used again (RFC 9113, section 5.1.1), so
//! frames of a finished stream are late ones and must not make a call.
//!
//! A bitmap over the newest identifiers; everything below it is over. The ways of a connection are
//! decoded independently, so a stream may open below others that are long over.

use std::collections::VecDeque;

/// Words of the bitmap: the newest 64 Ki streams.
const WORDS_MAX: usize = 1024;

/// The finished streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Finished {
    words: VecDeque<u64>,
    /// Number of the first word.
    base: u32,
}

impl Finished {
    pub(super) fn insert(&mut self, stream_id: u32) {
        let (word, bit) = place(stream_id);
        if self.words.is_empty() {
            // A capture may begin midway: what is far below was never seen, and is over.
            self.base = word.saturating_sub(4);
        }
        let Some(index) = word.checked_sub(self.base) else {
            return;
        };
        let mut index = index as usize;
        if index >= self.words.len() + WORDS_MAX {
            self.words.clear();
            self.base = word;
            index = 0;
        }
        while self.words.len() <= index {
            self.words.push_back(0);
        }
        while self.words.len() > WORDS_MAX {
            self.words.pop_front();
            self.base += 1;
            index -= 1;
        }
        if let Some(word) = self.words.get_mut(index) {
            *word |= bit;
        }
    }

    pub(super) fn contains(&self, stream_id: u32) -> bool {
        let (word, bit) = place(stream_id);
        if self.words.is_empty() {
            return false;
        }
        match word.checked_sub(self.base) {
            None => true,
            Some(index) => self
                .words
                .get(index as usize)
                .is_some_and(|word| word & bit != 0),
        }
    }
}

/// Word and bit of a stream. Streams of the client are odd, pushed ones even; only the former are
/// followed.
fn place(stream_id: u32) -> (u32, u64) {
    let index = stream_id >> 1;
    (index / 64, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_inserted_is_finished() {
        let mut finished = Finished::default();
        assert!(!finished.contains(1));
        for id in [1, 5, 129, 40_001] {
            finished.insert(id);
        }
        for (id, expected) in [
            (1, true),
            (3, false),
            (5, true),
            (129, true),
            (40_001, true),
        ] {
            assert_eq!(finished.contains(id), expected, "{id}");
        }
    }

    #[test]
    fn what_is_far_below_the_newest_is_finished() {
        let mut finished = Finished::default();
        finished.insert(1);
        finished.insert(1_000_001);
        assert!(finished.contains(3) && finished.contains(1_000_001));
        assert!(!finished.contains(1_000_003));
        for id in (1_000_003..1_400_003).step_by(2) {
            finished.insert(id);
        }
        assert!(finished.words.len() <= WORDS_MAX);
    }
}
