//! How messages are written, field by field: what checking bytes needs of descriptors, in tables. Asking a
//! descriptor for each field costs more than reading the field.

use std::collections::HashMap;

use prost::encoding::WireType;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

/// All message types of a pool.
#[derive(Debug, Default)]
pub(in crate::compare) struct Layouts {
    by_name: HashMap<String, usize>,
    messages: Vec<Layout>,
}

/// The fields of one message type.
#[derive(Debug)]
pub(in crate::compare) struct Layout {
    /// By number.
    fields: Vec<(u32, Field)>,
    /// Numbers, in ascending order.
    extensions: Vec<u32>,
}

/// How one field is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::compare) enum Field {
    /// A message behind its length; its index.
    Message(usize),
    /// What is not looked into: a message between two tags (a group).
    Opaque,
    /// A `string`, which is UTF-8.
    Text,
    /// Any bytes.
    Bytes,
    /// A number.
    Number(WireType),
    /// Numbers, one by one or behind one length.
    Numbers(WireType),
}

impl Layouts {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let names = pool.all_messages().enumerate();
        let by_name: HashMap<_, _> = names
            .map(|(index, message)| (message.full_name().to_owned(), index))
            .collect();
        let messages = pool.all_messages();
        let messages = messages
            .map(|message| Layout::of(&message, &by_name))
            .collect();
        Self { by_name, messages }
    }

    /// The layout of the type of that full name.
    pub(in crate::compare) fn by_name(&self, full_name: &str) -> Option<&Layout> {
        self.message(*self.by_name.get(full_name)?)
    }

    /// The layout that [`Field::Message`] names.
    pub(in crate::compare) fn message(&self, index: usize) -> Option<&Layout> {
        self.messages.get(index)
    }
}

impl Layout {
    fn of(message: &MessageDescriptor, by_name: &HashMap<String, usize>) -> Self {
        let known = message.fields();
        let mut fields: Vec<_> = known
            .map(|field| (field.number(), Field::of(&field, by_name)))
            .collect();
        fields.sort_by_key(|(number, _)| *number);
        let extensions = message.extensions().map(|extension| extension.number());
        let mut extensions: Vec<_> = extensions.collect();
        extensions.sort_unstable();
        Self { fields, extensions }
    }

    pub(in crate::compare) fn field(&self, number: u32) -> Option<Field> {
        let index = self
            .fields
            .binary_search_by_key(&number, |(known, _)| *known);
        self.fields.get(index.ok()?).map(|(_, field)| *field)
    }

    pub(in crate::compare) fn is_extension(&self, number: u32) -> bool {
        self.extensions.binary_search(&number).is_ok()
    }
}

impl Field {
    fn of(field: &FieldDescriptor, by_name: &HashMap<String, usize>) -> Self {
        match field.kind() {
            Kind::Message(message) if !field.is_group() => {
                let index = by_name.get(message.full_name());
                index.map_or(Self::Opaque, |index| Self::Message(*index))
            }
            Kind::Message(_) => Self::Opaque,
            Kind::String => Self::Text,
            Kind::Bytes => Self::Bytes,
            number if field.is_list() => Self::Numbers(number.wire_type()),
            number => Self::Number(number.wire_type()),
        }
    }
}
