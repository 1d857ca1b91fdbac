//! What a message type has under a number: a field, or an extension of it.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use bytes::Bytes;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    Cardinality, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    OneofDescriptor, ReflectMessage as _, Value,
};

/// A field or an extension; its text is how paths name it.
#[derive(Clone, Debug)]
pub(super) enum Member {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

impl Display for Member {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.name()),
            Self::Extension(extension) => write!(f, "({})", extension.full_name()),
        }
    }
}

impl Member {
    /// Of a type, in no order.
    pub(super) fn all_of(of: &MessageDescriptor) -> impl Iterator<Item = Self> {
        let extensions = of.extensions().map(Self::Extension);
        of.fields().map(Self::Field).chain(extensions)
    }

    pub(super) fn field(&self) -> Option<&FieldDescriptor> {
        match self {
            Self::Field(field) => Some(field),
            Self::Extension(_) => None,
        }
    }

    pub(super) fn number(&self) -> u32 {
        match self {
            Self::Field(field) => field.number(),
            Self::Extension(extension) => extension.number(),
        }
    }

    pub(super) fn full_name(&self) -> &str {
        match self {
            Self::Field(field) => field.full_name(),
            Self::Extension(extension) => extension.full_name(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Field(field) => field.kind(),
            Self::Extension(extension) => extension.kind(),
        }
    }

    pub(super) fn is_group(&self) -> bool {
        match self {
            Self::Field(field) => field.is_group(),
            Self::Extension(extension) => extension.is_group(),
        }
    }

    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::Field(field) => field.is_list(),
            Self::Extension(extension) => extension.is_list(),
        }
    }

    pub(super) fn is_map(&self) -> bool {
        match self {
            Self::Field(field) => field.is_map(),
            Self::Extension(extension) => extension.is_map(),
        }
    }

    pub(super) fn cardinality(&self) -> Cardinality {
        match self {
            Self::Field(field) => field.cardinality(),
            Self::Extension(extension) => extension.cardinality(),
        }
    }

    pub(super) fn supports_presence(&self) -> bool {
        match self {
            Self::Field(field) => field.supports_presence(),
            Self::Extension(extension) => extension.supports_presence(),
        }
    }

    /// The oneof that it is an arm of, but for those that a compiler makes of `optional`.
    pub(super) fn oneof(&self) -> Option<OneofDescriptor> {
        let oneof = self.field()?.containing_oneof()?;
        (!oneof.is_synthetic()).then_some(oneof)
    }

    pub(super) fn is_set(&self, message: &DynamicMessage) -> bool {
        match self {
            Self::Field(field) => message.has_field(field),
            Self::Extension(extension) => message.has_extension(extension),
        }
    }

    pub(super) fn value<'m>(&self, message: &'m DynamicMessage) -> Cow<'m, Value> {
        match self {
            Self::Field(field) => message.get_field(field),
            Self::Extension(extension) => message.get_extension(extension),
        }
    }

    /// It alone, as it was on the wire.
    pub(super) fn encoded(&self, message: &DynamicMessage) -> Bytes {
        let mut alone = DynamicMessage::new(message.descriptor());
        if self.is_set(message) {
            let value = self.value(message).into_owned();
            match self {
                Self::Field(field) => alone.set_field(field, value),
                Self::Extension(extension) => alone.set_extension(extension, value),
            }
        }
        alone.encode_to_vec().into()
    }
}
