//! Request metadata, response metadata and trailers, by name.
//!
//! The order of names does not count, the order of one name's values does; `a: 1` twice and
//! `a: 1, 1` are equal, as HTTP says. Values are compared as they are meant: `-bin` decoded,
//! `content-type` without parameters and with `+proto` as the default, `:authority` without the
//! `-shadow` that Envoy appends, `x-request-id` without the digit that Envoy rewrites. A secret
//! that was hashed is equal if the hashes are; of one that was dropped only the number of values is
//! compared, and the verdict says so.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::difference::{Kind, Place};
use super::hop_headers::{self, Side};
use super::leaf::Leaf;
use super::looks_like::LooksLike;
use super::settings::Settings;
use super::sink::Sink;
use super::{classify, render};
use crate::call::{Call, Header, Position, normalize_request_id};
use twintap_decode::grpc::{decode_binary, is_true_binary};

/// Compared as status, see [`super::status`].
const STATUS_NAMES: [&[u8]; 4] = [
    b"grpc-status",
    b"grpc-message",
    b"grpc-status-details-bin",
    b":status",
];

/// What comparing metadata left open.
#[derive(Debug, Default)]
pub(super) struct Unjudged {
    /// Patterns of hop headers that hid a difference.
    pub(super) hop_headers: Vec<&'static str>,
    /// Names whose values were dropped as secrets: only their number was compared.
    pub(super) secrets: u64,
}

/// Compares all metadata of a pair; returns what it did not judge.
/// The response's metadata is left out if the calls ended with different codes.
pub(super) fn compare(
    primary: &Call,
    candidate: &Call,
    same_status: bool,
    settings: &Settings,
    sink: &mut Sink,
) -> Unjudged {
    let mut walk = Walk {
        settings,
        side: Side::Request,
        is_mirrored: [primary, candidate]
            .iter()
            .any(|call| call.position != Position::Wire),
        unjudged: Unjudged::default(),
    };
    sink.place(Place::RequestMetadata);
    walk.blocks(
        &[&primary.request_metadata],
        &[&candidate.request_metadata],
        sink,
    );
    walk.side = Side::Response;
    if same_status && !primary.trailers_only && !candidate.trailers_only {
        sink.place(Place::ResponseMetadata);
        walk.blocks(
            &[&primary.response_metadata],
            &[&candidate.response_metadata],
            sink,
        );
        sink.place(Place::Trailers);
        walk.blocks(&[&primary.trailers], &[&candidate.trailers], sink);
    } else if same_status {
        // Trailers-Only has one block: both blocks of the other side are compared with it.
        sink.place(Place::Trailers);
        walk.blocks(&answer_blocks(primary), &answer_blocks(candidate), sink);
    }
    walk.unjudged
}

/// What there is of the metadata of an answer, where one side has but one block of it.
pub(crate) fn answer_blocks(call: &Call) -> Vec<&[Header]> {
    if call.trailers_only && !call.trailers.is_empty() {
        vec![&call.trailers]
    } else {
        vec![&call.response_metadata, &call.trailers]
    }
}

struct Walk<'a> {
    settings: &'a Settings,
    side: Side,
    /// Did one Envoy address both calls? Services captured from the wire were each called by
    /// their own address.
    is_mirrored: bool,
    unjudged: Unjudged,
}

type ByName<'a> = BTreeMap<&'a [u8], (Vec<&'a Header>, Vec<&'a Header>)>;

impl Walk<'_> {
    fn blocks(&mut self, primary: &[&[Header]], candidate: &[&[Header]], sink: &mut Sink) {
        sink.note(|seen, (spot, _)| seen.add_judged(spot));
        let mut all = primary.iter().copied().flatten();
        if primary == candidate && !all.any(is_dropped) {
            return;
        }
        let mut names = ByName::new();
        for header in primary.iter().copied().flatten() {
            names.entry(&header.name).or_default().0.push(header);
        }
        for header in candidate.iter().copied().flatten() {
            names.entry(&header.name).or_default().1.push(header);
        }
        for (name, (a, b)) in names {
            if STATUS_NAMES.contains(&name) {
                continue;
            }
            let is_secret = are_dropped(&a, &b);
            self.unjudged.secrets += u64::from(is_secret);
            let equal = if is_secret {
                // HTTP/2 may split a cookie wherever it likes.
                a.len() == b.len() || name == b"cookie"
            } else {
                are_equal(name, &a, &b)
            };
            if !equal {
                self.report(name, &a, &b, sink);
            }
        }
    }

    fn hop_header(&self, name: &[u8]) -> Option<&'static str> {
        const AUTHORITY: &str = ":authority";
        let is_address = !self.is_mirrored && name == AUTHORITY.as_bytes();
        let of_table = hop_headers::pattern_of(name, self.side);
        of_table.or(is_address.then_some(AUTHORITY))
    }

    fn report<'h>(&mut self, name: &[u8], a: &[&'h Header], b: &[&'h Header], sink: &mut Sink<'_>) {
        if self.settings.default_ignores
            && let Some(pattern) = self.hop_header(name)
        {
            if !self.unjudged.hop_headers.contains(&pattern) {
                self.unjudged.hop_headers.push(pattern);
            }
            return;
        }
        let is_half_redacted = !a.is_empty() && !b.is_empty() && is_redacted(a) != is_redacted(b);
        let text = |headers: &[&Header]| (!headers.is_empty()).then(|| text_of(name, headers));
        let (kind, looks_like) = match (a, b) {
            (_, []) => (Kind::Missing, None),
            ([], _) => (Kind::Extra, None),
            ([a], [b]) => (Kind::Value, looks_like(a, b)),
            _ => (Kind::Value, None),
        };
        let mark = sink.enter_field(String::from_utf8_lossy(name));
        if is_half_redacted {
            sink.report_ignored(kind, (text(a), text(b)), "redacted on one side");
        } else {
            let side = |headers: &[&'h Header]| Some((text(headers)?.into(), leaf_of(headers)));
            let before = sink.counted();
            sink.report_values(kind, side(a), side(b), looks_like);
            sink.report_unfinished(before, || (text(a), text(b)));
        }
        sink.leave(mark);
    }
}

