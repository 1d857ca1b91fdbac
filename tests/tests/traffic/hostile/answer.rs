//! Answers that no gRPC library gives, and honest ones.

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, StatusCode};
use twintap_e2e::grpc::{Answer, RequestHead, Step, framed};
use twintap_e2e::random::Random;

use super::request::value_of;

/// Seed of the answer.
pub(super) const ANSWER_HEADER: &str = "x-answer";

/// What the request asks for; an echo if it does not ask.
pub(super) fn hostile(head: &RequestHead) -> Answer {
    let seed = head.headers.get(ANSWER_HEADER);
    let seed = seed.and_then(|value| value.to_str().ok()?.parse().ok());
    let Some(mut random) = seed.map(Random::new) else {
        return Answer::echo();
    };
    if random.once_in(2) {
        return Answer::echo();
    }
    let mut steps = vec![];
    // Else it answers before the request has ended.
    if !random.once_in(4) {
        steps.push(Step::ReadAll);
    }
    if random.once_in(15) {
        steps.push(Step::Reset(reason(&mut random)));
        return Answer::script(steps);
    }
    let end = random.once_in(8);
    steps.push(Step::Headers {
        status: *random.pick(&[
            StatusCode::OK,
            StatusCode::OK,
            StatusCode::NO_CONTENT,
            StatusCode::NOT_FOUND,
            StatusCode::SERVICE_UNAVAILABLE,
        ]),
        headers: fields(&mut random),
        end,
    });
    if end {
        return Answer::script(steps);
    }
    for _ in 0..random.below(5) {
        let length = random.length(400);
        let bytes = random.bytes(length);
        let data = match random.below(3) {
            0 => framed(&bytes),
            1 => Bytes::from([vec![0, 0xff, 0xff, 0xff, 0xff], bytes].concat()),
            _ => Bytes::from(bytes),
        };
        steps.push(Step::Data(data));
    }
    steps.push(match random.below(100) {
        0 => Step::Hang,
        1..5 => Step::Reset(reason(&mut random)),
        _ => Step::Trailers(fields(&mut random)),
    });
    Answer::script(steps)
}

fn reason(random: &mut Random) -> Reason {
    *random.pick(&[
        Reason::NO_ERROR,
        Reason::INTERNAL_ERROR,
        Reason::REFUSED_STREAM,
        Reason::CANCEL,
        Reason::ENHANCE_YOUR_CALM,
    ])
}

fn fields(random: &mut Random) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let statuses = ["0", "0", "abc", "-1", "4294967296", "", "00", "17"];
    for _ in 0..random.below(3) {
        let status = HeaderValue::from_static(random.pick::<&str>(&statuses));
        fields.append("grpc-status", status);
    }
    let kinds = ["application/grpc", "application/grpc", "text/html", ""];
    let kind = HeaderValue::from_static(random.pick::<&str>(&kinds));
    fields.append("content-type", kind);
    for name in ["grpc-message", "grpc-status-details-bin", "set-cookie"] {
        if random.once_in(3) {
            let length = random.length(200);
            fields.append(name, value_of(random.bytes(length)));
        }
    }
    if random.once_in(100) {
        fields.append("x-giant", value_of(random.bytes(48 * 1024)));
    }
    fields
}
