//! One message on the wire, walked once: marks what is there. Allocates nothing.
//!
//! A message that is not what its descriptor says is walked as far as it makes sense: what was seen
//! up to there was seen. `None` ends the walk there.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::shape::{Shape, Slot};

/// Depth of nested messages that is walked; protobuf runtimes refuse more than 100.
const NESTING_MAX: u32 = 100;

/// Marks in `seen`, by item of `shape`, what is in `message`.
pub(super) fn walk(shape: &Shape, message: &[u8], seen: &mut [bool]) {
    let mut rest = message;
    let mut walk = Walk { shape, seen };
    walk.message(0, &mut rest, None, 0).unwrap_or_default();
}

struct Walk<'a> {
    shape: &'a Shape,
    seen: &'a mut [bool],
}

impl Walk<'_> {
    /// Walks to the end of `rest`, or of the group with the number `group`.
    fn message(
        &mut self,
        node: usize,
        rest: &mut &[u8],
        group: Option<u32>,
        depth: u32,
    ) -> Option<()> {
        let shape = self.shape;
        let Some(node) = shape.nodes.get(node).filter(|_| depth < NESTING_MAX) else {
            return Some(());
        };
        let mut enums_there = 0_u64;
        while !rest.is_empty() {
            let (number, wire_type) = decode_key(rest).ok()?;
            if wire_type == WireType::EndGroup && group == Some(number) {
                break;
            }
            match node.field(number) {
                Some(slot) => {
                    enums_there |= slot.implicit_zero.map_or(0, |bit| 1 << bit);
                    self.field(slot, number, wire_type, rest, depth)?;
                }
                None => skip(number, wire_type, rest)?,
            }
        }
        for (bit, item) in node.implicit_zeros.iter().enumerate() {
            if enums_there & (1 << bit) == 0 {
                self.mark(Some(*item));
            }
        }
        Some(())
    }

    fn field(
        &mut self,
        slot: &Slot,
        number: u32,
        wire_type: WireType,
        rest: &mut &[u8],
        depth: u32,
    ) -> Option<()> {
        if !slot.is_written_as(wire_type) {
            // Another field than the descriptor's, or a message of another type.
            return skip(number, wire_type, rest);
        }
        self.mark(slot.item);
        match (wire_type, slot.child) {
            (WireType::Varint, _) if slot.is_enum() => self.enum_value(slot, rest),
            (WireType::LengthDelimited, child) if child.is_some() || slot.is_enum() => {
                let mut inside = delimited(rest)?;
                match child {
                    Some(child) => self.message(child, &mut inside, None, depth + 1),
                    None => {
                        while !inside.is_empty() {
                            self.enum_value(slot, &mut inside)?;
                        }
                        Some(())
                    }
                }
            }
            (WireType::StartGroup, Some(child)) if depth + 1 < NESTING_MAX => {
                self.message(child, rest, Some(number), depth + 1)
            }
            _ => skip(number, wire_type, rest),
        }
    }

    fn enum_value(&mut self, slot: &Slot, rest: &mut &[u8]) -> Option<()> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an enum is an int32 on the wire, written as 64 bits where negative"
        )]
        let number = decode_varint(rest).ok()? as i32;
        self.mark(slot.enum_value(number));
        Some(())
    }

    fn mark(&mut self, item: Option<usize>) {
        if let Some(seen) = item.and_then(|item| self.seen.get_mut(item)) {
            *seen = true;
        }
    }
}

fn skip(number: u32, wire_type: WireType, rest: &mut &[u8]) -> Option<()> {
    skip_field(wire_type, number, rest, DecodeContext::default()).ok()
}

/// Takes a length and so many bytes.
fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (inside, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(inside)
}
