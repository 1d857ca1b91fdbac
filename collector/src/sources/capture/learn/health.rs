//! The standard health service, `grpc.health.v1.Health`, as a descriptor.
//!
//! Its messages are small, so that other methods accept them too: it has to be among the methods
//! that are tried.

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    ServiceDescriptorProto,
};

/// Its full name.
pub(super) const SERVICE: &str = "grpc.health.v1.Health";

/// The file that declares it. The status is an enum there, which is encoded as `int32` is.
pub(super) fn file() -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("twintap/health.proto".to_owned()),
        package: Some("grpc.health.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![
            message("HealthCheckRequest", "service", Type::String),
            message("HealthCheckResponse", "status", Type::Int32),
        ],
        service: vec![ServiceDescriptorProto {
            name: Some("Health".to_owned()),
            method: vec![method("Check", false), method("Watch", true)],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

fn message(name: &str, field: &str, kind: Type) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: vec![FieldDescriptorProto {
            name: Some(field.to_owned()),
            number: Some(1),
            label: Some(Label::Optional.into()),
            r#type: Some(kind.into()),
            ..FieldDescriptorProto::default()
        }],
        ..DescriptorProto::default()
    }
}

fn method(name: &str, is_stream: bool) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(".grpc.health.v1.HealthCheckRequest".to_owned()),
        output_type: Some(".grpc.health.v1.HealthCheckResponse".to_owned()),
        server_streaming: Some(is_stream),
        ..MethodDescriptorProto::default()
    }
}
