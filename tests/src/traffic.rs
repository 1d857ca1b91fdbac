//! Planned traffic: every call, and every byte of it in both directions, follows from its number.
//!
//! The client, the server and the oracle each derive the same [`Plan`] from the number in the
//! `x-call` header; nothing is shared. Body sizes per message: 5 % empty, 60 % below 1 KiB, 25 %
//! below 16 KiB, 9 % below 256 KiB, 1 % below 8 MiB, spread evenly over their logarithm; the calls
//! numbered `x0777` carry exactly 8 MiB each way.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::grpc::{Answer, Call, Outcome, RequestHead, Step, framed};

/// Header that carries the call's number.
pub const CALL_HEADER: &str = "x-call";

const MIB: usize = 1024 * 1024;
const LARGEST: usize = 8 * MIB;

/// What kinds and sizes of calls to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// All four kinds, 0 B to 8 MiB, 5 % errors.
    Everything,
    /// All four kinds, messages below 1 KiB, 5 % errors.
    Small,
}

/// The kinds of gRPC calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One message each way.
    Unary,
    /// Many messages from the client.
    ClientStreaming,
    /// Many messages from the server.
    ServerStreaming,
    /// Many messages each way, answered as they come.
    Bidirectional,
}

/// One planned call.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub kind: Kind,
    /// The request's messages.
    pub request: Vec<Bytes>,
    /// The response's messages.
    pub response: Vec<Bytes>,
    /// Its `grpc-status`.
    pub status: u16,
    /// Is the answer one header block?
    pub trailers_only: bool,
}

impl Plan {
    /// The call with this number.
    pub fn new(mix: Mix, number: u64) -> Self {
        let mut random = Random::new(number);
        let kind = match random.below(10) {
            0..5 => Kind::Unary,
            5..7 => Kind::ClientStreaming,
            7..9 => Kind::ServerStreaming,
            _ => Kind::Bidirectional,
        };
        let status = if random.below(20) == 0 {
            1 + random.below(16) as u16
        } else {
            0
        };
        let trailers_only = status != 0 && kind != Kind::Bidirectional && random.below(2) == 0;
        let largest = mix == Mix::Everything && number % 10_000 == 777;
        let mut messages = |many: bool| {
            let count = if many { random.below(6) } else { 1 };
            (0..count)
                .map(|_| random.message(mix, largest))
                .collect::<Vec<_>>()
        };
        let request = messages(matches!(kind, Kind::ClientStreaming | Kind::Bidirectional));
        let response = match kind {
            Kind::Bidirectional => request.clone(),
            _ if trailers_only => vec![],
            _ => messages(kind == Kind::ServerStreaming),
        };
        Self {
            number,
            kind,
            request,
            response,
            status,
            trailers_only,
        }
    }

    /// `package.Service/Method`.
    pub fn rpc_method(&self) -> String {
        format!("e2e.v1.Peer/{:?}", self.kind)
    }

    /// The call as the client makes it.
    pub fn call(&self) -> Call {
        Call::streaming(&self.rpc_method(), &self.request)
            .header(CALL_HEADER, self.number.to_string())
            .header("x-trace-bin", "3q2+7w==")
            .header("x-repeated", format!("a{}", self.number % 7))
            .header("x-repeated", "b")
    }

    /// The answer as the server gives it.
    pub fn answer(&self) -> Answer {
        let number = self.number.to_string();
        if self.trailers_only {
            return Answer::trailers_only(self.status, "not%20today")
                .header("x-answered", &number)
                .header("grpc-status-details-bin", "CAUSBGdvbmU=");
        }
        let answer = match self.kind {
            Kind::Bidirectional => Answer::echo_live(),
            _ => Answer::messages(self.response.iter().cloned()),
        };
        let answer = answer
            .header("x-answered", &number)
            .trailer("x-sum-bin", "AAEC/w==");
        match self.status {
            0 => answer,
            status => answer.status(status).trailer("grpc-message", "half%20way"),
        }
    }

    /// The request's body, prefixes included.
    pub fn request_body(&self) -> Bytes {
        body(&self.request)
    }

    /// The response's body, prefixes included.
    pub fn response_body(&self) -> Bytes {
        body(&self.response)
    }

    /// Panics unless `outcome` is the planned answer, to the byte.
    pub fn assert_answered(&self, outcome: &Outcome) {
        let number = self.number;
        let fields = |headers: &HeaderMap| visible(headers);
        let mut headers = HeaderMap::new();
        let mut trailers = None;
        for step in self.answer().steps() {
            match step {
                Step::Headers {
                    headers: planned, ..
                } => headers = planned.clone(),
                Step::Trailers(planned) => trailers = Some(planned.clone()),
                _ => {}
            }
        }
        assert_eq!(outcome.reset, None, "call {number}: {outcome:?}");
        assert_eq!(
            outcome.http_status.map(|status| status.as_u16()),
            Some(200),
            "call {number}"
        );
        assert_eq!(
            fields(&outcome.headers),
            fields(&headers),
            "headers of call {number}"
        );
        assert!(
            outcome.body == self.response_body(),
            "body of call {number} differs"
        );
        let received = outcome.trailers.as_ref().map(fields);
        assert_eq!(
            received,
            trailers.as_ref().map(fields),
            "trailers of call {number}"
        );
    }
}

/// The plan of a server: answers by number, and checks the request's own bytes.
pub fn plan(mix: Mix) -> impl Fn(&RequestHead) -> Answer + Send + Sync + 'static {
    move |head| match number(head) {
        Some(number) => Plan::new(mix, number).answer(),
        None => Answer::echo(),
    }
}

/// The call's number, from its header.
pub fn number(head: &RequestHead) -> Option<u64> {
    head.headers.get(CALL_HEADER)?.to_str().ok()?.parse().ok()
}

/// XXH3-64 of bytes, as the record carries it.
pub fn digest(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Headers without those that Envoy adds.
pub fn visible(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    const ADDED: [&str; 9] = [
        "date",
        "server",
        "x-envoy-upstream-service-time",
        "x-forwarded-proto",
        "x-request-id",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-internal",
        "x-forwarded-for",
        twintap_record::PAIR_ID_HEADER,
    ];
    let own = headers
        .iter()
        .filter(|(name, _)| !ADDED.contains(&name.as_str()));
    let mut fields: Vec<_> = own
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    fields.sort_by(|left, right| left.0.cmp(&right.0));
    fields
}

fn body(messages: &[Bytes]) -> Bytes {
    let mut body = BytesMut::new();
    for message in messages {
        body.extend_from_slice(&framed(message));
    }
    body.freeze()
}

/// SplitMix64: enough for payloads, and the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(xxh3_64(&seed.to_le_bytes()))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn message(&mut self, mix: Mix, largest: bool) -> Bytes {
        let length = match mix {
            _ if largest => LARGEST,
            Mix::Small => self.between(1, 1024),
            Mix::Everything => match self.below(100) {
                0..5 => 0,
                5..65 => self.between(1, 1024),
                65..90 => self.between(1024, 16 * 1024),
                90..99 => self.between(16 * 1024, 256 * 1024),
                _ => self.between(256 * 1024, LARGEST),
            },
        };
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes.into()
    }

    /// Evenly over the logarithm.
    fn between(&mut self, low: usize, high: usize) -> usize {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        let ratio = high as f64 / low as f64;
        ((low as f64 * ratio.powf(share)) as usize).clamp(low, high)
    }
}
