//! One pair of calls, and what comparing them must say.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use twintap::call::{Call, Direction, End, Header, Message, Status};
use twintap::compare::{Kind, LooksLike, Place};
use xxhash_rust::xxh3::xxh3_64;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Nothing,
    FieldsReordered,
    MapReordered,
    Unpacked,
    Number,
    Text,
    Flag,
    OffByOne,
    Rounding,
    CutDecimals,
    SinglePrecision,
    Scale,
    Sign,
    FloatJitter,
    TimeZone,
    TimePrecision,
    Clock,
    TextTimeZone,
    UuidRegenerated,
    HashRegenerated,
    TokenRegenerated,
    LetterCase,
    WhiteSpace,
    Truncated,
    Encoding,
    Missing,
    Extra,
    DefaultVsAbsent,
    UnknownField,
    ListReordered,
    ElementMissing,
    ElementExtra,
    EntryMissing,
    Enum,
    EnumUnknown,
    OneofArm,
    AnyType,
    AnyValue,
    SwappedFields,
    Status,
    StatusMessage,
    StatusDetail,
    TrailerMissing,
    TrailerValue,
    MetadataValue,
    StreamMessageLost,
    StreamMessageRepeated,
    StreamTailLost,
}

impl Class {
    pub const ALL: &[Self] = &[
        Self::Nothing,
        Self::FieldsReordered,
        Self::MapReordered,
        Self::Unpacked,
        Self::Number,
        Self::Text,
        Self::Flag,
        Self::OffByOne,
        Self::Rounding,
        Self::CutDecimals,
        Self::SinglePrecision,
        Self::Scale,
        Self::Sign,
        Self::FloatJitter,
        Self::TimeZone,
        Self::TimePrecision,
        Self::Clock,
        Self::TextTimeZone,
        Self::UuidRegenerated,
        Self::HashRegenerated,
        Self::TokenRegenerated,
        Self::LetterCase,
        Self::WhiteSpace,
        Self::Truncated,
        Self::Encoding,
        Self::Missing,
        Self::Extra,
        Self::DefaultVsAbsent,
        Self::UnknownField,
        Self::ListReordered,
        Self::ElementMissing,
        Self::ElementExtra,
        Self::EntryMissing,
        Self::Enum,
        Self::EnumUnknown,
        Self::OneofArm,
        Self::AnyType,
        Self::AnyValue,
        Self::SwappedFields,
        Self::Status,
        Self::StatusMessage,
        Self::StatusDetail,
        Self::TrailerMissing,
        Self::TrailerValue,
        Self::MetadataValue,
        Self::StreamMessageLost,
        Self::StreamMessageRepeated,
        Self::StreamTailLost,
    ];
}

/// A difference that must be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub place: Place,
    pub path: String,
    pub kind: Kind,
    /// What it must be said to look like, if the change has a name.
    pub looks_like: Option<LooksLike>,
}

impl Expected {
    pub fn in_message(path: &str, kind: Kind, looks_like: Option<LooksLike>) -> Self {
        Self {
            place: Place::ResponseMessage,
            path: path.to_owned(),
            kind,
            looks_like,
        }
    }
}

/// One line of the corpus.
#[derive(Clone, Debug)]
pub struct Sample {
    pub class: Class,
    /// Full name of the answer's type.
    pub type_name: String,
    pub primary: Call,
    pub candidate: Call,
    pub expected: Vec<Expected>,
}

impl Sample {
    /// Two answers of one message each.
    pub fn of_messages(
        class: Class,
        method: &str,
        (primary, candidate): (&DynamicMessage, &DynamicMessage),
        expected: Vec<Expected>,
    ) -> Self {
        let encoded = |message: &DynamicMessage| [message.encode_to_vec()];
        Self {
            class,
            type_name: primary.descriptor().full_name().to_owned(),
            primary: call(method, encoded(primary)),
            candidate: call(method, encoded(candidate)),
            expected,
        }
    }
}

pub fn header(name: &str, value: &str) -> Header {
    Header {
        name: Bytes::copy_from_slice(name.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        redacted: false,
    }
}

/// A call that answers with `messages`.
pub fn call(method: &str, messages: impl IntoIterator<Item = Vec<u8>>) -> Call {
    Call {
        rpc_method: method.to_owned(),
        request: direction([vec![]]),
        response: direction(messages),
        request_metadata: vec![header(":authority", "shop:443")],
        response_metadata: vec![
            header(":status", "200"),
            header("content-type", "application/grpc"),
            header("x-region", "eu-1"),
        ],
        trailers: vec![header("grpc-status", "0"), header("x-cost", "12")],
        status: Some(Status::OK),
        http_status: Some(200),
        end: End::Complete,
        ..Call::default()
    }
}

fn direction(messages: impl IntoIterator<Item = Vec<u8>>) -> Direction {
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
