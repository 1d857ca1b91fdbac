//! Whether two files of one name say the same: names, numbers, types, and how messages are read.
//!
//! Compilers differ in comments, in the options and JSON names that they add, and in whether they
//! write out what is the default. None of it counts.

use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, OneofDescriptorProto, ServiceDescriptorProto,
};

use super::is_map_entry;

/// Do both define the same? Those of `google.protobuf` do: every compiler brings its own.
pub(super) fn says_the_same(a: &FileDescriptorProto, b: &FileDescriptorProto) -> bool {
    let is_protobufs_own = a.package() == "google.protobuf" && b.package() == "google.protobuf";
    a == b || is_protobufs_own || bare_file(a) == bare_file(b)
}

fn bare_file(file: &FileDescriptorProto) -> FileDescriptorProto {
    // protoc leaves proto2 out.
    let syntax = match file.syntax() {
        "" => "proto2",
        written => written,
    };
    FileDescriptorProto {
        package: Some(file.package().to_owned()),
        syntax: Some(syntax.to_owned()),
        message_type: file.message_type.iter().map(bare_message).collect(),
        enum_type: file.enum_type.iter().map(bare_enum).collect(),
        service: file.service.iter().map(bare_service).collect(),
        extension: file.extension.iter().map(bare_field).collect(),
        ..FileDescriptorProto::default()
    }
}

fn bare_message(message: &DescriptorProto) -> DescriptorProto {
    let options = message.options.as_ref();
    let is_message_set = options.is_some_and(MessageOptions::message_set_wire_format);
    let oneofs = message.oneof_decl.iter().map(|oneof| OneofDescriptorProto {
        options: None,
        ..oneof.clone()
    });
    DescriptorProto {
        name: message.name.clone(),
        field: message.field.iter().map(bare_field).collect(),
        extension: message.extension.iter().map(bare_field).collect(),
        nested_type: message.nested_type.iter().map(bare_message).collect(),
        enum_type: message.enum_type.iter().map(bare_enum).collect(),
        oneof_decl: oneofs.collect(),
        options: Some(MessageOptions {
            map_entry: Some(is_map_entry(message)),
            message_set_wire_format: Some(is_message_set),
            ..MessageOptions::default()
        }),
        ..DescriptorProto::default()
    }
}

fn bare_enum(descriptor: &EnumDescriptorProto) -> EnumDescriptorProto {
    let mut bare = EnumDescriptorProto {
        name: descriptor.name.clone(),
        value: descriptor.value.clone(),
        ..EnumDescriptorProto::default()
    };
    bare.value.iter_mut().for_each(|value| value.options = None);
    bare
}

fn bare_service(service: &ServiceDescriptorProto) -> ServiceDescriptorProto {
    let mut bare = ServiceDescriptorProto {
        options: None,
        ..service.clone()
    };
    for method in &mut bare.method {
        method.options = None;
        method.client_streaming = Some(method.client_streaming());
        method.server_streaming = Some(method.server_streaming());
    }
    bare
}

fn bare_field(field: &FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto {
        options: None,
        json_name: None,
        proto3_optional: Some(field.proto3_optional()),
        ..field.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(proto: &str) -> FileDescriptorProto {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.proto");
        std::fs::write(&path, proto).unwrap();
        let set = protox::compile([&path], [folder.path()]).unwrap();
        set.file.into_iter().next().unwrap()
    }

    #[test]
    fn what_changes_how_messages_are_read_is_not_the_same() {
        for (what, a, b) in [
            (
                "syntax: who has presence",
                "syntax = \"proto3\"; message M { string a = 1; }",
                "syntax = \"proto2\"; message M { optional string a = 1; }",
            ),
            (
                "a map and a list of entries",
                "syntax = \"proto3\"; message M { map<string, string> a = 1; }",
                "syntax = \"proto3\"; message M { repeated AEntry a = 1; \
                 message AEntry { string key = 1; string value = 2; } }",
            ),
            (
                "the name of a oneof",
                "syntax = \"proto3\"; message M { oneof a { string x = 1; } }",
                "syntax = \"proto3\"; message M { oneof b { string x = 1; } }",
            ),
            (
                "presence",
                "syntax = \"proto3\"; message M { string a = 1; }",
                "syntax = \"proto3\"; message M { optional string a = 1; }",
            ),
        ] {
            assert!(!says_the_same(&compiled(a), &compiled(b)), "{what}");
        }
    }

    #[test]
    fn what_compilers_write_or_leave_out_is_the_same() {
        let file = compiled(
            "syntax = \"proto2\"; package p; message M { optional string a = 1; \
             oneof o { int32 b = 2; } map<string, M> c = 3; }",
        );
        let mut other = file.clone();
        other.syntax = match file.syntax {
            None => Some("proto2".to_owned()),
            Some(_) => None,
        };
        let message = other.message_type.first_mut().unwrap();
        message.options = Some(MessageOptions {
            map_entry: Some(false),
            deprecated: Some(true),
            ..MessageOptions::default()
        });
        for field in &mut message.field {
            field.json_name = Some("other".to_owned());
            field.proto3_optional = match field.proto3_optional {
                None => Some(false),
                known => known.filter(|is_set| *is_set),
            };
        }
        assert_ne!(file, other);
        assert!(says_the_same(&file, &other));
    }
}
