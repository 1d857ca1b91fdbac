//! A plain HPACK decoder, as RFC 7541 has it: what an endpoint that saw everything decodes.
//!
//! Slow and small, to compare the watcher's decoder with. The static table and the Huffman code
//! are written down in another form than there: the code is canonical, so the symbols of each
//! length, in order, say all.

use std::collections::VecDeque;

/// An integer, string or index was wrong, or a size update over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A name and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The symbols of each length of code, in the order of their codes (appendix B).
const SYMBOLS: [(u32, &[u8]); 23] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
    (20, b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2"),
    (21, b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6"),
    (
        22,
        b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\
          \xc4\xc6\xe4\xe8\xe9",
    ),
    (
        23,
        b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\
          \xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef",
    ),
    (24, b"\t\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed"),
    (25, b"\xc7\xcf\xea\xeb"),
    (
        26,
        b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff",
    ),
    (
        27,
        b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe",
    ),
    (
        28,
        b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\
          \x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9",
    ),
    (29, b""),
    (30, b"\n\r\x16"),
    (31, b""),
];

/// Appendix A, a line for each name: the values of its entries.
const STATIC: &str = ":authority=
:method=GET|POST
:path=/|/index.html
:scheme=http|https
:status=200|204|206|304|400|404|500
accept-charset=
accept-encoding=gzip, deflate
accept-language=
accept-ranges=
accept=
access-control-allow-origin=
age=
allow=
authorization=
cache-control=
content-disposition=
content-encoding=
content-language=
content-length=
content-location=
content-range=
content-type=
cookie=
date=
etag=
expect=
expires=
from=
host=
if-match=
if-modified-since=
if-none-match=
if-range=
if-unmodified-since=
last-modified=
link=
location=
max-forwards=
proxy-authenticate=
proxy-authorization=
range=
referer=
refresh=
retry-after=
server=
set-cookie=
strict-transport-security=
transfer-encoding=
user-agent=
vary=
via=
www-authenticate=";

/// Largest integer that the watcher's decoder believes.
const INTEGER_MAX: u64 = 1 << 28;

/// An endpoint's decoder.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    fixed: Vec<Pair>,
    codes: Vec<(u32, u32, u8)>,
    /// Newest first.
    dynamic: VecDeque<Pair>,
    size_max: usize,
    size_limit: usize,
}

impl Endpoint {
    /// Follows size updates up to `size_limit`.
    pub(crate) fn new(size_limit: usize) -> Self {
        let lines = STATIC.lines().filter_map(|line| line.split_once('='));
        let pairs = lines.flat_map(|(name, values)| {
            let values = values.split('|');
            values.map(|value| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        });
        let (mut codes, mut next, mut before) = (Vec::new(), 0_u32, 0);
        for (length, symbols) in SYMBOLS.iter().take_while(|(length, _)| *length <= 30) {
            next <<= length - before;
            before = *length;
            for symbol in *symbols {
                codes.push((*length, next, *symbol));
                next += 1;
            }
        }
        Self {
            fixed: pairs.collect(),
            codes,
            dynamic: VecDeque::new(),
            size_max: 4096,
            size_limit,
        }
    }

    /// Decodes one block. After an error the table is what the block had made of it.
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Vec<Pair>, Malformed> {
        let (mut fields, mut rest) = (Vec::new(), block);
        while let Some(first) = rest.first().copied() {
            match first {
                0x80.. => fields.push(self.entry(integer(&mut rest, 7)?)?),
                0x20..=0x3f => {
                    let size = usize::try_from(integer(&mut rest, 5)?).map_err(|_| Malformed)?;
                    if size > self.size_limit {
                        return Err(Malformed);
                    }
                    self.size_max = size;
                    self.evict();
                }
                _ => {
                    let inserts = first >= 0x40;
                    let name = match integer(&mut rest, if inserts { 6 } else { 4 })? {
                        0 => None,
                        index => Some(index),
                    };
                    let spelt = match name {
                        None => Some(self.string(&mut rest)?),
                        Some(_) => None,
                    };
                    let value = self.string(&mut rest)?;
                    let name = match (spelt, name) {
                        (Some(spelt), _) => spelt,
                        (None, index) => self.entry(index.unwrap_or(0))?.0,
                    };
                    if inserts {
                        self.dynamic.push_front((name.clone(), value.clone()));
                        self.evict();
                    }
                    fields.push((name, value));
                }
            }
        }
        Ok(fields)
    }

    fn entry(&self, index: u64) -> Result<Pair, Malformed> {
        let at = usize::try_from(index).map_err(|_| Malformed)?;
        let at = at.checked_sub(1).ok_or(Malformed)?;
        let entry = match at.checked_sub(self.fixed.len()) {
            None => self.fixed.get(at),
            Some(depth) => self.dynamic.get(depth),
        };
        entry.cloned().ok_or(Malformed)
    }

    fn evict(&mut self) {
        let size = |(name, value): &Pair| name.len() + value.len() + 32;
        while self.dynamic.iter().map(size).sum::<usize>() > self.size_max {
            self.dynamic.pop_back();
        }
    }

    fn string(&self, rest: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
        let is_coded = rest.first().is_some_and(|byte| byte & 0x80 != 0);
        let len = usize::try_from(integer(rest, 7)?).map_err(|_| Malformed)?;
        let (text, behind) = rest.split_at_checked(len).ok_or(Malformed)?;
        *rest = behind;
        if is_coded {
            return self.huffman(text);
        }
        Ok(text.to_vec())
    }

    fn huffman(&self, text: &[u8]) -> Result<Vec<u8>, Malformed> {
        let (mut out, mut code, mut len) = (Vec::new(), 0_u32, 0_u32);
        let bits = text
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        for bit in bits {
            (code, len) = (code << 1 | u32::from(bit), len + 1);
            let found = self
                .codes
                .iter()
                .find(|known| (known.0, known.1) == (len, code));
            if let Some((.., symbol)) = found {
                out.push(*symbol);
                (code, len) = (0, 0);
            } else if len >= 30 {
                return Err(Malformed);
            }
        }
        // What is left is padding: fewer than eight bits, all of them ones.
        let is_padding = len < 8 && code == (1 << len) - 1;
        is_padding.then_some(out).ok_or(Malformed)
    }
}

fn integer(rest: &mut &[u8], prefix_bits: u32) -> Result<u64, Malformed> {
    let mut byte = || {
        let (first, behind) = rest.split_first()?;
        *rest = behind;
        Some(u64::from(*first))
    };
    let mask = (1 << prefix_bits) - 1;
    let mut value = byte().ok_or(Malformed)? & mask;
    if value < mask {
        return Ok(value);
    }
    for shift in (0..35).step_by(7) {
        let next = byte().ok_or(Malformed)?;
        value += (next & 0x7f) << shift;
        if next < 0x80 {
            return if value <= INTEGER_MAX {
                Ok(value)
            } else {
                Err(Malformed)
            };
        }
    }
    Err(Malformed)
}
