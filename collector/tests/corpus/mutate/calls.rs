//! What is around the messages: status, metadata, and the messages of a stream.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use twintap::call::{Call, Status};
use twintap::compare::{Kind, LooksLike, Place};

use crate::generate::Random;
use crate::sample::{Class, Expected, Sample, call, header};

pub fn sample(
    class: Class,
    method: &str,
    base: &DynamicMessage,
    random: &mut Random,
) -> Option<Sample> {
    let mut primary = call(method, [base.encode_to_vec()]);
    let mut candidate = primary.clone();
    let expect = |place, path: &str, kind, looks_like| Expected {
        place,
        path: path.to_owned(),
        kind,
        looks_like,
    };
    let expected = match class {
        Class::Status => {
            fail(&mut candidate, 13, "it broke");
            let looks_like = Some(LooksLike::ErrorInsteadOfAnswer);
            expect(Place::Status, "", Kind::Value, looks_like)
        }
        Class::StatusMessage => {
            fail(&mut primary, 5, &random.words());
            fail(&mut candidate, 5, &random.words());
            expect(Place::StatusMessage, "", Kind::Value, None)
        }
        Class::StatusDetail => {
            fail(&mut primary, 3, "bad");
            fail(&mut candidate, 3, "bad");
            primary.status_details = details(7);
            candidate.status_details = details(random.between(8, 99));
            let path = "details[0][corpus.commerce.Money].units";
            let looks_like = None;
            expect(Place::StatusDetails, path, Kind::Value, looks_like)
        }
        Class::TrailerMissing => {
            candidate.trailers.pop();
            expect(Place::Trailers, "x-cost", Kind::Missing, None)
        }
        Class::TrailerValue => {
            candidate.trailers.pop();
            let cost = random.between(100, 999).to_string();
            candidate.trailers.push(header("x-cost", &cost));
            expect(Place::Trailers, "x-cost", Kind::Value, None)
        }
        _ => {
            candidate.response_metadata.pop();
            candidate.response_metadata.push(header("x-region", "us-2"));
            expect(Place::ResponseMetadata, "x-region", Kind::Value, None)
        }
    };
    Some(Sample {
        class,
        type_name: base.descriptor().full_name().to_owned(),
        primary,
        candidate,
        expected: vec![expected],
    })
}

fn fail(call: &mut Call, code: u32, message: &str) {
    call.status = Some(Status(code));
    call.status_message = Bytes::copy_from_slice(message.as_bytes());
    call.response = twintap::call::Direction {
        messages_count: Some(0),
        end_stream: true,
        ..Default::default()
    };
}

/// A `google.rpc.Status` with one detail.
fn details(units: i64) -> Bytes {
    let money = crate::types::POOL
        .get_message_by_name("corpus.commerce.Money")
        .unwrap();
    let mut money = DynamicMessage::new(money);
    money.set_field_by_name("units", prost_reflect::Value::I64(units));
    let any = crate::generate::pack(&money).encode_to_vec();
    let mut status = Vec::new();
    prost::encoding::int32::encode(1, &3, &mut status);
    prost::encoding::bytes::encode(3, &Bytes::from(any), &mut status);
    status.into()
}

/// Two streams of which one lacks a message, or has one twice.
pub fn stream(
    class: Class,
    method: &str,
    messages: &[DynamicMessage],
    random: &mut Random,
) -> Sample {
    let encoded: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| message.encode_to_vec())
        .collect();
    let mut other = encoded.clone();
    let (kind, looks_like) = match class {
        Class::StreamMessageLost => {
            other.remove(random.below(other.len() - 1));
            (Kind::MessageMissing, None)
        }
        Class::StreamMessageRepeated => {
            let index = random.below(other.len() - 1);
            other.insert(index, encoded[index].clone());
            (Kind::MessageExtra, None)
        }
        _ => {
            other.pop();
            (Kind::MessageMissing, Some(LooksLike::StreamTail))
        }
    };
    Sample {
        class,
        type_name: messages[0].descriptor().full_name().to_owned(),
        primary: call(method, encoded),
        candidate: call(method, other),
        expected: vec![Expected::in_message("", kind, looks_like)],
    }
}
