//! Header fields as another decoder of HPACK saw them, and how a replay compares.

use std::collections::{HashMap, VecDeque};

use serde_json::Value as Json;
use twintap_decode::exchange::Exchange;
use twintap_decode::grpc::decode_status_message;
use twintap_decode::hpack::{HeaderBlock, KnownName, Value};

use crate::packets::CallKey;
use crate::truth::client_port;

type Pairs = Vec<(String, String)>;

/// The fields of one call, in wire order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    request: Pairs,
    response: Pairs,
    trailers: Pairs,
    never_indexed: Vec<String>,
    message: String,
}

/// Reads the fields of all calls from truth of the form that one line has one call.
pub(crate) fn read(lines: &str) -> HashMap<CallKey, Fields> {
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|line: Json| {
            let number = |key: &str| line[key].as_u64().unwrap();
            let key = (
                u16::try_from(number("cport")).unwrap(),
                u32::try_from(number("sid")).unwrap(),
            );
            (key, fields(&line))
        })
        .collect()
}

fn fields(line: &Json) -> Fields {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let pairs = |key: &str| -> Pairs {
        let list = line[key].as_array().into_iter().flatten();
        list.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    };
    let names = line["never_indexed"].as_array().into_iter().flatten();
    Fields {
        request: pairs("request_fields"),
        response: pairs("response_fields"),
        trailers: pairs("trailer_fields"),
        never_indexed: names.map(text).collect(),
        message: text(&line["message"]),
    }
}

fn blocks<'a>(call: &'a Exchange, fields: &'a Fields) -> [(Option<&'a HeaderBlock>, &'a Pairs); 4] {
    [
        (call.request.headers.as_ref(), &fields.request),
        (call.request.trailers.as_ref(), const { &Vec::new() }),
        (call.response.headers.as_ref(), &fields.response),
        (call.response.trailers.as_ref(), &fields.trailers),
    ]
}

/// Each byte a character, as in the truth.
fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| bytes.iter().copied().map(char::from).collect())
}

fn name_and_value(block: &HeaderBlock) -> Vec<(Option<String>, Option<String>)> {
    let fields = block.fields().iter();
    fields
        .map(|field| {
            let is_seen = matches!(field.value, Value::Seen(_));
            let value = block.value(field).filter(|_| is_seen);
            (text(block.name(field)), text(value))
        })
        .collect()
}

/// What differs from the fields of `truth`, every one of which must have been seen.
pub(crate) fn differences(
    calls: &VecDeque<Box<Exchange>>,
    truth: &HashMap<CallKey, Fields>,
) -> Vec<String> {
    let mut found = Vec::new();
    for call in calls {
        let Some(fields) = truth.get(&(client_port(call), call.stream_id)) else {
            continue;
        };
        let mut never_indexed = Vec::new();
        for (block, expected) in blocks(call, fields) {
            let actual = block.map(name_and_value).unwrap_or_default();
            let expected = expected.iter().cloned();
            let expected: Vec<_> = expected.map(|(n, v)| (Some(n), Some(v))).collect();
            if actual != expected {
                found.push(format!("{actual:?} is not {expected:?}"));
            }
            for field in block.map(HeaderBlock::fields).into_iter().flatten() {
                if field.never_indexed {
                    never_indexed.extend(block.and_then(|block| text(block.name(field))));
                }
            }
        }
        if never_indexed != fields.never_indexed {
            found.push(format!(
                "{never_indexed:?} is not {:?}",
                fields.never_indexed
            ));
        }
        let message = call
            .closing_block()
            .and_then(|block| block.find_value(KnownName::GRPC_MESSAGE))
            .unwrap_or_default();
        let message = decode_status_message(&bytes::Bytes::copy_from_slice(message));
        if message != fields.message {
            found.push(format!("{message:?} is not {:?}", fields.message));
        }
    }
    found
}

/// Fields whose value is said to be seen, and which the block of that call does not have.
pub(crate) fn wrong_certain(
    calls: &VecDeque<Box<Exchange>>,
    truth: &HashMap<CallKey, Fields>,
) -> Vec<String> {
    let mut found = Vec::new();
    for call in calls {
        let Some(fields) = truth.get(&(client_port(call), call.stream_id)) else {
            continue;
        };
        // Without its headers, a response may show its trailers in their place.
        let all = [&fields.request, &fields.response, &fields.trailers];
        for (block, _) in blocks(call, fields) {
            for pair in block.map(name_and_value).unwrap_or_default() {
                let has = |name: &Option<String>, value: &String| {
                    let mut pairs = all.iter().flat_map(|pairs| pairs.iter());
                    pairs.any(|(n, v)| v == value && name.as_ref().is_none_or(|name| n == name))
                };
                if let (name, Some(value)) = &pair
                    && !has(name, value)
                {
                    found.push(format!(
                        "{}/{}: {pair:?}",
                        client_port(call),
                        call.stream_id
                    ));
                }
            }
        }
    }
    found
}
