//! What a header block, and what an exchange is.

use super::half::HalfStream;
use super::{Exchange, ExchangeEnd};
use crate::hpack::{HeaderBlock, KnownName, Name};

/// Is it gRPC? `None` if too little was captured.
pub(super) fn is_grpc(exchange: &Exchange) -> Option<bool> {
    let Exchange {
        request,
        response,
        end,
        ..
    } = exchange;
    let is_aborted = !matches!(end, ExchangeEnd::Complete | ExchangeEnd::ResponseFirst);
    let mut is_complete = false;
    for half in [request, response] {
        let Some(headers) = &half.headers else {
            continue;
        };
        if let Some(content_type) = headers.find_value(KnownName::CONTENT_TYPE) {
            let rest = content_type.strip_prefix(b"application/grpc");
            return Some(rest.is_some_and(|rest| {
                matches!(rest.first(), None | Some(b'+' | b';' | b'-' | b' '))
            }));
        }
        is_complete |= !headers.is_incomplete();
    }
    if is_complete {
        return Some(false);
    }
    // The type of content was not captured: gRPC has messages, or trailers and nothing else.
    let is_framed = |half: &HalfStream| {
        half.body.bytes_count() > 0
            && (half.body.is_at_boundary() || is_aborted || half.may_lack_bytes)
            && half.body.messages().iter().all(|message| message.flag <= 1)
            && !half.body.messages().is_empty()
    };
    let is_empty = |half: &HalfStream| half.body.bytes_count() == 0;
    let has_status = [&response.headers, &response.trailers]
        .into_iter()
        .flatten();
    let has_status = has_status
        .map(|block| block.find(KnownName::GRPC_STATUS))
        .any(|f| f.is_some());
    let ok = |half: &HalfStream| is_framed(half) || is_empty(half);
    if has_status || (ok(request) && ok(response) && (is_framed(request) || is_framed(response))) {
        return Some(true);
    }
    None
}

/// Is it a 1xx response, which others follow?
pub(super) fn is_interim(block: &HeaderBlock) -> bool {
    block
        .find_value(KnownName::STATUS)
        .is_some_and(|status| status.starts_with(b"1"))
}

/// Does the block have no pseudo-header field, nor anything unknown that might be one?
pub(super) fn is_trailers_like(block: &HeaderBlock) -> bool {
    match block.fields().first().map(|field| field.name) {
        Some(Name::Known(name)) => !name.is_pseudo(),
        Some(Name::Text(_)) => true,
        Some(Name::Unknown(_) | Name::Lost) => {
            let pseudo = |name| matches!(name, Name::Known(name) if name.is_pseudo());
            !block.fields().iter().any(|field| pseudo(field.name)) && block.fields().len() <= 4
        }
        None => true,
    }
}
