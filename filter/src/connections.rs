//! What Envoy knows of a downstream connection, asked for once per connection and not once per call.
//!
//! A property costs about a microsecond and a connection has three of interest, all fixed for its
//! life. They are kept as encoded fields of `Record`, ready to be copied. Envoy never uses a
//! connection id twice. The cache is direct-mapped: a place is taken over by whoever comes, and a
//! connection that lost its place is asked for again.

use crate::copy::copy;

/// Bytes of encoded fields kept per connection; what needs more is asked for at every call.
const FACTS_BYTES: usize = 504;

/// One place of the cache. All zero is free.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Envoy's `connection.id`, which starts at 0, plus 1.
    id: u64,
    len: u16,
    facts: [u8; FACTS_BYTES],
}

impl Connection {
    /// A free place.
    pub const FREE: Self = Self {
        id: 0,
        len: 0,
        facts: [0; FACTS_BYTES],
    };
}

/// The cache.
#[derive(Debug)]
pub struct Connections<'m> {
    places: &'m mut [Connection],
}

impl<'m> Connections<'m> {
    /// Over `places`, whose number is a power of two.
    pub fn new(places: &'m mut [Connection]) -> Self {
        Self { places }
    }

    /// The encoded fields of connection `id`, if they are known.
    pub fn facts(&self, id: u64) -> Option<&[u8]> {
        let connection = self.places.get(self.place(id))?;
        if connection.id != id.wrapping_add(1) {
            return None;
        }
        connection.facts.get(..usize::from(connection.len))
    }

    /// Keeps the encoded fields of connection `id`, if they are short enough.
    pub fn learn(&mut self, id: u64, facts: &[u8]) {
        let place = self.place(id);
        if let (Some(connection), true) = (self.places.get_mut(place), facts.len() <= FACTS_BYTES) {
            let len = copy(&mut connection.facts, facts);
            connection.len = u16::try_from(len).unwrap_or(0);
            connection.id = id.wrapping_add(1);
        }
    }

    fn place(&self, id: u64) -> usize {
        let mask = self.places.len().wrapping_sub(1);
        usize::try_from(id & mask as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_connection_has_id_0_and_is_not_known_before_it_came() {
        let mut places = [Connection::FREE; 4];
        let mut connections = Connections::new(&mut places);
        assert_eq!(connections.facts(0), None);
        connections.learn(0, b"first");
        assert_eq!(connections.facts(0), Some(&b"first"[..]));
    }

    #[test]
    fn a_connection_that_takes_a_place_over_is_not_taken_for_the_one_before() {
        let mut places = [Connection::FREE; 4];
        let mut connections = Connections::new(&mut places);
        connections.learn(1, b"one");
        connections.learn(5, b"five");
        assert_eq!(connections.facts(1), None);
        assert_eq!(connections.facts(5), Some(&b"five"[..]));
    }

    #[test]
    fn facts_too_long_to_keep_are_not_kept_cut() {
        let mut places = [Connection::FREE; 4];
        let mut connections = Connections::new(&mut places);
        connections.learn(1, &[7; FACTS_BYTES + 1]);
        assert_eq!(connections.facts(1), None);
    }
}
