//! Protobuf encoding of `record.proto` into a fixed buffer.
//!
//! Contract: nothing allocates or panics; an encoder that runs out of room remembers it
//! ([`Encoder::finish`] answers `None`) and writes no further. Sizes are computed beforehand, so
//! lengths are minimal varints and nothing is written twice. Not here: decoding (`twintap-record`).

/// Bytes of `value` as a varint, 1 to 10.
pub const fn varint_len(value: u64) -> usize {
    // One byte per started group of 7 bits; a table-free form without a division.
    let bits = 64_u32.wrapping_sub((value | 1).leading_zeros());
    (bits.wrapping_mul(9).wrapping_add(64) >> 6) as usize
}

/// Bytes of a varint field; 0 if `value` is 0, which proto3 leaves out.
pub const fn uint_len(field: u32, value: u64) -> usize {
    if value == 0 {
        0
    } else {
        tag_len(field).wrapping_add(varint_len(value))
    }
}

/// Bytes of a length-delimited field with `len` bytes of content, also if that is 0.
pub const fn nested_len(field: u32, len: usize) -> usize {
    tag_len(field)
        .wrapping_add(varint_len(len as u64))
        .wrapping_add(len)
}

/// Bytes of a length-delimited field; 0 if `len` is 0.
pub const fn bytes_len(field: u32, len: usize) -> usize {
    if len == 0 { 0 } else { nested_len(field, len) }
}

/// Bytes of a fixed64 field.
pub const fn fixed64_len(field: u32) -> usize {
    tag_len(field).wrapping_add(8)
}

const fn tag_len(field: u32) -> usize {
    varint_len((field as u64) << 3)
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

/// Writes fields one after the other into a buffer.
#[derive(Debug)]
pub struct Encoder<'b> {
    buffer: &'b mut [u8],
    used: usize,
    overflowed: bool,
}

impl<'b> Encoder<'b> {
    /// Starts at the beginning of `buffer`.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            buffer,
            used: 0,
            overflowed: false,
        }
    }

    /// Bytes written, or `None` if something did not fit.
    pub fn finish(self) -> Option<usize> {
        if self.overflowed {
            None
        } else {
            Some(self.used)
        }
    }

    /// Bytes written so far.
    pub fn used(&self) -> usize {
        self.used
    }

    /// What was written from position `start` on.
    pub fn written_from(&self, start: usize) -> &[u8] {
        self.buffer.get(start..self.used).unwrap_or_default()
    }

    /// Copies `bytes` as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        let end = self.used.saturating_add(bytes.len());
        match self.buffer.get_mut(self.used..end) {
            Some(target) if target.len() == bytes.len() => {
                target.copy_from_slice(bytes);
                self.used = end;
            }
            _ => self.overflowed = true,
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.buffer.get_mut(self.used) {
            Some(target) => {
                *target = byte;
                self.used = self.used.wrapping_add(1);
            }
            None => self.overflowed = true,
        }
    }

    /// A bare varint, as in a packed field.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.byte((value & 0x7f) as u8);
    }

    /// A varint field; left out if 0.
    pub fn uint(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.varint(u64::from(field) << 3 | VARINT);
            self.varint(value);
        }
    }

    /// A boolean field; left out if false.
    pub fn flag(&mut self, field: u32, value: bool) {
        self.uint(field, u64::from(value));
    }

    /// A fixed64 field, also if 0.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3 | FIXED64);
        self.raw(&value.to_le_bytes());
    }

    /// Tag and length of a nested message or a bytes field whose content follows.
    pub fn nested(&mut self, field: u32, len: usize) {
        self.varint(u64::from(field) << 3 | LENGTH_DELIMITED);
        self.varint(len as u64);
    }

    /// A bytes or string field; left out if empty.
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.nested(field, bytes.len());
            self.raw(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut buffer = [0; 16];
        let mut encoder = Encoder::new(&mut buffer);
        encoder.varint(value);
        let used = encoder.finish().unwrap();
        buffer[..used].to_vec()
    }

    #[test]
    fn the_length_of_a_varint_is_what_the_encoder_writes() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                assert_eq!(encoded(value).len(), varint_len(value), "{value}");
            }
        }
    }

    #[test]
    fn the_specification_s_example_is_encoded() {
        assert_eq!(encoded(150), [0x96, 0x01]);
    }

    #[test]
    fn what_does_not_fit_is_not_written_and_remembered() {
        let mut buffer = [0; 3];
        let mut encoder = Encoder::new(&mut buffer);
        encoder.bytes(1, b"abc");
        assert_eq!(encoder.finish(), None);
    }
}
