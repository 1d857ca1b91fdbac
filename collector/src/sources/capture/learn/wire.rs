//! Fields of an encoded protobuf message, without a descriptor.

/// Deepest nesting of groups that is read.
const GROUPS_MAX: usize = 32;

/// How a field is encoded ("wire type").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum WireType {
    /// 0.
    Varint,
    /// 1.
    I64,
    /// 2.
    Len,
    /// 3 and 4.
    Group,
    /// 5.
    I32,
}

/// One field as it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireField<'a> {
    /// Its number, from 1.
    pub(super) number: u32,
    /// How it is encoded.
    pub(super) wire_type: WireType,
    /// What is in it; of [`WireType::Len`] and [`WireType::Group`] only.
    pub(super) payload: &'a [u8],
}

/// The fields of a message in the order of the wire.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// The bytes are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Option<WireField<'a>> {
        let (number, code) = tag(&mut self.rest)?;
        let mut payload: &[u8] = &[];
        let wire_type = match code {
            0 => {
                varint(&mut self.rest)?;
                WireType::Varint
            }
            1 => {
                take(&mut self.rest, 8)?;
                WireType::I64
            }
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).ok()?;
                payload = take(&mut self.rest, length)?;
                WireType::Len
            }
            3 => {
                payload = group(&mut self.rest, number)?;
                WireType::Group
            }
            5 => {
                take(&mut self.rest, 4)?;
                WireType::I32
            }
            _ => return None,
        };
        Some(WireField {
            number,
            wire_type,
            payload,
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<WireField<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

/// The content of a group whose start was read, and what ends it is read too.
fn group<'a>(rest: &mut &'a [u8], number: u32) -> Option<&'a [u8]> {
    let begin = *rest;
    let mut open = vec![number];
    while let Some(innermost) = open.last() {
        let before = rest.len();
        let (number, code) = tag(rest)?;
        match code {
            0 => drop(varint(rest)?),
            1 => drop(take(rest, 8)?),
            2 => {
                let length = usize::try_from(varint(rest)?).ok()?;
                take(rest, length)?;
            }
            3 if open.len() < GROUPS_MAX => open.push(number),
            4 if number == *innermost => {
                open.pop();
                if open.is_empty() {
                    return begin.get(..begin.len() - before);
                }
            }
            5 => drop(take(rest, 4)?),
            _ => return None,
        }
    }
    None
}

fn tag(rest: &mut &[u8]) -> Option<(u32, u8)> {
    let tag = u32::try_from(varint(rest)?).ok()?;
    let number = tag >> 3;
    (number > 0).then_some((number, u8::try_from(tag & 7).ok()?))
}

/// A base 128 varint of at most ten bytes.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The next `length` bytes.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'a> = Result<Vec<(u32, WireType, &'a [u8])>, Malformed>;

    fn read(message: &[u8]) -> Read<'_> {
        let fields = Fields::of(message);
        fields
            .map(|field| field.map(|it| (it.number, it.wire_type, it.payload)))
            .collect()
    }

    #[test]
    fn every_wire_type_is_read() {
        let message = [
            &[0x08, 0x96, 0x01][..],
            &[0x11, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x1a, 2, b'h', b'i'],
            &[0x23, 0x08, 1, 0x24],
            &[0x2d, 1, 2, 3, 4],
        ]
        .concat();
        let expected = vec![
            (1, WireType::Varint, &b""[..]),
            (2, WireType::I64, b""),
            (3, WireType::Len, b"hi"),
            (4, WireType::Group, &[0x08, 1]),
            (5, WireType::I32, b""),
        ];
        assert_eq!(read(&message), Ok(expected));
        assert_eq!(read(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for bytes in [
            &[0x0a, 9, 1][..],
            &[0x00, 1],
            &[0x0f],
            &[0x24],
            &[0x23, 0x08, 1],
            &[0x23, 0x2c],
            &[0xff; 11],
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:x?}");
        }
        assert_eq!(read(&[0x23; 100]), Err(Malformed), "groups without end");
    }
}
