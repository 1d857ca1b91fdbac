//! Features of `google/protobuf/descriptor.proto`, as far as they say how messages are read, and who inherits them.
//!
//! `prost-types` 0.14 does not know them: these types read the same bytes, and nothing else of them.

use prost::Enumeration;

/// Who tells a field that is not there from one that has its default?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum FieldPresence {
    Unknown = 0,
    Explicit = 1,
    Implicit = 2,
    LegacyRequired = 3,
}

/// What becomes of a number that is no value of an enum?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum EnumType {
    Unknown = 0,
    Open = 1,
    Closed = 2,
}

/// How numbers of a list are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum RepeatedFieldEncoding {
    Unknown = 0,
    Packed = 1,
    Expanded = 2,
}

/// How a message within a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum MessageEncoding {
    Unknown = 0,
    LengthPrefixed = 1,
    Delimited = 2,
}

/// `FeatureSet`: what is said at one place.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FeatureSet {
    #[prost(enumeration = "FieldPresence", tag = "1")]
    field_presence: i32,
    #[prost(enumeration = "EnumType", tag = "2")]
    enum_type: i32,
    #[prost(enumeration = "RepeatedFieldEncoding", tag = "3")]
    repeated_field_encoding: i32,
    #[prost(enumeration = "MessageEncoding", tag = "5")]
    message_encoding: i32,
}

/// What is in force at one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub(super) presence: FieldPresence,
    pub(super) enums: EnumType,
    pub(super) lists: RepeatedFieldEncoding,
    pub(super) messages: MessageEncoding,
}

impl Features {
    /// Of editions 2023 and 2024.
    pub(super) const DEFAULT: Self = Self {
        presence: FieldPresence::Explicit,
        enums: EnumType::Open,
        lists: RepeatedFieldEncoding::Packed,
        messages: MessageEncoding::LengthPrefixed,
    };

    /// The same, but for what `said` says.
    pub(super) fn with(self, said: Option<&FeatureSet>) -> Result<Self, String> {
        let Some(said) = said else {
            return Ok(self);
        };
        Ok(Self {
            presence: or("field_presence", said.field_presence, self.presence)?,
            enums: or("enum_type", said.enum_type, self.enums)?,
            lists: or(
                "repeated_field_encoding",
                said.repeated_field_encoding,
                self.lists,
            )?,
            messages: or("message_encoding", said.message_encoding, self.messages)?,
        })
    }
}

fn or<T: TryFrom<i32>>(feature: &str, said: i32, inherited: T) -> Result<T, String> {
    match said {
        0 => Ok(inherited),
        value => T::try_from(value)
            .map_err(|_| format!("feature {feature} has the value {value}, which is not known")),
    }
}

/// Options of anything, by the number that its features have among them.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident = $tag:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, prost::Message)]
        pub(super) struct $name {
            #[prost(message, optional, tag = $tag)]
            features: Option<FeatureSet>,
        }
    )*};
}

options! {
    /// `FileOptions`.
    FileOptions = "50";
    /// `MessageOptions`.
    MessageOptions = "12";
    /// `FieldOptions`.
    FieldOptions = "21";
    /// `OneofOptions`.
    OneofOptions = "1";
    /// `EnumOptions`.
    EnumOptions = "7";
}

/// `FileDescriptorSet`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Files {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<File>,
}

/// `FileDescriptorProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct File {
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<Message>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<Enum>,
    #[prost(message, repeated, tag = "7")]
    pub(super) extension: Vec<Field>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileOptions>,
    #[prost(int32, tag = "14")]
    pub(super) edition: i32,
}

/// `DescriptorProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Message {
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<Message>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<Enum>,
    #[prost(message, repeated, tag = "6")]
    pub(super) extension: Vec<Field>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneof_decl: Vec<Oneof>,
}

/// `FieldDescriptorProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Field {
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptions>,
}

/// `OneofDescriptorProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Oneof {
    #[prost(message, optional, tag = "2")]
    options: Option<OneofOptions>,
}

/// `EnumDescriptorProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Enum {
    #[prost(message, optional, tag = "3")]
    options: Option<EnumOptions>,
}

/// What may say features.
macro_rules! say_features {
    ($($name:ident)*) => {$(
        impl $name {
            /// What it says of itself and what is in it.
            pub(super) fn features(&self) -> Option<&FeatureSet> {
                self.options.as_ref()?.features.as_ref()
            }
        }
    )*};
}

say_features!(File Message Field Oneof Enum);
