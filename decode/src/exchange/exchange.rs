//! A finished exchange, which is a gRPC call.

use std::net::SocketAddr;

use bytes::Bytes;

use super::certainty::{Certainty, Rule};
use super::half::HalfStream;
use super::ways::{Ways, opposite};
use crate::grpc::parse_status;
use crate::hpack::{EntryId, Field, HeaderBlock, KnownName, Name, Value};
use crate::stream::{Ending, Way};

/// What a connection is called by whoever opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionName {
    /// Number of the connection, unique among all that a sink hears of.
    pub id: u64,
    /// The endpoint that sends [`Way::Forward`].
    pub forward: SocketAddr,
    /// The other one.
    pub reverse: SocketAddr,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeEnd {
    /// END_STREAM of both halves.
    Complete,
    /// END_STREAM of the response, while the request went on.
    ResponseFirst,
    /// RST_STREAM.
    Reset {
        /// Was it the client's?
        by_client: bool,
        /// Error code (RFC 9113, section 7).
        code: u32,
    },
    /// GOAWAY said that the server would not serve it.
    Refused,
    /// The connection ended first.
    Connection(Ending),
    /// Bytes were lost and nothing more came for a long time.
    Silent,
    /// Given up to stay within the limit on open streams.
    Evicted,
}

impl ExchangeEnd {
    /// Is it the capture that ended, or what was kept of it, and not the exchange?
    fn is_of_the_watcher(self) -> bool {
        match self {
            Self::Connection(ending) => !matches!(ending, Ending::Fin | Ending::Reset),
            Self::Silent | Self::Evicted => true,
            Self::Complete | Self::ResponseFirst | Self::Reset { .. } | Self::Refused => false,
        }
    }
}

/// What calls of one method have in common though its name was not captured: the entries of the
/// dynamic table that their requests refer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MethodClass {
    /// [`ConnectionName::id`].
    pub connection: u64,
    /// The entries that may be the `:path`.
    pub entries: Vec<EntryId>,
}

/// A finished exchange.
#[derive(Debug)]
pub struct Exchange {
    /// The connection.
    pub connection: ConnectionName,
    /// Which way the client sends; `None` if nothing captured tells.
    pub client: Option<Way>,
    /// The stream.
    pub stream_id: u32,
    /// When the first that was captured of it was.
    pub started_unix_ns: u64,
    /// When it was known to be over.
    pub ended_unix_ns: u64,
    /// What the client sent.
    pub request: HalfStream,
    /// What the server sent.
    pub response: HalfStream,
    /// `:path`, which is `/package.Service/Method`.
    pub method: Certainty<Bytes>,
    /// Names the method where [`Self::method`] does not.
    pub method_class: Option<MethodClass>,
    /// `grpc-status`.
    pub status: Certainty<u32>,
    /// How it ended.
    pub end: ExchangeEnd,
    /// Did the capture begin after the exchange did?
    pub began_before_capture: bool,
    /// Were bytes of the connection lost while it was open, so that frames of it may be missing?
    pub may_lack_frames: bool,
    pub(super) life: Life,
}

/// What matters only while an exchange is open.
#[derive(Debug)]
pub(super) struct Life {
    /// The way that is taken for the client's, until something tells.
    pub(super) client: Way,
    pub(super) touched_unix_ns: u64,
    pub(super) reset: Option<(Way, u32)>,
    pub(super) is_refused: bool,
    pub(super) is_closing: bool,
    /// Did it begin as an HTTP/1.1 request?
    pub(super) is_upgraded: bool,
    /// Losses on either way of the connection that it has learnt of.
    pub(super) losses: Ways<u64>,
    /// Bytes of memory that its bodies and header blocks hold, as counted for the limit.
    pub(super) kept_bytes: usize,
}

impl Exchange {
    /// An exchange of which nothing was captured before `at`.
    pub(super) fn open(
        connection: ConnectionName,
        client: Way,
        stream_id: u32,
        at: u64,
    ) -> Box<Self> {
        Box::new(Self {
            connection,
            client: None,
            stream_id,
            started_unix_ns: at,
            ended_unix_ns: at,
            request: HalfStream::default(),
            response: HalfStream::default(),
            method: Certainty::Unknown,
            method_class: None,
            status: Certainty::Unknown,
            end: ExchangeEnd::Complete,
            began_before_capture: false,
            may_lack_frames: false,
            life: Life {
                client,
                touched_unix_ns: at,
                reset: None,
                is_refused: false,
                is_closing: false,
                is_upgraded: false,
                losses: Ways::default(),
                kept_bytes: 0,
            },
        })
    }

    /// What was sent one way, while it is open.
    #[inline]
    pub(super) fn half(&self, way: Way) -> &HalfStream {
        if way == self.life.client {
            &self.request
        } else {
            &self.response
        }
    }

    /// Has that way ended? Nobody takes what comes behind the end (RFC 9113, section 5.1).
    pub(super) fn has_ended(&self, way: Way) -> bool {
        self.half(way).end_at_unix_ns.is_some()
    }

