//! Which methods of known services accept given messages.
//!
//! Stricter than a protobuf decoder: a field that the type does not know, or that is encoded in
//! another way than its type says, is no such message.

use bytes::Bytes;
use prost_reflect::{
    DescriptorError, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    Syntax,
};

use super::health;
use super::wire::{Fields, WireField, WireType, take, varint};

/// Deepest nesting of messages that is looked at; what is deeper is accepted.
const DEPTH_MAX: usize = 32;

/// The methods of known services.
#[derive(Debug, Default)]
pub struct Descriptors {
    methods: Vec<Method>,
}

/// Why descriptors were refused.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorsError {
    /// Not a `FileDescriptorSet`, imports missing, names twice, ...
    #[error("not a usable FileDescriptorSet: {0} (made with `protoc --include_imports -o FILE`?)")]
    Invalid(#[from] DescriptorError),
    /// It has no service, so it cannot tell the type of any message.
    #[error("the FileDescriptorSet has no service")]
    NoService,
}

#[derive(Debug)]
struct Method {
    descriptor: MethodDescriptor,
    /// `/package.Service/Method`.
    path: Bytes,
}

/// Which half of a call messages are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Request,
    Response,
}

impl Descriptors {
    /// Takes encoded `google.protobuf.FileDescriptorSet`s with their imports. The standard health
    /// service is always among the methods, since most servers have it.
    pub fn new<'a>(encoded: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DescriptorsError> {
        let mut pool = DescriptorPool::new();
        for encoded in encoded {
            let known = pool.services().len();
            pool.decode_file_descriptor_set(encoded)?;
            if pool.services().len() == known {
                return Err(DescriptorsError::NoService);
            }
        }
        if pool.get_service_by_name(health::SERVICE).is_none() {
            pool.add_file_descriptor_proto(health::file())?;
        }
        let services = pool.services();
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods = methods.map(|descriptor| Method {
            path: format!(
                "/{}/{}",
                descriptor.parent_service().full_name(),
                descriptor.name()
            )
            .into(),
            descriptor,
        });
        Ok(Self {
            methods: methods.collect(),
        })
    }

    /// Number of methods; each is named by a number below.
    pub(super) fn methods_count(&self) -> usize {
        self.methods.len()
    }

    /// `/package.Service/Method` of method `index`.
    pub(super) fn path(&self, index: usize) -> Option<&Bytes> {
        self.methods.get(index).map(|method| &method.path)
    }

    /// The number of the method with this path.
    pub(super) fn index_of(&self, path: &[u8]) -> Option<usize> {
        self.methods.iter().position(|method| method.path == path)
    }

    /// May method `index` have so many messages in this half?
    pub(super) fn may_have(&self, index: usize, half: Half, messages_count: u64) -> bool {
        let Some(Method { descriptor, .. }) = self.methods.get(index) else {
            return false;
        };
        let is_stream = match half {
            Half::Request => descriptor.is_client_streaming(),
            Half::Response => descriptor.is_server_streaming(),
        };
        is_stream || messages_count <= 1
    }

    /// May `message` be one of method `index`?
    pub(super) fn accepts(&self, index: usize, half: Half, message: &[u8]) -> bool {
        let Some(Method { descriptor, .. }) = self.methods.get(index) else {
            return false;
        };
        let message_type = match half {
            Half::Request => descriptor.input(),
            Half::Response => descriptor.output(),
        };
        is_of(&message_type, message, 0)
    }
}

fn is_of(message_type: &MessageDescriptor, bytes: &[u8], depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return true;
    }
    let mut required: Vec<u32> = message_type
        .fields()
        .filter(FieldDescriptor::is_required)
        .map(|field| field.number())
        .collect();
    for field in Fields::of(bytes) {
        let Ok(field) = field else {
            return false;
        };
        required.retain(|number| *number != field.number);
        if !is_field_of(message_type, &field, depth) {
            return false;
        }
    }
    required.is_empty()
}

fn is_field_of(message_type: &MessageDescriptor, field: &WireField<'_>, depth: usize) -> bool {
    let (kind, is_list, is_group, is_proto3) =
        if let Some(known) = message_type.get_field(field.number) {
            let is_proto3 = known.parent_file().syntax() == Syntax::Proto3;
            (known.kind(), known.is_list(), known.is_group(), is_proto3)
        } else if let Some(known) = message_type.get_extension(field.number) {
            (known.kind(), known.is_list(), known.is_group(), false)
        } else {
            return false;
        };
    let payload = field.payload;
    match (&kind, field.wire_type) {
        (Kind::String, WireType::Len) => !is_proto3 || std::str::from_utf8(payload).is_ok(),
        (Kind::Bytes, WireType::Len) => true,
        (Kind::Message(inner), WireType::Len) => !is_group && is_of(inner, payload, depth + 1),
        (Kind::Message(inner), WireType::Group) => is_group && is_of(inner, payload, depth + 1),
        (Kind::Message(_) | Kind::String | Kind::Bytes, _) => false,
        (_, WireType::Len) => is_list && is_packed(&kind, payload),
        (_, wire_type) => wire_type == scalar(&kind),
    }
}

/// How a number of this kind is encoded.
fn scalar(kind: &Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::I64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::I32,
        _ => WireType::Varint,
    }
}

fn is_packed(kind: &Kind, mut payload: &[u8]) -> bool {
    while !payload.is_empty() {
        let is_there = match scalar(kind) {
            WireType::I64 => take(&mut payload, 8).is_some(),
            WireType::I32 => take(&mut payload, 4).is_some(),
            _ => varint(&mut payload).is_some(),
        };
        if !is_there {
            return false;
        }
    }
    true
}
