//! Reading the header map as the host lays it out.
//!
//! `proxy_get_header_map_pairs` gives: count (u32), then per header the lengths of name and value
//! (u32 each), then per header name, NUL, value, NUL; all little-endian. Lengths are the host's word,
//! so each is checked against what is there; a map that ends early yields the headers before.

/// One header of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Lower case for what came over HTTP/2.
    pub name: &'a [u8],
    /// Any bytes.
    pub value: &'a [u8],
}

/// Iterates over the headers of a map.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    content: &'a [u8],
    left: u32,
}

impl<'a> Pairs<'a> {
    /// Headers of `map`; none if it is not one.
    pub fn new(map: &'a [u8]) -> Self {
        let none = Self {
            lengths: &[],
            content: &[],
            left: 0,
        };
        let Some((count, rest)) = map.split_first_chunk::<4>() else {
            return none;
        };
        let count = u32::from_le_bytes(*count);
        match rest.split_at_checked((count as usize).saturating_mul(8)) {
            Some((lengths, content)) => Self {
                lengths,
                content,
                left: count,
            },
            None => none,
        }
    }

    /// Headers not yet taken, as the map declares them.
    pub fn left(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let (name_len, rest) = self.lengths.split_first_chunk::<4>()?;
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let (name, content) = string(self.content, u32::from_le_bytes(*name_len))?;
        let (value, content) = string(content, u32::from_le_bytes(*value_len))?;
        (self.lengths, self.content) = (rest, content);
        self.left = self.left.saturating_sub(1);
        Some(Pair { name, value })
    }
}

/// A string of `len` bytes and what follows its NUL.
fn string(content: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let (string, rest) = content.split_at_checked(len as usize)?;
    Some((string, rest.split_first()?.1))
}

/// Lays out `pairs` as the host expects them, as in [`Pairs`]; `None` if they do not fit.
pub fn write_pairs(pairs: &[(&[u8], &[u8])], into: &mut [u8]) -> Option<usize> {
    let mut encoder = crate::wire::Encoder::new(into);
    encoder.raw(&u32::try_from(pairs.len()).ok()?.to_le_bytes());
    for (name, value) in pairs {
        encoder.raw(&u32::try_from(name.len()).ok()?.to_le_bytes());
        encoder.raw(&u32::try_from(value.len()).ok()?.to_le_bytes());
    }
    for (name, value) in pairs {
        for part in [*name, &[0], *value, &[0]] {
            encoder.raw(part);
        }
    }
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut into = vec![0; 4096];
        let len = write_pairs(pairs, &mut into).unwrap();
        into.truncate(len);
        into
    }

    #[test]
    fn what_was_written_is_read() {
        let map = map(&[(b":path", b"/a.B/C"), (b"", b""), (b"x-bin", b"\xff\0\x80")]);
        let pairs: Vec<_> = Pairs::new(&map)
            .map(|pair| (pair.name, pair.value))
            .collect();
        assert_eq!(
            pairs,
            [
                (&b":path"[..], &b"/a.B/C"[..]),
                (b"", b""),
                (b"x-bin", b"\xff\0\x80")
            ]
        );
    }

    #[test]
    fn a_map_cut_anywhere_yields_the_headers_before() {
        let whole = map(&[(b"a", b"1"), (b"b", b"2")]);
        for len in 0..whole.len() {
            let count = Pairs::new(&whole[..len]).count();
            assert!(count <= 2, "{len}: {count}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(map in proptest::collection::vec(any::<u8>(), 0..200)) {
            for pair in Pairs::new(&map) {
                prop_assert!(pair.name.len() + pair.value.len() <= map.len());
            }
        }
    }
}