    /// As [`Self::half`], to change it.
    #[inline]
    pub(super) fn half_mut(&mut self, way: Way) -> &mut HalfStream {
        if way == self.life.client {
            &mut self.request
        } else {
            &mut self.response
        }
    }

    /// There were so many losses on the connection. What was lost since it learnt of any may have been
    /// of this exchange.
    #[inline]
    pub(super) fn learn_of(&mut self, losses: &Ways<u64>) {
        if self.life.losses != *losses {
            let before = std::mem::replace(&mut self.life.losses, *losses);
            for way in [Way::Forward, Way::Reverse] {
                if before.of(way) != losses.of(way) {
                    self.suspect(way);
                }
            }
        }
    }

    fn suspect(&mut self, way: Way) {
        if self.half_mut(way).suspect() {
            self.may_lack_frames = true;
        } else {
            self.half_mut(opposite(way)).may_lack_updates = true;
        }
    }

    /// A part that kept `before` bytes keeps `now`.
    #[inline]
    pub(super) fn keeps(&mut self, before: usize, now: usize) {
        let kept_bytes = self.life.kept_bytes.saturating_add(now);
        self.life.kept_bytes = kept_bytes.saturating_sub(before);
    }

    /// What it was taken to keep, and what it keeps now.
    pub(super) fn settle(&mut self) -> (usize, usize) {
        let now = self.kept_bytes();
        (std::mem::replace(&mut self.life.kept_bytes, now), now)
    }

    /// Were headers or data captured of it?
    pub(super) fn is_seen(&self) -> bool {
        self.request.is_seen || self.response.is_seen
    }

    /// It is over: says how, given why it is finished now, and reads what it was.
    pub(super) fn close(&mut self, at: u64, client: Option<Way>, why: ExchangeEnd) {
        self.client = client;
        self.ended_unix_ns = at;
        if client.is_some_and(|client| client != self.life.client) {
            self.life.client = opposite(self.life.client);
            std::mem::swap(&mut self.request, &mut self.response);
        }
        for half in [&mut self.request, &mut self.response] {
            // What came before the first that was captured of it is not known.
            half.may_lack_bytes |= half.is_seen && half.headers.is_none();
            half.may_lack_bytes |= half.may_lack_beginning;
            if half.may_lack_beginning && !half.is_seen {
                // Nor how many messages it had.
                half.body.suspect();
            }
            self.may_lack_frames |= half.may_lack_updates && half.is_updated();
        }
        if self.response.is_other_answer() {
            self.response.body.forget_messages();
        }
        self.end = self.end(why);
        self.method = method_of(&self.request);
        self.status = status_of(&self.response);
        if self.method == Certainty::Unknown {
            self.method_class = method_class_of(self.connection.id, &self.request);
        }
    }

    fn end(&self, why: ExchangeEnd) -> ExchangeEnd {
        let response_ended = self.response.end_at_unix_ns.is_some();
        let request_ended = self.request.end_at_unix_ns.is_some();
        match self.life.reset {
            _ if response_ended && request_ended => ExchangeEnd::Complete,
            // Nobody saw whether the request went on: only its sender could have said so.
            reset
                if response_ended
                    && why.is_of_the_watcher()
                    && reset.is_none_or(|(way, _)| way != self.life.client) =>
            {
                why
            }
            // "RST_STREAM with an error code of NO_ERROR after sending a complete response."
            _ if response_ended => ExchangeEnd::ResponseFirst,
            Some((way, code)) => ExchangeEnd::Reset {
                by_client: way == self.life.client,
                code,
            },
            None if self.life.is_refused => ExchangeEnd::Refused,
            None if why == ExchangeEnd::ResponseFirst => ExchangeEnd::Silent,
            None => why,
        }
    }

    /// Address of the client, if it is known which that is.
    pub fn client_address(&self) -> Option<SocketAddr> {
        self.client.map(|client| match client {
            Way::Forward => self.connection.forward,
            Way::Reverse => self.connection.reverse,
        })
    }

    /// Address of the server, if it is known which that is.
    pub fn server_address(&self) -> Option<SocketAddr> {
        self.client.map(|client| match client {
            Way::Forward => self.connection.reverse,
            Way::Reverse => self.connection.forward,
        })
    }

    /// Did the response consist of one header block?
    pub fn is_trailers_only(&self) -> bool {
        let response = &self.response;
        let has_status = response
            .headers
            .as_ref()
            .is_some_and(|headers| headers.find(KnownName::GRPC_STATUS).is_some());
        response.trailers.is_none()
            && response.headers.is_some()
            && response.body.bytes_count() == 0
            && (has_status || response.end_at_unix_ns.is_some())
    }

    /// Is there nothing that later blocks of the connection could tell?
    pub(super) fn is_decided(&self) -> bool {
        let is_sure = self.status.is_seen() && self.method.is_seen();
        let halves = [&self.request, &self.response];
        let mut blocks = halves
            .into_iter()
            .flat_map(|half| [&half.headers, &half.trailers]);
        is_sure || blocks.all(|block| block.is_none())
    }

