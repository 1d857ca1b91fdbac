//! Digests of bodies that are longer than what is kept of them.
//!
//! A body that is kept whole is hashed in one go when its record is written. Only one that is cut
//! needs a running XXH3-64, from a fixed pool; with none left its digest is absent, which is counted
//! nowhere else because the record says so.

use xxhash_rust::xxh3::Xxh3Default;

/// The place of one running hash.
#[derive(Clone)]
pub struct Hasher(Option<Xxh3Default>);

impl Hasher {
    /// Not in use; all zero.
    pub const FREE: Self = Self(None);
}

impl core::fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(if self.0.is_some() {
            "Hasher(running)"
        } else {
            "Hasher(free)"
        })
    }
}

/// The pool.
#[derive(Debug)]
pub struct Hashers<'m> {
    hashers: &'m mut [Hasher],
    /// Where to look for a free one first.
    hint: usize,
}

/// Names a running hash, or none. All zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasherRef(u16);

impl HasherRef {
    /// No hash.
    pub const NONE: Self = Self(0);
}

impl<'m> Hashers<'m> {
    /// A pool over `hashers`, all of which must be free; at most 65 535 are used.
    pub fn new(hashers: &'m mut [Hasher]) -> Self {
        Self { hashers, hint: 0 }
    }

    /// Begins a hash; none if the pool is exhausted.
    pub fn begin(&mut self) -> HasherRef {
        let count = self.hashers.len();
        for _ in 0..count {
            let index = if self.hint >= count { 0 } else { self.hint };
            self.hint = index.saturating_add(1);
            if let Some(Hasher(place @ None)) = self.hashers.get_mut(index) {
                let Ok(number) = u16::try_from(self.hint) else {
                    return HasherRef::NONE;
                };
                *place = Some(Xxh3Default::new());
                return HasherRef(number);
            }
        }
        HasherRef::NONE
    }

    /// Adds `bytes` to a hash.
    pub fn update(&mut self, hasher: HasherRef, bytes: &[u8]) {
        if let Some(Some(hasher)) = self.place(hasher) {
            hasher.update(bytes);
        }
    }

    /// The hash of all added.
    pub fn digest(&mut self, hasher: HasherRef) -> Option<u64> {
        self.place(hasher)?.as_ref().map(Xxh3Default::digest)
    }

    /// Gives the hash back to the pool.
    pub fn end(&mut self, hasher: HasherRef) {
        if let Some(place) = self.place(hasher) {
            *place = None;
            self.hint = usize::from(hasher.0).wrapping_sub(1);
        }
    }

    fn place(&mut self, hasher: HasherRef) -> Option<&mut Option<Xxh3Default>> {
        Some(
            &mut self
                .hashers
                .get_mut(usize::from(hasher.0).checked_sub(1)?)?
                .0,
        )
    }
}
