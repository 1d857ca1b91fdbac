//! `google.protobuf.Timestamp` and `Duration`: one value each, shown readable.

use prost_reflect::{DynamicMessage, ReflectMessage as _};

use crate::compare::classify;
use crate::compare::difference::Kind;
use crate::compare::leaf::Leaf;
use crate::compare::sink::Sink;

const TIMESTAMP: &str = "google.protobuf.Timestamp";

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Compares two times; `false` if the messages are none.
pub(super) fn compare(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    sink: &mut Sink,
) -> bool {
    let (Some(a), Some(b)) = (nanoseconds(primary), nanoseconds(candidate)) else {
        return false;
    };
    if a != b {
        let text = |message, ns: i128| time_text(message).unwrap_or_else(|| format!("{ns} ns"));
        let looks_like = classify::instants(a, b);
        let leaf = |message: &DynamicMessage, ns| match message.descriptor().full_name() {
            TIMESTAMP => Leaf::Instant(ns),
            _ => Leaf::Span(ns),
        };
        sink.report_values(
            Kind::Value,
            Some((text(primary, a).into(), leaf(primary, a))),
            Some((text(candidate, b).into(), leaf(candidate, b))),
            looks_like,
        );
    }
    true
}

/// A `Timestamp` as RFC 3339, a `Duration` in seconds; `None` for other messages and for what is
/// out of range.
pub(in crate::compare) fn time_text(message: &DynamicMessage) -> Option<String> {
    let ns = nanoseconds(message)?;
    if message.descriptor().full_name() == TIMESTAMP {
        return Some(jiff::Timestamp::from_nanosecond(ns).ok()?.to_string());
    }
    let (sign, ns) = (if ns < 0 { "-" } else { "" }, ns.unsigned_abs());
    let second = NANOS_PER_SECOND.unsigned_abs();
    let text = format!("{sign}{}.{:09}", ns / second, ns % second);
    Some(format!(
        "{}s",
        text.trim_end_matches('0').trim_end_matches('.')
    ))
}

/// The whole value in nanoseconds; `None` if it is not a time or has unknown fields.
fn nanoseconds(message: &DynamicMessage) -> Option<i128> {
    if !matches!(
        message.descriptor().full_name(),
        TIMESTAMP | "google.protobuf.Duration"
    ) {
        return None;
    }
    if message.unknown_fields().next().is_some() {
        return None;
    }
    let seconds = message.get_field_by_number(1)?.as_i64()?;
    let nanos = message.get_field_by_number(2)?.as_i32()?;
    Some(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos))
}