    /// The block that ends the response and carries the status.
    pub fn closing_block(&self) -> Option<&HeaderBlock> {
        self.response
            .trailers
            .as_ref()
            .or(self.response.headers.as_ref())
    }

    /// Is any header field missing, or without a sure name or value?
    pub fn headers_incomplete(&self) -> bool {
        let halves = [&self.request, &self.response];
        let blocks = halves
            .iter()
            .flat_map(|half| [&half.headers, &half.trailers]);
        blocks.flatten().any(HeaderBlock::is_incomplete) || self.request.headers.is_none()
    }

    /// Were bytes lost that belong, or may belong, to it?
    pub fn has_gap(&self) -> bool {
        let lacks = |half: &HalfStream| half.may_lack_bytes || half.body.has_gap();
        self.may_lack_frames || lacks(&self.request) || lacks(&self.response)
    }

    /// Bytes of memory that its bodies and header blocks hold.
    pub fn kept_bytes(&self) -> usize {
        self.request.kept_bytes() + self.response.kept_bytes()
    }

    /// Is a message not kept as a whole?
    pub fn is_truncated(&self) -> bool {
        let cut = |half: &HalfStream| {
            half.body.is_truncated() || half.body.messages().iter().any(|m| !m.is_whole())
        };
        cut(&self.request) || cut(&self.response)
    }
}

impl std::fmt::Display for MethodClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "?{}/", self.connection)?;
        for (index, entry) in self.entries.iter().enumerate() {
            let separator = if index == 0 { "#" } else { "+#" };
            write!(f, "{separator}{}", entry.ordinal)?;
            if entry.epoch > 0 {
                write!(f, "@{}", entry.epoch)?;
            }
        }
        Ok(())
    }
}

/// The value of the first field called `name`.
pub(super) fn value_of(block: &HeaderBlock, name: KnownName) -> Certainty<Bytes> {
    block
        .find(name)
        .map_or(Certainty::Unknown, |field| field_value(block, field))
}

fn field_value(block: &HeaderBlock, field: &Field) -> Certainty<Bytes> {
    match (field.value, block.value_bytes(field)) {
        (Value::Seen(_), Some(value)) => Certainty::Seen(value),
        (Value::Inferred(_), Some(value)) => Certainty::Inferred(value, Rule::OnlyLegalEntry),
        (Value::Ambiguous(_), _) => Certainty::Ambiguous(block.alternatives(field)),
        _ => Certainty::Unknown,
    }
}

pub(super) fn method_of(request: &HalfStream) -> Certainty<Bytes> {
    let headers = request.headers.as_ref();
    headers.map_or(Certainty::Unknown, |block| value_of(block, KnownName::PATH))
}

/// Pseudo-header fields come first, and no more than four of them: what is unknown among those and
/// before any regular field may be the path.
pub(super) fn method_class_of(connection: u64, request: &HalfStream) -> Option<MethodClass> {
    /// `:method`, `:scheme`, `:authority`, `:path`.
    const PSEUDO_COUNT: usize = 4;
    let block = request.headers.as_ref()?;
    if let Some(path) = block.find(KnownName::PATH) {
        let Value::Unknown(entry) = path.value else {
            return None;
        };
        return Some(MethodClass {
            connection,
            entries: vec![entry],
        });
    }
    let is_pseudo = |field: &&Field| match field.name {
        Name::Known(name) => name.is_pseudo(),
        Name::Unknown(_) => true,
        Name::Text(_) | Name::Lost => false,
    };
    let fields = block
        .fields()
        .iter()
        .take(PSEUDO_COUNT)
        .take_while(is_pseudo);
    let entries: Vec<_> = fields
        .filter_map(|field| match field.name {
            Name::Unknown(entry) => Some(entry),
            _ => None,
        })
        .collect();
    (!entries.is_empty()).then_some(MethodClass {
        connection,
        entries,
    })
}

pub(super) fn status_of(response: &HalfStream) -> Certainty<u32> {
    let blocks = [&response.trailers, &response.headers];
    for block in blocks.into_iter().flatten() {
        if let Some(field) = block.find(KnownName::GRPC_STATUS) {
            return match (field.value, block.value(field).and_then(parse_status)) {
                (Value::Seen(_), Some(status)) => Certainty::Seen(status),
                _ => field_value(block, field).and_then(|value| parse_status(&value)),
            };
        }
    }
    web_status(response).map_or(Certainty::Unknown, Certainty::Seen)
}

/// gRPC-Web sends trailers as the last message of the body.
fn web_status(response: &HalfStream) -> Option<u32> {
    let message = response
        .body
        .messages()
        .last()
        .filter(|_| response.may_be_web())
        .filter(|message| message.is_web_trailers() && !message.is_compressed())
        .filter(|message| message.is_whole())?;
    let trailers = response.body.kept().get(message.range())?;
    trailers.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        let is_status = name.trim_ascii().eq_ignore_ascii_case(b"grpc-status");
        is_status.then(|| parse_status(value.get(1..)?.trim_ascii()))?
    })
}
