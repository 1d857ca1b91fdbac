//! Values of a column one behind the other, as Arrow keeps text and bytes.

use arrow_array::{BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

/// Text or bytes, not known yet.
#[derive(Debug)]
pub(super) struct Concatenated {
    bytes: Buffer,
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
}

impl Concatenated {
    /// Copies `values`, which are walked twice: once to know how much room they need.
    pub(super) fn of<'a>(
        values: impl Iterator<Item = Option<&'a [u8]>> + Clone,
    ) -> Result<Self, ArrowError> {
        let (mut count, mut bytes_count) = (0, 0);
        for value in values.clone() {
            count += 1;
            bytes_count += value.map_or(0, <[u8]>::len);
        }
        if i32::try_from(bytes_count).is_err() {
            return Err(ArrowError::OffsetOverflowError(bytes_count));
        }
        let mut bytes = Vec::with_capacity(bytes_count);
        let mut offsets = Vec::with_capacity(count + 1);
        let mut nulls = NullBufferBuilder::new(count);
        offsets.push(0);
        for value in values {
            nulls.append(value.is_some());
            bytes.extend_from_slice(value.unwrap_or_default());
            offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        }
        Ok(Self {
            bytes: bytes.into(),
            offsets: OffsetBuffer::new(ScalarBuffer::from(offsets)),
            nulls: nulls.finish(),
        })
    }

    /// The values as bytes.
    pub(super) fn binary(self) -> Result<BinaryArray, ArrowError> {
        BinaryArray::try_new(self.offsets, self.bytes, self.nulls)
    }

    /// The values as text, if each is UTF-8.
    pub(super) fn text(self) -> Option<StringArray> {
        StringArray::try_new(self.offsets, self.bytes, self.nulls).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_utf_8_only_when_put_together_is_no_text() {
        let halves = [Some(&b"\xc3"[..]), Some(&b"\xa4"[..])];
        let values = Concatenated::of(halves.into_iter()).unwrap();
        assert_eq!(values.text(), None);
    }

    #[test]
    fn absent_values_are_null_and_empty_ones_are_not() {
        let values = [Some(&b"ab"[..]), None, Some(&b""[..])];
        let text = Concatenated::of(values.into_iter()).unwrap().text();
        assert_eq!(
            text,
            Some(StringArray::from(vec![Some("ab"), None, Some("")]))
        );
    }
}