/// One value as rules see it; of several none is looked into.
fn leaf_of<'h>(headers: &[&'h Header]) -> Leaf<'h> {
    match headers {
        [header] => Leaf::of_bytes(&header.value),
        _ => Leaf::Other,
    }
}

fn looks_like(a: &Header, b: &Header) -> Option<LooksLike> {
    let text = |header: &Header| std::str::from_utf8(&header.value).ok().map(str::to_owned);
    classify::texts(&text(a)?, &text(b)?)
}

fn text_of(name: &[u8], headers: &[&Header]) -> String {
    if headers.iter().all(|header| is_dropped(header)) {
        return format!("{} redacted", headers.len());
    }
    let shown = values(name, headers, false).unwrap_or_else(|| raw(headers));
    let shown = shown.iter().map(|value| render::whole_bytes(value));
    shown.collect::<Vec<_>>().join(", ")
}

fn is_redacted(headers: &[&Header]) -> bool {
    headers.iter().any(|header| header.redacted)
}

/// Was the value of `header` taken out, with no hash in its place?
fn is_dropped(header: &Header) -> bool {
    header.redacted && header.value.is_empty()
}

/// Do both sides have a secret, of which one side or both has no hash?
fn are_dropped(a: &[&Header], b: &[&Header]) -> bool {
    let any_dropped = |headers: &[&Header]| headers.iter().any(|header| is_dropped(header));
    is_redacted(a) && is_redacted(b) && (any_dropped(a) || any_dropped(b))
}

fn are_equal(name: &[u8], a: &[&Header], b: &[&Header]) -> bool {
    if a.is_empty() || b.is_empty() {
        return false;
    }
    let (x, y) = (raw(a), raw(b));
    if x == y {
        return true;
    }
    // Lines may be joined by commas; in one that both have, a comma may be a part of the text.
    let is_joined = a.len() != b.len();
    let meant = |headers| values(name, headers, is_joined);
    meant(a).unwrap_or(x) == meant(b).unwrap_or(y)
}

/// The values of one name as they are stored.
fn raw(headers: &[&Header]) -> Vec<Bytes> {
    headers.iter().map(|header| header.value.clone()).collect()
}

/// The values of one name as they are meant, lists `is_joined` by commas taken apart; `None` if they are not what
/// the name promises.
fn values(name: &[u8], headers: &[&Header], is_joined: bool) -> Option<Vec<Bytes>> {
    let is_binary = name.ends_with(b"-bin") && !is_redacted(headers);
    let split = headers.iter().flat_map(|header| {
        // A comma in bytes is one of them.
        let is_list = match is_binary {
            true => !is_true_binary(&header.value),
            false => is_joined,
        };
        match is_list {
            true => split_list(&header.value),
            false => vec![header.value.slice_ref(header.value.trim_ascii())],
        }
    });
    match name {
        _ if is_binary => split.map(|value| decode_binary(&value)).collect(),
        b":authority" => Some(split.map(without_shadow).collect()),
        b"content-type" => Some(split.map(|value| media_type(&value)).collect()),
        b"x-request-id" => Some(split.map(|id| normalize_request_id(&id)).collect()),
        _ => Some(split.collect()),
    }
}

fn split_list(value: &Bytes) -> Vec<Bytes> {
    value
        .split(|byte| *byte == b',')
        .map(|part| value.slice_ref(part.trim_ascii()))
        .collect()
}

/// `host-shadow:port` is what Envoy makes of `host:port` for a mirror.
fn without_shadow(authority: Bytes) -> Bytes {
    let text = String::from_utf8_lossy(&authority);
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, Some(port)),
        _ => (&*text, None),
    };
    let Some(host) = host.strip_suffix("-shadow") else {
        return authority;
    };
    Bytes::from(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn media_type(value: &[u8]) -> Bytes {
    let bare = value
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    let bare = bare.to_ascii_lowercase();
    if bare == b"application/grpc+proto" {
        Bytes::from_static(b"application/grpc")
    } else {
        bare.into()
    }
}
