//! Hostile protobuf: every message gets an answer, in time, and none is a panic.

use prost::Message as _;
use prost::encoding::encode_varint;
use twintap::compare::Schema;

use super::calls::verdict;
use super::check;

const BAD: &str = r#"
    syntax = "proto2";
    package bad.v1;
    import "google/protobuf/any.proto";
    service Bad { rpc Get(M) returns (M); }
    message M {
      optional int32 a = 1;
      optional string s = 2;
      optional M m = 3;
      repeated int32 packed = 4 [packed = true];
      map<string, int32> map = 5;
      oneof arm { int32 x = 6; int32 y = 7; }
      optional Colour colour = 8;
      optional google.protobuf.Any any = 9;
      optional double d = 10;
      optional int64 long = 11;
      optional Strict strict = 12;
      optional group G = 13 { optional int32 in = 1; }
      optional bytes bytes = 14;
      optional bool bool = 15;
    }
    message Strict { required int32 must = 1; optional int32 may = 2; }
    enum Colour { RED = 0; BLUE = 1; }
"#;

pub(crate) fn schema() -> Schema {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.proto");
    std::fs::write(&path, BAD).unwrap();
    let set = protox::compile([&path], [folder.path()]).unwrap();
    let mut schema = Schema::default();
    schema.add_descriptor_set(&set.encode_to_vec()).unwrap();
    schema
}

/// A length-delimited field.
fn delimited(number: u64, inside: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_varint(number << 3 | 2, &mut bytes);
    encode_varint(inside.len() as u64, &mut bytes);
    bytes.extend(inside);
    bytes
}

/// `depth` messages in field 3, one in the other, around `innermost`; written backwards, from the inside out.
pub(crate) fn nested(depth: usize, innermost: &[u8]) -> Vec<u8> {
    let mut reversed: Vec<u8> = innermost.iter().rev().copied().collect();
    for _ in 0..depth {
        let mut length = Vec::new();
        encode_varint(reversed.len() as u64, &mut length);
        reversed.extend(length.iter().rev());
        reversed.push(3 << 3 | 2);
    }
    reversed.reverse();
    reversed
}

fn any(url: &str, value: &[u8]) -> Vec<u8> {
    delimited(
        9,
        &[delimited(1, url.as_bytes()), delimited(2, value)].concat(),
    )
}

fn double(bits: u64) -> Vec<u8> {
    [&[0x51][..], &bits.to_le_bytes()].concat()
}

pub(crate) type Pair = (Vec<u8>, Vec<u8>);

fn pair(a: &[u8], b: &[u8]) -> Pair {
    (a.to_vec(), b.to_vec())
}

