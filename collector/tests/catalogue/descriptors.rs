//! Descriptor sets: refused with a reason, and those taken before stay; or taken and harmless.

use prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::Label;
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, MessageOptions, OneofDescriptorProto, SourceCodeInfo,
};
use twintap::compare::Schema;

use super::check;
use super::files::{field, fields, file, import, message, of_message, one, set, values};

/// `taken` or `refused`, and the reason; the schema must be what it was if it was refused.
fn answer(encoded: &[u8]) -> String {
    let mut schema = Schema::default();
    let good =
        "syntax = \"proto3\"; package good; message G {} service Good { rpc Get(G) returns (G); }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.proto");
    std::fs::write(&path, good).unwrap();
    let good = protox::compile([&path], [folder.path()]).unwrap();
    schema.add_descriptor_set(&good.encode_to_vec()).unwrap();
    let before = schema.to_descriptor_set();
    let answer = match schema.add_descriptor_set(encoded) {
        Ok(()) if schema.knows("bad.v1.Bad/Get") => "taken".to_owned(),
        Ok(()) => "taken, without the method".to_owned(),
        Err(error) => {
            assert_eq!(
                schema.to_descriptor_set(),
                before,
                "what was refused left a trace"
            );
            format!("refused: {error}")
        }
    };
    assert!(
        schema.knows("good.Good/Get"),
        "what was taken before is gone"
    );
    answer
}

