//! Calls of a small service, built from descriptors compiled here.

use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, ReflectMessage as _, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::call::{Call, Direction, End, Header, Message, Status};
use crate::compare::Schema;

static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.proto");
    std::fs::write(&file, include_str!("shop.proto")).unwrap();
    protox::compile([&file], [folder.path()])
        .unwrap()
        .encode_to_vec()
});

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(ENCODED.as_slice()).unwrap());

pub(super) fn schema() -> Schema {
    let mut schema = Schema::default();
    schema.add_descriptor_set(&ENCODED).unwrap();
    schema
}

pub(super) fn message(name: &str) -> DynamicMessage {
    DynamicMessage::new(POOL.get_message_by_name(name).unwrap())
}

/// A message of type `name` with `fields` set.
pub(super) fn with(name: &str, fields: &[(&str, Value)]) -> DynamicMessage {
    let mut made = message(name);
    for (field, value) in fields {
        made.set_field_by_name(field, value.clone());
    }
    made
}

pub(super) fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

pub(super) fn part(id: i32, name: &str) -> Value {
    let fields = [
        ("id", Value::I32(id)),
        ("name", text(name)),
        ("price", Value::F64(9.5)),
    ];
    Value::Message(with("shop.v1.Part", &fields))
}

pub(super) fn time(seconds: i64, nanos: i32) -> Value {
    let fields = [
        ("seconds", Value::I64(seconds)),
        ("nanos", Value::I32(nanos)),
    ];
    Value::Message(with("google.protobuf.Timestamp", &fields))
}

pub(super) fn any(inner: &DynamicMessage) -> Value {
    let url = format!("type.googleapis.com/{}", inner.descriptor().full_name());
    let value = Value::Bytes(inner.encode_to_vec().into());
    Value::Message(with(
        "google.protobuf.Any",
        &[("type_url", text(&url)), ("value", value)],
    ))
}

/// An item with every field set.
pub(super) fn item() -> DynamicMessage {
    let maker = with(
        "shop.v1.Maker",
        &[("name", text("ACME")), ("country", text("DE"))],
    );
    // One entry: maps are encoded in random order, which would make the bytes differ from run to run.
    let labels = [(MapKey::String("eu".to_owned()), text("yes"))];
    let warranty = with(
        "google.protobuf.Duration",
        &[("seconds", Value::I64(3_600))],
    );
    let note = with("google.protobuf.StringValue", &[("value", text("fragile"))]);
    with(
        "shop.v1.Item",
        &[
            ("name", text("a teapot of good size")),
            ("price", Value::F64(12.345_678)),
            ("stock", Value::I32(7)),
            ("weight_g", Value::I64(870)),
            ("on_sale", Value::Bool(true)),
            ("colour", Value::EnumNumber(1)),
            (
                "picture",
                Value::Bytes(Bytes::from_static(b"\x89PNG\0\x01\x02")),
            ),
            ("maker", Value::Message(maker.clone())),
            (
                "tags",
                Value::List(["red", "round", "old"].map(text).to_vec()),
            ),
            (
                "parts",
                Value::List(vec![part(1, "lid"), part(2, "spout"), part(3, "handle")]),
            ),
            ("labels", Value::Map(labels.into_iter().collect())),
            (
                "by_size",
                Value::Map([(MapKey::I32(4), part(4, "cup"))].into_iter().collect()),
            ),
            ("parcel", text("small")),
            ("made_at", time(1_785_578_400, 123_456_789)),
            ("warranty", Value::Message(warranty)),
            ("extra", any(&maker)),
            ("note", Value::Message(note)),
            (
                "sizes",
                Value::List([10, 20, 30, 40].map(Value::I32).to_vec()),
            ),
            ("rating", Value::F32(4.5)),
        ],
    )
}

/// An item with one change.
pub(super) fn changed(change: impl FnOnce(&mut DynamicMessage)) -> DynamicMessage {
    let mut item = item();
    change(&mut item);
    item
}

pub(super) fn header(name: &str, value: &str) -> Header {
    Header {
        name: Bytes::copy_from_slice(name.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        redacted: false,
    }
}

/// A direction with `messages`, all captured.
pub(super) fn direction(messages: impl IntoIterator<Item = Vec<u8>>) -> Direction {
    let messages: Vec<Message> = messages
        .into_iter()
        .map(|bytes| Message {
            declared_bytes: u32::try_from(bytes.len()).unwrap(),
            bytes: bytes.into(),
            ..Message::default()
        })
        .collect();
    let mut body = Vec::new();
    for message in &messages {
        body.push(0);
        body.extend(message.declared_bytes.to_be_bytes());
        body.extend(&message.bytes);
    }
    Direction {
        messages_count: Some(messages.len() as u64),
        messages,
        body_bytes: body.len() as u64,
        body_digest: Some(xxh3_64(&body)),
        end_stream: true,
        ..Direction::default()
    }
}

/// A call that answers with `messages`.
pub(super) fn answers(messages: impl IntoIterator<Item = Vec<u8>>) -> Call {
    Call {
        rpc_method: "shop.v1.Shop/Get".to_owned(),
        request: direction([with("shop.v1.Query", &[("id", text("7"))]).encode_to_vec()]),
        response: direction(messages),
        request_metadata: vec![header(":authority", "shop:443"), header("x-tenant", "a")],
        response_metadata: vec![
            header(":status", "200"),
            header("content-type", "application/grpc"),
        ],
        trailers: vec![header("grpc-status", "0")],
        status: Some(Status::OK),
        http_status: Some(200),
        end: End::Complete,
        ..Call::default()
    }
}

/// A call that answers with one item.
pub(super) fn answer(item: &DynamicMessage) -> Call {
    answers([item.encode_to_vec()])
}
