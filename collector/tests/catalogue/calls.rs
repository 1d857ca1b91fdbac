//! Calls around hostile messages, and verdicts in one line.

use twintap::call::{Call, Direction, End, Message, Status};
use twintap::compare::{Schema, Settings, Verdict, compare};
use xxhash_rust::xxh3::xxh3_64;

/// A call that answers with `message`.
fn answer(message: &[u8]) -> Call {
    Call {
        rpc_method: "bad.v1.Bad/Get".to_owned(),
        response: Direction {
            body_bytes: message.len() as u64 + 5,
            body_digest: Some(xxh3_64(message)),
            messages: vec![Message {
                declared_bytes: u32::try_from(message.len()).unwrap(),
                bytes: message.to_vec().into(),
                ..Message::default()
            }],
            messages_count: Some(1),
            end_stream: true,
            ..Direction::default()
        },
        status: Some(Status::OK),
        end: End::Complete,
        ..Call::default()
    }
}

/// The verdict on two answers: the outcome, then `kind path` of the first differences.
pub(crate) fn verdict(schema: Option<&Schema>, primary: &[u8], candidate: &[u8]) -> String {
    let settings = Settings {
        schema: schema.cloned(),
        ..Settings::default()
    };
    describe(&compare(&answer(primary), &answer(candidate), &settings))
}

pub(crate) fn describe(verdict: &Verdict) -> String {
    let mut text = verdict.outcome.name().to_owned();
    for difference in verdict.differences.iter().take(3) {
        text.push_str(&format!(", {} {}", difference.kind.name(), difference.path));
        text.truncate(text.trim_end().len());
    }
    let more = verdict.differences.len().saturating_sub(3);
    if more > 0 {
        text.push_str(&format!(", {more} more"));
    }
    text
}