#[test]
fn descriptor_sets_are_taken_or_refused_whole() {
    let nested = |depth: usize| {
        (0..depth).fold(message("M", Vec::new()), |inner, _| DescriptorProto {
            nested_type: vec![inner],
            ..message("M", Vec::new())
        })
    };
    let hostile_options = |bytes: &[u8]| {
        // Field 8 of a message is its options; whatever is in there is not known.
        let mut encoded = message("M", vec![field("a", 1)]).encode_to_vec();
        encoded.push(0x3a);
        prost::encoding::encode_varint(bytes.len() as u64, &mut encoded);
        encoded.extend(bytes);
        let mut file = file(Vec::new());
        file.message_type.clear();
        let mut whole = file.encode_to_vec();
        whole.push(0x22);
        prost::encoding::encode_varint(encoded.len() as u64, &mut whole);
        whole.extend(encoded);
        let mut set = vec![0x0a];
        prost::encoding::encode_varint(whole.len() as u64, &mut set);
        set.extend(whole);
        set
    };
    let edition = |number: u64| {
        // Field 14 of a file is its edition.
        let mut file = file(vec![field("a", 1)]);
        file.syntax = Some("editions".to_owned());
        let mut encoded = file.encode_to_vec();
        encoded.push(14 << 3);
        prost::encoding::encode_varint(number, &mut encoded);
        let mut set = vec![0x0a];
        prost::encoding::encode_varint(encoded.len() as u64, &mut set);
        set.extend(encoded);
        set
    };
    check(
        &[
            ("nothing", Vec::new(), "taken, without the method"),
            (
                "text",
                b"syntax = \"proto3\";".to_vec(),
                "refused: not a usable FileDescriptorSet…",
            ),
            (
                "zeros",
                vec![0; 64],
                "refused: not a usable FileDescriptorSet…",
            ),
            (
                "cut in the middle",
                {
                    let mut cut = fields(vec![field("a", 1)]);
                    cut.truncate(20);
                    cut
                },
                "refused: not a usable…",
            ),
            ("ordinary", fields(vec![field("a", 1)]), "taken"),
            (
                "the same file twice",
                set(vec![file(vec![field("a", 1)]); 2]),
                "refused: not a usable…",
            ),
            (
                "two files of one name",
                set(vec![file(vec![field("a", 1)]), file(vec![field("b", 1)])]),
                "refused: not a usable…",
            ),
            (
                "a file of the same name as one taken before",
                one(|f| f.name = Some("good.proto".to_owned())),
                "refused: not a usable…",
            ),
            (
                "a type of the same name as one taken before",
                one(|f| {
                    f.package = Some("good".to_owned());
                    f.message_type.push(message("G", Vec::new()));
                }),
                "refused: not a usable…",
            ),
            (
                "an import that is missing",
                one(|f| f.dependency.push("gone.proto".to_owned())),
                "refused: not a usable…",
            ),
            (
                "an import of itself",
                one(|f| f.dependency.push("bad.proto".to_owned())),
                "refused: not a usable…",
            ),
            (
                "imports in a circle",
                set(vec![
                    import("a", &["b"]),
                    import("b", &["a"]),
                    file(Vec::new()),
                ]),
                "refused: not a usable…",
            ),
            (
                "imports that come later",
                set(vec![
                    import("a", &["b"]),
                    import("b", &[]),
                    file(Vec::new()),
                ]),
                "taken",
            ),
            (
                "a message twice",
                one(|f| f.message_type.push(message("M", Vec::new()))),
                "refused: not a usable…",
            ),
            (
                "a message and a service of one name",
                one(|f| f.message_type.push(message("Bad", Vec::new()))),
                "refused: not a usable…",
            ),
            (
                "field number 0",
                fields(vec![field("a", 0)]),
                "refused: not a usable…",
            ),
            (
                "field number -1",
                fields(vec![field("a", -1)]),
                "refused: not a usable…",
            ),
            (
                "field number 19000",
                fields(vec![field("a", 19_000)]),
                "refused: not a usable…",
            ),
            (
                "field number 19999",
                fields(vec![field("a", 19_999)]),
                "refused: not a usable…",
            ),
            (
                "field number 2^29",
                fields(vec![field("a", 1 << 29)]),
                "refused: not a usable…",
            ),
            (
                "field number 2^29-1",
                fields(vec![field("a", (1 << 29) - 1)]),
                "taken",
            ),
            (
                "a field number twice",
                fields(vec![field("a", 1), field("b", 1)]),
                "refused: not a usable…",
            ),
            (
                "a field name twice",
                fields(vec![field("a", 1), field("a", 2)]),
                "refused: not a usable…",
            ),
            (
                "a field without a name",
                fields(vec![FieldDescriptorProto {
                    name: None,
                    ..field("a", 1)
                }]),
                "refused: not a usable…",
            ),
            (
                "a field without a type",
                fields(vec![FieldDescriptorProto {
                    r#type: None,
                    ..field("a", 1)
                }]),
                "refused: not a usable…",
            ),
            (
                "a field of type 99",
                fields(vec![FieldDescriptorProto {
                    r#type: Some(99),
                    ..field("a", 1)
                }]),
                "refused: not a usable…",
            ),
            (
                "a field of a type that is gone",
                fields(vec![of_message("a", 1, ".bad.v1.Gone")]),
                "refused: not a usable…",
            ),
            (
                "a field of a service",
                fields(vec![of_message("a", 1, ".bad.v1.Bad")]),
                "refused: not a usable…",
            ),
            (
                "a field in a oneof that is not there",
                fields(vec![FieldDescriptorProto {
                    oneof_index: Some(7),
                    ..field("a", 1)
                }]),
                "refused: not a usable…",
            ),
            (
                "a field in oneof -1",
                fields(vec![FieldDescriptorProto {
                    oneof_index: Some(-1),
                    ..field("a", 1)
                }]),
                "refused: not a usable…",
            ),
            (
                "a oneof without fields",
                one(|f| {
                    f.message_type[0].oneof_decl.push(OneofDescriptorProto {
                        name: Some("o".to_owned()),
                        options: None,
                    })
                }),
                "taken",
            ),
            (
                "a message inside itself",
                fields(vec![of_message("a", 1, ".bad.v1.M")]),
                "taken",
            ),
            (
                "messages inside each other",
                one(|f| {
                    f.message_type[0].field = vec![of_message("a", 1, ".bad.v1.N")];
                    f.message_type
                        .push(message("N", vec![of_message("b", 1, ".bad.v1.M")]));
                }),
                "taken",
            ),
            (
                "an enum without values",
                one(|f| f.enum_type.push(values("E", &[]))),
                "refused: not a usable…",
            ),
            (
                "an enum number twice",
                one(|f| f.enum_type.push(values("E", &[0, 0]))),
                "refused: not a usable…",
            ),
            (
                "an extension of a range that is not there",
                one(|f| {
                    f.extension.push(FieldDescriptorProto {
                        extendee: Some(".bad.v1.M".to_owned()),
                        ..field("x", 100)
                    })
                }),
                "refused: not a usable…",
            ),
            (
                "an extension of nothing",
                one(|f| {
                    f.extension.push(FieldDescriptorProto {
                        extendee: Some(".bad.v1.Gone".to_owned()),
                        ..field("x", 100)
                    })
                }),
                "refused: not a usable…",
            ),
            (
                "an edition, and not which",
                one(|f| f.syntax = Some("editions".to_owned())),
                "refused: not a usable…",
            ),
            ("edition 2023", edition(1000), "taken"),
            ("edition 2024", edition(1001), "taken"),
            (
                "an edition of the year 9999",
                edition(99_999),
                "refused: not a usable…",
            ),
            (
                "a syntax that is none",
                one(|f| f.syntax = Some("proto9".to_owned())),
                "refused: not a usable…",
            ),
            ("no syntax: proto2", one(|f| f.syntax = None), "taken"),
            (
                "a method that takes what is gone",
                one(|f| f.service[0].method[0].input_type = Some(".Gone".to_owned())),
                "refused: not a usable…",
            ),
            (
                "a method that takes an enum",
                one(|f| {
                    f.enum_type.push(values("E", &[0]));
                    f.service[0].method[0].input_type = Some(".bad.v1.E".to_owned());
                }),
                "refused: not a usable…",
            ),
            (
                "a method twice",
                one(|f| {
                    let again = f.service[0].method[0].clone();
                    f.service[0].method.push(again);
                }),
                "refused: not a usable…",
            ),
            (
                "a service without methods",
                one(|f| f.service[0].method.clear()),
                "taken, without the method",
            ),
            (
                "a service without a name",
                one(|f| f.service[0].name = None),
                "refused: not a usable…",
            ),
            ("a file without a name", one(|f| f.name = None), "taken"),
            (
                "a path as a name",
                one(|f| f.name = Some("../../etc/passwd".to_owned())),
                "taken",
            ),
            (
                "HTML as a name",
                one(|f| f.name = Some("<script>alert(1)</script>".to_owned())),
                "taken",
            ),
            (
                "a map entry without a value",
                one(|f| {
                    let options = MessageOptions {
                        map_entry: Some(true),
                        ..MessageOptions::default()
                    };
                    let entry = DescriptorProto {
                        options: Some(options),
                        ..message("AEntry", vec![field("key", 1)])
                    };
                    f.message_type[0].nested_type.push(entry);
                    let map = FieldDescriptorProto {
                        label: Some(Label::Repeated.into()),
                        ..of_message("a", 1, ".bad.v1.M.AEntry")
                    };
                    f.message_type[0].field = vec![map];
                }),
                "refused: not a usable…",
            ),
            (
                "10 messages deep",
                one(|f| {
                    f.message_type.push(DescriptorProto {
                        name: Some("D".to_owned()),
                        ..nested(10)
                    })
                }),
                "taken",
            ),
            (
                "10 000 messages deep",
                one(|f| {
                    f.message_type.push(DescriptorProto {
                        name: Some("D".to_owned()),
                        ..nested(10_000)
                    })
                }),
                "refused: not a usable…",
            ),
            (
                "options that are nothing",
                hostile_options(b"\xff\xff\xff"),
                "refused: not a usable…",
            ),
            (
                "options that nobody knows",
                hostile_options(b"\xc2\x3e\x03abc"),
                "taken",
            ),
            (
                "a great deal of source info",
                one(|f| {
                    let location = Location {
                        path: vec![4; 50],
                        span: vec![1; 4],
                        ..Location::default()
                    };
                    f.source_code_info = Some(SourceCodeInfo {
                        location: vec![location; 20_000],
                    });
                }),
                "taken",
            ),
        ],
        |encoded| answer(encoded),
    );
}
