//! Two sides of an answer that differ in one thing, and the types that they are read by.

use prost::Message as _;
use prost_reflect::prost_types::{
    Any, DescriptorProto, FileDescriptorProto, FileDescriptorSet, ListValue, Struct, Timestamp,
    Value, value::Kind,
};

use super::Seeds;
use crate::properties::messages::kinds;
use crate::properties::script::ScriptWriter;
use crate::properties::types;

fn pair(kind: u8, primary: &[u8], candidate: &[u8]) -> Vec<u8> {
    let writer = ScriptWriter::default().bytes(&[kind]);
    writer.payload(primary).payload(candidate).0
}

/// A length-delimited field with a number below 16.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(content.len()).unwrap();
    assert!(len < 128);
    [&[number << 3 | 2, len], content].concat()
}

/// `google.protobuf.Struct` with a list of numbers.
fn structure(numbers: &[f64]) -> Vec<u8> {
    let value = |kind| Value { kind: Some(kind) };
    let values = numbers
        .iter()
        .map(|number| value(Kind::NumberValue(*number)));
    let list = ListValue {
        values: values.collect(),
    };
    let fields = [
        ("a".to_owned(), value(Kind::ListValue(list))),
        ("b".to_owned(), value(Kind::BoolValue(true))),
    ];
    Struct {
        fields: fields.into_iter().collect(),
    }
    .encode_to_vec()
}

/// `google.rpc.Status` with one detail.
fn status(message: &str, detail: &[u8]) -> Vec<u8> {
    let any = Any {
        type_url: "type.googleapis.com/google.protobuf.Timestamp".to_owned(),
        value: detail.to_vec(),
    };
    let code = vec![8, 5];
    [
        code,
        field(2, message.as_bytes()),
        field(3, &any.encode_to_vec()),
    ]
    .concat()
}

pub(super) fn messages() -> Seeds {
    let time = |seconds| {
        let time = Timestamp { seconds, nanos: 5 };
        time.encode_to_vec()
    };
    let small = FileDescriptorProto {
        name: Some("a".to_owned()),
        message_type: vec![DescriptorProto::default(); 2],
        ..FileDescriptorProto::default()
    };
    let wire = |last: u8| {
        [
            &[8, 1, 0x11, 1, 2, 3, 4, 5, 6, 7, 8],
            &field(3, &[8, last])[..],
            &field(4, b"text"),
        ]
        .concat()
    };
    let group = b"\x23\x08\x01\x24\x2d\x01\0\0\0\x1a\x01x\x1a\x01y";
    vec![
        ("wire", pair(kinds::WIRE, &wire(1), &wire(2))),
        (
            "wire_list",
            pair(kinds::WIRE, group, b"\x1a\x01y\x1a\x01x\x1a\x01z"),
        ),
        (
            "typed_struct",
            pair(
                kinds::TYPED,
                &field(1, &structure(&[1.0, 2.5])),
                &field(1, &structure(&[2.5])),
            ),
        ),
        (
            "typed_others",
            pair(
                kinds::TYPED,
                &[field(2, &small.encode_to_vec()), field(4, &time(1))].concat(),
                &[field(4, &time(2)), field(5, b"\x09\0\0\0\0\0\0\xf8\x7f")].concat(),
            ),
        ),
        (
            "json",
            pair(
                kinds::JSON,
                br#"{"a": [1, 2.50, "x"], "b": null, "c": {"d": 1e3}}"#,
                br#"{"c": {"d": 1000}, "a": ["x", 2.5], "b": "\u00e9"}"#,
            ),
        ),
        (
            "details",
            pair(
                kinds::DETAILS,
                &status("gone", &time(1)),
                &status("gone", &time(2)),
            ),
        ),
        ("metadata", pair(kinds::METADATA, b"AAEC", b"AAED")),
    ]
}

pub(super) fn descriptor_sets() -> Seeds {
    let small = FileDescriptorSet {
        file: vec![FileDescriptorProto {
            name: Some("small.proto".to_owned()),
            package: Some("small.v1".to_owned()),
            ..rename(types::file(Vec::new()))
        }],
    };
    let proto = |text: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.proto");
        std::fs::write(&path, text).unwrap();
        let set = protox::compile([&path], [folder.path()]).unwrap();
        set.encode_to_vec()
    };
    let files = super::texts::proto_files();
    vec![
        ("small", small.encode_to_vec()),
        ("proto2", proto(&files[0].1)),
        ("proto3", proto(&files[1].1)),
        ("no_service", proto(&files[2].1)),
    ]
}

/// The same file with its types in `small.v1`.
fn rename(mut file: FileDescriptorProto) -> FileDescriptorProto {
    for method in file
        .service
        .iter_mut()
        .flat_map(|service| &mut service.method)
    {
        method.input_type = Some(".small.v1.M".to_owned());
        method.output_type = Some(".small.v1.M".to_owned());
    }
    file
}
