//! A header block as the sequence of instructions it is (RFC 7541, section 6), nothing looked up.
//!
//! ```text
//! 1xxxxxxx  Indexed Header Field
//! 01xxxxxx  Literal with Incremental Indexing
//! 001xxxxx  Dynamic Table Size Update
//! 0001xxxx  Literal Never Indexed
//! 0000xxxx  Literal without Indexing
//! ```
//!
//! So a block can be read more than once, each time under another belief about the table.

use super::{HpackError, huffman};

/// Values above this are refused: no table has 2^28 entries and no header block that many bytes.
const INTEGER_MAX: u64 = 1 << 28;

/// What a literal asks of the decoder and of intermediaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexing {
    /// The field becomes the newest entry of the dynamic table.
    Incremental,
    /// It does not.
    Without,
    /// It does not, and must not at any later hop: the value is a secret.
    Never,
}

/// A string literal: Huffman-coded or plain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal<'a> {
    huffman: bool,
    bytes: &'a [u8],
}

/// The name of a literal field.
#[derive(Clone, Copy, Debug)]
pub(super) enum LiteralName<'a> {
    /// That of the entry with this index, from 1.
    Index(u64),
    /// Spelt out.
    Text(Literal<'a>),
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction<'a> {
    /// Name and value of the entry with this index.
    Indexed(u64),
    /// A value spelt out.
    Literal {
        indexing: Indexing,
        name: LiteralName<'a>,
        value: Literal<'a>,
    },
    /// From now on the dynamic table holds at most this many bytes.
    SizeUpdate(u64),
}

impl Literal<'_> {
    /// The string, where it is not Huffman-coded.
    #[inline]
    pub(super) fn plain(&self) -> Option<&[u8]> {
        (!self.huffman).then_some(self.bytes)
    }

    /// Appends the string.
    #[inline]
    pub(super) fn decode_into(&self, out: &mut Vec<u8>) -> Result<(), HpackError> {
        if self.huffman {
            return huffman::decode(self.bytes, out);
        }
        out.extend_from_slice(self.bytes);
        Ok(())
    }
}

/// Reads a block. After an error there is nothing more: instructions have no marks to find them by.
#[derive(Clone, Debug)]
pub(super) struct Instructions<'a> {
    rest: &'a [u8],
}

impl<'a> Instructions<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    /// Bytes that are not read yet.
    pub(super) fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    /// The next instruction; `None` at the end. After an error, `self` is where it was before.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Result<Instruction<'a>, HpackError>> {
        let first = *self.rest.first()?;
        let mut ahead = self.clone();
        let instruction = ahead.instruction(first);
        if instruction.is_ok() {
            *self = ahead;
        }
        Some(instruction)
    }

    #[inline]
    fn instruction(&mut self, first: u8) -> Result<Instruction<'a>, HpackError> {
        let (indexing, prefix_bits) = match first {
            0x80.. => {
                return match self.integer(7)? {
                    0 => Err(HpackError::IndexZero),
                    index => Ok(Instruction::Indexed(index)),
                };
            }
            0x40.. => (Indexing::Incremental, 6),
            0x20.. => return self.integer(5).map(Instruction::SizeUpdate),
            0x10.. => (Indexing::Never, 4),
            _ => (Indexing::Without, 4),
        };
        let name = match self.integer(prefix_bits)? {
            0 => LiteralName::Text(self.string()?),
            index => LiteralName::Index(index),
        };
        let value = self.string()?;
        Ok(Instruction::Literal {
            indexing,
            name,
            value,
        })
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, HpackError> {
        let (first, rest) = self.rest.split_first().ok_or(HpackError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    /// An integer with a prefix of `prefix_bits` (RFC 7541, section 5.1).
    #[inline]
    fn integer(&mut self, prefix_bits: u32) -> Result<u64, HpackError> {
        let mask = u8::MAX >> (8 - prefix_bits);
        let prefix = self.byte()? & mask;
        if prefix < mask {
            return Ok(u64::from(prefix));
        }
        let mut value = u64::from(prefix);
        // Five bytes hold 35 bits, zeros that pad a number included.
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value += u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if value <= INTEGER_MAX {
                    Ok(value)
                } else {
                    Err(HpackError::IntegerTooLarge)
                };
            }
        }
        Err(HpackError::IntegerTooLarge)
    }

    /// A string literal (RFC 7541, section 5.2).
    #[inline]
    fn string(&mut self) -> Result<Literal<'a>, HpackError> {
        let huffman = self.rest.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = usize::try_from(self.integer(7)?).map_err(|_| HpackError::IntegerTooLarge)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(HpackError::Truncated)?;
        self.rest = rest;
        Ok(Literal { huffman, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(prefix_bits: u32, bytes: &[u8]) -> Result<u64, HpackError> {
        Instructions::new(bytes).integer(prefix_bits)
    }

    #[test]
    fn integers_of_rfc_7541_decode() {
        assert_eq!(integer(5, &[0b01010]), Ok(10));
        assert_eq!(integer(5, &[0b11111, 154, 10]), Ok(1337));
        assert_eq!(integer(7, &[42]), Ok(42));
    }

    #[test]
    fn an_endless_or_huge_integer_is_refused() {
        assert_eq!(integer(7, &[0xff; 20]), Err(HpackError::IntegerTooLarge));
        assert_eq!(
            integer(7, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Err(HpackError::IntegerTooLarge)
        );
        assert_eq!(integer(7, &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x00]), Ok(127));
    }

    #[test]
    fn a_cut_instruction_is_truncated_and_not_used_up() {
        let block = [0x82, 0x40, 0x03, b'a', b'b', b'c', 0x05, b'x'];
        let mut instructions = Instructions::new(&block);
        assert!(matches!(
            instructions.next(),
            Some(Ok(Instruction::Indexed(2)))
        ));
        assert_eq!(
            instructions.next().unwrap().unwrap_err(),
            HpackError::Truncated
        );
        assert_eq!(instructions.bytes_left(), 7);
    }

    #[test]
    fn index_zero_is_refused() {
        assert_eq!(
            Instructions::new(&[0x80]).next().unwrap().unwrap_err(),
            HpackError::IndexZero
        );
    }
}
