//! What runs of indexed fields stood for, so that a run that comes again is copied.
//!
//! Peers begin most blocks with a few indices, and the same ones as the block before: `:method`,
//! `:scheme`, `:authority` and so on. As long as the table stays as it is they stand for the same
//! fields.

use super::block::{Draft, HeaderBlock};

/// Fields of the longest run that is kept.
const RUN_FIELDS_MAX: usize = 16;

/// Runs that are kept.
const RUNS_MAX: usize = 16;

/// Text of the longest run that is kept.
const TEXT_BYTES_MAX: usize = 1024;

/// A run as it is in the block, which names it: one byte a field, none of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    bytes: u128,
    fields_count: usize,
}

/// Runs that were read, and the revision of the table that they are of.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    revision: u64,
    places: Vec<Place>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    bytes: u128,
    revision: u64,
    block: HeaderBlock,
}

impl Run {
    /// The indices below 127 that `block` begins with, if they are two or more.
    #[inline]
    pub(super) fn first_of(block: &[u8]) -> Option<Self> {
        let (mut bytes, mut fields_count) = (0, 0);
        for byte in block.iter().take(RUN_FIELDS_MAX) {
            if !matches!(byte, 0x81..=0xfe) {
                break;
            }
            bytes = bytes << 8 | u128::from(*byte);
            fields_count += 1;
        }
        (fields_count > 1).then_some(Self {
            bytes,
            fields_count,
        })
    }

    /// Bytes, and fields, of the run.
    pub(super) fn len(self) -> usize {
        self.fields_count
    }

    fn place(self) -> usize {
        let folded = (self.bytes ^ self.bytes >> 64) & u128::from(u64::MAX);
        let mixed = u64::try_from(folded)
            .unwrap_or(0)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed >> 60).unwrap_or(0) % RUNS_MAX
    }
}

impl Runs {
    /// What `run` stands for, if it was read since the table changed.
    #[inline]
    pub(super) fn recall(&self, run: Run, revision: u64) -> Option<&HeaderBlock> {
        let place = self.places.get(run.place())?;
        (place.bytes == run.bytes && place.revision == revision).then_some(&place.block)
    }

    /// Keeps the fields of `run`, which are all that is in `draft`. A table that changed since the
    /// last block may well go on changing: then it is not worth it.
    pub(super) fn keep(&mut self, run: Run, revision: u64, draft: &Draft) {
        if std::mem::replace(&mut self.revision, revision) != revision
            || draft.text.len() > TEXT_BYTES_MAX
        {
            return;
        }
        if self.places.is_empty() {
            self.places.resize(RUNS_MAX, Place::default());
        }
        if let Some(place) = self.places.get_mut(run.place()) {
            place.bytes = run.bytes;
            place.revision = revision;
            place.block = draft.keep();
        }
    }
}
