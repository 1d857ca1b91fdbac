//! A decoded header block: fields in wire order, each saying how sure it is.
//!
//! One buffer holds the text of all fields, and blocks that follow each other share it: a block
//! costs one allocation, however many fields it has.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{HpackError, KnownName};

/// Bytes of the buffer that the text of blocks is put into, unless one needs more. So long as any
/// of them is kept the whole buffer is, which is why it is small.
const TEXT_BUFFER_BYTES: usize = 4 * 1024;

/// A place in the buffer of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

/// Names an entry of the dynamic table for as long as the connection lives.
///
/// HPACK counts from the newest entry, so the number of an entry on the wire grows with every
/// insertion; this one does not. Negative: inserted before the capture began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// Ordinals of different epochs must not be compared: in between, count was lost.
    pub epoch: u32,
    /// Insertions since the epoch began until this one, from 0.
    pub ordinal: i32,
}

/// The name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// One of those known beforehand.
    Known(KnownName),
    /// Another.
    Text(Span),
    /// That of an entry whose insertion was not captured.
    Unknown(EntryId),
    /// Which entry was meant is not known, because header blocks were lost before.
    Lost,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Spelt out, or of an entry of which that is sure.
    Seen(Span),
    /// Of the only entry that makes sense, header blocks having been lost before.
    Inferred(Span),
    /// One of several: the index of a list in the block.
    Ambiguous(u32),
    /// That of an entry whose insertion was not captured.
    Unknown(EntryId),
    /// Which entry was meant is not known, because header blocks were lost before.
    Lost,
}

/// A header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Value,
    /// Did the sender forbid to index it (at this or any later hop)?
    pub never_indexed: bool,
}

/// A decoded header block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderBlock {
    pub(super) text: Bytes,
    pub(super) fields: Arc<[Field]>,
    /// What only blocks near a loss have.
    doubts: Option<Box<Doubts>>,
}

/// What is wrong with a block, or not known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    /// Values that a field may have, by the number that [`Value::Ambiguous`] has.
    pub(super) alternatives: Vec<Vec<Span>>,
    defect: Option<Defect>,
    /// Set if another reading may follow ([`super::Decoder::take_revised`]).
    pub(super) ticket: Option<Ticket>,
}

/// Names a block of one decoder that is read again when the loss before it is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub(super) u64);

/// Why a block lacks fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// A part of it was not captured; the fields before that are there.
    #[error("part of the header block was not captured")]
    Lost,
    /// It is malformed from some place on.
    #[error(transparent)]
    Malformed(#[from] HpackError),
    /// It is larger than the limit; the rest was read and not kept.
    #[error("header list is larger than the limit")]
    TooLarge,
}

impl HeaderBlock {
    /// A block of fields that never were in HPACK, all seen.
    pub fn from_fields<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut draft = Draft::default();
        for (name, value) in fields {
            let start = draft.mark();
            let name = match KnownName::find(name) {
                Some(known) => Name::Known(known),
                None => Name::Text(draft.push_text(name)),
            };
            let value = Value::Seen(draft.push_text(value));
            draft.push(
                Field {
                    name,
                    value,
                    never_indexed: false,
                },
                start,
                usize::MAX,
            );
        }
        draft.finish(None)
    }

    /// Names the block if another reading of it may follow.
    pub fn ticket(&self) -> Option<Ticket> {
        self.doubts.as_ref()?.ticket
    }

    /// Bytes of memory that its fields hold.
    #[inline]
    pub fn kept_bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.fields)
    }

    /// The fields, in wire order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Why it is not complete; `None` if it is.
    pub fn defect(&self) -> Option<&Defect> {
        self.doubts.as_ref()?.defect.as_ref()
    }

    /// Is any field missing, or without a name or value that is sure?
    pub fn is_incomplete(&self) -> bool {
        let unsure = |field: &Field| {
            matches!(field.name, Name::Unknown(_) | Name::Lost)
                || !matches!(field.value, Value::Seen(_))
        };
        self.defect().is_some() || self.fields.iter().any(unsure)
    }

    /// Does it begin with a pseudo-header field that was seen, as only blocks do that open a request
    /// or a response?
    pub fn is_opening(&self) -> bool {
        let is_seen_pseudo = |field: &Field| {
            matches!(field.name, Name::Known(name) if name.is_pseudo())
                && matches!(field.value, Value::Seen(_))
        };
        self.fields.first().is_some_and(is_seen_pseudo)
    }

    /// How `field` of this block is called; `None` if that is not known.
    pub fn name(&self, field: &Field) -> Option<&[u8]> {
        match field.name {
            Name::Known(name) => Some(name.as_str().as_bytes()),
            Name::Text(span) => self.text_of(span),
            Name::Unknown(_) | Name::Lost => None,
        }
    }

    /// As [`Self::name`], sharing the buffer.
    pub fn name_bytes(&self, field: &Field) -> Option<Bytes> {
        match field.name {
            Name::Known(name) => Some(Bytes::from_static(name.as_str().as_bytes())),
            Name::Text(span) => self.bytes(span),
            Name::Unknown(_) | Name::Lost => None,
        }
    }

    /// The value of `field` of this block, if it was seen or inferred.
    pub fn value(&self, field: &Field) -> Option<&[u8]> {
        match field.value {
            Value::Seen(span) | Value::Inferred(span) => self.text_of(span),
            Value::Ambiguous(_) | Value::Unknown(_) | Value::Lost => None,
        }
    }

    /// As [`Self::value`], sharing the buffer.
    pub fn value_bytes(&self, field: &Field) -> Option<Bytes> {
        match field.value {
            Value::Seen(span) | Value::Inferred(span) => self.bytes(span),
            Value::Ambiguous(_) | Value::Unknown(_) | Value::Lost => None,
        }
    }

    /// What the value of `field` may be, where it is ambiguous.
    pub fn alternatives(&self, field: &Field) -> Vec<Bytes> {
        let Value::Ambiguous(index) = field.value else {
            return Vec::new();
        };
        let doubts = self.doubts.as_ref();
        let list = doubts.and_then(|doubts| doubts.alternatives.get(index as usize));
        list.into_iter()
            .flatten()
            .filter_map(|span| self.bytes(*span))
            .collect()
    }

    /// The first field called `name`.
    #[inline]
    pub fn find(&self, name: KnownName) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.name == Name::Known(name))
    }

    /// The value of the first field called `name`, if it was seen or inferred.
    pub fn find_value(&self, name: KnownName) -> Option<&[u8]> {
        self.value(self.find(name)?)
    }

    /// Says what is not known of it.
    pub(super) fn doubts_mut(&mut self) -> &mut Doubts {
        self.doubts.get_or_insert_default()
    }

    #[inline]
    pub(super) fn text_of(&self, span: Span) -> Option<&[u8]> {
        self.text.get(span.start as usize..span.end as usize)
    }

    /// Adds to the text what no field has yet.
    pub(super) fn append(&mut self, text: &[u8]) -> Span {
        let start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.text = [&*self.text, text].concat().into();
        Span {
            start,
            end: u32::try_from(self.text.len()).unwrap_or(u32::MAX),
        }
    }

    fn bytes(&self, span: Span) -> Option<Bytes> {
        let range = span.start as usize..span.end as usize;
        self.text_of(span).map(|_| self.text.slice(range))
    }
}

