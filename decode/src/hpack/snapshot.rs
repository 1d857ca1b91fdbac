//! A dynamic table on disk, so that a restarted watcher need not come late.
//!
//! A snapshot is a header block that rebuilds the table: a size update, then one literal with
//! incremental indexing for each entry, oldest first. Entries that are not known are literals with
//! an empty name, which no peer may send.

use super::block::EntryId;
use super::decoder::Decoder;
use super::instruction::{Instruction, Instructions, LiteralName};
use super::table::{NameRef, Table};
use super::{HpackError, KnownName};

/// Why a snapshot is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It is not a header block.
    #[error(transparent)]
    Hpack(#[from] HpackError),
    /// It is a header block that inserts nothing, or more than inserts.
    #[error("snapshot of a dynamic table has instructions that do not insert")]
    NotSnapshot,
}

impl Decoder {
    /// The table as it is now. `None` while it is uncertain.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        if self.search.is_some() {
            return None;
        }
        let mut block = Vec::new();
        push_integer(&mut block, 0x20, 5, self.table.size_max());
        for entry in self.table.entries() {
            let name = match entry.name {
                NameRef::Known(name) => name.as_str().as_bytes(),
                NameRef::Text(text) => text,
                NameRef::Unknown => &[],
            };
            block.push(0x40);
            push_string(&mut block, name);
            push_string(&mut block, entry.value.unwrap_or_default());
        }
        Some(block)
    }

    /// A decoder that begins with a snapshot. Blocks sent since it was taken are lost, so
    /// [`Self::lose`] must follow unless there were none.
    pub fn from_snapshot(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut instructions = Instructions::new(snapshot);
        let Some(Instruction::SizeUpdate(size)) = instructions.next().transpose()? else {
            return Err(SnapshotError::NotSnapshot);
        };
        let size = usize::try_from(size).map_err(|_| HpackError::IntegerTooLarge)?;
        let mut table = Table::new(size, false);
        let (mut name, mut value) = (Vec::new(), Vec::new());
        while let Some(instruction) = instructions.next().transpose()? {
            let Instruction::Literal {
                name: LiteralName::Text(spelt),
                value: text,
                ..
            } = instruction
            else {
                return Err(SnapshotError::NotSnapshot);
            };
            name.clear();
            value.clear();
            spelt.decode_into(&mut name)?;
            text.decode_into(&mut value)?;
            match KnownName::find(&name) {
                Some(known) => table.insert(NameRef::Known(known), Some(&value)),
                None if name.is_empty() => table.insert(NameRef::Unknown, None),
                None => table.insert(NameRef::Text(&name), Some(&value)),
            }
        }
        Ok(Self::with_table(table))
    }
}

impl EntryId {
    /// Was the entry inserted before the capture, or the epoch, began?
    pub fn is_before_capture(self) -> bool {
        self.ordinal < 0
    }
}

fn push_string(block: &mut Vec<u8>, text: &[u8]) {
    push_integer(block, 0, 7, text.len());
    block.extend_from_slice(text);
}

/// RFC 7541, section 5.1.
fn push_integer(block: &mut Vec<u8>, pattern: u8, prefix_bits: u32, value: usize) {
    let mask = u8::MAX >> (8 - prefix_bits);
    if let Some(prefix) = u8::try_from(value).ok().filter(|value| *value < mask) {
        block.push(pattern | prefix);
        return;
    }
    block.push(pattern | mask);
    let mut rest = value - usize::from(mask);
    while rest >= 0x80 {
        block.push(0x80 | u8::try_from(rest & 0x7f).unwrap_or(0));
        rest >>= 7;
    }
    block.push(u8::try_from(rest).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::super::Expected;
    use super::*;

    #[test]
    fn a_table_survives_its_snapshot() {
        let mut decoder = Decoder::new(false);
        let block = b"\x44\x06/a.A/B\x40\x03x-a\x01b\x40\x02te\x08trailers";
        decoder.decode(block, 0, Expected::Any);
        let long = [&b"\x40\x03x-l\x7f\xa9\x01"[..], &[b'v'; 296]].concat();
        decoder.decode(&long, 0, Expected::Any);

        let snapshot = decoder.snapshot().unwrap();
        let mut restored = Decoder::from_snapshot(&snapshot).unwrap();
        let references = [0xbe, 0xbf, 0xc0, 0xc1];
        let expected = decoder.decode(&references, 0, Expected::Any);
        assert_eq!(restored.decode(&references, 0, Expected::Any), expected);
        assert_eq!(expected.fields().len(), 4);
        assert!(!expected.is_incomplete());
    }

    #[test]
    fn what_is_not_a_snapshot_is_refused() {
        for broken in [
            &b""[..],
            b"\x82",
            b"\x3f\xe1\x1f\x82",
            b"\x3f\xe1\x1f\x40\x05a",
        ] {
            assert!(Decoder::from_snapshot(broken).is_err(), "{broken:?}");
        }
    }
}
