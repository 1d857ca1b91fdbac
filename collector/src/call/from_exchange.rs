//! An exchange rebuilt from packets to a [`Call`]: what was not seen is said, not guessed.
//!
//! Whatever of a call is missing, or is not sure, makes it `incomplete`: it is never judged against
//! its partner. Fields whose name or value was not captured are left out of the metadata.
//!
//! A capture knows no roles and keeps every secret that crossed the wire. So an [`Observer`] is told
//! which addresses are whose, and replaces the values of secret headers as the filter does.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use twintap_decode::exchange::{self, Exchange, ExchangeEnd, HalfStream};
use twintap_decode::grpc::{Body, BodyMessage, Damage};
use twintap_decode::hpack::HeaderBlock;
use twintap_decode::stream::Ending;
use twintap_filter::hmac::Hmac;
use twintap_filter::methods::Names;
use twintap_filter::redaction;

use super::fields::{Outcome, RequestFields, ResponseFields, rpc_method, text_id};
use super::{
    Call, CallId, Certainty, Direction, End, Header, Message, Position, Role, ServerRoles, Status,
    Timing, Workload,
};

/// One million parts of a million: all calls of a capture are taken.
const ALL_PPM: u32 = 1_000_000;

/// What whoever ingests a capture knows of it, and the capture does not.
pub struct Observer {
    /// Who is the recorder: one id for each run.
    pub producer_id: [u8; 16],
    /// Shared by all calls: free name of the service.
    pub workload: Arc<Workload>,
    /// Roles by address of the server.
    pub roles: ServerRoles,
    /// More names of secret headers.
    pub redact_headers: Names,
    /// Key of the hash that replaces secrets; without one they are dropped.
    pub redaction_key: Option<Hmac>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl Observer {
    fn role_of(&self, server: Option<SocketAddr>) -> Role {
        let role = server.and_then(|server| self.roles.of(server));
        role.map_or(Role::Unknown, |(_, role)| role)
    }

    fn headers(&self, block: Option<&HeaderBlock>) -> Vec<Header> {
        let Some(block) = block else {
            return Vec::new();
        };
        let header = |field| {
            let (name, value) = (block.name_bytes(field)?, block.value_bytes(field)?);
            let key = self.redaction_key.as_ref();
            let kept = redaction::kept(&name, &value, &self.redact_headers, key)
                .map(|(start, hash)| Bytes::from([start, hash.as_bytes()].concat()));
            let redacted = kept.is_some();
            Some(Header {
                name,
                value: kept.unwrap_or(value),
                redacted,
            })
        };
        let mut headers = Vec::with_capacity(block.fields().len());
        headers.extend(block.fields().iter().filter_map(header));
        headers
    }
}

/// Addresses as text, each written once: calls share few.
#[derive(Debug, Default)]
pub struct Addresses(HashMap<SocketAddr, Bytes>);

impl Addresses {
    fn text(&mut self, address: Option<SocketAddr>) -> Bytes {
        let Some(address) = address else {
            return Bytes::new();
        };
        let text = self.0.entry(address);
        text.or_insert_with(|| address.to_string().into()).clone()
    }
}

/// Builds the call that `exchange` was, as record `number` of `observer`.
pub fn from_exchange(
    observer: &Observer,
    addresses: &mut Addresses,
    exchange: Exchange,
    number: u64,
) -> Call {
    let (client, server) = (exchange.client_address(), exchange.server_address());
    let trailers_only = exchange.is_trailers_only();
    let gap = exchange.has_gap();
    let (method_certainty, status_certainty) = certainties(&exchange);
    let end = end_of(&exchange);
    let mut incomplete = gap
        || end == End::Unknown
        || exchange.headers_incomplete()
        || exchange.began_before_capture
        || exchange.client.is_none()
        || method_certainty != Certainty::Seen
        || status_certainty != Certainty::Seen
        || exchange.request.trailers.is_some();

    let request_metadata = observer.headers(exchange.request.headers.as_ref());
    let request_fields = RequestFields::find(&request_metadata);
    let mut response_metadata = observer.headers(exchange.response.headers.as_ref());
    let response_fields = ResponseFields::find(&response_metadata);
    let mut trailers = observer.headers(exchange.response.trailers.as_ref());
    if trailers_only {
        trailers = std::mem::take(&mut response_metadata);
    }
    let has_trailers = trailers_only || exchange.response.trailers.is_some();
    let outcome = Outcome::find(
        if has_trailers {
            &trailers
        } else {
            &response_metadata
        },
        &mut incomplete,
    );
    let status = exchange.status.value().copied().map(Status);
    let rpc_method = match exchange.method.value() {
        Some(path) => rpc_method(path, &mut incomplete),
        None => exchange
            .method_class
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    };
    let started_unix_ns = exchange.started_unix_ns;
    let since = |at: u64| at.saturating_sub(started_unix_ns);
    incomplete |= is_malformed(&exchange.request) || is_malformed(&exchange.response);
    let timing = Timing {
        request_end_ns: exchange.request.end_at_unix_ns.map(since),
        response_headers_ns: exchange.response.headers_at_unix_ns.map(since),
        response_end_ns: exchange.response.end_at_unix_ns.map(since),
        duration_ns: ended_at_unix_ns(&exchange).map(since),
    };
    let mut request = direction(exchange.request, request_fields.encoding, started_unix_ns);
    let mut response = direction(exchange.response, response_fields.encoding, started_unix_ns);
    if end == End::Unknown {
        // What has no end may have gone on where nobody looked.
        for direction in [&mut request, &mut response] {
            let count = direction.messages_count.take();
            direction.messages_count = count.filter(|_| direction.end_stream);
        }
    }
    Call {
        id: CallId {
            producer_id: observer.producer_id,
            record_number: number,
        },
        role: observer.role_of(server),
        position: Position::Wire,
        workload: Arc::clone(&observer.workload),
        rpc_method,
        authority: request_fields.authority,
        started_unix_ns,
        timing,
        pair_id: text_id(request_fields.pair_id, &mut incomplete),
        request_id: text_id(request_fields.request_id, &mut incomplete),
        trace_id: request_fields.trace_id,
        attempt: None,
        request_metadata,
        response_metadata,
        trailers,
        trailers_only,
        request,
        response,
        status,
        status_message: outcome.message,
        status_details: outcome.details,
        http_status: response_fields.http_status,
        cluster_name: Bytes::new(),
        route_name: Bytes::new(),
        server_address: addresses.text(server),
        client_address: addresses.text(client),
        peer_identity: Bytes::new(),
        response_flags: 0,
        response_code_details: Bytes::new(),
        end,
        sampled_ppm: ALL_PPM,
        incomplete,
        method_certainty,
        status_certainty,
        gap,
        stream_id: Some(exchange.stream_id),
    }
}

/// Absence is seen only where the response was seen to end, or to be reset, without a status.
fn certainties(exchange: &Exchange) -> (Certainty, Certainty) {
    let status = match certainty(&exchange.status) {
        Certainty::Unknown if is_status_absent(exchange) => Certainty::Seen,
        other => other,
    };
    (certainty(&exchange.method), status)
}

fn is_status_absent(exchange: &Exchange) -> bool {
    let is_whole = |block: &HeaderBlock| !block.is_incomplete();
    let was_reset = matches!(
        exchange.end,
        ExchangeEnd::Reset { .. } | ExchangeEnd::Refused | ExchangeEnd::Connection(Ending::Reset)
    );
    (exchange.response.end_at_unix_ns.is_some() || was_reset)
        && !exchange.has_gap()
        // gRPC-Web has it at the end of the body.
        && !exchange.is_truncated()
        && exchange.closing_block().is_none_or(is_whole)
}

fn certainty<T>(certainty: &exchange::Certainty<T>) -> Certainty {
    match certainty {
        exchange::Certainty::Seen(_) => Certainty::Seen,
        exchange::Certainty::Inferred(..) => Certainty::Inferred,
        exchange::Certainty::Ambiguous(_) => Certainty::Ambiguous,
        exchange::Certainty::Unknown => Certainty::Unknown,
    }
}

/// When it ended, in whatever way; `None` if only the capture, or patience with it, did.
fn ended_at_unix_ns(exchange: &Exchange) -> Option<u64> {
    match exchange.end {
        ExchangeEnd::Reset { .. }
        | ExchangeEnd::Refused
        | ExchangeEnd::Connection(Ending::Reset) => Some(exchange.ended_unix_ns),
        ExchangeEnd::Silent | ExchangeEnd::Evicted | ExchangeEnd::Connection(_) => None,
        ExchangeEnd::Complete | ExchangeEnd::ResponseFirst => exchange
            .response
            .end_at_unix_ns
            .max(exchange.request.end_at_unix_ns),
    }
}

fn end_of(exchange: &Exchange) -> End {
    match exchange.end {
        ExchangeEnd::Complete => End::Complete,
        ExchangeEnd::ResponseFirst => End::ResponseFirst,
        ExchangeEnd::Reset { .. }
        | ExchangeEnd::Refused
        | ExchangeEnd::Connection(Ending::Reset) => End::Aborted,
        ExchangeEnd::Connection(_) | ExchangeEnd::Silent | ExchangeEnd::Evicted => End::Unknown,
    }
}

/// Is the body not what gRPC allows, though all of it is there?
fn is_malformed(half: &HalfStream) -> bool {
    let is_web = half.may_be_web();
    let mut messages = half.body.messages().iter();
    let is_reserved = messages.any(|message| message.is_flag_reserved(is_web));
    is_reserved || half.end_at_unix_ns.is_some() && half.body.ends_in_prefix()
}

fn direction(half: HalfStream, encoding: Bytes, started_unix_ns: u64) -> Direction {
    let is_web = half.may_be_web();
    let is_trailers = |message: &BodyMessage| is_web && message.is_web_trailers();
    let mut body = half.body;
    let body_digest = body.digest();
    let kept = body.take_kept();
    let is_cut = |message: &BodyMessage| message.damage == Damage::Certain;
    let is_any_cut = body.messages().iter().any(is_cut);
    // gRPC-Web sends trailers as a last message. It is none, and may hold secrets: left out.
    let all = body.messages().iter();
    let web_trailers = all.filter(|message| is_trailers(message)).count() as u64;
    let messages = messages(&body, &kept, started_unix_ns, is_trailers);
    let without_trailers = |count: u64| count.saturating_sub(web_trailers);
    let messages_count = body.messages_count().map(without_trailers);
    Direction {
        messages,
        messages_count,
        body_bytes: body.bytes_count(),
        body_digest,
        truncated: body.is_truncated() || half.may_lack_bytes || is_any_cut,
        end_stream: half.end_at_unix_ns.is_some(),
        encoding,
    }
}

fn messages(
    body: &Body,
    kept: &Bytes,
    started_unix_ns: u64,
    is_trailers: impl Fn(&BodyMessage) -> bool,
) -> Vec<Message> {
    let message = |message: &BodyMessage| {
        let range = message.range();
        let is_there = range.start <= range.end && range.end <= kept.len();
        let bytes = if is_there && message.damage != Damage::Certain {
            kept.slice(range)
        } else {
            // Which of its bytes are missing cannot be said in a row.
            Bytes::new()
        };
        Message {
            offset_ns: Some(message.at_unix_ns.saturating_sub(started_unix_ns)),
            compressed: message.is_compressed(),
            declared_bytes: message.declared_bytes,
            bytes,
        }
    };
    let messages = body.messages().iter();
    messages
        .filter(|message| !is_trailers(message))
        .map(message)
        .collect()
}
