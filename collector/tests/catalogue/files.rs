//! Descriptors of small files, right but for what a case changes.

use prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

pub(crate) fn field(name: &str, number: i32) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::Int32.into()),
        ..FieldDescriptorProto::default()
    }
}

pub(crate) fn of_message(name: &str, number: i32, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        r#type: Some(Type::Message.into()),
        type_name: Some(type_name.to_owned()),
        ..field(name, number)
    }
}

pub(crate) fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: fields,
        ..DescriptorProto::default()
    }
}

pub(crate) fn values(name: &str, numbers: &[i32]) -> EnumDescriptorProto {
    let value = |number: &i32| EnumValueDescriptorProto {
        name: Some(format!("{name}_{number}")),
        number: Some(*number),
        ..EnumValueDescriptorProto::default()
    };
    EnumDescriptorProto {
        name: Some(name.to_owned()),
        value: numbers.iter().map(value).collect(),
        ..EnumDescriptorProto::default()
    }
}

/// A file with `bad.v1.Bad/Get`, from `M` to `M`.
pub(crate) fn file(fields: Vec<FieldDescriptorProto>) -> FileDescriptorProto {
    let get = MethodDescriptorProto {
        name: Some("Get".to_owned()),
        input_type: Some(".bad.v1.M".to_owned()),
        output_type: Some(".bad.v1.M".to_owned()),
        ..MethodDescriptorProto::default()
    };
    FileDescriptorProto {
        name: Some("bad.proto".to_owned()),
        package: Some("bad.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![message("M", fields)],
        service: vec![ServiceDescriptorProto {
            name: Some("Bad".to_owned()),
            method: vec![get],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

pub(crate) fn import(name: &str, imports: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        dependency: imports.iter().map(ToString::to_string).collect(),
        ..FileDescriptorProto::default()
    }
}

pub(crate) fn set(files: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file: files }.encode_to_vec()
}

pub(crate) fn one(change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<u8> {
    let mut file = file(vec![field("a", 1)]);
    change(&mut file);
    set(vec![file])
}

pub(crate) fn fields(fields: Vec<FieldDescriptorProto>) -> Vec<u8> {
    set(vec![file(fields)])
}
