//! Calls around messages and other values, and their verdicts in both orders.

use twintap::call::{Call, Direction, End, Message, Status};
use twintap::compare::{Outcome, Schema, Settings, Verdict, compare};
use xxhash_rust::xxh3::xxh3_64;

/// A call of `rpc_method` that answers with one message.
pub(crate) fn answer(rpc_method: &str, message: &[u8]) -> Call {
    Call {
        rpc_method: rpc_method.to_owned(),
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

/// Panics unless each call equals itself, and both orders find as much.
pub(crate) fn assert_consistent(schema: Option<&Schema>, calls: [Call; 2]) {
    let settings = Settings {
        schema: schema.cloned(),
        ..Settings::default()
    };
    let [a, b] = &calls;
    for call in [a, b] {
        let verdict = compare(call, &call.clone(), &settings);
        assert_eq!(verdict.outcome, Outcome::Matched);
        assert_eq!(found(&verdict), 0);
    }
    let (there, back) = (compare(a, b, &settings), compare(b, a, &settings));
    assert_eq!(there.outcome, back.outcome, "{there:#?} {back:#?}");
    assert_eq!(
        there.outcome == Outcome::Matched,
        there.counted().count() == 0
    );
    assert_eq!(found(&there), found(&back), "{there:#?} {back:#?}");
}

fn found(verdict: &Verdict) -> u64 {
    verdict.differences.len() as u64 + verdict.differences_omitted
}
