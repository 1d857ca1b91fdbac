//! `google.api.HttpBody`: a body that says what it is.

use prost_reflect::{DynamicMessage, ReflectMessage as _};

use crate::compare::json;
use crate::compare::sink::Sink;

const DATA: &str = "data";

/// Compares the data of two bodies that both say they are JSON, and returns what else there is to
/// compare.
pub(super) fn without_json(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    sink: &mut Sink,
) -> Option<(DynamicMessage, DynamicMessage)> {
    let is_json = |message: &DynamicMessage| {
        message.descriptor().full_name() == "google.api.HttpBody"
            && message
                .get_field_by_name("content_type")
                .and_then(|value| Some(json::is_json(value.as_str()?.as_bytes())))
                .unwrap_or(false)
    };
    if !is_json(primary) || !is_json(candidate) {
        return None;
    }
    let (a, b) = (
        primary.get_field_by_name(DATA)?,
        candidate.get_field_by_name(DATA)?,
    );
    let mark = sink.enter_field(DATA);
    let is_compared = json::compare(a.as_bytes()?, b.as_bytes()?, sink);
    sink.leave(mark);
    let rest = |message: &DynamicMessage| {
        let mut rest = message.clone();
        rest.clear_field_by_name(DATA);
        rest
    };
    is_compared.then(|| (rest(primary), rest(candidate)))
}
