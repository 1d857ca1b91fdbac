//! Calls that carry a canary wherever something can stand, each another: from the call's number
//! follow the call and both answers.
//!
//! Secrets are in headers and trailers whose names tell, and in the query of the path. Words are
//! what a service says: messages, status messages, details, ordinary metadata.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::HeaderMap;
use twintap_e2e::grpc::{Answer, Call, Send, Step, framed};
use xxhash_rust::xxh3::xxh3_64;

use super::search::base64;

/// Around every canary that nobody may keep.
pub(crate) const SECRET: &str = "cAnArYsEcReT";
/// Around every canary that is recorded, and told only to who asks for it.
pub(crate) const WORD: &str = "cAnArYwOrD";
/// Carries the call's number.
pub(crate) const CALL_HEADER: &str = "x-call";
/// Configured as secret.
pub(crate) const CONFIGURED: &str = "x-internal-note";

const METHOD: &str = "shop.v1.Users/SignIn";
const NAMES: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-amz-security-token",
    "x-goog-iap-jwt-assertion",
    "x-forwarded-client-cert",
];
/// What else makes a name tell.
const PARTS: [&str; 6] = [
    "token",
    "secret",
    "passw",
    "session",
    "credential",
    "signature",
];

/// Which of the two services answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Old,
    New,
}

/// A value that is nowhere else.
fn canary(mark: &str, place: &str, call: u64, variant: &str) -> String {
    let id = xxh3_64(format!("{place}/{call}/{variant}").as_bytes());
    format!("{mark}{id:016x}{mark}")
}

/// Every name under which a secret is sent, in each block.
pub(crate) fn names() -> Vec<String> {
    let parts = PARTS.iter().flat_map(|part| {
        [
            (*part).to_owned(),
            format!("x-{part}"),
            format!("x-my{part}s-id"),
            format!("{part}-bin"),
        ]
    });
    let fixed = NAMES.into_iter().chain([CONFIGURED]).map(str::to_owned);
    // One comes twice.
    let twice = std::iter::once("x-api-key".to_owned());
    fixed.chain(parts).chain(twice).collect()
}

/// The secrets of a block; `different` is the index of one that is another.
fn secrets(block: &str, call: u64, different: Option<usize>) -> Vec<(String, String)> {
    let field = |(index, name): (usize, String)| {
        let variant = match different == Some(index) {
            true => "different",
            false => "",
        };
        let secret = canary(SECRET, &format!("{block}/{index}"), call, variant);
        let value = match name.as_str() {
            "authorization" => format!("Bearer {secret}"),
            "cookie" => format!("theme=dark; sid={secret}"),
            "set-cookie" => format!("sid={secret}; Secure"),
            "x-forwarded-client-cert" => format!("Hash={secret};Subject=\"CN=x\""),
            name if name.ends_with("-bin") => base64(secret.as_bytes()),
            _ => secret,
        };
        (name, value)
    };
    names().into_iter().enumerate().map(field).collect()
}

/// Is the answer one block?
fn is_trailers_only(call: u64) -> bool {
    call % 5 == 4
}

/// Has the request trailers? gRPC knows none, so such a call is not judged.
pub(crate) fn has_request_trailers(call: u64) -> bool {
    call % 10 == 7
}

/// Is one of the new service's secrets another than the old one's?
pub(crate) fn is_different(call: u64) -> bool {
    call % 2 == 1
}

/// The block and the secret in which the new service differs: each in its turn.
fn difference(call: u64, block: u64, side: Side) -> Option<usize> {
    let turn = call / 2;
    let blocks = if is_trailers_only(call) { 1 } else { 2 };
    let is_here = side == Side::New && is_different(call) && turn % blocks == block;
    is_here.then(|| turn as usize % names().len())
}

/// The call with this number.
pub(crate) fn call(number: u64) -> Call {
    let query = canary(SECRET, "query", number, "");
    let method = format!("{METHOD}?access_token={query}");
    let message = canary(WORD, "request", number, "");
    let mut steps = vec![Send::Data(framed(message.as_bytes()))];
    if has_request_trailers(number) {
        let fields = secrets("request trailers", number, None);
        steps.push(Send::Trailers(header_map(fields)));
    } else {
        steps.push(Send::End);
    }
    let call = Call::script(&method, steps)
        .header(CALL_HEADER, number.to_string())
        .header("x-note", canary(WORD, "request note", number, ""))
        .header("user-agent", canary(WORD, "agent", number, ""));
    let fields = secrets("request", number, None);
    fields
        .into_iter()
        .fold(call, |call, (name, value)| call.header(&name, value))
}

/// What a service answers to it.
pub(crate) fn answer(number: u64, side: Side) -> Answer {
    let word = |place: &str| canary(WORD, place, number, "");
    let first = secrets("response", number, difference(number, 0, side));
    if is_trailers_only(number) {
        let details = details(&word("details"));
        let answer = Answer::trailers_only(7, &word("status message"))
            .header("grpc-status-details-bin", base64(&details))
            .header("x-note", word("note"));
        return with_headers(answer, first);
    }
    let message = Bytes::from(word("response"));
    let answer = Answer::messages([message]).header("x-note", word("note"));
    let answer = with_headers(answer, first);
    let last = secrets("trailers", number, difference(number, 1, side));
    let answer = answer.trailer("x-note", word("trailing note"));
    last.into_iter()
        .fold(answer, |answer, (name, value)| answer.trailer(&name, value))
}

fn with_headers(answer: Answer, fields: Vec<(String, String)>) -> Answer {
    fields
        .into_iter()
        .fold(answer, |answer, (name, value)| answer.header(&name, value))
}

/// A `google.rpc.Status` with a message.
fn details(message: &str) -> Vec<u8> {
    let len = u8::try_from(message.len()).expect("a canary is short");
    [&[0x08, 7, 0x12, len], message.as_bytes()].concat()
}

fn header_map(fields: Vec<(String, String)>) -> HeaderMap {
    let fields = fields.into_iter().map(|(name, value)| {
        let name: http::HeaderName = name.parse().expect("a name");
        (name, value.parse().expect("a value"))
    });
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(name, value);
    }
    map
}

/// Every canary that `calls` carry.
pub(crate) fn planted(calls: u64) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for number in 0..calls {
        let sides = [Side::Old, Side::New];
        let answers = sides.map(|side| format!("{:?}", answer(number, side).steps()));
        let texts = [format!("{:?}", call(number)), answers.concat()];
        for text in texts {
            for mark in [SECRET, WORD] {
                let len = mark.len() * 2 + 16;
                let whole = |(at, _)| text.get(at..at + len);
                let all = text.match_indices(mark).filter_map(whole);
                found.extend(all.filter(|it| it.ends_with(mark)).map(str::to_owned));
            }
        }
    }
    found
}

/// The last steps of an answer may be a wait for who never comes: not here.
#[test]
fn every_canary_is_another() {
    let one = planted(1).len();
    assert!(one > 3 * names().len() / 2, "{one} canaries in a call");
    assert!(planted(20).len() > 19 * one);
    let is_end = |step: Option<&Step>| matches!(step, Some(Step::Trailers(_)));
    assert!(is_end(answer(0, Side::Old).steps().last()));
}
