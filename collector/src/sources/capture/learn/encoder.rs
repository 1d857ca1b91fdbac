//! What tells HPACK encoders apart: the order in which they send pseudo-header fields.

use twintap_decode::hpack::{HeaderBlock, KnownName, Name};

/// `:method`, `:scheme`, `:authority`, `:path`.
const PSEUDO_COUNT: usize = 4;

/// The pseudo-header fields of a request block in order, as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoder([Place; PSEUDO_COUNT]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// This field.
    Is(KnownName),
    /// A field whose insertion was not captured.
    Unknown,
    /// A regular field, or none.
    Regular,
}

impl Encoder {
    /// The one that made `block`.
    pub(super) fn of(block: &HeaderBlock) -> Self {
        let mut places = [Place::Regular; PSEUDO_COUNT];
        for (place, field) in places.iter_mut().zip(block.fields()) {
            *place = match field.name {
                Name::Known(name) if name.is_pseudo() => Place::Is(name),
                Name::Unknown(_) | Name::Lost => Place::Unknown,
                Name::Known(_) | Name::Text(_) => Place::Regular,
            };
        }
        Self(places)
    }

    /// May both be the same?
    pub(super) fn may_be(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        pairs.all(|(a, b)| a == b || *a == Place::Unknown || *b == Place::Unknown)
    }
}