#[test]
fn hostile_messages_of_a_known_type_get_an_answer() {
    let schema = schema();
    let good = b"\x08\x01";
    let anys = |innermost: &[u8]| {
        let url = "type.googleapis.com/google.protobuf.Any";
        let wrap = |inside: &[u8]| [delimited(1, url.as_bytes()), delimited(2, inside)].concat();
        let inner = (0..60).fold(innermost.to_vec(), |inside, _| wrap(&inside));
        delimited(9, &inner)
    };
    check(
        &[
            (
                "nesting 90",
                (nested(90, b"\x08\x01"), nested(90, b"\x08\x02")),
                "mismatched, value m.m.m.m…",
            ),
            (
                "nesting 101",
                (nested(101, b"\x08\x01"), nested(101, b"\x08\x02")),
                "mismatched, …",
            ),
            (
                "nesting 10 000",
                (nested(10_000, b"\x08\x01"), nested(10_000, b"\x08\x02")),
                "mismatched, …",
            ),
            (
                "a million open groups",
                (vec![0x6b; 1_000_000], good.to_vec()),
                "mismatched, undecodable",
            ),
            (
                "a group that is never closed",
                pair(b"\x6b\x08\x01", good),
                "mismatched, undecodable",
            ),
            (
                "a group closed by another",
                pair(b"\x6b\x08\x01\x74", good),
                "mismatched, undecodable",
            ),
            (
                "an end without a group",
                pair(b"\x6c", good),
                "mismatched, undecodable",
            ),
            (
                "a group",
                pair(b"\x6b\x08\x01\x6c", b"\x6b\x08\x02\x6c"),
                "mismatched, value g.in",
            ),
            (
                "field number 0",
                pair(b"\x00\x01", good),
                "mismatched, undecodable",
            ),
            (
                "wire type 6",
                pair(b"\x0e\x01", good),
                "mismatched, undecodable",
            ),
            (
                "wire type 7",
                pair(b"\x0f\x01", good),
                "mismatched, undecodable",
            ),
            (
                "a varint of 11 bytes",
                pair(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", good),
                "mismatched, undecodable",
            ),
            (
                "a varint of 65 bits",
                pair(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", good),
                "mismatched, undecodable",
            ),
            (
                "a varint cut short",
                pair(b"\x08\xff", good),
                "mismatched, undecodable",
            ),
            (
                "a varint longer than needed",
                pair(b"\x08\x81\x00", good),
                "matched",
            ),
            (
                "a length beyond the end",
                pair(b"\x12\x05abc", good),
                "mismatched, undecodable",
            ),
            (
                "a length of 2^64-1",
                pair(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", good),
                "mismatched, undecodable",
            ),
            ("both malformed, alike", pair(b"\x0e", b"\x0e"), "matched"),
            (
                "both malformed",
                pair(b"\x0e", b"\x0f"),
                "mismatched, value",
            ),
            (
                "a text that is no UTF-8",
                pair(b"\x12\x02\xff\xfe", b"\x12\x02ok"),
                "mismatched, undecodable",
            ),
            (
                "a field of another wire type",
                pair(b"\x0d\x01\x00\x00\x00", good),
                "mismatched, undecodable",
            ),
            (
                "a scalar twice: the last counts",
                pair(b"\x08\x02\x08\x01", good),
                "matched",
            ),
            (
                "a message in two parts is one",
                pair(b"\x1a\x02\x08\x01\x1a\x02\x10\x00", b"\x1a\x02\x08\x01"),
                "mismatched, undecodable",
            ),
            (
                "a message in two parts",
                (
                    b"\x1a\x02\x08\x01\x1a\x03\x12\x01x".to_vec(),
                    b"\x1a\x05\x08\x01\x12\x01x".to_vec(),
                ),
                "matched",
            ),
            (
                "packed and not packed",
                pair(b"\x22\x02\x01\x02", b"\x20\x01\x20\x02"),
                "matched",
            ),
            (
                "fields in another order",
                pair(b"\x08\x01\x12\x01x", b"\x12\x01x\x08\x01"),
                "matched",
            ),
            (
                "4 million zeros, packed",
                (
                    delimited(4, &vec![0; 4_000_000]),
                    delimited(4, &vec![0; 3_999_999]),
                ),
                "mismatched, too_large",
            ),
            (
                "100 000 unknown fields",
                (
                    [0xc8, 0x3e, 1].repeat(100_000),
                    [0xc8, 0x3e, 2].repeat(100_000),
                ),
                "mismatched, …",
            ),
            (
                "a map key twice: the last counts",
                (
                    [
                        delimited(5, b"\x0a\x01k\x10\x02"),
                        delimited(5, b"\x0a\x01k\x10\x01"),
                    ]
                    .concat(),
                    delimited(5, b"\x0a\x01k\x10\x01"),
                ),
                "matched",
            ),
            (
                "a map entry without key and value",
                pair(b"\x2a\x00", b""),
                "mismatched, missing map",
            ),
            (
                "a oneof twice: the last counts",
                pair(b"\x30\x01\x38\x02", b"\x38\x02"),
                "matched",
            ),
            (
                "another arm of a oneof",
                pair(b"\x30\x01", b"\x38\x01"),
                "mismatched, oneof_arm arm",
            ),
            (
                "an enum number without a name",
                pair(b"\x40\x01", b"\x40\x63"),
                "mismatched, value colour",
            ),
            (
                "a negative enum number",
                pair(b"\x40\x01", b"\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                "mismatched, value colour",
            ),
            (
                "a required field that is missing",
                pair(b"\x62\x02\x10\x01", b"\x62\x04\x08\x00\x10\x01"),
                "mismatched, default_vs_absent strict.must",
            ),
            (
                "an Any of an unknown type",
                (
                    any("x.y/gone.Gone", b"\x08\x01"),
                    any("x.y/gone.Gone", b"\x08\x02"),
                ),
                "mismatched, value any.value",
            ),
            (
                "an Any from elsewhere",
                (
                    any("http://127.0.0.1:1/bad.v1.M", b"\x08\x01"),
                    any("type.googleapis.com/bad.v1.M", b"\x08\x02"),
                ),
                "mismatched, value any[bad.v1.M].a",
            ),
            (
                "an Any with a broken inside",
                (any("x/bad.v1.M", b"\x0e"), any("x/bad.v1.M", b"\x08\x01")),
                "mismatched, value any.value",
            ),
            (
                "an Any without a URL",
                (any("", b"\x08\x01"), any("", b"\x08\x02")),
                "mismatched, value any.value",
            ),
            (
                "60 Any in each other",
                (anys(b"\x12\x01a"), anys(b"\x12\x01b")),
                "mismatched, …",
            ),
            (
                "NaN of two payloads",
                (double(0x7ff8_0000_0000_0000), double(0xfff8_0000_0000_0001)),
                "matched",
            ),
            (
                "0.0 and -0.0",
                (double(0), double(0x8000_0000_0000_0000)),
                "mismatched, value d",
            ),
            (
                "infinity and the greatest number",
                (double(0x7ff0_0000_0000_0000), double(0x7fef_ffff_ffff_ffff)),
                "mismatched, value d",
            ),
            (
                "2^53 and 2^53+1",
                pair(
                    b"\x58\x80\x80\x80\x80\x80\x80\x80\x10",
                    b"\x58\x81\x80\x80\x80\x80\x80\x80\x10",
                ),
                "mismatched, value long",
            ),
            (
                "an int32 of 64 bits is cut",
                pair(b"\x08\x81\x80\x80\x80\x10", good),
                "matched",
            ),
            (
                "a bool of 2 is true",
                pair(b"\x78\x02", b"\x78\x01"),
                "matched",
            ),
            (
                "the highest field number",
                pair(b"\xf8\xff\xff\xff\x0f\x01", b"\xf8\xff\xff\xff\x0f\x02"),
                "mismatched, value 536870911",
            ),
            (
                "a field number of 30 bits",
                pair(b"\x80\x80\x80\x80\x10\x01", good),
                "mismatched, undecodable",
            ),
            (
                "default and absent",
                pair(b"\x08\x00", b""),
                "mismatched, default_vs_absent a",
            ),
            (
                "an empty message and none",
                pair(b"\x1a\x00", b""),
                "mismatched, default_vs_absent m",
            ),
            (
                "a text with NUL",
                pair(b"\x12\x03a\0b", b"\x12\x02ab"),
                "mismatched, value s",
            ),
        ],
        |(a, b)| verdict(Some(&schema), a, b),
    );
}

#[test]
fn hostile_messages_of_no_known_type_get_an_answer() {
    let random: Vec<u8> = (0..200_000u64)
        .map(|index| u8::try_from(index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap())
        .collect();
    let twice = |byte: u8| {
        let mut bytes = random.clone();
        bytes[150_000] = byte;
        delimited(1, &bytes)
    };
    // Each byte could be a message, a text, or a length: a guess a level, never one a branch.
    let ambiguous = |last: u8| {
        (0..31).fold(vec![8, last], |inside, _| {
            delimited(
                1,
                &[delimited(1, &inside), delimited(1, &inside[..2])].concat(),
            )
        })
    };
    let list = |from: u64| {
        let mut bytes = Vec::new();
        for number in from..from + 100_000 {
            bytes.push(0x08);
            encode_varint(number, &mut bytes);
        }
        bytes
    };
    check(
        &[
            (
                "nesting 10 000",
                (nested(10_000, b"\x08\x01"), nested(10_000, b"\x08\x02")),
                "mismatched, value 3.3.3…",
            ),
            (
                "a million open groups",
                (vec![0x0b; 1_000_000], b"\x08\x01".to_vec()),
                "mismatched, undecodable",
            ),
            (
                "100 000 groups in each other",
                (
                    [vec![0x0b; 100_000], vec![0x0c; 100_000]].concat(),
                    b"\x0b\x08\x01\x0c".to_vec(),
                ),
                "mismatched, …",
            ),
            ("random bytes", (twice(1), twice(2)), "mismatched, value 1"),
            (
                "bytes that may be anything",
                (ambiguous(1), ambiguous(2)),
                "mismatched, …",
            ),
            (
                "two lists of 100 000",
                (list(0), list(1_000_000)),
                "mismatched, …",
            ),
            (
                "a list of 100 000, one moved along",
                (list(0), list(1)),
                "mismatched, missing 1[0], extra 1[99999]",
            ),
            (
                "200 000 empty fields",
                ([0x0a, 0].repeat(200_000), [0x0a, 0].repeat(199_999)),
                "mismatched, …",
            ),
            (
                "wire type 6",
                pair(b"\x0e", b"\x08\x01"),
                "mismatched, undecodable",
            ),
            (
                "nothing and something",
                pair(b"", b"\x08\x01"),
                "mismatched, extra 1",
            ),
            (
                "nothing and zero",
                pair(b"", b"\x08\x00"),
                "mismatched, default_vs_absent 1",
            ),
            (
                "another wire type",
                pair(b"\x08\x01", b"\x0d\x01\x00\x00\x00"),
                "mismatched, type 1",
            ),
        ],
        |(a, b)| verdict(None, a, b),
    );
}
