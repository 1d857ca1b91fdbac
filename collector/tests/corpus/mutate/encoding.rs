//! The same message, written another way: nothing may be found.

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_varint, skip_field};
use prost_reflect::{DynamicMessage, ReflectMessage as _};

use crate::sample::{Class, Sample, call};

pub fn sample(class: Class, method: &str, base: &DynamicMessage) -> Option<Sample> {
    let encoded = base.encode_to_vec();
    let fields = split(&encoded);
    let other = match class {
        Class::Nothing => encoded.clone(),
        Class::FieldsReordered => {
            // Fields of one number keep their order: it is the order of a list.
            let mut numbers: Vec<u32> = fields.iter().map(|(number, _)| *number).collect();
            numbers.dedup();
            numbers.reverse();
            numbers
                .iter()
                .flat_map(|wanted| fields.iter().filter(move |(number, _)| number == wanted))
                .flat_map(|(_, bytes)| bytes.clone())
                .collect()
        }
        Class::MapReordered => {
            let descriptor = base.descriptor();
            let maps = descriptor.fields().filter(|field| field.is_map());
            let maps: Vec<u32> = maps.map(|field| field.number()).collect();
            let (mut entries, rest): (Vec<_>, Vec<_>) = fields
                .into_iter()
                .partition(|(number, _)| maps.contains(number));
            entries.reverse();
            if entries.len() < 2 {
                return None;
            }
            entries
                .into_iter()
                .chain(rest)
                .flat_map(|(_, bytes)| bytes)
                .collect()
        }
        _ => unpacked(base, fields)?,
    };
    Some(Sample {
        class,
        type_name: base.descriptor().full_name().to_owned(),
        primary: call(method, [encoded]),
        candidate: call(method, [other]),
        expected: Vec::new(),
    })
}

/// Top-level fields: number, and the bytes with their tag.
fn split(encoded: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut rest = encoded;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let (number, wire_type) = decode_key(&mut rest).unwrap();
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).unwrap();
        fields.push((number, start[..start.len() - rest.len()].to_vec()));
    }
    fields
}

/// Packed lists of varints, an element a tag.
fn unpacked(base: &DynamicMessage, fields: Vec<(u32, Vec<u8>)>) -> Option<Vec<u8>> {
    let descriptor = base.descriptor();
    let is_packed = |number: u32| {
        descriptor
            .get_field(number)
            .is_some_and(|field| field.is_packed() && field.kind().wire_type() == WireType::Varint)
    };
    let mut out = Vec::new();
    let mut found = false;
    for (number, bytes) in fields {
        if !is_packed(number) {
            out.extend(bytes);
            continue;
        }
        found = true;
        let mut rest = bytes.as_slice();
        decode_key(&mut rest).unwrap();
        prost::encoding::decode_varint(&mut rest).unwrap();
        while !rest.is_empty() {
            encode_varint(u64::from(number) << 3, &mut out);
            encode_varint(prost::encoding::decode_varint(&mut rest).unwrap(), &mut out);
        }
    }
    found.then_some(out)
}