/// A block in the making. Kept from block to block, so that its buffers are.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Holds the text of blocks that are finished, and has room for more.
    finished_text: BytesMut,
    pub(super) text: Vec<u8>,
    pub(super) fields: Vec<Field>,
    /// Did a field not fit the limit?
    pub(super) is_too_large: bool,
    /// Bytes of the header list, as the limit counts them.
    list_bytes: usize,
}

impl Draft {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.is_too_large = false;
        self.list_bytes = 0;
    }

    /// Position in the text, where the next span begins.
    pub(super) fn mark(&self) -> usize {
        self.text.len()
    }

    /// From `start` to the end of the text.
    pub(super) fn span_since(&self, start: usize) -> Span {
        // A block of at most 256 KiB and the limit of the list keep this far below 4 GiB.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            start: offset(start),
            end: offset(self.text.len()),
        }
    }

    pub(super) fn push_text(&mut self, text: &[u8]) -> Span {
        let start = self.mark();
        self.text.extend_from_slice(text);
        self.span_since(start)
    }

    pub(super) fn text(&self, span: Span) -> &[u8] {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// Keeps the field unless the list is larger than `list_bytes_max`; then its text, which
    /// begins at `start`, goes too.
    #[inline]
    pub(super) fn push(&mut self, field: Field, start: usize, list_bytes_max: usize) {
        self.list_bytes += self.text.len() - start + super::table::ENTRY_OVERHEAD_BYTES;
        if self.list_bytes > list_bytes_max {
            self.is_too_large = true;
            self.text.truncate(start);
        } else {
            self.fields.push(field);
        }
    }

    /// Puts the fields of `block`, all of which fit the limit, into an empty draft.
    pub(super) fn resume(&mut self, block: &HeaderBlock) {
        self.text.extend_from_slice(&block.text);
        self.fields.extend_from_slice(&block.fields);
        self.list_bytes = self.text.len() + self.fields.len() * super::table::ENTRY_OVERHEAD_BYTES;
    }

    /// The draft as a block of its own, which is to be kept for long: it shares no buffer.
    pub(super) fn keep(&self) -> HeaderBlock {
        HeaderBlock {
            text: Bytes::copy_from_slice(&self.text),
            fields: self.fields.as_slice().into(),
            doubts: None,
        }
    }

    pub(super) fn finish(&mut self, defect: Option<Defect>) -> HeaderBlock {
        let defect = defect.or(self.is_too_large.then_some(Defect::TooLarge));
        if self.finished_text.capacity() == 0 {
            self.finished_text.reserve(TEXT_BUFFER_BYTES);
        }
        self.finished_text.extend_from_slice(&self.text);
        HeaderBlock {
            text: self.finished_text.split().freeze(),
            fields: self.fields.as_slice().into(),
            doubts: defect.map(|defect| {
                Box::new(Doubts {
                    defect: Some(defect),
                    ..Doubts::default()
                })
            }),
        }
    }
}
