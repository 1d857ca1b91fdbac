//! Descriptors of a small service of which messages hold whatever protobuf has.

use std::sync::OnceLock;

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
};
use twintap::compare::Schema;

/// The one method.
pub(crate) const METHOD: &str = "any.v1.Any/Get";

/// Fields of its message, from 1, by type: maps, oneofs, enums, recursion, times, numbers, packed lists.
const FIELDS: [&str; 5] = [
    ".google.protobuf.Struct",
    ".google.protobuf.FileDescriptorProto",
    ".google.protobuf.Any",
    ".google.protobuf.Timestamp",
    ".google.protobuf.DoubleValue",
];

const FILES: [&str; 5] = [
    "google/protobuf/struct.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/any.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
];

fn field((index, type_name): (usize, &&str)) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(format!("f{index}")),
        number: Some(i32::try_from(index + 1).unwrap()),
        label: Some(Label::Repeated.into()),
        r#type: Some(Type::Message.into()),
        type_name: Some((*type_name).to_owned()),
        ..FieldDescriptorProto::default()
    }
}

/// The service's own file.
pub(crate) fn file(fields: Vec<FieldDescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("any.proto".to_owned()),
        package: Some("any.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("M".to_owned()),
            field: fields,
            ..DescriptorProto::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Any".to_owned()),
            method: vec![MethodDescriptorProto {
                name: Some("Get".to_owned()),
                input_type: Some(".any.v1.M".to_owned()),
                output_type: Some(".any.v1.M".to_owned()),
                ..MethodDescriptorProto::default()
            }],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

/// An encoded set of the service with its imports.
pub(crate) fn descriptor_set() -> Vec<u8> {
    let imported = |name: &&str| {
        let file = DescriptorPool::global().get_file_by_name(name).unwrap();
        file.file_descriptor_proto().clone()
    };
    let mut files: Vec<_> = FILES.iter().map(imported).collect();
    files.push(FileDescriptorProto {
        dependency: FILES.map(str::to_owned).to_vec(),
        ..file(FIELDS.iter().enumerate().map(field).collect())
    });
    FileDescriptorSet { file: files }.encode_to_vec()
}

/// The types of [`METHOD`].
pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = Schema::default();
        schema.add_descriptor_set(&descriptor_set()).unwrap();
        schema
    })
}
